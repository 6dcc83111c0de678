"""Draft -> data set, the same for every source. Replacement labels are applied, ids checked, unusable examples left out
and listed, and labels turned into positions; data that no detector could work on are refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from labelsieve.core.dataset import (
    Dataset,
    Exclusion,
    encode_labels,
    require_classes,
    require_examples,
    row_numbers,
)
from labelsieve.core.errors import UserError
from labelsieve.core.splits import in_splits, together
from labelsieve.data import labels
from labelsieve.data.class_names import label_notes, misread, readable
from labelsieve.data.feature_values import doubted
from labelsieve.data.label_file import replacement
from labelsieve.data.labels import Repeated
from labelsieve.data.no_label import told_apart
from labelsieve.data.raw_data import Draft
from labelsieve.data.several_hint import several_told

MEASURED = 50  # more different decimal numbers than this, each of them rare, are measurements, not class names
MINUS_ONE = "the label is -1, which stands for no label"
_WHY = {
    "-1": MINUS_ONE,
    "255": "the label is 255, the byte that stands for no label",
    "4294967295": "the label is 4294967295, as deeplake stores -1, which stands for no label",
}
ALL_DIFFERENT = 10  # from this many examples on, a different label for every one means that the column is not a label


def settle(
    draft: Draft,
    relabel: Any = None,
    *,
    single: bool = False,
    label: str | None = None,
    id: str | None = None,
    split: Sequence[str] = (),
) -> Dataset:
    """The data set of a draft; `relabel` (a file or a sequence) replaces its given labels, and `label` and `id` are
    columns of the file. `single` allows a single class: no label of it can be wrong, but a model can be evaluated on
    it. Of several splits only those in `split` are read; () reads all.

    Raises:
        UserError: no labels; duplicate, missing or unknown ids; only one class; more classes than examples; a label
            outside the classes that the source names; no such split.
    """
    n = len(draft.inputs)
    ids = identify(draft, n)
    absent, about = "the label is missing", ()
    if relabel is None:
        values = draft.labels
    else:
        files = getattr(draft.inputs, "paths", None)
        values, absent, about = replacement(relabel, ids, label, id, draft.ids is None, files)
    if values is None:
        what = draft.source[:1].upper() + draft.source[1:] if draft.source.startswith("the ") else draft.source
        in_memory = draft.source.startswith("the ")
        raise UserError(f"{what} has no labels; pass them with <labels>.", labels="" if in_memory else "FILE")
    if len(values) != n:
        raise UserError(
            f"There are {len(values)} labels for the {n} examples of {draft.source}; the numbers must be equal."
        )
    codes, names = encode(values)
    splits = _splits(draft, n)
    wanted, others = in_splits(n, splits, split, draft.source)
    codes = np.where(wanted, codes, -1)
    several = draft.several if relabel is None else {}
    odd, counted, none, said = {}, (), np.zeros(0, np.int64), "-1"
    if draft.classes is None:
        codes, names, odd, many, counted = told_apart(codes, names)
        several = {**several, **many}
        whole_bytes = getattr(values, "dtype", None) == np.uint8
        said = "255" if whole_bytes else "4294967295" if "4294967295" in names and "-1" not in names else "-1"
        codes, none = without_minus_one(codes, names, said)
    codes, classes = _classes(draft, codes, names, relabel is not None)
    minus_one = dict.fromkeys(none.tolist(), _WHY[said])
    known = draft.unlabelled if relabel is None else {}
    missing = {i: known.get(i, absent) for i in np.flatnonzero(codes < 0).tolist()}
    several = {i: why for i, why in several.items() if wanted[i]}
    hint = several_told(len(several), len(several) + int((codes >= 0).sum()), draft.source)
    reasons = {**missing, **odd, **several, **minus_one, **draft.unusable}
    reasons = {i: why for i, why in reasons.items() if wanted[i]}
    keep = wanted.copy()
    keep[list(reasons)] = False
    if draft.classes is None:  # a class without any usable example is not a class
        used = np.unique(codes[keep])
        codes, classes = np.searchsorted(used, codes), tuple(classes[i] for i in used)
    left = [item for item in draft.excluded if item.id.partition("/")[0] not in others]
    excluded = tuple(Exclusion(readable(item.id), readable(item.reason)) for item in left)
    dataset = Dataset(
        ids,
        codes,
        classes,
        draft.inputs,
        draft.kind,
        draft.source,
        _groups(draft, ids),
        excluded,
        columns=draft.columns,
        splits=splits,
    )
    dataset = replace(dataset, named=draft.ids is not None, length=n, label_column=draft.label_column)
    dataset = dataset.take(keep, [Exclusion(ids[i], readable(reasons[i])) for i in sorted(reasons)])
    dataset = require_examples(dataset) if single else require_classes(dataset)
    _require_plausible(dataset)
    dataset = doubted(dataset) if len(dataset.classes) > 1 else dataset
    features = () if dataset.columns is None else dataset.columns.notes
    notes = (
        *together(dataset.splits, others),
        *draft.notes,
        *about,
        *features,
        *weak(len(none), said),
        *hint,
        *counted,
        *misread(_plain(values), "labels"),
        *label_notes(dataset.classes, dataset.labels),
    )
    return replace(dataset, notes=notes)


def _plain(values: Sequence[Any] | np.ndarray) -> Sequence[Any]:
    """The values if some of them may be bytes, else ()."""
    if isinstance(values, Repeated):
        return values if any(isinstance(value, bytes) for value in values.values) and misread(values.values, "") else ()
    return values if not isinstance(values, np.ndarray) else values.tolist() if values.dtype.kind in "SO" else ()


def recipe(arguments: Mapping[str, Any]) -> dict[str, str] | None:
    """The arguments to read the data again, without those that are None; None if one of them is not a name."""
    named = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in arguments.items()
        if value is not None
    }
    return named if all(isinstance(value, str) for value in named.values()) else None


def handed(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments, without those that are None, if one is a value in memory; None if all of them are names."""
    return (
        None
        if recipe(arguments) is not None
        else {name: value for name, value in arguments.items() if value is not None}
    )


def encode(values: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels of any kind, with gaps -> positions (n,) int64, -1 where missing, and the class names."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iub":
        unique, inverse = np.unique(values, return_inverse=True)
        codes, names = encode_labels(unique.tolist())
        return codes[inverse], names
    if isinstance(values, Repeated):
        codes, names = encode(values.values)
        return codes[values.codes], names
    cleaned = labels.clean(values)
    present = np.array([value is not None for value in cleaned], bool)
    codes = np.full(len(cleaned), -1, np.int64)
    codes[present], names = encode_labels([value for value in cleaned if value is not None])
    return codes, names


def _classes(
    draft: Draft, codes: np.ndarray, names: tuple[str, ...], relabelled: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels as positions in the classes that the source fixes, if it does."""
    if draft.classes is None or not names:
        return codes, draft.classes or names
    if len(set(draft.classes)) < len(draft.classes):
        twice = next(name for i, name in enumerate(draft.classes) if name in draft.classes[:i])
        raise UserError(f"{draft.source} names the class {twice!r} twice; class names must be unique.")
    as_names = labels.positions(names, draft.classes)
    integers = isinstance(draft.labels, np.ndarray) and draft.labels.dtype.kind in "iu"
    if integers and not relabelled:
        as_names = None
    places = (
        as_names if as_names is not None else labels.positions(names, ("-1", *map(str, range(len(draft.classes)))), -1)
    )
    if places is not None:
        return np.where(codes < 0, -1, places[codes]), draft.classes
    if relabelled:
        return codes, names
    known = set(map(str, range(len(draft.classes)))) if integers else set(draft.classes)
    wrong = next(name for name in names if name not in known and name != "-1")
    listed = ", ".join(draft.classes[:10]) + (", ..." if len(draft.classes) > 10 else "")
    raise UserError(
        f"{draft.source} has the label {wrong}, which is outside its {len(draft.classes)} classes ({listed})."
    )


def without_minus_one(codes: np.ndarray, names: tuple[str, ...], none: str = "-1") -> tuple[np.ndarray, np.ndarray]:
    """The labels without -1, and the rows that had it, if the other classes are two or more numbers from 0 on. Weak
    labels use -1 for "no label". With 1 as the only other class, -1 is a class. In bytes (IDX files) -1 is 255, and in
    deeplake 4294967295, if the other classes are 0 to K-1."""
    others = [name for name in names if name != none]
    if len(others) < 2 or len(others) == len(names) or not all(name.isdecimal() for name in others):
        return codes, np.zeros(0, np.int64)
    if none != "-1" and others != [str(k) for k in range(len(others))]:
        return codes, np.zeros(0, np.int64)
    rows = np.flatnonzero(codes == names.index(none))
    return np.where(codes == names.index(none), -1, codes), rows


def weak(n: int, none: str = "-1") -> tuple[str, ...]:
    """A note about the n examples left out because their label is `none`."""
    if not n:
        return ()
    which = f"{n:,} examples have the label {none} and are" if n > 1 else f"1 example has the label {none} and is"
    return (
        f"{which} left out: if the other classes are numbers from 0 on, {none} stands for no label. If it is a class, "
        "give it another name.",
    )


def identify(draft: Draft, n: int) -> np.ndarray:
    if draft.ids is None:
        return row_numbers(n)
    ids = np.empty(len(draft.ids), object)
    ids[:] = [name and readable(name) for name in draft.ids]
    if len(ids) != n:
        raise UserError(f"There are {len(ids)} ids for the {n} examples of {draft.source}; the numbers must be equal.")
    missing = [i for i, name in enumerate(ids) if not name]
    if missing:
        raise UserError(
            f"{draft.source}: row {missing[0]} (from 0) has no id in {draft.id_place}; every example needs one."
        )
    labels.require_unique(ids, f"{draft.source}, {draft.id_place}")
    return ids


def _groups(draft: Draft, ids: np.ndarray) -> np.ndarray | None:
    if draft.groups is None:
        return None
    if len(draft.groups) != len(ids):
        raise UserError(
            f"There are {len(draft.groups)} groups for the {len(ids)} examples of {draft.source}; the numbers must be "
            "equal."
        )
    groups = np.empty(len(ids), object)
    # An example without a group is a group of its own; one group of them all would be kept in one fold.
    groups[:] = [name or f"(no group) {key}" for name, key in zip(draft.groups, ids, strict=True)]
    return groups


def _splits(draft: Draft, n: int) -> np.ndarray | None:
    if draft.splits is None or not any(draft.splits):
        return None
    if len(draft.splits) != n:
        raise UserError(
            f"There are {len(draft.splits)} splits for the {n} examples of {draft.source}; the numbers must be equal."
        )
    splits = np.empty(n, object)
    splits[:] = [readable(name) if name else None for name in draft.splits]
    return splits


def _require_plausible(dataset: Dataset) -> None:
    n, k = len(dataset), len(dataset.classes)
    if k > n:
        raise UserError(
            f"{dataset.source} has {k} classes but {n} examples; there must be at least one example per class."
        )
    if k == n >= ALL_DIFFERENT:
        raise UserError(
            f"{dataset.source} gives each of its {n} examples a different label; is another column the label?"
        )
    if (
        k > MEASURED
        and 2 * (np.bincount(dataset.labels) <= 2).sum() > k
        and 2 * sum(map(_is_decimal, dataset.classes)) > k
    ):
        raise UserError(
            f"The labels of {dataset.source} are {k} different decimal numbers, most of which occur once or twice: "
            "measurements, not classes. Name another column, or group them into a few classes (low, high)."
        )


def _is_decimal(name: str) -> bool:
    try:
        return not float(name).is_integer()
    except ValueError:
        return False
