"""Several inputs of a data set, one after another; files at addresses are fetched many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from labelsieve.core.errors import Unreachable

UNREAD = (OSError, ValueError, EOFError)  # what an input raises that cannot be read


def read_many(
    inputs: Sequence[Any] | np.ndarray, positions: Sequence[int] | np.ndarray, *, again: bool = False
) -> Iterator[Any]:
    """The inputs at the positions, in that order; for one that cannot be read, its error (one of `UNREAD`).

    Args:
        again: they will soon be read once more.

    Raises:
        Unreachable: the storage itself fails.
    """
    at = [int(i) for i in positions]
    if hasattr(inputs, "many"):
        yield from inputs.many(at, again)  # type: ignore[union-attr]
        return
    for i in at:
        try:
            value = inputs[i]
        except Unreachable:
            raise
        except UNREAD as error:
            value = error
        yield value
