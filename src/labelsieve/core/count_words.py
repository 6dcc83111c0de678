"""How a count of wrong labels, its two ends and its flags are worded: the same everywhere."""

from __future__ import annotations

import math

from labelsieve.core.shares import percent

REVIEWS = 100  # random reviews that measure a count well


def ends(low: str, high: str, *, measured: bool, n: int) -> str:
    """The two ends of a count.

    Args:
        low, high: the ends as they are shown, "80" or "6.67 %".
        measured: whether reviews measured the count (`decide.calibrate.Calibrated.measured`), so that the ends are a
            95 % interval; else they depend on what is assumed.
        n: examples that nobody has reviewed.
    """
    if measured:
        return f"95 % interval {low} to {high}"
    advice = f"; review {min(REVIEWS, n):,} at random to know" if n else ""
    return f"between {low} and {high}, depending on what is assumed{advice}"


def flags(n: int, precision: float | None) -> str:
    """The number of flags, with the share of them that is expected to be wrong."""
    known = n and precision is not None and not math.isnan(precision)
    return f"{n:,} flagged" + (f", about {percent(precision or 0.0, '.0f')} of them wrong" if known else "")
