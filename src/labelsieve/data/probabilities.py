"""Out-of-sample probabilities of a model of the user's own, (N, K), and the given labels.

The matrix comes from an .npy file (memory-mapped), an .npz, .csv or .parquet file, or an array. Column j is the class j: integer
labels are positions; labels that are names need columns with those names, or exactly K different labels, which then stand in sorted
order, as scikit-learn's `classes_` do. Every row is checked, in blocks of 4 million values, so a memory map stays on disk.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.plain import plain_array, plain_labels
from labelsieve.data import labels as given
from labelsieve.data import places
from labelsieve.data.arrays import class_names, names_in, read_npy, read_npz
from labelsieve.data.draft import Draft
from labelsieve.data.label_file import matched, read_labels
from labelsieve.data.settle import encode, recipe, settle
from labelsieve.data.words import misread

TOLERANCE = 1e-2  # of a row's sum; probabilities written with two or three decimals, or as float16, pass
_BLOCK = 1 << 22


def load_probabilities(probs: Any, labels: Any, *, label: str | None = None, id: str | None = None) -> Dataset:
    """A data set of kind "probs".

    Args:
        probs: (N, K) probabilities, each row of an example that the model was not trained on: an array, an .npy or .npz file (key
            `probs`; if wanted `ids`, `classes`), or a .csv or .parquet table of K numeric columns and perhaps a column of ids.
        labels: N given labels in the order of the rows, or a file of them; matched by id if both files have ids.
        label, id: the columns of labels and ids, if they are not called "label" and "id".

    Returns:
        The data set, inputs (N, K). A row with a NaN, and one without a label, is listed in `excluded`; to leave rows out, the
        others are copied into memory.

    Raises:
        UserError: the numbers of rows differ, a label has no column, there are more classes than examples, or rows are no
            probabilities (logits, percentages, sums other than 1).
    """
    found = _read(probs, id)
    matrix, source = plain_array(found.matrix, found.source), found.source
    if _one_hot(matrix):
        raise UserError(f"{source} holds 0 and 1 only, as whole numbers: decisions, not probabilities; save what predict_proba gives.")
    if matrix.ndim != 2 or matrix.dtype.kind != "f" or matrix.shape[1] < 2:
        raise UserError(f"{source} has shape {matrix.shape} and type {matrix.dtype}; it should be floats of shape (examples, classes).")
    n, k = matrix.shape
    ids, values, notes = _labels(labels, found, label, id)
    if len(values) != n:
        turned = f" It has {k} columns: is it transposed? It should be (examples, classes)." if len(values) == k else ""
        raise UserError(f"{source} has {n} rows, but there are {len(values)} labels; the two must be as many.{turned}")
    if k > n:
        raise UserError(f"{source} has {k} classes (columns) but {n} examples (rows); is it transposed? It should be (examples, classes).")
    codes, classes = _positions(values, found.classes, k, source)
    shown = ids if ids is not None else [str(i) for i in range(n)]
    bad = _check(matrix, shown, source)
    unusable = dict.fromkeys(bad, "its probabilities hold NaN or infinity")
    notes += misread(values.tolist() if isinstance(values, np.ndarray) else values, "labels")
    draft = Draft(matrix, "probs", source, codes, ids, classes=classes, unusable=unusable, notes=notes)
    named = {"probs": probs, "labels": labels, "label": label, "id": id}
    return replace(settle(draft), recipe=recipe(named))


@dataclass(frozen=True, eq=False)
class _Found:
    matrix: np.ndarray
    source: str
    classes: tuple[str, ...] | None = None
    ids: list[str | None] | None = None


def _read(probs: Any, id: str | None) -> _Found:
    if not isinstance(probs, (str, os.PathLike)):
        return _Found(plain_array(probs, "The probabilities"), "the array of probabilities")
    path = os.fspath(probs)
    if not places.is_file(path):
        raise UserError(f"There is no file of probabilities {path}.")
    suffix = places.suffix(path)
    if suffix == ".npy":
        return _Found(read_npy(path), path)
    if suffix == ".npz":
        arrays = read_npz(path)
        key = next(iter(arrays)) if len(arrays) == 1 else "probs"
        if key not in arrays:
            raise UserError(f"{path} has no key 'probs'; its keys are: {', '.join(arrays)}.")
        classes = class_names(arrays["classes"]) if "classes" in arrays else None
        return _Found(arrays[key], path, classes, names_in(arrays["ids"]) if "ids" in arrays else None)
    from labelsieve.data.readers import READERS

    if suffix not in READERS:
        raise UserError(f"{path} is no file of probabilities; give an .npy, .npz, {', '.join(READERS)} file.")
    return _read_table(path, id)


def _read_table(path: str, id: str | None) -> _Found:
    from labelsieve.data.columns import INDEXES, Columns
    from labelsieve.data.features import matrix_of
    from labelsieve.data.readers import headerless, open_table
    from labelsieve.data.table import contents, names_of

    file = open_table(path)
    if _is_data(file.schema.names):
        table = headerless(path)
        return _Found(matrix_of(table, table.column_names, path), path)
    columns = contents(file.schema, path)
    key = id if id in columns else "id" if "id" in columns else None
    classes = tuple(name for name in columns if name != key and name.lower() not in INDEXES)
    wrong = [name for name in classes if columns[name] != "number"]
    if wrong:
        raise UserError(f"The column {wrong[0]!r} of {path} holds no numbers; besides an id, every column should be one class.")
    table = file.read(Columns(id=key, features=classes))
    return _Found(matrix_of(table, classes, path), path, classes, names_of(table[key]) if key else None)


def _is_data(names: list[str]) -> bool:
    """Whether a "header" is the first row of probabilities: numbers that sum to 1, and not the class numbers 0, 1, ..."""
    try:
        total = sum(map(float, names))
    except ValueError:
        return False
    return abs(total - 1) <= TOLERANCE and names != [str(i) for i in range(len(names))]


def _labels(labels: Any, found: _Found, label: str | None, id: str | None) -> tuple[Any, Any, tuple[str, ...]]:
    """Ids (or None) and labels in the order of the rows, and a note where that order is taken on trust."""
    if not isinstance(labels, (str, os.PathLike)):
        return found.ids, plain_labels(labels, "labels"), ()
    path = os.fspath(labels)
    ids, values = read_labels(path, label, id)
    if ids is None:
        return found.ids, values, ()
    if found.ids is None:
        return ids, values, _by_order(ids, path, found.source)
    given.require_unique(found.ids, found.source)
    return found.ids, matched(path, ids, values, found.ids), ()


def _by_order(ids: Sequence[str | None], path: str, source: str) -> tuple[str, ...]:
    """A note that rows without ids were matched to the labels by order.

    Raises:
        UserError: the ids are the row numbers in another order, which says that the labels are.
    """
    rows = [str(i) for i in range(len(ids))]
    if list(ids) == rows:
        return ()
    if None not in ids and sorted(map(str, ids)) == sorted(rows):
        raise UserError(
            f"The ids of {path} are the row numbers 0 to {len(ids) - 1}, but not in that order, and {source} has no ids to match them by; "
            "sort the labels by id if the rows are in that order, or give the probabilities ids."
        )
    return (f"{source} has no ids: its rows were matched to those of {path} by order, the first of them to {ids[0]!r}.",)


def _one_hot(matrix: np.ndarray) -> bool:
    whole = matrix.ndim == 2 and matrix.dtype.kind in "iub" and matrix.size > 0
    return whole and bool((matrix.max(axis=1) == 1).all() and (np.abs(matrix).sum(axis=1) == 1).all())


def _positions(values: Any, named: tuple[str, ...] | None, k: int, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each label's column (n,) int64, -1 where it is missing, and the class names."""
    if named is not None and len(named) != k:
        raise UserError(f"{source} names {len(named)} classes for {k} columns; the two must be as many.")
    codes, names = encode(values)
    classes = named or tuple(map(str, range(k)))
    places = given.positions(names, classes)
    if places is None and named and _whole(names):
        places = given.positions(names, [str(i) for i in range(k)])
    if places is None and not named and not _whole(names) and len(names) == k:
        classes, places = names, np.arange(k)
    if places is None:
        raise UserError(_no_column(names, named, k, source))
    return np.where(codes < 0, -1, np.append(places, -1)[codes]), classes


def _whole(names: tuple[str, ...]) -> bool:
    return all(name.removeprefix("-").isdecimal() for name in names)


def _no_column(names: tuple[str, ...], named: tuple[str, ...] | None, k: int, source: str) -> str:
    if _whole(names):
        numbers = sorted(map(int, names))
        shift = " Subtract 1 from the labels." if numbers[0] == 1 and numbers[-1] == k else " Integer labels are column positions."
        return f"The labels run from {numbers[0]} to {numbers[-1]}, but the {k} columns of {source} are 0 to {k - 1}.{shift}"
    if named:
        wrong = next(name for name in names if name not in named)
        return f"{source} has no column for the label {wrong!r}.{given.near(wrong, named)}"
    return (
        f"There are {len(names)} different labels and {k} columns in {source}, so it is not clear which column is which class; "
        "give a table whose columns carry the class names, or labels that are column positions."
    )


def _check(matrix: np.ndarray, ids: Any, source: str) -> list[int]:
    """The rows that are not finite; raises if another row is no distribution."""
    n, k = matrix.shape
    step = max(1, _BLOCK // k)
    unusable: list[int] = []
    wrong, first = 0, -1
    for start in range(0, n, step):
        block = np.asarray(matrix[start : start + step])
        sums, low = block.sum(axis=1, dtype=np.float64), block.min(axis=1)
        finite = np.isfinite(sums)
        unusable += (start + np.flatnonzero(~finite)).tolist()
        rows = np.flatnonzero(finite & ((np.abs(sums - 1) > TOLERANCE) | (low < -TOLERANCE)))
        wrong += len(rows)
        first = start + int(rows[0]) if first < 0 and len(rows) else first
    if wrong:
        raise UserError(_no_distribution(matrix[first].astype(np.float64), wrong, n, ids[first], source))
    return unusable


def _no_distribution(row: np.ndarray, wrong: int, n: int, id: str, source: str) -> str:
    values = f"{wrong} of the {n} rows of {source} are no probabilities; the first is {id!r} (values {row.min():.4g} to {row.max():.4g})"
    if row.max() <= 0 and abs(np.exp(row).sum() - 1) <= TOLERANCE:
        return f"{values}. They look like log-probabilities; take exp of them."
    if row.min() < 0:
        return f"{values}. They look like logits; apply softmax to each row."
    if abs(row.sum() - 100) <= 100 * TOLERANCE:
        return f"{values}. They look like percentages; divide them by 100."
    if row.max() > 1:
        return f"{values}. They look like logits or counts; apply softmax to logits, divide counts by the row's sum."
    return f"{values}: it sums to {row.sum():.4g}, not to 1. Divide each row by its sum, if the model gives one label an example."
