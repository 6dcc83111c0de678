"""The votes of several annotators: who gave which example which label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Votes:
    """v votes of A annotators on n examples, in the order of example, annotator, label.

    Attributes:
        example: (v,) int32, position of the example in the data.
        annotator: (v,) int32, position in `annotators`.
        label: (v,) int32, position in the classes of the data.
        annotators: the A names, sorted.
        n: how many examples there are; some may have no vote.
        alone: nothing but the votes is known of the examples: their inputs are the shares of their votes.
        given: the given labels are those with most votes, because the source has no others.
    """

    example: np.ndarray
    annotator: np.ndarray
    label: np.ndarray
    annotators: tuple[str, ...]
    n: int
    alone: bool = False
    given: bool = False

    def __len__(self) -> int:
        return len(self.label)

    def __repr__(self) -> str:
        return f"<Votes: {len(self):,} of {len(self.annotators):,} annotators on {self.n:,} examples>"

    @cached_property
    def starts(self) -> np.ndarray:
        """(n + 1,) int64, the votes of example i are those from starts[i] to starts[i + 1]."""
        return np.searchsorted(self.example, np.arange(self.n + 1))

    def of(self, i: int) -> range:
        """The positions of the votes of example i."""
        return range(int(self.starts[i]), int(self.starts[i + 1]))

    def shares(self, n_classes: int) -> np.ndarray:
        """(n, K) float64, the share of the votes of each example for each class; 0 without votes."""
        cell = self.example.astype(np.int64) * n_classes + self.label
        count = np.bincount(cell, minlength=self.n * n_classes).reshape(self.n, n_classes)
        return count / np.maximum(count.sum(1, keepdims=True), 1)

    def pick(self, rows: np.ndarray) -> Votes:
        """The votes on the examples at the positions `rows` (m,), which are then 0 to m - 1."""
        count = np.diff(self.starts)[rows]
        first = np.repeat(self.starts[:-1][rows] - (np.cumsum(count) - count), count)
        chosen = first + np.arange(int(count.sum()))
        example = np.repeat(np.arange(len(rows), dtype=np.int32), count)
        return replace(self, example=example, annotator=self.annotator[chosen], label=self.label[chosen], n=len(rows))


def in_order(
    example: np.ndarray,
    annotator: np.ndarray,
    label: np.ndarray,
    annotators: tuple[str, ...],
    n: int,
    *,
    alone: bool = False,
    given: bool = False,
) -> Votes:
    """Votes in any order -> `Votes`."""
    order = np.lexsort((label, annotator, example))
    example, annotator, label = (column[order].astype(np.int32) for column in (example, annotator, label))
    return Votes(example, annotator, label, annotators, n, alone, given)
