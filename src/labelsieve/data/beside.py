"""A user's own probabilities beside the data that they are of: the data are what is shown and corrected, the
probabilities judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from labelsieve.core.dataset import Dataset, Exclusion
from labelsieve.core.errors import UserError
from labelsieve.data.labels import require_unique
from labelsieve.data.probabilities import Matrix, by_order, judged, read_matrix

NAMED = 3  # ids that a note lists


def beside(
    data: Dataset,
    probs: Any,
    *,
    id: str | None = None,
    all_ids: Sequence[str] | None = None,
    categories: tuple[str, ...] | None = None,
) -> Dataset:
    """The data with `probs` (n, K), rows and classes in one order.

    Args:
        data: any data but probabilities.
        probs: as in `load_probabilities`; matched by id if it has ids, else by order.
        id: the column of ids in a table of probabilities, if it has one of that name.
        categories: the order that the labels bring along, as those of a Categorical do.
        all_ids: the ids of every row of the source, those that were left out too; None where only the data are at hand.

    Returns:
        The data whose probabilities can be used; the others are listed in `excluded`. The classes are those of the
        columns.

    Raises:
        UserError: the rows do not belong together, or `probs` are no probabilities of these classes.
    """
    if data.kind == "probs":
        raise UserError(
            "The data are probabilities already; name the images, texts or features that they are of, or leave out "
            "probs."
        )
    found = read_matrix(probs, id, there=False)
    rows, notes = _by_id(found, data) if found.ids is not None else _by_order(found, data, all_ids)
    names: list[str | None] = [None] * len(found.matrix)
    ids = list(found.ids) if found.ids is not None else [f"row {i} of {found.source}" for i in range(len(found.matrix))]
    for j in np.flatnonzero(rows >= 0).tolist():
        names[rows[j]], ids[rows[j]] = data.classes[data.labels[j]], data.ids[j]
    fixed = (
        data.classes
        if found.classes is None and _is_fixed(data.classes) and len(data.classes) == found.matrix.shape[1]
        else None
    )
    judge = judged(replace(found, classes=found.classes or fixed), ids, names, categories=categories)
    place = np.full(len(found.matrix), -1, np.int64)
    place[judge.rows] = np.arange(len(judge))
    at = np.where(rows >= 0, place[np.maximum(rows, 0)], -1)
    reasons = {item.id: item.reason for item in judge.excluded}
    gone = [
        Exclusion(data.ids[j], reasons.get(data.ids[j], f"{found.source} has no row for it"))
        for j in np.flatnonzero(at < 0)
    ]
    kept, at = data.take(at >= 0, gone), at[at >= 0]
    matrix = judge.inputs if np.array_equal(at, np.arange(len(judge))) else np.asarray(judge.inputs)[at]
    said = tuple(dict.fromkeys((*data.notes, *found.notes, *notes, *judge.notes)))
    return replace(kept, labels=judge.labels[at], classes=judge.classes, notes=said, probs=np.asarray(matrix))


def _by_id(found: Matrix, data: Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) the row of each example, -1 where there is none, and notes.

    Raises:
        UserError: no id is in both.
    """
    ids = found.ids or []
    require_unique(ids, found.source)
    place = {key: i for i, key in enumerate(ids)}
    rows = np.array([place.get(key, -1) for key in data.ids.tolist()], np.int64)
    if not (rows >= 0).any():
        raise UserError(
            f"{found.source} and {data.source or 'the data'} have no id in common; ids there look like {ids[0]!r}, of "
            "the data like "
            f"{data.ids[0]!r}."
        )
    known = {*data.ids.tolist(), *(item.id for item in data.excluded)}
    unknown = [key for key in ids if key not in known]
    listed = ", ".join(map(repr, unknown[:NAMED])) + (", ..." if len(unknown) > NAMED else "")
    more = f"{found.source} has {len(unknown):,} rows of ids that the data do not have ({listed}); they are not used."
    return rows, (more,) if unknown else ()


def _by_order(found: Matrix, data: Dataset, all_ids: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The same by order: a row for every row of the source, or one for every example that was not left out.

    Raises:
        UserError: there are as many rows as neither, or the ids are row numbers in another order.
    """
    n, source = len(found.matrix), data.source or "the data"
    whole = len(all_ids) if all_ids is not None else len(data) + len(data.excluded)
    if n == whole and data.rows.max() < n:
        ids = all_ids if all_ids is not None else data.ids.tolist() if len(data) == n else None
        return data.rows, () if ids is None else by_order(list(ids), source, found.source)
    if n != len(data):
        left = f", or {len(data):,} without those that were left out" if whole != len(data) else ""
        raise UserError(
            f"{found.source} has {n:,} rows, but {source} has {whole:,} examples{left}; the two must be as many, or "
            "the probabilities "
            "need ids."
        )
    note = f"{found.source} has no ids: its rows were matched by order to the {n:,} examples of {source} that were not left out."
    return np.arange(n), (note,)


def _is_fixed(classes: tuple[str, ...]) -> bool:
    """Whether the classes stand in an order of their own, which the source gave: neither numeric nor that of text."""
    try:
        return list(classes) != sorted(classes, key=float)
    except ValueError:
        return list(classes) != sorted(classes)
