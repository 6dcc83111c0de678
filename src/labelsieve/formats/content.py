"""What a format reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labelsieve.core.dataset import Exclusion, Kind

Names = tuple[str, ...]  # of classes


@dataclass(frozen=True, eq=False)
class Content:
    """n examples as they stand in a file or folder.

    Attributes:
        ids: n ids, unique; None for row numbers.
        labels: n given labels of any kind, None where there is no label; with `classes` they may be integers (n,) that
            are positions in them, -1 where there is no label. None if there are no labels, or `sets` or `votes` has
            them.
        inputs: n inputs, read when indexed, as in `core.Dataset`.
        kind: what the inputs are.
        classes: class names in the order of the format; None if the labels say them.
        splits: n names of splits (train, test, ...), None for an example in no split; or None.
        groups: n names of groups, or None.
        sets: n sets of class names, of a format that can hold several per example; None where there is no label, and
            () where the format says that it is none of the classes.
        votes: n lists of (annotator, class names) where several people labelled each example, with one answer each; the
            names are as in `sets`.
        partly: position -> why `sets` or `votes` do not say about every class whether the example has it.
        unlabelled: position -> why the example has no label, where the format knows.
        unusable: position -> why the example cannot be used.
        excluded: what never became an example, and why.
        notes: sentences that the user should read.
    """

    ids: Sequence[str] | None
    labels: Sequence[Any] | np.ndarray | None
    inputs: Sequence[Any] | np.ndarray
    kind: Kind
    classes: tuple[str, ...] | None = None
    splits: Sequence[str | None] | None = None
    groups: Sequence[str | None] | None = None
    sets: Sequence[Names | None] | None = None
    votes: Sequence[Sequence[tuple[str, Names]]] | None = None
    partly: Mapping[int, str] = field(default_factory=dict)
    unlabelled: Mapping[int, str] = field(default_factory=dict)
    unusable: Mapping[int, str] = field(default_factory=dict)
    excluded: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()

    def given(self) -> list[Names | None]:
        """The classes that each example has, None where that is not known: `sets`, or, of several annotators, the
        classes that at least half of them chose."""
        if self.votes is None:
            return list(self.sets or ())
        return [_chosen([names for _, names in said]) for said in self.votes]


def _chosen(answers: Sequence[Names]) -> Names | None:
    counted = Counter(name for names in answers for name in names)
    return tuple(name for name, count in counted.items() if 2 * count >= len(answers)) if answers else None


def changed(old: Collection[str], new: Collection[str]) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """How a set of classes becomes another: each old class that goes -> the one in its place, None without one; and
    those that are added. A single class that becomes another one is replaced, so that what stands beside it stays."""
    gone, added = [name for name in old if name not in new], tuple(name for name in new if name not in old)
    if len(set(old)) == len(new) == len(set(gone)) == 1:
        return {gone[0]: added[0]}, ()
    return dict.fromkeys(gone), added
