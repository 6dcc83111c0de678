"""The out-of-fold probabilities of linear discriminant analysis from features in shards, by several workers.

The statistics of `linear_discriminant` are sums over examples, so that workers collect them from some shards each, and
the sums of the parts are those of one process. They do not ride along with encoding, because folds keep copies
together, which are known only when everything is encoded: they are a second pass over the shards. A third one judges
the examples.

A worker rounds its sums to multiples of 2^-16 (X'X itself has an error of some 2^-12 from its products in float32).
Multiples of 2^-16 below 2^37 are added exactly, so that the result depends neither on how many workers there are nor on
which is faster.
Cost: as in one process. What a worker returns: (folds, d, d) and (folds, K, d) float64 for some 65,000 examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from labelsieve.core.memory_map import allocate
from labelsieve.core.workers import Workers
from labelsieve.engine.standardise import Standardiser
from labelsieve.evidence import linear_discriminant
from labelsieve.evidence.feature_shards import Made, Shard, Shards, divided, standardised
from labelsieve.evidence.linear_discriminant import Judge, Statistics

_TOGETHER = 16  # shards whose statistics are sent as one
_GRID = 2.0**16


@dataclass(frozen=True, eq=False)
class _Part:
    """Some shards with the given labels and the folds of their rows."""

    shards: list[Shard]
    labels: list[np.ndarray]
    folds: list[np.ndarray]


def out_of_fold(
    features: np.ndarray,
    shards: Shards,
    scale: Standardiser,
    labels: np.ndarray,
    n_classes: int,
    fold: np.ndarray,
    workers: Workers,
    *,
    folder: Path | None = None,
) -> np.ndarray:
    """What `linear_discriminant.out_of_fold` returns, up to rounding.

    Args:
        features: (n, d) standardised; only samples of them are read here. There are at least d examples.
        shards: the same features, not standardised.
        scale: what standardises them.

    Raises:
        UserError: a part failed each time.
    """
    n, d = features.shape
    statistics = collect(shards, scale, labels, n_classes, fold, workers)
    judge = linear_discriminant.fitted(features, labels, fold, statistics, d)
    probs = allocate((n, n_classes), np.float32, folder, "probs_lda")
    items = Made(len(shards.parts), lambda i: _part(shards, [i], labels, fold))
    start = partial(_Judging, scale, judge)
    for i, found in divided(workers, _judged, items, start=start, what="the linear discriminant analysis"):
        probs[shards.rows[i]] = found
    return probs


def collect(
    shards: Shards, scale: Standardiser, labels: np.ndarray, n_classes: int, fold: np.ndarray, workers: Workers
) -> Statistics:
    """The statistics of each fold, as `linear_discriminant.collect` orders them."""
    groups = [range(i, min(i + _TOGETHER, len(shards.parts))) for i in range(0, len(shards.parts), _TOGETHER)]
    start = partial(_Collecting, scale, n_classes, linear_discriminant.n_parts(fold))
    items = Made(len(groups), lambda i: _part(shards, groups[i], labels, fold))
    total = None
    for _, one in divided(workers, _collected, items, start=start, what="the linear discriminant analysis"):
        total = one if total is None else _added(total, one)
    assert total is not None  # there are examples
    return total


def _part(shards: Shards, which: range | list[int], labels: np.ndarray, fold: np.ndarray) -> _Part:
    rows = [shards.rows[i] for i in which]
    return _Part(
        [shards.parts[i] for i in which],
        [labels[own].astype(np.int32) for own in rows],
        [fold[own].astype(np.int32) for own in rows],
    )


@dataclass(frozen=True, eq=False)
class _Collecting:
    scale: Standardiser
    n_classes: int
    folds: int


def _collected(state: _Collecting, part: _Part) -> Statistics:
    total = None
    for x, y, fold in zip(standardised(part.shards, state.scale), part.labels, part.folds, strict=True):
        one = linear_discriminant.collect(x, y, state.n_classes, fold, state.folds)
        total = one if total is None else _added(total, one)
    assert total is not None
    for sums in (total.sums, total.products):
        np.rint(sums * _GRID, out=sums)
        sums /= _GRID
    return total


def _added(total: Statistics, one: Statistics) -> Statistics:
    """Their sum, which overwrites the first."""
    for sums, more in ((total.counts, one.counts), (total.sums, one.sums), (total.products, one.products)):
        sums += more
    return total


@dataclass(frozen=True, eq=False)
class _Judging:
    scale: Standardiser
    judge: Judge


def _judged(state: _Judging, part: _Part) -> np.ndarray:
    (x,) = standardised(part.shards, state.scale)
    return state.judge.probabilities(x, part.folds[0])
