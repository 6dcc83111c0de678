"""Some of the inputs of a data set, in a form that travels to another process.

A sequence of inputs may have three more members. `part(rows)` is a small handle on some of them that can be pickled: of
files their paths, of values in memory the values. `groups` (n,) are numbers of what is read from a file at once, such
as a row group of Parquet; None, or without the member, each input is read alone. `row_bytes` is how much one of them
weighs in a handle; without the member it is measured on some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.read_many import read_many

Inputs = Sequence[Any] | np.ndarray
_MEASURED = 50  # inputs


@dataclass(frozen=True, eq=False)
class Values(Sequence):
    """Inputs that were read; where that failed, the error, which is raised again."""

    values: list[Any]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, i: int) -> Any:
        if isinstance(value := self.values[i], Exception):
            raise value
        return value


def part(inputs: Inputs, rows: np.ndarray) -> Inputs:
    """The inputs at the positions `rows` (m,), in that order, to be pickled."""
    if isinstance(inputs, np.ndarray):
        return np.ascontiguousarray(inputs[rows])
    own = getattr(inputs, "part", None)
    return own(rows) if own is not None else Values(list(read_many(inputs, rows)))


def groups(inputs: Inputs) -> np.ndarray | None:
    """(n,) int64 numbers of what is read at once; None if each input is read alone."""
    return getattr(inputs, "groups", None)


def row_bytes(inputs: Inputs) -> float:
    """How many bytes one input weighs in a `part`, about."""
    if isinstance(inputs, np.ndarray):
        return inputs.nbytes / max(1, len(inputs))
    own = getattr(inputs, "row_bytes", None)
    if own is not None:
        return own
    some = list(read_many(inputs, spread(inputs, _MEASURED)))
    return sum(_weight(value) for value in some) / max(1, len(some))


def spread(inputs: Inputs, most: int) -> list[int]:
    """At most `most` positions, spread over the inputs; of inputs that are read at once, the first of each group."""
    if (at := groups(inputs)) is None:
        return np.unique(np.linspace(0, len(inputs) - 1, min(most, len(inputs))).round().astype(int)).tolist()
    order = np.argsort(at, kind="stable")
    begins = np.flatnonzero(np.diff(at[order], prepend=-1))
    each = -(-most // len(begins)) if len(begins) else 0
    first = np.flatnonzero(np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order))) < each)
    chosen = first[np.unique(np.linspace(0, len(first) - 1, min(most, len(first))).round().astype(int))]
    return np.sort(order[chosen]).tolist()


def _weight(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    return len(value) if isinstance(value, (bytes, bytearray, memoryview, str)) else 0
