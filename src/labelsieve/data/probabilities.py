"""Reads out-of-sample probabilities (N, K) of the user's own model, and the given labels.

The matrix comes from an .npy file (memory-mapped), an .npz, .csv or .parquet file, an array, or a frame whose columns
are named after the classes. Without names, column j is class j: integer labels are positions; labels that are names
must be exactly K different ones, and are used in sorted order, like scikit-learn's `classes_`. If another order that
programs use agrees far better with the labels, it is used and a note names it (`column_order`). Every row is checked,
in blocks of 4 million values, so a memory map stays on disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.plain_values import plain_array, plain_labels
from labelsieve.data import labels as given
from labelsieve.data.array_file import class_names, names_in
from labelsieve.data.class_names import misread
from labelsieve.data.column_order import Order, Sample, agrees, choose, doubts, given_probability, orders_of, sample
from labelsieve.data.columns import INDEXES, Columns, require_column
from labelsieve.data.columns import named as require_names
from labelsieve.data.feature_values import matrix_of
from labelsieve.data.finish import MINUS_ONE, encode, handed, recipe, settle, weak, without_minus_one
from labelsieve.data.frames import aligned, categories_of, index_ids, is_frame, is_indexed, to_arrow
from labelsieve.data.label_file import column_of, matched, read_labels
from labelsieve.data.label_sets import is_several
from labelsieve.data.labels import faulty
from labelsieve.data.raw_data import Draft
from labelsieve.data.readers import READERS, TableFile, headerless, in_memory, open_table, plain_codes, user_errors
from labelsieve.data.table import contents, index_column, names_of, no_ids
from labelsieve.places import paths
from labelsieve.places.numpy_files import read_npy, read_npz
from labelsieve.stats.probability_rows import TOLERANCE, check


def load_probabilities(
    probs: Any, labels: Any, *, label: str | None = None, id: str | None = None, several: bool | str = False
) -> Dataset:
    """A data set of kind "probs".

    Args:
        probs: (N, K) probabilities, each row for an example that the model was not trained on: an array, an .npy or
            .npz file (key `probs`; optionally `ids`, `classes`), or a .csv or .parquet table, or a frame, with K
            numeric columns and optionally a column of ids.
        labels: N given labels in the order of the rows, or a file of them; matched by id if both files have ids, by
            index if both are pandas objects.
        label, id: the columns of labels and ids, if they are not called "label" and "id".
        several: each example may have several labels, as in `load`; the probabilities are then of each class apart, and
            rows need not add up to 1.

    Returns:
        The data set, inputs (N, K). Rows with a NaN or without a label are listed in `excluded`. The matrix is copied
        into memory if rows are left out, or rounded rows are scaled to a sum of 1. The `notes` say which order of the
        columns was used if that was in doubt, and which columns cannot be right.

    Raises:
        UserError: the numbers of rows differ, a label has no column, there are more classes than examples, or rows are
            not probabilities (logits, percentages, sums other than 1).
    """
    require_names(label=label, id=id)
    named = {"probs": probs, "labels": labels, "label": label, "id": id}
    if several or is_several(labels):
        from labelsieve.data.read_several import judged_alone

        named["several"] = "yes"
        return replace(judged_alone(probs, labels, label, id), recipe=recipe(named), handed=handed(named))
    loaded = read_matrix(probs, id)
    n, k = loaded.matrix.shape
    ids, values, notes = _labels(labels, loaded, label, id)
    if len(values) != n:
        turned = f" It has {k} columns: is it transposed? It should be (examples, classes)." if len(values) == k else ""
        raise UserError(
            f"{loaded.source} has {n} rows, but there are {len(values)} labels; the numbers must be equal.{turned}"
        )
    data = judged(loaded, ids, values, notes, categories_of(labels))
    return replace(data, recipe=recipe(named), handed=handed(named))


def read_matrix(probs: Any, id: str | None, *, require_id: bool = True) -> Matrix:
    """The matrix of probabilities, with the names of rows and columns in its file or frame. If `require_id`, a table
    must have the column `id`.

    Raises:
        UserError: it cannot be read, or is not a matrix of floats.
    """
    loaded = _read(probs, id, require_id)
    matrix, source = plain_array(loaded.matrix, loaded.source), loaded.source
    if _one_hot(matrix):
        raise UserError(
            f"{source} holds only the whole numbers 0 and 1: decisions, not probabilities; save what predict_proba "
            "returns."
        )
    if matrix.ndim != 2 or matrix.dtype.kind != "f" or matrix.shape[1] < 2:
        raise UserError(_no_matrix(matrix, source))
    return replace(loaded, matrix=matrix)


def _no_matrix(matrix: np.ndarray, source: str) -> str:
    message = (
        f"{source} has shape {matrix.shape} and type {matrix.dtype}; it should hold floats of shape (examples, "
        "classes)."
    )
    alone = (
        matrix.dtype.kind == "f"
        and (matrix.ndim == 1 or (matrix.ndim == 2 and matrix.shape[1] == 1))
        and matrix.size > 1
    )
    return (
        f"{message} If it holds the probability p of the second of two classes, pass both: np.column_stack([1 - p, p])."
        if alone
        else message
    )


def judged(
    loaded: Matrix, ids: Any, values: Any, notes: tuple[str, ...] = (), categories: tuple[str, ...] | None = None
) -> Dataset:
    """The data set of a matrix (n, K) and n given labels (None if missing) in the order of its rows. `categories` is
    the labels' own order of classes.

    Raises:
        UserError: as `load_probabilities`.
    """
    matrix, source = loaded.matrix, loaded.source
    n, k = matrix.shape
    if k > n:
        raise UserError(
            f"{source} has {k} classes (columns) but {n} examples (rows); is it transposed? It should be (examples, "
            "classes)."
        )
    codes, classes, order, none = _positions(values, loaded.classes, matrix, source, categories)
    rows = check(matrix, ids, source, loaded.classes)
    matrix, rounded = _to_one(matrix, rows.off)
    unusable = dict.fromkeys(rows.unusable, "its probabilities hold NaN or infinity")
    unusable = {**dict.fromkeys(none.tolist(), MINUS_ONE), **unusable}
    notes += (*weak(len(none)), *order, *doubts(matrix, codes, classes), *rounded)
    notes += misread(values.tolist() if isinstance(values, np.ndarray) else values, "labels")
    return settle(Draft(matrix, "probs", source, codes, ids=ids, classes=classes, unusable=unusable, notes=notes))


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix of probabilities (N, K) as it was read, with the names of its rows and columns, if any."""

    matrix: np.ndarray
    source: str
    classes: tuple[str, ...] | None = None
    ids: list[str | None] | None = None
    guessed: str | None = None  # the column of the ids, if the user did not name it
    notes: tuple[str, ...] = ()
    frame: Any = None  # a pandas frame, whose index names the rows


def _read(probs: Any, id: str | None, require_id: bool) -> Matrix:
    if not isinstance(probs, (str, os.PathLike)):
        if is_frame(probs):
            return _read_frame(probs, id, require_id)
        if probs is None:
            raise UserError(
                "The probabilities are None; give an array (examples, classes), a frame, or the path of a file."
            )
        return Matrix(plain_array(probs, "The probabilities"), "the array of probabilities")
    path = os.fspath(probs)
    if not path or os.path.isdir(path):
        raise UserError(f"The probabilities are {f'the folder {path}' if path else 'an empty name'}; name a file.")
    if not paths.is_file(path):
        raise UserError(f"There is no file of probabilities {path}.")
    suffix = paths.suffix(path)
    if suffix == ".npy":
        return Matrix(read_npy(path), path)
    if suffix == ".npz":
        arrays = read_npz(path)
        key = next(iter(arrays)) if len(arrays) == 1 else "probs"
        if key not in arrays:
            raise UserError(f"{path} has no key 'probs'; its keys are: {', '.join(arrays)}.")
        classes = class_names(arrays["classes"]) if "classes" in arrays else None
        return Matrix(arrays[key], path, classes, names_in(arrays["ids"]) if "ids" in arrays else None)
    if suffix not in READERS:
        raise UserError(f"{path} is not a file of probabilities; give an .npy, .npz, {', '.join(READERS)} file.")
    return _read_table(path, id, require_id)


def _read_table(path: str, id: str | None, require_id: bool) -> Matrix:
    file = open_table(path)
    if _is_data(file.schema.names):
        table = headerless(path)
        return Matrix(matrix_of(table, table.column_names, path), path)
    return _columns(file, path, id, require_id)


def _read_frame(frame: Any, id: str | None, require_id: bool) -> Matrix:
    import pyarrow as pa

    source = f"the {type(frame).__module__.partition('.')[0]} frame of probabilities"
    frame = frame.collect() if hasattr(frame, "collect") and type(frame).__name__ == "LazyFrame" else frame
    indexed = is_indexed(frame)
    with user_errors(source):
        table = to_arrow(frame, [id] if id else []) if indexed else plain_codes(pa.table(frame))
    loaded = _columns(in_memory(table), source, id, require_id)
    if not indexed:
        return loaded
    loaded = replace(loaded, frame=frame)
    if loaded.ids is not None and not (loaded.guessed and faulty(loaded.ids)):
        return loaded
    ids, notes = index_ids(frame, source)
    return loaded if ids is None else replace(loaded, ids=ids, guessed=None, notes=notes)


def _columns(file: TableFile, source: str, id: str | None, require_id: bool) -> Matrix:
    """The matrix in a table with one column per class, and optionally one of ids."""
    columns = contents(file.schema, source)
    id = id if require_id or id in columns else None
    if id is not None:
        require_column(id, tuple(columns), source, "id")
    key = id if id is not None else "id" if "id" in columns else index_column(file.schema)
    classes = tuple(name for name in columns if name != key and name.lower() not in INDEXES)
    wrong = [name for name in classes if columns[name] != "number"]
    alone = (
        key is None
        and len(wrong) == 1
        and columns[wrong[0]] == "text"
        and not faulty(names_of(file.read(Columns(id=wrong[0]))[wrong[0]]))
    )
    if alone:  # a column with a different text in each row holds the ids, whatever its name
        key, classes = wrong[0], tuple(name for name in classes if name != wrong[0])
    elif wrong:
        raise UserError(
            f"The column {wrong[0]!r} of {source} holds {_cell(file, wrong[0])}, not numbers; except for an id, every "
            "column should be one class, with probabilities such as 0.25."
        )
    if not classes:
        raise UserError(f"{source[:1].upper()}{source[1:]} has no columns of probabilities; give one for each class.")
    table = file.read(Columns(id=key, features=classes))
    ids = None if key is None else names_of(table[key])
    notes = (f"The ids of the probabilities are the column {key!r}, the only one of text.",) if alone else ()
    return Matrix(matrix_of(table, classes, source), source, classes, ids, key if id is None else None, notes)


def _cell(file: TableFile, name: str) -> str:
    """The first non-empty cell of a column, for a message."""
    first = next((cell for cell in file.first([name])[name].to_pylist() if cell is not None), None)
    return "nothing" if first is None else repr(str(first)[:40])


def _is_data(names: list[str]) -> bool:
    """Whether a "header" is the first row of probabilities: numbers that sum to 1, but are not 0, 1, ..."""
    try:
        total = sum(map(float, names))
    except ValueError:
        return False
    return abs(total - 1) <= TOLERANCE and names != [str(i) for i in range(len(names))]


def _labels(labels: Any, loaded: Matrix, label: str | None, id: str | None) -> tuple[Any, Any, tuple[str, ...]]:
    """Ids (or None) and labels in the order of the rows, and a note if that order could not be checked."""
    if not isinstance(labels, (str, os.PathLike)):
        loaded = _without_faults(loaded)
        values, ids, notes = aligned(labels, loaded.frame, loaded.ids)
        return loaded.ids if ids is None else ids, plain_labels(values, "labels"), (*loaded.notes, *notes)
    path = os.fspath(labels)
    ids, values = read_labels(path, label, id)
    if ids is None and loaded.ids is not None:
        loaded = _without_faults(loaded)
        if loaded.ids is not None:
            ids, called = column_of(path, loaded.ids)
            loaded = replace(loaded, notes=(*loaded.notes, *called))
    if ids is None:
        return loaded.ids, values, loaded.notes
    if loaded.ids is None:
        return ids, values, by_order(ids, path, loaded.source)
    given.require_unique(loaded.ids, loaded.source)
    return loaded.ids, matched(path, ids, values, loaded.ids), loaded.notes


def by_order(ids: Sequence[str | None], path: str, source: str) -> tuple[str, ...]:
    """A note that rows without ids were matched to the labels by order.

    Raises:
        UserError: the ids are the row numbers in a different order, so the labels may be too.
    """
    rows = [str(i) for i in range(len(ids))]
    if list(ids) == rows:
        return ()
    if None not in ids and sorted(map(str, ids)) == sorted(rows):
        raise UserError(
            f"The ids of {path} are the row numbers 0 to {len(ids) - 1}, but not in that order, and {source} has no "
            "ids to match them by; sort the labels by id if the rows are in that order, or add ids to the "
            "probabilities."
        )
    return (
        f"{source} has no ids: its rows were matched to those of {path} by order, the first of them to {ids[0]!r}.",
    )


def _one_hot(matrix: np.ndarray) -> bool:
    whole = matrix.ndim == 2 and matrix.dtype.kind in "iub" and matrix.size > 0
    return whole and bool((matrix.max(axis=1) == 1).all() and (np.abs(matrix).sum(axis=1) == 1).all())


def _without_faults(loaded: Matrix) -> Matrix:
    """The matrix without the ids of a guessed column, with a note, if they repeat or have gaps."""
    fault = faulty(loaded.ids) if loaded.guessed and loaded.ids is not None else None
    return (
        loaded
        if fault is None
        else replace(loaded, ids=None, notes=(*loaded.notes, no_ids(str(loaded.guessed), fault)))
    )


def _to_one(matrix: np.ndarray, off: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The matrix with the rows `off` divided by their sums, and a note about them."""
    if not len(off):
        return matrix, ()
    matrix = np.array(matrix, np.float32 if matrix.dtype == np.float16 else matrix.dtype)
    sums = matrix[off].sum(1, dtype=np.float64)
    matrix[off] = matrix[off] / sums[:, None]
    how = f"add up to {sums.min():.4g} to {sums.max():.4g}" if len(off) > 1 else f"adds up to {sums[0]:.4g}"
    which, done = (
        (f"{len(off):,} rows", "were divided by their sums") if len(off) > 1 else ("1 row", "was divided by its sum")
    )
    return matrix, (f"{which} {how} instead of 1, as rounded numbers do, and {done}.",)


def _positions(
    values: Any, named: tuple[str, ...] | None, matrix: np.ndarray, source: str, categories: tuple[str, ...] | None
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Each label's column (n,) int64, -1 if missing; the class names; notes; and the rows whose label -1 means no
    label."""
    k = matrix.shape[1]
    if named is not None and len(named) != k:
        raise UserError(f"{source} names {len(named)} classes for {k} columns; the numbers must be equal.")
    codes, names = encode(values)
    none = np.zeros(0, np.int64)
    if "-1" not in (named or ()) and (
        named is not None or len(names) != k
    ):  # K different numbers may be the K classes, including -1
        codes, names, none = _without_minus_one(codes, names)
    numbers = tuple(map(str, range(k)))
    if named is not None and named != numbers:
        places = given.positions(names, named)
        if places is None and _whole(names) and not _counted(named):
            places = given.positions(names, numbers)
        if places is not None:
            return _columns_of(codes, places), named, (), none
        if not _counted(named):
            raise UserError(_no_column(names, named, k, source))
    rows = sample(matrix, codes, names)
    if _whole(names) and names:
        order, notes = _of_numbers(names, codes, rows, source)
    elif len(names) == k or _fitting(categories, names, k):
        theirs = _fitting(categories, names, k)
        orders = orders_of(tuple(sorted(theirs or names)), codes, names, whole=False)
        orders += [Order(theirs, "the order of the labels' categories")] if theirs else []
        order, notes = choose(rows, orders, silent=False)
    else:
        raise UserError(_no_column(names, None, k, source))
    places = given.positions(names, order.classes)
    assert places is not None
    return _columns_of(codes, places), order.classes, notes, none


def _fitting(categories: tuple[str, ...] | None, names: tuple[str, ...], k: int) -> tuple[str, ...] | None:
    """The categories of the labels, all or those that occur, if there is one per column."""
    if categories is None or not set(names) <= set(categories):
        return None
    used = tuple(name for name in categories if name in names)
    return next((order for order in (categories, used) if len(order) == k), None)


def _without_minus_one(codes: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Labels and names without -1, and the rows that had it, if it stands for no label."""
    codes, none = without_minus_one(codes, names)
    if not len(none):
        return codes, names, none
    place = names.index("-1")
    return codes - (codes > place), (*names[:place], *names[place + 1 :]), none


def _columns_of(codes: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.where(codes < 0, -1, np.append(places, -1)[codes])


def _of_numbers(names: tuple[str, ...], codes: np.ndarray, rows: Sample, source: str) -> tuple[Order, tuple[str, ...]]:
    """The order of unnamed columns if labels are whole numbers: their positions, unless another agrees far better.

    Raises:
        UserError: the labels are not positions, and no other order agrees.
    """
    k = rows.values.shape[1]
    counted, from_one = tuple(map(str, range(k))), tuple(str(i + 1) for i in range(k))
    shifted = Order(from_one, "numeric order from 1", rare=True)
    if set(names) <= set(counted):
        orders = orders_of(counted, codes, names, whole=True)
        return choose(rows, [*orders, shifted] if set(names) <= set(from_one) else orders, silent=True)
    full = from_one if set(names) <= set(from_one) else names if len(names) == k else None
    if full is None:
        raise UserError(_no_column(names, None, k, source))
    usual, *others = orders_of(full, codes, names, whole=True)
    order, notes = choose(rows, [usual, *others], silent=True)
    if order is not usual:
        return order, notes
    raise UserError(_no_column(names, None, k, source, rows if full == from_one else None))


def _counted(named: tuple[str, ...]) -> bool:
    """Whether the names only number the columns, like column_0, column_1, ... of Polars."""
    parts = [re.fullmatch(r"(.*?)(\d+)", name) for name in named]
    return len({part[1] if part else None for part in parts}) == 1 and [
        part and int(part[2]) for part in parts
    ] == list(range(len(named)))


def _whole(names: tuple[str, ...]) -> bool:
    return all(name.removeprefix("-").isdecimal() for name in names)


def _no_column(
    names: tuple[str, ...], named: tuple[str, ...] | None, k: int, source: str, rows: Sample | None = None
) -> str:
    if _whole(names) and (named is None or _counted(named)):
        numbers = sorted(map(int, names))
        message = (
            f"The labels run from {numbers[0]} to {numbers[-1]}, but the {k} columns of {source} are 0 to {k - 1}."
        )
        if numbers[0] == -1:
            return (
                f"{message} If -1 stands for no label, leave it empty; if it is a class, name the columns after their "
                "classes."
            )
        if rows is None:
            return (
                f"{message} Integer labels are column positions; for other numbers, name the columns after their "
                "classes."
            )
        order = Order(tuple(str(i + 1) for i in range(k)), "")
        if agrees(rows, order):
            return f"{message} Subtract 1 from the labels, or name the columns after the classes."
        return (
            f"{message} Counted from 1 they do not agree with the columns either (mean probability of the given label "
            f"{given_probability(rows, order).mean():.2f}); name the columns after their classes."
        )
    if named:
        wrong = next(name for name in names if name not in named)
        return f"{source} has no column for the label {wrong!r}.{given.near(wrong, named)}"
    return (
        f"There are {len(names)} different labels and {k} columns in {source}, so it is not clear which column is "
        "which class; give a table whose columns have the class names, or labels that are column positions."
    )
