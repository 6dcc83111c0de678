"""Linear discriminant analysis in closed form, as a judge of examples that it has not seen.

Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 1936; shrinkage to a multiple of
the identity: Friedman, "Regularized discriminant analysis", JASA 1989. With the counts c_k, the means mu_k of the
classes and their pooled covariance S in the other folds, which have n examples,

    S = (X'X - sum_k c_k mu_k mu_k') / n        S_s = (1 - s) S + s tr(S)/d I
    b_k = S_s^-1 mu_k        z_k = x'b_k - mu_k'b_k / 2 + log c_k        p = softmax(t z)

All of it is a function of n, c_k, the sums of the classes and X'X, which are sums over examples. One pass over row
blocks collects them for each fold, and those of the other folds are the total less the fold's own. s and t are
chosen by how likely held-out examples have their given labels: the mean of log(.9 p_y + .1/K), in which one wrong
label costs little. Among nearly as good values of s the largest is taken, because wrong labels with a pattern reward
weak shrinkage. Ledoit and Wolf's and the OAS formula shrink far less (.02 to .1 where .2 to .8 rank best): they aim at
the covariance, not at the classes.
Cost: n d^2 multiply-adds for X'X and for each solve d^3 / 3; memory: (folds, d, d) and (folds, K, d) float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from labelsieve.core.memory_map import allocate, blocks, take
from labelsieve.engine.standardise import standardise
from labelsieve.stats.temperature import best_temperature

SHRINKAGES = (0.02, 0.1, 0.2, 0.4, 0.6, 0.85)  # that are tried
TEMPERATURES = np.exp(np.linspace(np.log(0.02), np.log(4), 36))  # that are tried
NEARLY = 0.001  # difference of two mean log-likelihoods that says nothing
_JUDGED = 1_000  # examples that choose s; t is chosen by more
_COMPARED, _COLUMNS = 5_000, 500  # examples and features that choose between features and their roots
_ROWS = 4096  # in a block
_SAMPLE = 200_000  # numbers (rows x K) by which s and t are chosen


@dataclass(frozen=True, eq=False)
class Statistics:
    """The sufficient statistics of some examples; with a leading axis, those of each fold.

    Attributes:
        counts: (K,) examples of each class.
        sums: (K, d) of their features.
        products: (d, d) X'X.
    """

    counts: np.ndarray
    sums: np.ndarray
    products: np.ndarray

    def without(self, fold: int) -> Statistics:
        """Those of all folds but one."""
        counts, sums, products = self._total
        return Statistics(counts - self.counts[fold], sums - self.sums[fold], products - self.products[fold])

    @cached_property
    def _total(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.counts.sum(0), self.sums.sum(0), self.products.sum(0)


@dataclass(frozen=True, eq=False)
class Discriminant:
    """z = x'b + a.

    Attributes:
        b: (d, K) float32.
        a: (K,) float32.
    """

    b: np.ndarray
    a: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:
        """(b, K) of features (b, d)."""
        return x @ self.b + self.a


@dataclass(frozen=True, eq=False)
class Judge:
    """One discriminant for each fold, from the examples of the others.

    Attributes:
        fits: for each fold.
        temperature: what all logits are multiplied by.
    """

    fits: list[Discriminant]
    temperature: float

    def probabilities(self, x: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """(b, K) float32 of standardised features (b, d); zeros in fold -1."""
        return _softmax(self.temperature * _held_out(self.fits, x, fold)) * (fold >= 0)[:, None]


def n_parts(fold: np.ndarray) -> int:
    """How many folds there are; fold -1 counts as one."""
    return int(fold.max()) + 1 + bool((fold < 0).any())


def collect(
    features: np.ndarray, labels: np.ndarray, n_classes: int, fold: np.ndarray, folds: int | None = None
) -> Statistics:
    """The statistics of each fold, in one pass over row blocks. Those of fold -1 are the last. `folds` is how many
    there are (`n_parts`) if these are not all examples."""
    d, folds = features.shape[1], n_parts(fold) if folds is None else folds
    out = Statistics(np.zeros((folds, n_classes)), np.zeros((folds, n_classes, d)), np.zeros((folds, d, d)))
    for own in blocks(features, _ROWS):
        rows = own.start + np.lexsort((labels[own], fold[own]))
        x = features[rows].astype(np.float32)
        cell = fold[rows] * n_classes + labels[rows]
        first = np.flatnonzero(np.diff(cell, prepend=cell[0] - 1))
        at = cell[first] // n_classes, cell[first] % n_classes
        out.counts[at] += np.diff(first, append=len(rows))
        out.sums[at] += np.add.reduceat(x, first)
        for f, part in _runs(fold[rows]):
            out.products[f] += x[part].T @ x[part]
    return out


def fit(statistics: Statistics, shrinkage: float, width: int | None = None) -> Discriminant:
    """The discriminant of examples with these statistics. A class without examples is never predicted. `width` is d
    where the features are coordinates in a subspace of their d dimensions."""
    c, d = statistics.counts, len(statistics.products)
    mu = statistics.sums / np.maximum(c, 1)[:, None]
    s = (statistics.products - (mu * c[:, None]).T @ mu) / max(c.sum(), 1)
    ridge = max(shrinkage * np.trace(s) / (width or d), 1e-6)  # features that give the class away have no covariance
    s *= 1 - shrinkage
    s[np.diag_indices(d)] += ridge
    b = np.linalg.solve(s, mu.T)
    with np.errstate(divide="ignore"):
        prior = np.log(c if c.any() else c + 1)
    return Discriminant(b.astype(np.float32), (prior - np.einsum("kd,dk->k", mu, b) / 2).astype(np.float32))


def out_of_fold(
    features: np.ndarray, labels: np.ndarray, n_classes: int, fold: np.ndarray, *, folder: Path | None = None
) -> np.ndarray:
    """Probabilities (n, K) float32 of each example from the other folds alone.

    A class that no other fold has gets the probability 0.

    Args:
        features: (n, d) standardised (`standardise`), maybe memory-mapped.
        labels: (n,) int64 given labels in 0..n_classes-1.
        fold: (n,) int64, the held-out fold of each example (`folds.assign`). An example of fold -1 is never held out
            and gets zeros.
        folder: the folder where a large result is memory-mapped; None keeps it in memory.
    """
    n, width = features.shape
    features = features if width <= n else _in_span(features)
    judge = fitted(features, labels, fold, collect(features, labels, n_classes, fold), width)
    probs = allocate((n, n_classes), np.float32, folder, "probs_lda")
    for own, _ in zip(blocks(features, _ROWS), blocks(probs, _ROWS), strict=True):
        probs[own] = judge.probabilities(features[own], fold[own])
    return probs


def fitted(features: np.ndarray, labels: np.ndarray, fold: np.ndarray, statistics: Statistics, width: int) -> Judge:
    """The judge whose shrinkage and temperature are chosen by some of the examples; `width` as in `fit`."""
    n_classes = statistics.counts.shape[1]
    shrinkage = _best_shrinkage(features, labels, fold, statistics, width)
    fits = [fit(statistics.without(f), shrinkage, width) for f in range(int(fold.max()) + 1)]
    sample = _sample(np.flatnonzero(fold >= 0), max(2000, _SAMPLE // n_classes))
    t, _ = best_temperature(_held_out(fits, take(features, sample), fold[sample]), labels[sample], TEMPERATURES)
    return Judge(fits, t)


def prefers_roots(features: np.ndarray, labels: np.ndarray, n_classes: int, fold: np.ndarray) -> bool:
    """Whether held-out given labels of a sample are likelier, by more than two standard errors, by the square roots of
    the features than by the features.

    Roots make skewed features, such as the means over a map that follow a rectifier, nearly normal, as LDA assumes.
    """
    rows = _sample(np.arange(len(labels)), min(max(_COMPARED, 20 * n_classes), 4 * _COMPARED))
    y, part = labels[rows], np.where(fold[rows] == fold[rows[0]], 0, -1)
    x, of = take(features, rows)[:, :: -(-features.shape[1] // _COLUMNS)], []
    for root in (False, True):
        standard = standardise(x, root=root)
        standard = standard if x.shape[1] <= len(x) else _in_span(standard)
        judge = fit(collect(standard, y, n_classes, part).without(0), 0.4, x.shape[1])
        own = np.flatnonzero(part == 0)
        of.append(best_temperature(judge.logits(standard[own].astype(np.float32)), y[own], TEMPERATURES)[1])
    gain = of[1] - of[0]
    return bool(gain.mean() > 2 * gain.std() / np.sqrt(len(gain)))


def _in_span(features: np.ndarray) -> np.ndarray:
    """Coordinates (n, n) float32 of n examples in the subspace that they span. LDA with this shrinkage depends on inner
    products alone, so that nothing changes where there are more features than examples."""
    x = features.astype(np.float32)
    square, directions = np.linalg.eigh((x @ x.T).astype(np.float64))
    return (directions * np.sqrt(np.maximum(square, 0))).astype(np.float32)


def _best_shrinkage(
    features: np.ndarray, labels: np.ndarray, fold: np.ndarray, statistics: Statistics, width: int
) -> float:
    """The largest s that is nearly as good as the best for the first folds, which have enough examples to tell."""
    enough = np.cumsum(np.bincount(fold[fold >= 0])) >= min(_JUDGED, (fold >= 0).sum())
    judged = range(int(np.argmax(enough)) + 1)
    rows = _sample(np.flatnonzero((fold >= 0) & (fold < len(judged))), max(2000, _SAMPLE // statistics.counts.shape[1]))
    x, others, likelihoods = take(features, rows).astype(np.float32), [statistics.without(f) for f in judged], []
    for s in SHRINKAGES:
        z = _held_out([fit(other, s, width) for other in others], x, fold[rows])
        likelihoods.append(best_temperature(z, labels[rows], TEMPERATURES)[1].mean())
    return SHRINKAGES[int(np.flatnonzero(np.array(likelihoods) >= max(likelihoods) - NEARLY)[-1])]


def _held_out(fits: list[Discriminant], x: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(b, K) logits of features (b, d), each by the discriminant of the other folds; zeros in fold -1."""
    order = np.argsort(fold, kind="stable")
    x, z = x[order].astype(np.float32), np.zeros((len(x), len(fits[0].a)), np.float32)
    for f, part in _runs(fold[order]):
        if f >= 0:
            z[order[part]] = fits[f].logits(x[part])
    return z


def _runs(values: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Each value of sorted ones, and where it is."""
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    for start, end in zip(starts, [*starts[1:], len(values)], strict=True):
        yield int(values[start]), slice(int(start), int(end))


def _softmax(z: np.ndarray) -> np.ndarray:
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def _sample(rows: np.ndarray, size: int) -> np.ndarray:
    """Random ones of some rows, ascending; all if there are not more than `size`."""
    return rows if len(rows) <= size else np.sort(np.random.default_rng(0).choice(rows, size, replace=False))
