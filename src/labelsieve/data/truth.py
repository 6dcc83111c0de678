"""Reads true labels, for `evaluate`, for benchmarks, and for known examples that check a reviewer. Nothing else reads
true labels; `find` never uses this module."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence

import numpy as np

from labelsieve.core.added_columns import PREFIX
from labelsieve.core.arguments import require_path, require_row_of
from labelsieve.core.content_hash import hexed, of_inputs
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.reused_ids import is_reused
from labelsieve.core.row_matching import Follow
from labelsieve.data import labels as given
from labelsieve.data.columns import Columns
from labelsieve.data.finish import encode
from labelsieve.data.label_file import read_labels
from labelsieve.data.readers import READERS, open_table
from labelsieve.data.truth_of_several import true_answers
from labelsieve.places import paths

NAMED, FEW = 3, 3  # ids that a note lists; differing labels below which there is no note


def read_truth(
    path: str | os.PathLike[str], ids: Sequence[str] | np.ndarray, classes: Sequence[str]
) -> list[str | None]:
    """The true class name of each of n examples, None where the file has none (oracle: true labels never reach `find`).

    Args:
        path: a table with the columns `id` and `label`, or one label per row in the order of `ids`: a table without
            ids, an .npy array, a .txt file.
        ids: (n,) ids of the examples.
        classes: the K class names. Integers from 0 are positions in it, if the names are not numbers themselves.

    Raises:
        UserError: the file cannot be read, does not fit the ids, or has other classes.
    """
    return read_truth_with_notes(path, ids, classes)[0]


def read_truth_with_notes(
    path: str | os.PathLike[str],
    ids: Sequence[str] | np.ndarray,
    classes: Sequence[str],
    left_out: Collection[str] = (),
    findings: Findings | None = None,
) -> tuple[list[str | None], tuple[str, ...]]:
    """The true class name of each of the n examples `ids`, None if the file has none, and notes.

    Args:
        path: a table with the columns `id` and `label`, matched by id (it may also hold examples that the run left
                out); or one label per row in the order of the run: a table without ids (and without the texts, see
                `findings`), an .npy array, a .txt file.
        ids: (n,) ids of the run.
        left_out: ids that the run excluded.
        findings: of the run; of several labels per example, a table in a form of the data will do. A table with the
            texts themselves, or with the column `content` of an export, is matched
            by those.
        classes: the class names of the run. Integers from 0 are positions in it, if its names are not numbers
            themselves.

    Returns:
        The labels, and notes: which ids the run does not have, or that rows were matched by order.

    Raises:
        UserError: the file cannot be read, does not fit the run, or has other classes.
    """
    name = os.fspath(require_path(path, "The file of true labels"))
    ids, classes = require_row_of(ids, "ids"), require_row_of(classes, "classes")
    if findings is not None and (answers := true_answers(name, findings)) is not None:
        return answers
    keys, values = read_labels(name)
    codes, names = encode(values)
    if "-1" in names and "-1" not in classes:  # weak labels use it for "no label"
        none = names.index("-1")
        codes, names = np.where(codes == none, -1, codes - (codes > none)), (*names[:none], *names[none + 1 :])
    names = _as_classes(names, classes, name)
    labels = [None if code < 0 else names[code] for code in codes]
    doubtful: tuple[str, ...] = ()
    if findings is not None:
        keys, doubtful = _followed(name, keys, len(labels), findings)
    if keys is None:
        if len(labels) != len(ids):
            raise UserError(
                f"{name} has {len(labels)} labels for the {len(ids)} examples of the run; give a table with id,label "
                "instead."
            )
        by_order = f"{name} has no ids, so its rows were matched by order: the first, {labels[0]!r}, to {ids[0]!r}."
        return labels, (by_order,)
    given.require_unique(keys, name)
    by_id = dict(zip(keys, labels, strict=True))
    matched = [by_id.get(key) for key in ids]
    if not any(label is not None for label in matched):
        raise UserError(
            f"{name} has no label for any of the {len(ids)} examples; its ids look like {keys[0]!r}, those of the run "
            f"{ids[0]!r}."
        )
    known = {*ids, *left_out}
    unknown = [str(key) for key in keys if key not in known]
    listed = ", ".join(map(repr, unknown[:NAMED])) + (", ..." if len(unknown) > NAMED else "")
    notes = (f"{name}: {len(unknown):,} of its {len(keys):,} ids are not in the run ({listed}).",) if unknown else ()
    return matched, (*notes, *doubtful)


def _followed(
    path: str, named: Sequence[str | None] | None, n: int, findings: Findings
) -> tuple[Sequence[str | None] | None, tuple[str, ...]]:
    """The run's ids for the n rows of a table, matched by content if possible, and notes. Rows without a match keep the
    table's ids, with a note if rows have moved. None if the table has neither ids nor contents."""
    if findings.content is None or paths.suffix(path) not in READERS:
        return named, ()
    keys = [f"row {i}" for i in range(n)] if named is None else list(named)
    from pyarrow import types

    file, known = open_table(path), set(findings.content.tolist())
    best, most = [0] * len(keys), len(keys) / 2
    for column in file.schema:
        if not (types.is_string(column.type) or types.is_large_string(column.type)) or column.name in (
            "id",
            "label",
            PREFIX + "id",
        ):
            continue
        cells = file.read(Columns(text=column.name))[column.name].to_pylist()
        values_of_rows = [int(cell, 16) if cell and re.fullmatch("[0-9a-f]{16}", cell) else 0 for cell in cells]
        if column.name not in ("content", PREFIX + "content"):
            values_of_rows = of_inputs(cells).tolist() if findings.settings.get("kind") == "text" else values_of_rows
        matches = sum(value in known for value in values_of_rows)
        if matches > most:
            best, most = values_of_rows, matches
    if named is None and not any(best):
        return None, ()
    rows = Follow(findings).places(
        [(str(key), hexed(what) if what else None, None) for key, what in zip(keys, best, strict=True)]
    )
    values_of_rows = [key if isinstance(i, str) else str(findings.ids[i]) for key, i in zip(keys, rows, strict=True)]
    reused = is_reused(findings)
    bare = [
        str(key)
        for key, what, i in zip(keys, best, rows, strict=True)
        if not what and not isinstance(i, str) and reused(str(key))
    ]
    listed = ", ".join(map(repr, bare[:NAMED])) + (", ..." if len(bare) > NAMED else "")
    note = (
        f"{path}: {len(bare):,} of its ids ({listed}) belonged to different examples in an earlier `find`, because "
        "rows have moved. They are read as the current ids; if the file is older, its labels belong to different "
        "examples."
    )
    return values_of_rows, (note,) if bare else ()


def contradiction(labels: Sequence[str | None], findings: Findings) -> tuple[str, ...]:
    """A note if far more labels differ from the file than the run expects to be wrong: the ids may not match."""
    rows = [i for i, label in enumerate(labels) if label is not None]
    differ = sum(labels[i] != findings.classes[findings.given[i]] for i in rows)
    expected = float(findings.p_wrong[rows].sum())
    share = np.bincount(findings.given, minlength=len(findings.classes)) / max(1, len(findings))
    if differ <= max(FEW, 3 * expected, len(rows) * float(1 - (share**2).sum()) / 2):
        return ()
    return (
        f"{differ:,} of {len(rows):,} labels of the file differ from the given ones, but the run expects about "
        f"{expected:.0f} to be wrong: check that its ids, or its order, are those of the run.",
    )


def _as_classes(names: tuple[str, ...], classes: Sequence[str], path: str) -> tuple[str, ...]:
    """Names as they are; positions as the names they stand for. A class that the run does not have is still a class."""
    if not names:
        raise UserError(f"{path} holds no label.")
    if any(name in classes for name in names):
        return names
    if all(name.isdecimal() and int(name) < len(classes) for name in names):
        return tuple(classes[int(name)] for name in names)
    raise UserError(
        f"{path} has labels such as {names[0]!r}, none of which is a class of the run.{given.near(names[0], classes)}"
    )
