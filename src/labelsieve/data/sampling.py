"""Which examples label noise touches: exact counts by systematic sampling (Madow, 1949), or independent draws."""

from __future__ import annotations

import numpy as np


def touch(chances: np.ndarray, order: np.ndarray, exact: bool, rng: np.random.Generator) -> np.ndarray:
    """Which examples are touched (n,) bool; exactly floor(sum of chances) of them if exact.

    Exact is systematic sampling: along `order`, one is touched each time the running sum passes u, u + 1, ... for one
    uniform u. Every example keeps its probability, and every stretch of the order gets its share to within one.
    """
    if not exact:
        return rng.random(len(chances)) < chances
    total = whole(chances.sum())
    running = np.cumsum(chances[order]) * (total / max(chances.sum(), 1e-300))
    running[-1] = total
    steps = np.floor(running + rng.random())
    touched = np.zeros(len(chances), bool)
    touched[order] = np.diff(steps, prepend=0.0) > 0
    return touched


def whole(number: float) -> int:
    """The whole part of a number, safe from rounding: 0.29 * 100 is 28.999999999999996, and 29 is meant."""
    return int(number + 1e-6)


def inverse(chances: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The classes at `places` in [0, 1) of the cumulated probabilities."""
    running = np.cumsum(chances)
    return np.minimum(np.searchsorted(running, places * running[-1], side="right"), np.flatnonzero(chances)[-1])


def flip_rates(rate: float, spread: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """n draws from N(rate, spread^2) truncated to [0, 1]; a rate of 0 gives zeros."""
    if rate == 0:
        return np.zeros(n)
    q = rng.normal(rate, spread, n)
    while len(outside := np.flatnonzero((q < 0) | (q > 1))):
        q[outside] = rng.normal(rate, spread, len(outside))
    return q


def proportional(weights: np.ndarray, total: int) -> np.ndarray:
    """Probabilities that sum to `total`, in proportion to the weights but at most 1."""
    full = np.zeros(len(weights), bool)
    while True:
        rest = weights[~full].sum()
        chances = np.where(full, 1.0, weights * ((total - full.sum()) / rest if rest else 0.0))
        if (chances <= 1).all():
            return chances
        full |= chances > 1
