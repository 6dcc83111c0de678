"""Reads data with several labels per example into the questions that `core.questions` describes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from labelsieve.core.dataset import Dataset, Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.questions import ask
from labelsieve.core.run_files import require_data
from labelsieve.data.beside import rows_by_id, rows_by_order
from labelsieve.data.columns import Columns
from labelsieve.data.doors import plain_name
from labelsieve.data.finish import identify, settle
from labelsieve.data.folder import sets_in_folder
from labelsieve.data.formatted import load_sets, recognised
from labelsieve.data.frames import aligned, is_frame
from labelsieve.data.hub import sets_of_dataset, sets_of_hub
from labelsieve.data.label_file import NOBODY, ids_in, keyed, matched, require_named
from labelsieve.data.label_sets import LabelSets, class_columns, of_table, of_values
from labelsieve.data.probabilities import by_order, read_matrix
from labelsieve.data.raw_data import Draft
from labelsieve.data.readers import READERS, open_table
from labelsieve.data.table import from_frame, load_table, name_of, opened_frame
from labelsieve.formats import lance
from labelsieve.places import paths
from labelsieve.stats.probability_rows import TOLERANCE

NAMED = 5  # classes that a note lists


def load_several(
    source: Any,
    labels: Any,
    requested: Columns,
    draft_of: Callable[[Columns], Draft],
    *,
    format: str | None = None,
    probs: Any = None,
    split: Sequence[str] = (),
) -> tuple[Dataset, Draft]:
    """The questions about the examples of a source, and its draft.

    Args:
        labels: as in `load`: values in memory, or a table of labels, instead of those in the source.
        requested: the columns that the user named; `label` as in `label_sets.of_table`.
        draft_of: reads the source without labels.
        format: the format of the source, where it is not recognised.
        probs: (n, K) probabilities of each class apart; they need not add up to 1.
    """
    if labels is None:
        draft, sets = _in_source(source, requested, format)
    else:
        draft = draft_of(replace(requested, label=None, elsewhere=True))
        if isinstance(labels, str | os.PathLike):
            sets = _beside(labels, draft, requested)
        else:
            values, ids, notes = aligned(labels, source, draft.ids)
            draft = replace(draft, ids=draft.ids if ids is None else ids, notes=(*draft.notes, *notes))
            sets = of_values(values)
    return questions(draft, sets, probs=probs, id=requested.id, split=split), draft


def questions(
    draft: Draft, sets: LabelSets, *, probs: Any = None, id: str | None = None, split: Sequence[str] = ()
) -> Dataset:
    """The questions about the examples of a draft that have labels.

    Raises:
        UserError: as `finish.settle`; or no class divides the examples, or the probabilities do not fit.
    """
    _require_as_many(sets, draft)
    known = np.zeros(len(sets), np.int64)
    known[list(sets.unknown)] = -1
    plain = replace(draft, labels=known, classes=("labelled",), unlabelled=sets.unknown)
    examples = settle(plain, single=True, split=split)
    given = sets.given[examples.rows]
    if probs is not None:
        examples = _judged(examples, probs, sets, id, identify(draft, len(draft.inputs)).tolist())
        given = sets.given[examples.rows]
    return _divided(replace(examples, label_column="", notes=(*examples.notes, *sets.notes)), given, sets.names)


def _require_as_many(sets: LabelSets, draft: Draft) -> None:
    if len(sets) != len(draft.inputs):
        raise UserError(
            f"There are {len(sets)} sets of labels for the {len(draft.inputs)} examples of {draft.source}; the numbers "
            "must be equal."
        )


def _divided(examples: Dataset, given: np.ndarray, names: Sequence[str]) -> Dataset:
    """The questions about the classes that some examples have and some do not."""
    count = given.sum(0)
    useful = (count > 0) & (count < len(given))
    if not useful.any():
        raise UserError(f"No class of {examples.source} divides its examples: each is on all of them or on none.")
    notes = list(examples.notes)
    for which, what in ((count == 0, "No example has"), (count == len(given), "Every example has")):
        listed = [name for name, one in zip(names, which.tolist(), strict=True) if one]
        if listed and len(given):
            more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
            notes.append(f"{what} the class {', '.join(listed[:NAMED])}{more}; nothing is asked about it.")
    kept = np.flatnonzero(useful)
    if examples.kind == "probs":
        examples = replace(examples, inputs=np.asarray(examples.inputs)[:, kept])
    elif examples.probs is not None:
        examples = replace(examples, probs=examples.probs[:, kept])
    per = given[:, kept].sum(1).mean()
    notes.insert(
        0, f"{len(given):,} examples have {per:.3g} of {len(kept)} classes on average; each pair is one question."
    )
    return ask(replace(examples, notes=tuple(notes)), given[:, kept], [names[c] for c in kept.tolist()])


def _in_source(source: Any, requested: Columns, format: str | None) -> tuple[Draft, LabelSets]:
    """The draft of a source without its labels, and these."""
    if type(source).__module__.partition(".")[0] == "datasets" and hasattr(source, "features"):
        return sets_of_dataset(source, requested)
    if not isinstance(source, str):
        return _in_table(source, requested)
    if source.startswith("hf:") and not paths.is_remote(source):
        return sets_of_hub(source, requested)
    source = plain_name(source)
    require_data(source)
    if format := format or recognised(source, requested):
        return load_sets(format, source, requested)
    if paths.is_folder(source) and not lance.is_lance(source):
        return sets_in_folder(source, requested)
    return _in_table(source, requested)


def _in_table(source: Any, requested: Columns) -> tuple[Draft, LabelSets]:
    """The draft of a table or frame without the columns of the classes, and these."""
    taken = [requested.text, requested.image, requested.id, requested.group]
    rest = replace(requested, label=None)
    if is_frame(source):
        source = source.collect() if hasattr(source, "collect") else source
        sets = of_table(opened_frame(source, rest), requested.label, name_of(source), taken)
        return from_frame(source, rest, relabelled=True, without=sets.columns), sets
    if not isinstance(source, str):
        raise UserError(f"A {type(source).__name__} has no labels of its own; pass them with <labels>.", labels="")
    if paths.suffix(source) not in READERS or not paths.is_file(source):
        raise UserError(
            f"Several labels per example are read from a table ({', '.join(READERS)}), or from one beside the data: "
            "name it with <labels>.",
            labels="FILE",
        )
    sets = of_table(open_table(source), requested.label, source, taken)
    return load_table(source, rest, relabelled=True, without=sets.columns), sets


def _table_at(labels: str | os.PathLike[str]) -> str:
    """The path of a table of labels.

    Raises:
        UserError: there is no table.
    """
    path = os.fspath(labels)
    if not paths.is_file(path) or paths.suffix(path) not in READERS:
        raise UserError(f"{path} is not a table of labels; give a file of {', '.join(READERS)}.")
    return path


def _beside(labels: str | os.PathLike[str], draft: Draft, requested: Columns) -> LabelSets:
    """The sets in a table of labels, in the order of the draft."""
    path = _table_at(labels)
    file, ids = open_table(path), identify(draft, len(draft.inputs))
    columns = class_columns(file, requested.label, path, [requested.id, "id"])
    keys, _, notes = keyed(path, ids, columns[0], requested.id, draft.ids is None, getattr(draft.inputs, "paths", None))
    sets = of_table(file, requested.label, path, [requested.id, "id"])
    sets = replace(sets, notes=(*sets.notes, *notes))
    if keys is None:
        if len(sets) != len(ids):
            raise UserError(
                f"{path} has {len(sets)} rows for {len(ids)} examples; give one per example, or a column id."
            )
        return sets
    rows = [row for row, key in enumerate(keys) if key is not NOBODY]
    return sets.at(matched(path, [keys[row] for row in rows], rows, ids), f"{path} gives it no label")


def _judged(examples: Dataset, probs: Any, sets: LabelSets, id: str | None, all_ids: Sequence[str]) -> Dataset:
    """The examples with the user's probabilities (n, K) of each class apart, in the order of the classes."""
    loaded = read_matrix(probs, id, require_id=False)
    if loaded.ids is not None:
        rows, notes = rows_by_id(loaded, examples)
    else:
        rows, notes = rows_by_order(loaded, examples, all_ids)
    examples = examples.take(
        rows >= 0, [Exclusion(examples.ids[j], f"{loaded.source} has no row for it") for j in np.flatnonzero(rows < 0)]
    )
    matrix = in_order(np.asarray(loaded.matrix)[rows[rows >= 0]], loaded.classes, sets.names, loaded.source)
    if loaded.classes is None:
        require_same_order(matrix, sets.given[examples.rows], sets.names, loaded.source)
    whole = np.asarray(np.isfinite(matrix).all(1))
    left = [Exclusion(examples.ids[j], "its probabilities hold NaN or infinity") for j in np.flatnonzero(~whole)]
    return replace(examples, probs=matrix, notes=(*examples.notes, *loaded.notes, *notes)).take(whole, left)


def require_same_order(matrix: np.ndarray, given: np.ndarray, names: Sequence[str], source: str) -> None:
    """Refuse probabilities (n, K) without names of their columns that agree better with other classes than their own.

    Raises:
        UserError: most columns go with the labels of another class.
    """
    p, y = (np.nan_to_num(np.asarray(x, np.float64)) for x in (matrix, given))
    p, y = p - p.mean(0), y - y.mean(0)
    alike = p.T @ y / np.maximum(np.outer(np.linalg.norm(p, axis=0), np.linalg.norm(y, axis=0)), 1e-12)
    if 2 * (alike.argmax(1) != np.arange(len(names))).sum() > len(names):
        raise UserError(
            f"The columns of {source} have no names, and do not seem to be in the order of the classes "
            f"({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''}); name them: a frame or a table with "
            "a column for each class, or `classes` in an .npz file."
        )


def in_order(matrix: np.ndarray, columns: Sequence[str] | None, names: Sequence[str], source: str) -> np.ndarray:
    """Probabilities of each class apart with columns in the order of the classes, float32 or float64.

    Raises:
        UserError: a class has no column, or the values are not from 0 to 1.
    """
    k = matrix.shape[1]
    if columns is None:
        if k != len(names):
            raise UserError(
                f"{source} has {k} columns, but there are {len(names)} classes ({', '.join(names[:NAMED])}...)."
            )
        chosen = list(range(k))
    else:
        place = {str(name).strip(): c for c, name in enumerate(columns)}
        if lost := [name for name in names if name not in place]:
            raise UserError(f"{source} has no column for the class {lost[0]!r}; it has {', '.join(list(place)[:20])}.")
        chosen = [place[name] for name in names]
    out = matrix[:, chosen].astype(np.float64 if matrix.dtype == np.float64 else np.float32)
    finite = out[np.isfinite(out)]
    if len(finite) and not (finite.min() >= -TOLERANCE and finite.max() <= 1 + TOLERANCE):
        raise UserError(
            f"{source} holds {finite.min():.4g} to {finite.max():.4g}: logits or percentages, not probabilities of "
            "each class apart; take the sigmoid of logits first."
        )
    return np.clip(out, 0, 1)


def judged_alone(probs: Any, labels: Any, label: str | None, id: str | None) -> Dataset:
    """The questions about examples of which there are only probabilities (n, K) of each class apart, and labels as in
    `load_several`."""
    loaded = read_matrix(probs, id, require_id=isinstance(probs, str) and not isinstance(labels, str))
    if isinstance(labels, str | os.PathLike) and loaded.ids is None:
        path = _table_at(labels)
        require_named(path, None, id)
        if (ids := ids_in(path, label, id)) is not None:
            loaded = replace(loaded, ids=ids, notes=(*loaded.notes, *by_order(ids, path, loaded.source)))
    draft = Draft(loaded.matrix, "probs", loaded.source, None, ids=loaded.ids, notes=loaded.notes)
    if isinstance(labels, str | os.PathLike):
        sets = _beside(labels, draft, Columns(label=label, id=id))
    else:
        sets = of_values(labels, loaded.classes)
    _require_as_many(sets, draft)
    matrix = in_order(loaded.matrix, loaded.classes, sets.names, loaded.source)
    if loaded.classes is None:
        require_same_order(matrix, sets.given, sets.names, loaded.source)
    odd = np.flatnonzero(~np.isfinite(matrix).all(1)).tolist()
    reasons = dict.fromkeys(odd, "its probabilities hold NaN or infinity")
    return questions(replace(draft, inputs=matrix, unusable=reasons), sets)
