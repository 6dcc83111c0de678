"""Linear discriminant analysis of K classes that an example may have or not, each apart, from one covariance.

For one class with share q among the examples of the other folds, means mu_1 with it and mu_0 without it, and
delta = mu_1 - mu_0, the covariance within the two sides is S_w = S - q (1 - q) delta delta', where S is that of all
examples. By the formula of Sherman and Morrison, S_w^-1 delta is S^-1 delta over 1 - q (1 - q) delta' S^-1 delta: one
factorisation of S, shrunk as in `linear_discriminant`, serves all classes.

    b = S_w^-1 delta        z = x'b - (mu_1 + mu_0)'b / 2 + log(q / (1 - q))        p = sigmoid(t z)

Cost: n d^2 multiply-adds for X'X, d^3 / 3 per fold and shrinkage, n d K for the sums; memory (folds, d, d) and
(folds, K, d) float64.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelsieve.core.memory_map import allocate, blocks, take
from labelsieve.evidence.linear_discriminant import NEARLY, SHRINKAGES, TEMPERATURES
from labelsieve.stats.logistic_fit import logistic
from labelsieve.stats.temperature import best_temperature

_ROWS = 4096  # in a block
_JUDGED = 2_000  # examples that choose the shrinkage and the temperature
_PAIRS = 200_000  # questions that choose them


def out_of_fold(features: np.ndarray, given: np.ndarray, fold: np.ndarray, *, folder: Path | None = None) -> np.ndarray:
    """Probabilities (n, K) float32 that each example has each class, from the other folds alone.

    Args:
        features: (n, d) standardised (`standardise`), maybe memory-mapped.
        given: (n, K) bool, the given labels.
        fold: (n,) int64, the held-out fold of each example.
        folder: the folder where a large result is memory-mapped; None keeps it in memory.
    """
    folds = int(fold.max()) + 1
    of_folds = collect(features, given, fold, folds)
    sample = _sample(fold)
    x, y = take(features, sample).astype(np.float32), given[sample]
    likelihoods = []
    for shrinkage in SHRINKAGES:
        fits = {f: fit(of_folds, f, shrinkage) for f in np.unique(fold[sample]).tolist()}
        likelihoods.append(_likelihood(_held_out(fits, x, fold[sample]), y))
    means = np.array([mean for mean, _ in likelihoods])
    best = int(np.flatnonzero(means >= means.max() - NEARLY)[-1])
    fits = {f: fit(of_folds, f, SHRINKAGES[best]) for f in range(folds)}
    probs = allocate(given.shape, np.float32, folder, "probs_lda")
    for own, _ in zip(blocks(features, _ROWS), blocks(probs, _ROWS), strict=True):
        probs[own] = logistic(likelihoods[best][1] * _held_out(fits, features[own].astype(np.float32), fold[own]))
    return probs


def collect(features: np.ndarray, given: np.ndarray, fold: np.ndarray, folds: int) -> list[tuple[np.ndarray, ...]]:
    """For each fold: its number of examples, that of each class (K,), the sums of features (d,) and of those of each
    class (K, d), X'X (d, d)."""
    k, d = given.shape[1], features.shape[1]
    out = [(np.zeros(1), np.zeros(k), np.zeros(d), np.zeros((k, d)), np.zeros((d, d))) for _ in range(folds)]
    for own in blocks(features, _ROWS):
        for f in np.unique(fold[own]).tolist():
            rows = own.start + np.flatnonzero(fold[own] == f)
            x, y = features[rows].astype(np.float32), given[rows].astype(np.float32)
            for total, part in zip(out[f], (len(rows), y.sum(0), x.sum(0), y.T @ x, x.T @ x), strict=True):
                total += part
    return out


def fit(of_folds: list[tuple[np.ndarray, ...]], without: int, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """The weights (d, K) float32 and offsets (K,) float32 from all folds but one."""
    parts = zip(*(part for f, part in enumerate(of_folds) if f != without), strict=True)
    size, count, total, sums, products = (np.sum(part, axis=0) for part in parts)
    n = float(size[0])
    mean = total / n
    one = sums / np.maximum(count, 1)[:, None]
    zero = (total - sums) / np.maximum(n - count, 1)[:, None]
    delta, share = one - zero, np.clip(count / n, 0.5 / n, 1 - 0.5 / n)
    s = products / n - np.outer(mean, mean)
    ridge = max(shrinkage * np.trace(s) / len(s), 1e-6)
    s *= 1 - shrinkage
    s[np.diag_indices(len(s))] += ridge
    b = np.linalg.solve(s, delta.T)
    between = (1 - shrinkage) * share * (1 - share)
    b /= np.maximum(1 - between * np.einsum("kd,dk->k", delta, b), 1e-3)  # at 0 the class would have no spread
    a = np.log(share / (1 - share)) - np.einsum("kd,dk->k", one + zero, b) / 2
    return b.astype(np.float32), a.astype(np.float32)


def _held_out(fits: dict[int, tuple[np.ndarray, np.ndarray]], x: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(b, K) logits of features (b, d), each by the fit that never saw it."""
    z = np.empty((len(x), len(next(iter(fits.values()))[1])), np.float32)
    for f in np.unique(fold).tolist():
        b, a = fits[f]
        z[fold == f] = x[fold == f] @ b + a
    return z


def _likelihood(z: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The mean log-likelihood of given labels (b, K) by logits (b, K), and the temperature at which it is reached."""
    at = np.arange(z.size) if z.size <= _PAIRS else np.random.default_rng(0).choice(z.size, _PAIRS, replace=False)
    pair = np.stack([np.zeros(len(at), np.float32), z.ravel()[at]], 1)
    t, likelihood = best_temperature(pair, y.ravel()[at].astype(np.int64), TEMPERATURES)
    return float(likelihood.mean()), t


def _sample(fold: np.ndarray) -> np.ndarray:
    """Rows of the first folds, enough to choose by."""
    enough = np.cumsum(np.bincount(fold)) >= min(_JUDGED, len(fold))
    rows = np.flatnonzero(fold <= int(np.argmax(enough)))
    return rows if len(rows) <= _JUDGED else np.sort(np.random.default_rng(0).choice(rows, _JUDGED, replace=False))
