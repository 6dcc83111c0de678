"""Small-loss selection: which examples a method treats as clean.

Sources: class-wise small-loss selection (CSS) and matched high confidence (MHCS) of Xiao et al., "ProMix", IJCAI 2023,
section 3.1; `average_seen` is the bookkeeping that all loss-based methods need (an example may be missing from an
epoch).
Cost: one sort of the losses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np

PerClass = Literal["balanced", "proportional"]


def rank_in_class(values: np.ndarray, labels: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Rank (n,) of each value in its class, 0 = smallest (ties in the order of the input), and class sizes (K,)."""
    size = np.bincount(labels, minlength=n_classes)
    order = np.lexsort((values, labels))
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(np.cumsum(size) - size, size)
    return rank, size


def class_small_loss(
    loss: np.ndarray, labels: np.ndarray, n_classes: int, rho: float, *, per_class: PerClass | np.ndarray = "balanced"
) -> np.ndarray:
    """ProMix's CSS: the smallest losses of each given class.

    Args:
        loss: (n,) losses of the given labels.
        labels: (n,) given labels in 0..K-1.
        rho: fraction to select; should stay below the clean fraction.
        per_class: "balanced" takes min(ceil(rho n / K), size) from each class, so rare classes are taken whole, wrong
            labels included; "proportional" takes ceil(rho * size), which the author advises for instance-dependent
            noise; an array (K,) has the number per class of which the share rho is selected.

    Returns:
        (n,) bool, at least one example of every class that has any.
    """
    rank, size = rank_in_class(loss, labels, n_classes)
    return rank < class_quota(size, n_classes, rho, per_class)[labels]


def class_quota(
    size: np.ndarray, n_classes: int, rho: float, per_class: PerClass | np.ndarray = "balanced"
) -> np.ndarray:
    """(K,) how many examples CSS selects of each class, as in `class_small_loss`, from the sizes of the classes."""
    # A product such as 0.7 * 10 must not become 8 through rounding.
    balanced = np.full(n_classes, size.sum() / n_classes)
    fair = {"balanced": balanced, "proportional": size}[per_class] if isinstance(per_class, str) else per_class
    return np.maximum(np.ceil(rho * fair - 1e-9), 1)


def matched_high_confidence(p_y: np.ndarray, tau: float) -> np.ndarray:
    """ProMix's MHCS: (n,) bool, the given label has probability above tau (if tau >= 0.5 it is also the prediction)."""
    return np.asarray(p_y) > tau


def average_seen(values: Iterable[np.ndarray]) -> np.ndarray:
    """Mean over epochs (E, n) -> (n,) float64, by count: NaN marks an epoch without the example. An example that was
    never seen gives NaN, and so do infinite values of both signs."""
    total, count = np.zeros(()), np.zeros((), np.int64)
    for epoch in values:
        seen = ~np.isnan(epoch)
        if not total.ndim:
            total, count = np.zeros(len(epoch)), np.zeros(len(epoch), np.int64)
        with np.errstate(invalid="ignore"):
            total += np.where(seen, epoch, 0)
        count += seen
    return np.where(count > 0, total / np.maximum(count, 1), math.nan)


def fill_unseen(score: np.ndarray) -> np.ndarray:
    """Finite scores (n,). An example without one (NaN) is neither suspicious nor clean: it gets the median of the
    others, or 0. An infinite one (a loss beyond float32) exceeds all others by a hundredth of their range."""
    finite = np.isfinite(score)
    if finite.all():
        return score
    known = score[finite]
    low, middle, high = (known.min(), np.median(known), known.max()) if len(known) else (0.0, 0.0, 0.0)
    beyond = (high - low) / 100 or 1.0
    return np.where(finite, score, np.where(np.isnan(score), middle, np.where(score > 0, high + beyond, low - beyond)))


def break_ties(score: np.ndarray, by: np.ndarray) -> np.ndarray:
    """`score` (n,) in [0, 1] with ties, and differences below 1e-6, ordered by `by`."""
    rank = np.searchsorted(np.sort(by), by) / max(len(by), 1)
    return (np.round(score, 6) + 1e-6 * rank) / (1 + 1e-6)
