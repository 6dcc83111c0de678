"""Which examples are not independent of each other: the user's groups (patient, batch, annotator) and copies.

They share a held-out fold, so that no example is judged by a model trained on its copy, and they are never each other's
neighbours.

The size of a fold is limited. Copies that would fill half a fold, or that are most of a class, are spread over the
folds instead: held out together they would leave nothing to learn from. Groups that share copies share a fold too,
unless they are larger than half a fold together. Neighbours have no such limit: an example's copies and its own group
never vote on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_FEWEST = 3  # copies that may always share a fold, even in small data sets


@dataclass(frozen=True, eq=False)
class Bonds:
    """The groupings of n examples.

    Attributes:
        fold: (n,) int64; examples with the same number share a held-out fold. None for no grouping.
        apart: groupings, each (n,) int64; examples with the same number in any of them are never neighbours.
        unjudged: (n,) bool; the labels whose whole class lies in one group, so that no example outside the group shows
            the class.
        notes: what the user should know about it.
    """

    fold: np.ndarray | None
    apart: tuple[np.ndarray, ...]
    unjudged: np.ndarray
    notes: tuple[str, ...] = ()


def bind(
    labels: np.ndarray, classes: Sequence[str], folds: int, *, groups: np.ndarray | None, copies: np.ndarray | None
) -> Bonds:
    """The bonds of n examples.

    Args:
        labels: (n,) int64 given labels, positions in `classes`.
        folds: the number of folds.
        groups: (n,) the user's groups, any values that compare as text, or None.
        copies: (n,) int64, exact and near duplicates have the same number; or None.
    """
    notes: list[str] = []
    own = None if groups is None else np.unique(np.asarray(groups).astype(str), return_inverse=True)[1].astype(np.int64)
    if own is not None and len(own) and not own.any():
        notes.append("All examples are in one group, so groups are ignored.")
        own = None
    few = own is not None and own.max(initial=0) + 1 < 2 * folds
    if own is not None and few:
        notes.append(
            f"There are only {own.max() + 1} groups, too few to keep each in one fold; folds ignore them. Neighbours "
            "still never come from an example's own group."
        )
    kept = None if copies is None else _spread_out(copies, labels, folds, notes)
    bound = None if own is None or few else _halved(np.asarray(groups).astype(str), own, notes)
    fold = kept if bound is None else bound if kept is None else _joined(bound, kept, folds, notes)
    apart = tuple(grouping for grouping in (own, copies) if grouping is not None)
    return Bonds(fold, apart, _alone(labels, classes, apart, notes), tuple(notes))


def _spread_out(copies: np.ndarray, labels: np.ndarray, folds: int, notes: list[str]) -> np.ndarray:
    """`copies` with groups that would fill half a fold, or are most of a class, split into single examples."""
    group, position, size = np.unique(copies, return_inverse=True, return_counts=True)
    if len(group) == len(copies):
        return copies
    most = max(_FEWEST, len(labels) // (2 * folds))
    cell, held = np.unique(position * (labels.max(initial=0) + 1) + labels, return_counts=True)
    of_group, of_class = np.divmod(cell, labels.max(initial=0) + 1)
    large = size > most
    large[of_group[(held > 1) & (2 * held > np.bincount(labels)[of_class])]] = True
    if not large.any():
        return copies
    n, g = int(size[large].sum()), int(large.sum())
    notes.append(
        f"{n:,} examples are copies of each other in {g:,} group{'s' if g > 1 else ''} too large for one fold (more "
        f"than {most:,}, or more than half of a class); they are spread over the folds."
    )
    alone = copies.copy()
    released = np.flatnonzero(large[position])
    alone[released] = copies.max() + 1 + np.arange(len(released))
    return alone


def _joined(own: np.ndarray, copies: np.ndarray, folds: int, notes: list[str]) -> np.ndarray:
    """The user's groups; those that share copies are joined as long as they stay below half a fold."""
    most = len(own) // (2 * folds)
    parent, size = list(range(int(own.max()) + 1)), np.bincount(own).tolist()

    def root(g: int) -> int:
        while parent[g] != g:
            parent[g] = g = parent[parent[g]]
        return g

    copy, group = np.unique(np.stack([copies, own], axis=1), axis=0).T
    shared = np.flatnonzero(copy[1:] == copy[:-1])
    torn = 0
    for a, b in zip(group[shared].tolist(), group[shared + 1].tolist(), strict=True):
        one, other = sorted((root(a), root(b)))
        if one == other:
            continue
        if size[one] + size[other] > most:
            torn += 1
            continue
        parent[other] = one
        size[one] += size[other]
    if torn:
        notes.append(
            f"Copies link so many groups that they cannot all share a fold; {torn:,} links between groups are ignored. "
            "Copies are still never neighbours of each other."
        )
    return np.array([root(g) for g in range(len(parent))], np.int64)[own]


def _halved(names: np.ndarray, own: np.ndarray, notes: list[str]) -> np.ndarray:
    """`own` with a group of more than half of the examples split into single examples. Held out together it would leave
    too little to learn from."""
    size = np.bincount(own)
    largest = int(size.argmax())
    if 2 * size[largest] <= len(own):
        return own
    members = np.flatnonzero(own == largest)
    notes.append(
        f"The group {str(names[members[0]])!r} holds {len(members) / len(own):.0%} of the examples, too many to hold "
        "out together; it is spread over the folds. Neighbours still never come from an example's own group."
    )
    alone = own.copy()
    alone[members] = len(size) + np.arange(len(members))
    return alone


def _alone(labels: np.ndarray, classes: Sequence[str], apart: Sequence[np.ndarray], notes: list[str]) -> np.ndarray:
    """(n,) bool: the labels of classes with more than one example that lie completely in one group."""
    size = np.bincount(labels, minlength=len(classes))
    whole = np.zeros(len(classes), bool)
    for grouping in apart:
        first = np.zeros(len(classes), np.int64)
        first[labels] = grouping  # that of any example of each class
        whole |= (np.bincount(labels, grouping != first[labels], minlength=len(classes)) == 0) & (size > 1)
    if whole.any():
        named = [classes[c] for c in np.flatnonzero(whole).tolist()]
        shown = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
        notes.append(
            f"Classes whose examples all lie in one group, or are copies of one example: {len(named)} ({shown}). No "
            "other group can judge those labels; they get the overall rate."
        )
    return whole[labels]
