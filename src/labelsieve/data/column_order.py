"""Which column of a matrix of probabilities is which class, where the columns have no names.

Models order their classes as numbers, as text ("0", "1", "10", "2"), or as they first appeared. Each order is tried,
and the labels say which one agrees: by the mean probability of the given label, and by how often that is the most
probable class. An order takes the place of the documented one only if the labels agree with it far better, and then the
note names it; nothing is guessed in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelsieve.stats.probability_rows import NOTHING, unknown

SAMPLE = 1 << 21  # values that are looked at
SURE = 4.0  # standard errors by which the mean probability of the given label must be larger
CLEARLY = 1.2  # times as large as it must be
FAR = 2.0  # times as large as for an order that nobody uses, and of which a note only warns
ENOUGH = 10  # rows a class, from which such an order can be seen
SHOWN = 5


@dataclass(frozen=True)
class Order:
    """The classes in the order of the columns, and what that order is called; a rare one is taken if it agrees, and not
    worth a warning."""

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
    """Rows that have a label (codes (n,), -1 = none) and finite probabilities, evenly spread, at most `SAMPLE`
    values."""
    rows = np.flatnonzero(codes >= 0)
    most = min(len(rows), max(1, SAMPLE // matrix.shape[1]))
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))] if len(rows) else rows
    values = np.asarray(matrix[rows])
    keep = np.isfinite(values).all(1)
    return Sample(values[keep], codes[rows][keep], names)


def given_probability(rows: Sample, order: Order) -> np.ndarray:
    """(m,) the probability of each given label, if the columns stand in that order."""
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
    """The order to take, and what should be said of it.

    Args:
        rows: see `sample`.
        orders: the documented one first; each holds every label.
        silent: whether the documented order needs no word where no other one agrees as well.
    """
    usual, *others = _distinct(orders)
    rivals = [other for other in others if better(rows, other, usual) and agrees(rows, other)]
    best = max(rivals, key=lambda order: given_probability(rows, order).mean(), default=usual)
    if best is not usual and not all(better(rows, best, other) for other in (usual, *others) if other is not best):
        best = usual
    shares = {order: given_probability(rows, order).mean() if len(rows.codes) else 0.0 for order in (usual, *others)}
    if best is not usual:
        return best, (
            f"The columns carry no class names and were taken to be the classes in {best}, not in {usual}: the given "
            "labels have a mean "
            f"probability of {shares[best]:.2f} that way, and of {shares[usual]:.2f} the other. {SETTLE}",
        )
    close = [other for other in others if not other.rare and not better(rows, usual, other)]
    if close:
        told = "; ".join(f"in {other} {shares[other]:.2f}" for other in close)
        return usual, (
            f"The columns carry no class names and were taken to be the classes in {usual}, but another order fits "
            "about as well (mean "
            f"probability of the given label {shares[usual]:.2f}; {told}). {SETTLE}",
        )
    return usual, () if silent else (f"The columns carry no class names and were taken to be the classes in {usual}.",)


SETTLE = "To settle it, name the columns: a table or frame with a column for each class, or an .npz with `classes`."


def orders_of(names: Sequence[str], codes: np.ndarray, given: Sequence[str], *, whole: bool) -> list[Order]:
    """The orders that programs use of the names of K columns: the usual one, as text, regardless of case, and as they
    first appear.

    Args:
        names: K of them, in the usual order.
        codes: (n,) the labels as positions in `given`, -1 where there is none.
        given: the names that occur.
        whole: whether they are whole numbers.
    """
    text: tuple[str, ...] = tuple(sorted(names))
    numbers = text != tuple(names)
    found = [
        Order(tuple(names), "numeric order" if whole or numbers else "the order of text"),
        Order(text, "the order of text"),
    ]
    if not whole:
        folded: list[str] = sorted(text, key=str.casefold)
        found.append(Order(tuple(folded), "the order of text regardless of case"))
    seen, first = np.unique(codes[codes >= 0], return_index=True)
    appearance: tuple[str, ...] = tuple(given[int(code)] for code in seen[np.argsort(first)])
    if len(appearance) == len(names):
        found.append(Order(appearance, "the order in which the labels first appear", rare=whole))
    return found


def agrees(rows: Sample, order: Order) -> bool:
    """Whether the labels agree with the order at all: better than by chance."""
    p = given_probability(rows, order)
    return (
        len(p) > 0
        and p.mean() >= CLEARLY / len(order.classes)
        and (p >= rows.values.max(1)).mean() > 1 / len(order.classes)
    )


def doubts(matrix: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> tuple[str, ...]:
    """What should be said where columns and labels do not belong together: classes of which the model knows nothing,
    and columns that fit far better in an order that nobody uses.

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
            f"No row gives any probability to {_named(nothing, classes, count)}: the column is zero throughout. "
            "Either column and class do "
            "not belong together, or the model never saw the class. Those labels cannot be judged and get the overall "
            "rate."
        )
    if len(hardly):
        notes.append(
            f"The model gives hardly any probability to {_named(hardly, classes, count)}, and the first place "
            "nowhere. Either column and "
            "class do not belong together, or the model never saw the class. Those labels cannot be judged and get "
            "the overall rate."
        )
    moved = _moved(rows, classes)
    return (*notes, *moved)


def _moved(rows: Sample, classes: tuple[str, ...]) -> tuple[str, ...]:
    """A note where the labels fit another order of the columns far better."""
    k, m = len(classes), len(rows.codes)
    if k > 1000 or m < ENOUGH * k:
        return ()
    size = np.bincount(rows.codes, minlength=k)
    sums = np.zeros((k, k))
    np.add.at(sums, rows.codes, rows.values)
    likely = sums.argmax(1)
    there = size > 0
    if len(set(likely[there].tolist())) < there.sum() or (likely[there] == np.flatnonzero(there)).all():
        return ()
    now = sums[there, np.flatnonzero(there)].sum() / m
    then = sums[there, likely[there]].sum() / m
    if then < FAR * max(now, NOTHING):
        return ()
    pairs = [
        f"{classes[c]!r} looks like column {likely[c]} ({classes[likely[c]]!r})"
        for c in np.flatnonzero(there)
        if likely[c] != c
    ]
    told = "; ".join(pairs[:3]) + (f"; and {len(pairs) - 3} more" if len(pairs) > 3 else "")
    return (
        f"The columns seem to stand in another order than the classes: {told}. The given labels have a mean "
        f"probability of {now:.2f}, "
        f"and of {then:.2f} in that order. Check the order before believing the findings. {SETTLE}",
    )


def _named(which: np.ndarray, classes: tuple[str, ...], count: np.ndarray) -> str:
    shown = ", ".join(f"{classes[c]!r} ({count[c]:,} labels)" for c in which[:SHOWN])
    return f"the class{'es' if len(which) > 1 else ''} {shown}" + (
        f" and {len(which) - SHOWN} more" if len(which) > SHOWN else ""
    )


def _distinct(orders: Sequence[Order]) -> list[Order]:
    found: dict[tuple[str, ...], Order] = {}
    for order in orders:
        found.setdefault(order.classes, order)
    return list(found.values())
