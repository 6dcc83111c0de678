"""Stratified folds that keep groups together."""

from __future__ import annotations

import numpy as np


def assign(labels: np.ndarray, n_folds: int, *, groups: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Return the held-out fold of each example, (n,) int64 in 0..n_folds-1.

    Each class is spread over the folds as evenly as possible. Examples of one group (int ids; near-duplicates, a
    patient, a batch) share a fold, so that no example is judged by a model that saw its twin; a group counts for its
    most frequent class.
    """
    rng = np.random.default_rng(seed)
    n_classes = int(labels.max()) + 1 if len(labels) else 0
    if groups is None:
        return _spread(labels, n_folds, np.zeros((n_folds, n_classes), np.int64), rng)
    _, group = np.unique(groups, return_inverse=True)
    size = np.bincount(group)
    if size.max() == 1:
        return _spread(labels, n_folds, np.zeros((n_folds, n_classes), np.int64), rng)
    fold = np.empty(len(labels), np.int64)
    taken = np.zeros((n_folds, n_classes), np.int64)
    order, end = np.argsort(group, kind="stable"), np.cumsum(size)
    several = np.flatnonzero(size > 1)
    for g in several[np.argsort(-size[several], kind="stable")]:  # large groups first: small ones even them out
        members = order[end[g] - size[g] : end[g]]
        counts = np.bincount(labels[members], minlength=n_classes)
        main = counts.argmax()
        best = np.lexsort((taken.sum(1), taken[:, main]))[0]
        fold[members] = best
        taken[best] += counts
    single = size[group] == 1
    fold[single] = _spread(labels[single], n_folds, taken, rng)
    return fold


def _spread(labels: np.ndarray, n_folds: int, taken: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Deal each class over the folds, the emptiest fold first; the remainders of the classes start at different
    folds."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    start = np.r_[0, np.cumsum(np.bincount(labels, minlength=taken.shape[1]))]
    for c in np.flatnonzero(np.diff(start)):
        rows = order[start[c] : start[c + 1]]
        level = taken[:, c] - taken[:, c].min()
        first = (np.arange(n_folds) + c) % n_folds
        rank = np.lexsort((first, level))
        if level.any():
            fold[rows] = _fill(len(rows), level, rank)
        else:
            fold[rows] = rank[np.arange(len(rows)) % n_folds]
    return fold


def _fill(count: int, level: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Water-filling: each of `count` items goes to the fold with the fewest so far."""
    folds = len(level)
    depth = np.arange(count + 1)
    height = level[rank][None, :] + depth[:, None]  # the level a fold would have before it takes its depth-th item
    flat = np.lexsort((np.tile(np.arange(folds), count + 1), height.ravel()))[:count]
    return rank[flat % folds]
