"""The user's own probabilities together with their data, which are shown and corrected."""

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
    """The data with `probs` (n, K), with rows and classes in the same order.

    Args:
        data: any data except probabilities.
        probs: as in `load_probabilities`; matched by id if it has ids, else by order.
        id: the column of ids in a table of probabilities, if it has one of that name.
        categories: the labels' own order of classes, as a Categorical has one.
        all_ids: the ids of every row of the source, including those that were left out; None if only the data are at
            hand.

    Returns:
        The examples with usable probabilities; the others are listed in `excluded`. The classes are those of the
        columns.

    Raises:
        UserError: the rows do not fit, or `probs` are not probabilities of these classes.
    """
    if data.kind == "probs":
        raise UserError(
            "The data are probabilities already; name the images, texts or features that they belong to, or leave out "
            "probs."
        )
    loaded = read_matrix(probs, id, require_id=False)
    rows, notes = rows_by_id(loaded, data) if loaded.ids is not None else rows_by_order(loaded, data, all_ids)
    names: list[str | None] = [None] * len(loaded.matrix)
    ids = (
        list(loaded.ids)
        if loaded.ids is not None
        else [f"row {i} of {loaded.source}" for i in range(len(loaded.matrix))]
    )
    for j in np.flatnonzero(rows >= 0).tolist():
        names[rows[j]], ids[rows[j]] = data.classes[data.labels[j]], data.ids[j]
    fixed = (
        data.classes
        if loaded.classes is None and _is_fixed(data.classes) and len(data.classes) == loaded.matrix.shape[1]
        else None
    )
    judge = judged(replace(loaded, classes=loaded.classes or fixed), ids, names, categories=categories)
    place = np.full(len(loaded.matrix), -1, np.int64)
    place[judge.rows] = np.arange(len(judge))
    at_row = np.where(rows >= 0, place[np.maximum(rows, 0)], -1)
    reasons = {item.id: item.reason for item in judge.excluded}
    excluded = [
        Exclusion(data.ids[j], reasons.get(data.ids[j], f"{loaded.source} has no row for it"))
        for j in np.flatnonzero(at_row < 0)
    ]
    kept, at_row = data.take(at_row >= 0, excluded), at_row[at_row >= 0]
    matrix = judge.inputs if np.array_equal(at_row, np.arange(len(judge))) else np.asarray(judge.inputs)[at_row]
    all_notes = tuple(dict.fromkeys((*data.notes, *loaded.notes, *notes, *judge.notes)))
    return replace(kept, labels=judge.labels[at_row], classes=judge.classes, notes=all_notes, probs=np.asarray(matrix))


def rows_by_id(loaded: Matrix, data: Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) the row of each example, -1 if it has none, and notes.

    Raises:
        UserError: they have no id in common.
    """
    ids = loaded.ids or []
    require_unique(ids, loaded.source)
    place = {key: i for i, key in enumerate(ids)}
    rows = np.array([place.get(key, -1) for key in data.ids.tolist()], np.int64)
    if not (rows >= 0).any():
        raise UserError(
            f"{loaded.source} and {data.source or 'the data'} have no id in common; its ids look like {ids[0]!r}, "
            f"those of the data like {data.ids[0]!r}."
        )
    known = {*data.ids.tolist(), *(item.id for item in data.excluded)}
    unknown = [key for key in ids if key not in known]
    listed = ", ".join(map(repr, unknown[:NAMED])) + (", ..." if len(unknown) > NAMED else "")
    more = f"{loaded.source} has {len(unknown):,} rows whose ids are not in the data ({listed}); they are not used."
    return rows, (more,) if unknown else ()


def rows_by_order(loaded: Matrix, data: Dataset, all_ids: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The same by order: `probs` has a row for every row of the source, or for every example that was not left out.

    Raises:
        UserError: the number of rows fits neither, or the ids are row numbers in a different order.
    """
    n, source = len(loaded.matrix), data.source or "the data"
    whole = len(all_ids) if all_ids is not None else len(data) + len(data.excluded)
    if n == whole and data.rows.max() < n:
        ids = all_ids if all_ids is not None else data.ids.tolist() if len(data) == n else None
        return data.rows, () if ids is None else by_order(list(ids), source, loaded.source)
    if n != len(data):
        left = f", or {len(data):,} without those that were left out" if whole != len(data) else ""
        raise UserError(
            f"{loaded.source} has {n:,} rows, but {source} has {whole:,} examples{left}; the numbers must be equal, or "
            "the probabilities need ids."
        )
    note = (
        f"{loaded.source} has no ids: its rows were matched by order to the {n:,} examples of {source} that were not "
        "left out."
    )
    return np.arange(n), (note,)


def _is_fixed(classes: tuple[str, ...]) -> bool:
    """Whether the source gave the classes an order of its own, neither numeric nor that of text."""
    try:
        return list(classes) != sorted(classes, key=float)
    except ValueError:
        return list(classes) != sorted(classes)
