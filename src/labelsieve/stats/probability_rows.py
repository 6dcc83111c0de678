"""Checks whether the rows of a matrix are probabilities, in blocks, so that a memory map stays on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.memory_map import blocks

TOLERANCE = 1e-2 + 1e-6  # of a row's sum; 0.99 passes
EXACT = 2e-3  # rows whose sum differs more from 1 are rescaled; float16 and three decimals stay as they are
MOST = 0.5  # the most that rounding may change a sum, for any number of columns
DECIMALS = (2, 3, 4)
NOTHING = 1e-6  # a column without a larger value counts as zeros
HARDLY = 0.01  # a class is hardly predicted if its mean probability is below this part of the share of its labels
FEW = 5  # labels, below which a class may be hardly predicted by chance
_BLOCK = 1 << 22  # values looked at in one step


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that need attention.

    Attributes:
        unusable: the rows that hold NaN or infinity.
        off: the rows whose sum is not 1, but could be rounded.
    """

    unusable: list[int]
    off: np.ndarray


def check(
    matrix: np.ndarray, ids: Sequence[Any] | np.ndarray | None, source: str, columns: Sequence[str] | None = None
) -> Rows:
    """The rows of (n, K) that need attention. `ids` (n,) name a row in messages, None uses row numbers; `columns` are
    the names of the K columns, if any.

    Raises:
        UserError: a row is not a distribution (logits, percentages, a sum other than 1).
    """
    n, k = matrix.shape
    step = max(1, _BLOCK // k)
    unusable: list[int] = []
    off: list[np.ndarray] = []
    wrong, first = 0, -1
    for start in range(0, n, step):
        block = np.asarray(matrix[start : start + step])
        sums, low, high = block.sum(axis=1, dtype=np.float64), block.min(axis=1), block.max(axis=1)
        finite = np.isfinite(sums)
        unusable += (start + np.flatnonzero(~finite)).tolist()
        bad = finite & ((np.abs(sums - 1) > TOLERANCE) | (low < -TOLERANCE) | (high > 1 + TOLERANCE))
        for row in np.flatnonzero(bad):
            bad[row] = not _is_rounded(block[row], sums[row])
        rows = np.flatnonzero(bad)
        off.append(start + np.flatnonzero(finite & ~bad & (np.abs(sums - 1) > EXACT)))
        wrong += len(rows)
        first = start + int(rows[0]) if first < 0 and len(rows) else first
    if wrong:
        name = repr(str(first if ids is None else ids[first]))
        extra = [] if columns is None else _one_too_many(np.asarray(matrix[:step]), columns)
        raise UserError(
            f"Without the column {extra[0]!r} every row of {source} adds up to 1; it does not seem to be a class. "
            "Leave it out; if it holds the ids, name it with <id>."
            if len(extra) == 1
            else _no_distribution(matrix[first].astype(np.float64), wrong, n, name, source),
            id="",
        )
    return Rows(unusable, np.concatenate(off))


def unknown(matrix: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays (K,) bool: labelled classes with a zero column, and labelled classes that are hardly predicted. The
    latter are the likeliest class of no row, as in a softmax whose class was never trained. Such a model cannot judge
    these labels.

    Args:
        matrix: (n, K) probabilities; rows with NaN are ignored.
        labels: (n,) positions of the columns, -1 = none.
    """
    n, k = matrix.shape
    step = max(1, _BLOCK // k)
    top, total, first, m = np.zeros(k), np.zeros(k), np.zeros(k, np.int64), 0
    for rows in blocks(matrix, step):
        block = np.asarray(matrix[rows])
        block = block[np.isfinite(block).all(1)]
        if len(block):
            top, total, m = np.maximum(top, block.max(0)), total + block.sum(0, dtype=np.float64), m + len(block)
            first += np.bincount(block.argmax(1), minlength=k)
    count = np.bincount(labels[labels >= 0], minlength=k)
    zero = (count > 0) & (top <= NOTHING)
    little = total / max(m, 1) < HARDLY * count / max(count.sum(), 1)
    return zero, (count >= FEW) & ~zero & little & (first == 0)


def _one_too_many(block: np.ndarray, columns: Sequence[str]) -> list[str]:
    """The columns without which each row adds up to 1: a label, a fold or a prediction next to the probabilities."""
    block = np.asarray(block, np.float64)
    block = block[np.isfinite(block).all(1)]
    sum_of_others = block.sum(1)[:, None] - block
    return [name for name, good in zip(columns, (np.abs(sum_of_others - 1) <= TOLERANCE).all(0), strict=True) if good]


def _is_rounded(row: np.ndarray, total: float) -> bool:
    """Whether rounding to two or more decimals explains the sum: half a unit per value, upwards only for non-zero
    ones."""
    if row.min() < 0 or row.max() > 1 or abs(total - 1) > MOST:
        return False
    for decimals in DECIMALS:
        half = 0.5 * 10.0**-decimals
        rounded = np.round(row.astype(np.float64), decimals).astype(row.dtype)
        if (np.abs(rounded - row) <= 2 * np.spacing(np.maximum(rounded, row))).all():
            return -half * len(row) <= total - 1 + 1e-9 and total - 1 - 1e-9 <= half * np.count_nonzero(row)
    return False


def _no_distribution(row: np.ndarray, wrong: int, n: int, name: str, source: str) -> str:
    values = (
        f"{wrong} of the {n} rows of {source} are not probabilities; the first is {name} (values {row.min():.4g} to "
        f"{row.max():.4g})"
    )
    if row.max() <= 0 and abs(np.exp(row).sum() - 1) <= TOLERANCE:
        return f"{values}. They look like log-probabilities; take exp of them."
    if row.min() < 0:
        return f"{values}. They look like logits; apply softmax to each row."
    if abs(row.sum() - 100) <= 100 * TOLERANCE:
        return f"{values}. They look like percentages; divide them by 100."
    if row.max() > 1:
        return f"{values}. They look like logits or counts; apply softmax to logits, divide counts by the row's sum."
    return (
        f"{values}: it sums to {row.sum():.4g}, not to 1. Divide each row by its sum, if the model gives one label per "
        "example."
    )
