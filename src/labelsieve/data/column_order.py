"""Which column of a matrix of probabilities is which class, if the columns have no names.

Models order their classes as numbers, as text ("0", "1", "10", "2"), or as they first appeared. Each order is tried and
compared with the labels: by the mean probability of the given label, and by how often that is the most probable class.
An order replaces the documented one only if it agrees far better with the labels, and then a note names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelsieve.stats.probability_rows import NOTHING, unknown

SAMPLE = 1 << 21  # values that are compared
SURE = 4.0  # standard errors by which the mean probability of the given label must be larger
CLEARLY = 1.2  # how many times as large it must be
FAR = 2.0  # the same for an order that no program uses, for which there is only a warning
ENOUGH = 10  # rows per class, from which on such an order can be recognised
SHOWN = 5


@dataclass(frozen=True)
class Order:
    """The classes in the order of the columns, and the name of that order; a rare one causes no warning."""

    classes: tuple[str, ...]
    called: str
    rare: bool = False

    def __str__(self) -> str:
        names = ", ".join(self.classes[:SHOWN]) + (", ..." if len(self.classes) > SHOWN else "")
        return f"{self.called} ({names})"


@dataclass(frozen=True, eq=False)
class Sample:
    """Some labelled rows: values (m, K), and each row's label as a position in `names`."""

    values: np.ndarray
    codes: np.ndarray
    names: tuple[str, ...]


def sample(matrix: np.ndarray, codes: np.ndarray, names: tuple[str, ...]) -> Sample:
    """Evenly spread rows with a label (codes (n,), -1 = none) and finite probabilities; at most `SAMPLE` values."""
    rows = np.flatnonzero(codes >= 0)
    most = min(len(rows), max(1, SAMPLE // matrix.shape[1]))
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))] if len(rows) else rows
    values = np.asarray(matrix[rows])
    keep = np.isfinite(values).all(1)
    return Sample(values[keep], codes[rows][keep], names)


def given_probability(rows: Sample, order: Order) -> np.ndarray:
    """(m,) the probability of each given label, if the columns are in that order."""
    place = {name: column for column, name in enumerate(order.classes)}
    columns = np.array([place[name] for name in rows.names], np.int64)
    return rows.values[np.arange(len(rows.codes)), columns[rows.codes]].astype(np.float64)


def better(rows: Sample, one: Order, other: Order) -> bool:
    """Whether the labels agree with the first order far better than with the second."""
    if not len(rows.codes):
        return False
    first, second = given_probability(rows, one), given_probability(rows, other)
    gain = first - second
    error = gain.std() / np.sqrt(len(gain))
    top = rows.values.max(1)
    return (
        gain.mean() > SURE * error
        and first.mean() >= CLEARLY * second.mean()
        and (first >= top).mean() > (second >= top).mean()
        and gain.mean() > 0
    )


def choose(rows: Sample, orders: Sequence[Order], *, silent: bool) -> tuple[Order, tuple[str, ...]]:
    """The order to use, and notes about it.

    Args:
        rows: see `sample`.
        orders: the documented one first; each holds every label.
        silent: whether the documented order needs no note if no other one agrees as well.
    """
    usual, *others = _distinct(orders)
    rivals = [other for other in others if better(rows, other, usual) and agrees(rows, other)]
    best = max(rivals, key=lambda order: given_probability(rows, order).mean(), default=usual)
    if best is not usual and not all(better(rows, best, other) for other in (usual, *others) if other is not best):
        best = usual
    shares = {order: given_probability(rows, order).mean() if len(rows.codes) else 0.0 for order in (usual, *others)}
    if best is not usual:
        return best, (
            f"The columns have no class names and were read as the classes in {best}, not in {usual}: the mean "
            f"probability of the given labels is {shares[best]:.2f} in the first order and {shares[usual]:.2f} in the "
            f"second. {SETTLE}",
        )
    close = [other for other in others if not other.rare and not better(rows, usual, other)]
    if close:
        listed = "; ".join(f"in {other} {shares[other]:.2f}" for other in close)
        return usual, (
            f"The columns have no class names and were read as the classes in {usual}, but another order fits about as "
            f"well (mean probability of the given label {shares[usual]:.2f}; {listed}). {SETTLE}",
        )
    return usual, () if silent else (f"The columns have no class names and were read as the classes in {usual}.",)


SETTLE = "To be sure, name the columns: a table or frame with one column per class, or an .npz with `classes`."


def orders_of(names: Sequence[str], codes: np.ndarray, given: Sequence[str], *, whole: bool) -> list[Order]:
    """The orders in which programs put K class names: the usual one, as text, ignoring case, and by first appearance.

    Args:
        names: K of them, in the usual order.
        codes: (n,) the labels as positions in `given`, -1 if there is none.
        given: the names that occur.
        whole: whether the names are whole numbers.
    """
    text: tuple[str, ...] = tuple(sorted(names))
    numbers = text != tuple(names)
    orders = [
        Order(tuple(names), "numeric order" if whole or numbers else "the order of text"),
        Order(text, "the order of text"),
    ]
    if not whole:
        folded: list[str] = sorted(text, key=str.casefold)
        orders.append(Order(tuple(folded), "the order of text ignoring case"))
    seen, first = np.unique(codes[codes >= 0], return_index=True)
    appearance: tuple[str, ...] = tuple(given[int(code)] for code in seen[np.argsort(first)])
    if len(appearance) == len(names):
        orders.append(Order(appearance, "the order in which the labels first appear", rare=whole))
    return orders


def agrees(rows: Sample, order: Order) -> bool:
    """Whether the labels agree with the order better than by chance."""
    p = given_probability(rows, order)
    return (
        len(p) > 0
        and p.mean() >= CLEARLY / len(order.classes)
        and (p >= rows.values.max(1)).mean() > 1 / len(order.classes)
    )


def doubts(matrix: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Notes for columns and labels that do not fit: classes unknown to the model, and columns in an unusual order.

    Args:
        matrix: (n, K).
        labels: (n,) positions of the columns, -1 = none.
        classes: the K names.
    """
    rows = sample(matrix, labels, classes)
    if not len(rows.codes):
        return ()
    count = np.bincount(labels[labels >= 0], minlength=len(classes))
    nothing, hardly = map(np.flatnonzero, unknown(matrix, labels))
    notes = []
    if len(nothing):
        notes.append(
            f"No row gives any probability to {_named(nothing, classes, count)}: the column is zero throughout. Either "
            "column and class do not belong together, or the model never saw the class. Those labels cannot be judged "
            "and get the overall rate."
        )
    if len(hardly):
        notes.append(
            f"The model gives hardly any probability to {_named(hardly, classes, count)}, which is the likeliest class "
            "of no row. Either column and class do not belong together, or the model never saw the class. Those "
            "labels cannot be judged and get the overall rate."
        )
    moved = _moved(rows, classes)
    return (*notes, *moved)


def _moved(rows: Sample, classes: tuple[str, ...]) -> tuple[str, ...]:
    """A note if the labels fit another order of the columns far better."""
    k, m = len(classes), len(rows.codes)
    if k > 1000 or m < ENOUGH * k:
        return ()
    size = np.bincount(rows.codes, minlength=k)
    sums = np.zeros((k, k))
    np.add.at(sums, rows.codes, rows.values)
    likely = sums.argmax(1)
    present = size > 0
    if len(set(likely[present].tolist())) < present.sum() or (likely[present] == np.flatnonzero(present)).all():
        return ()
    now = sums[present, np.flatnonzero(present)].sum() / m
    then = sums[present, likely[present]].sum() / m
    if then < FAR * max(now, NOTHING):
        return ()
    pairs = [
        f"{classes[c]!r} looks like column {likely[c]} ({classes[likely[c]]!r})"
        for c in np.flatnonzero(present)
        if likely[c] != c
    ]
    listed = "; ".join(pairs[:3]) + (f"; and {len(pairs) - 3} more" if len(pairs) > 3 else "")
    return (
        f"The columns seem to be in a different order from the classes: {listed}. The mean probability of the given "
        f"labels is {now:.2f}, and {then:.2f} in that order. Check the order before you trust the findings. {SETTLE}",
    )


def _named(which: np.ndarray, classes: tuple[str, ...], count: np.ndarray) -> str:
    shown = ", ".join(f"{classes[c]!r} ({count[c]:,} labels)" for c in which[:SHOWN])
    return f"the class{'es' if len(which) > 1 else ''} {shown}" + (
        f" and {len(which) - SHOWN} more" if len(which) > SHOWN else ""
    )


def _distinct(orders: Sequence[Order]) -> list[Order]:
    distinct: dict[tuple[str, ...], Order] = {}
    for order in orders:
        distinct.setdefault(order.classes, order)
    return list(distinct.values())
