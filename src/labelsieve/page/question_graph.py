"""The neighbours of questions: the same question about the neighbours of the example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from labelsieve.core.evidence import Neighbours


@dataclass(frozen=True, eq=False)
class _Rows:
    """An array (n, k) of n examples, read as if it had a row for each of `several` questions about each example.

    Attributes:
        array: positions of examples (if `positions`, -1 for none), or similarities.
    """

    array: np.ndarray
    several: int
    positions: bool

    def __getitem__(self, key: Any) -> np.ndarray:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        example, asked = np.divmod(rows, self.several)
        part = np.asarray(self.array[example])
        if self.positions:
            part = np.where(part < 0, -1, part.astype(np.int64) * self.several + np.asarray(asked)[..., None])
        return part[tuple(rest)] if rest else part


def of_questions(graph: Neighbours | None, several: int) -> Neighbours | None:
    """The graph of n examples as that of their n x `several` questions, which are not stored; unchanged for 0."""
    if graph is None or not several:
        return graph
    index, similarity = _Rows(graph.index, several, True), _Rows(graph.similarity, several, False)
    return Neighbours(cast(np.ndarray, index), cast(np.ndarray, similarity))
