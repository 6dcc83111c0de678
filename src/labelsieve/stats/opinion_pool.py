"""Combines judges: a pool of class probabilities, the noise transition matrix, and the log-odds of a wrong label.

Pool: a weighted mean of the judges' log-probabilities (a logarithmic opinion pool: Genest and Zidek 1986). Each judge's
log-probabilities are first multiplied by one number, its temperature, that makes the given labels most likely under
.9 p + .1/K (Guo et al. 2017 with room for wrong labels), so that no judge outweighs the others by being sure of itself.
A single judge is left as it is.
Transition matrix: maximum likelihood of the given labels under P(given = y | x) = sum_j p_j(x)^t T[j, y], by EM over T
and a search over the sharpness t, with a weak prior towards uniform noise (Dawid and Skene 1979 with the classifier in
the place of the prior class).
Its part in the log-odds is small, because hard pairs of classes look like label noise: a model confuses them both ways.
Confusions that mostly go one way are evidence of label noise. So class j as the explanation of the label y weighs
(J[j, y] / J[y, j])^(1/2), with J the expected numbers of (true, given) pairs. Where several judges agree on J, half of
this exponent and T[j, y]^(1/4) share the work. The weights of each given label average to one, so that they decide
between explanations. Of several judges, the noise rate of the class enters with a tenth of its log-odds. With two
classes neither has an effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from labelsieve.core.evidence import Neighbours
from labelsieve.core.memory_map import release
from labelsieve.stats.confident_joint import require_finite
from labelsieve.stats.temperature import best_temperature

# The constants of the consensus, defined only here. They were chosen by leaving whole data sets out
# (docs/calibration.md); the detector has the first seven as keyword arguments.
NEIGHBOURS = 20  # that vote
SHARPNESS = 8.0  # the weight of a neighbour is exp(sharpness (cosine - cosine of the nearest))
SPREAD = 0.1  # share of a vote that is spread equally over all classes, so that no class is impossible
TRUST = 0.5  # exponent of the transition matrix; 0 ignores that some confusions are common
APART = 0.0  # exponent of the noise rates of two classes; see `detectors.each_class` for several labels per example
PRIOR = 2.0  # weight of the single noise rate in each row of T, in examples
STEPS = 12  # of the EM
FLOOR = 1e-6  # added to a judge's probability before the logarithm
WEIGHTS = {"probs_gce": 2.0, "probs_lda": 4.0, "neighbours": 1.0}  # of the judges of features
CLASS_RATE = 0.1  # weight of the log-odds of each class's noise rate, if several judges agree on it
CONFIDENT = 0.25  # log-odds that a single judge's label gains if confident learning flags it too
_ONE_FLOOR = 1e-45  # the floor of a single judge: the smallest float32, because it makes ties
_EXPECTED = 0.02  # pairs of classes that are confused: prior of J, as a share of its mean cell
_TEMPERATURES = np.exp(np.linspace(-2.5, 0.75, 27))
_SAMPLE = 4_000_000  # numbers (rows x K) that the EM and the temperatures use
_BLOCK = 1 << 21  # numbers in a block
_VOTES = 1 << 14  # rows that are voted on at a time
_IN_MEMORY = 1 << 25  # bytes of pooled probabilities


@dataclass(frozen=True, eq=False)
class Transition:
    """P(given label | true label).

    Attributes:
        stay: (K,) the diagonal.
        matrix: (K, K) rows sum to one, or None if there are fewer examples than cells.
        n_wrong: expected number of wrong labels if noise depended on the class alone.
        sharpness: the exponent t of the fit.
    """

    stay: np.ndarray
    matrix: np.ndarray | None
    n_wrong: float
    sharpness: float

    def column(self, given: np.ndarray) -> np.ndarray:
        """(b, K) P(given | each class) for the given labels (b,)."""
        if self.matrix is not None:
            return self.matrix[:, given].T
        k = len(self.stay)
        out = np.broadcast_to((1 - self.stay) / (k - 1), (len(given), k)).copy()
        out[np.arange(len(given)), given] = self.stay[given]
        return out


def vote(
    neighbours: Neighbours,
    labels: np.ndarray,
    n_classes: int,
    rows: np.ndarray,
    *,
    k: int = NEIGHBOURS,
    sharpness: float = SHARPNESS,
    spread: float = SPREAD,
) -> np.ndarray:
    """Class probabilities (b, K) of `rows` (b,) from the labels of their nearest neighbours.

    The weight of a neighbour is exp(sharpness (cosine - cosine of the nearest)); a tenth of a vote is spread over all
    classes. Without neighbours all classes are equally likely.
    """
    parts = [_vote(neighbours, labels, n_classes, some, k, sharpness, spread) for some in _parts(rows)]
    return np.concatenate(parts)


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    """The rows in parts, of which there is at least one."""
    return [rows[start : start + _VOTES] for start in range(0, max(1, len(rows)), _VOTES)]


def _vote(
    neighbours: Neighbours,
    labels: np.ndarray,
    n_classes: int,
    rows: np.ndarray,
    k: int,
    sharpness: float,
    spread: float,
) -> np.ndarray:
    index, similarity = neighbours.index[rows, :k], neighbours.cosines(rows, k)
    weight = np.exp(sharpness * (similarity - similarity[:, :1])) * (index >= 0) if index.shape[1] else similarity
    cell = np.arange(len(rows))[:, None] * n_classes + labels[index]
    votes = np.bincount(cell.ravel(), weight.ravel(), minlength=len(rows) * n_classes).reshape(len(rows), n_classes)
    votes = votes.astype(np.float64)  # without any neighbour there are no weights to add up
    votes += spread / n_classes * np.maximum(votes.sum(1, keepdims=True), 1e-12)
    return votes / votes.sum(1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Pool:
    """The judges' pooled log-probabilities, computed block by block so that n x K is never in memory.

    Attributes:
        probs: arrays (n, K) of class probabilities.
        neighbours: the kNN graph as one more judge, or None.
        labels: (n,) given labels.
        n_classes: K.
        k, sharpness, spread: parameters of `vote`.
        floor: added to each probability before its logarithm.
        weights: one number per judge, the neighbours last; None weighs all equally.
        temperatures: what each judge's log-probabilities are multiplied by; None is 1. `tempered` fits them.
    """

    probs: Sequence[np.ndarray]
    neighbours: Neighbours | None
    labels: np.ndarray
    n_classes: int
    k: int = NEIGHBOURS
    sharpness: float = SHARPNESS
    spread: float = SPREAD
    floor: float = FLOOR
    weights: Sequence[float] | None = None
    temperatures: Sequence[float] | None = None

    @property
    def several(self) -> bool:
        """More than one judge."""
        return len(self.probs) + (self.neighbours is not None) > 1

    def judges(self, rows: np.ndarray) -> list[np.ndarray]:
        """The class probabilities (b, K) float64 of each judge."""
        judges = [np.asarray(p[rows], np.float64) for p in self.probs]
        if self.neighbours is not None:
            how = {"k": self.k, "sharpness": self.sharpness, "spread": self.spread}
            judges.append(vote(self.neighbours, self.labels, self.n_classes, rows, **how))
        return judges

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """(b, K) float64 log-probabilities of the pool."""
        return self.pooled(self.judges(rows))

    def pooled(self, judges: list[np.ndarray]) -> np.ndarray:
        """(b, K) log-probabilities of the pool from class probabilities (b, K) of each judge."""
        temperatures = self.temperatures or [1.0] * len(judges)
        weights = np.array(self.weights or [1.0] * len(judges), np.float64)
        total = sum(
            weight * _log_softmax(temperature * np.log(np.maximum(p, 0) + self.floor))
            for p, temperature, weight in zip(judges, temperatures, weights / weights.sum(), strict=True)
        )
        return _log_softmax(np.asarray(total))

    def tempered(self, *, seed: int = 0) -> Pool:
        """This pool with each judge at the temperature that suits the given labels best; one judge stays as it is."""
        if not self.several:
            return replace(self, floor=min(self.floor, _ONE_FLOOR))
        rows = _sample(len(self.labels), self.n_classes, seed)
        chosen = [
            best_temperature(np.log(np.maximum(p, 0) + self.floor), self.labels[rows], _TEMPERATURES)[0]
            for p in self.judges(rows)
        ]
        return replace(self, temperatures=chosen)

    def blocks(self) -> Iterator[np.ndarray]:
        """Row numbers of consecutive blocks."""
        n, size = len(self.labels), max(1, _BLOCK // self.n_classes)
        near = () if self.neighbours is None else (self.neighbours.index, self.neighbours.similarity)
        for start in range(0, n, size):
            yield np.arange(start, min(start + size, n))
            for judge in (*self.probs, *near):
                release(judge)

    def probabilities(self) -> np.ndarray:
        """(n, K) float32 pooled class probabilities; of a single judge its own. In a temporary file if they are
        large."""
        if not self.several and self.probs:
            return self.probs[0]
        shape = len(self.labels), self.n_classes
        if shape[0] * shape[1] * 4 <= _IN_MEMORY:
            out = np.empty(shape, np.float32)
        else:
            with TemporaryFile() as file:  # the map keeps it
                out = np.memmap(file, np.float32, "w+", shape=shape)
        for rows in self.blocks():
            out[rows] = np.exp(self.rows(rows))
            release(out)
        return out


def pool_of(
    judges: Mapping[str, np.ndarray | None],
    neighbours: Neighbours | None,
    labels: np.ndarray,
    n_classes: int,
    **settings: float,
) -> Pool:
    """The pool of the judges (n, K) that exist, by name, with their weights and temperatures. The key "probs", a single
    judge, is used only if there is no other. `settings` are fields of `Pool`."""
    others = {name: judge for name, judge in judges.items() if judge is not None and name != "probs"}
    named = others or {name: judge for name, judge in judges.items() if judge is not None}
    for judge in named.values():
        require_finite(judge, labels)
    weights = [WEIGHTS.get(name, 1.0) for name in (*named, *(["neighbours"] if neighbours is not None else []))]
    kept: dict[str, Any] = dict(settings)
    return Pool(list(named.values()), neighbours, labels, n_classes, weights=weights, **kept).tempered()


def estimate_transition(pool: Pool, *, steps: int = STEPS, prior: float = PRIOR, seed: int = 0) -> Transition:
    """Fit T and the sharpness of the pool to the given labels. T is a full matrix if there is an example per cell, else
    one noise rate."""
    n, k = len(pool.labels), pool.n_classes
    rows = _sample(n, k, seed)
    z, y = np.concatenate([pool.rows(some) for some in _parts(rows)]), pool.labels[rows]
    fit = _one_rate if n < k * k else partial(_matrix, prior=prior)
    sharpness, transition = 1.0, _one_rate(0.9 * np.eye(k)[y] + 0.1 / k, y, k)
    for step in range(steps):
        transition = fit(_posterior(z * sharpness, transition, y), y, k)
        if step % 3 == 0:
            tried = sharpness * np.exp(np.linspace(-0.3, 0.3, 7))
            sharpness = float(tried[np.argmax([_likelihood(z * s, transition, y) for s in tried])])
    wrong = 1 - _posterior(z * sharpness, transition, y)[np.arange(len(y)), y]
    return replace(transition, n_wrong=float(wrong.mean()) * n, sharpness=sharpness)


@dataclass(frozen=True, eq=False)
class Verdict:
    """The pooled result of the judges for n examples.

    Attributes:
        log_odds: (n,) that the given label is wrong.
        other: (n,) int64, the likeliest other class.
        p_given, p_other: (n,) pooled probability of the given label and of `other`.
        united: (n,) bool, all judges name the same likeliest class; always true with one judge.
    """

    log_odds: np.ndarray
    other: np.ndarray
    p_given: np.ndarray
    p_other: np.ndarray
    united: np.ndarray


def explanations(
    pool: Pool, transition: Transition, *, trust: float = TRUST, apart: float = APART
) -> tuple[np.ndarray, np.ndarray]:
    """What the transition matrix adds to the log-odds: (K, K) log-weights of each class as the explanation of a given
    label, rows = true, columns = given, the diagonal 0; and (K,) the part of the log-odds that a given label of each
    class is wrong, around their mean."""
    k = pool.n_classes
    if transition.matrix is not None and k == 2:  # of two classes only the rates can differ: flips of either label
        matrix = transition.matrix
        return np.zeros((2, 2)), apart * (np.log(matrix[[1, 0], [0, 1]]) - np.log(np.diag(matrix)))
    if transition.matrix is None or trust == 0:
        return np.zeros((k, k)), np.zeros(k)
    matrix, count = transition.matrix, np.bincount(pool.labels, minlength=k)
    joint = matrix * (count[:, None] + 1)
    joint = joint + _EXPECTED * joint.sum() / (k * (k - 1)) + 1
    one_way = np.log(joint) - np.log(joint.T)
    log = trust * (0.5 * one_way + 0.5 * np.log(matrix) if pool.several else one_way)
    # the mean probability of each class among the examples of each given label
    likely = np.zeros((k, k))
    for rows in pool.blocks():
        p = np.exp(pool.rows(rows))
        for c in np.unique(pool.labels[rows]):
            likely[:, c] += p[pool.labels[rows] == c].sum(0)
    np.fill_diagonal(likely, 0)
    likely = likely + 1e-12
    np.fill_diagonal(likely, 0)
    share = likely / likely.sum(0)
    log = log - np.log((share * np.exp(log)).sum(0))
    np.fill_diagonal(log, 0)
    if not pool.several:
        return log, np.zeros(k)
    odds = np.log((share * matrix).sum(0)) - np.log(np.diag(matrix))
    return log, CLASS_RATE * (odds - (odds * count).sum() / count.sum())


def verdict(pool: Pool, transition: Transition, *, trust: float = TRUST, apart: float = APART) -> Verdict:
    """The log-odds that each label is wrong: pooled probability of other classes, weighed by `explanations`, against
    that of the given one."""
    n = len(pool.labels)
    out = Verdict(np.empty(n), np.empty(n, np.int64), np.empty(n), np.empty(n), np.empty(n, bool))
    log, odds = explanations(pool, transition, trust=trust, apart=apart)
    for rows in pool.blocks():
        judges, y, at = pool.judges(rows), pool.labels[rows], np.arange(len(rows))
        z = pool.pooled(judges)
        p = np.exp(z)
        z = z + log[:, y].T
        own = z[at, y].copy()
        z[at, y] = -np.inf
        best = z.argmax(1)
        top = z[at, best]
        out.log_odds[rows] = top + np.log(np.exp(z - top[:, None]).sum(1)) - own + odds[y]
        out.other[rows], out.p_given[rows], out.p_other[rows] = best, p[at, y], p[at, best]
        named = [judge.argmax(1) for judge in judges]
        out.united[rows] = np.all([name == named[0] for name in named], axis=0)
    return out


def _one_rate(posterior: np.ndarray, y: np.ndarray, k: int) -> Transition:
    """The same noise rate for all classes, spread evenly."""
    stay = float(np.clip(posterior[np.arange(len(y)), y].mean(), 1e-6, 1 - 1e-6))
    return Transition(np.full(k, stay), None, 0.0, 1.0)


def _matrix(posterior: np.ndarray, y: np.ndarray, k: int, *, prior: float = PRIOR) -> Transition:
    """A full matrix; `prior` examples per class follow the single noise rate."""
    joint = np.zeros((k, k))  # row = true class, column = given class
    for c in np.unique(y):
        joint[:, c] = posterior[y == c].sum(0)
    joint += prior * _one_rate(posterior, y, k).column(np.arange(k)).T
    matrix = np.maximum(joint / joint.sum(1, keepdims=True), 1e-9)
    return Transition(np.diag(matrix).copy(), matrix, 0.0, 1.0)


def _posterior(z: np.ndarray, transition: Transition, y: np.ndarray) -> np.ndarray:
    p = _softmax(z) * transition.column(y)
    return p / p.sum(1, keepdims=True)


def _likelihood(z: np.ndarray, transition: Transition, y: np.ndarray) -> float:
    return float(np.log((_softmax(z) * transition.column(y)).sum(1) + 1e-300).mean())


def _sample(n: int, k: int, seed: int) -> np.ndarray:
    """Sorted row numbers, all or a random part that keeps rows x K bounded."""
    size = min(n, max(2000, _SAMPLE // k))
    return np.arange(n) if size == n else np.sort(np.random.default_rng(seed).choice(n, size, replace=False))


def _log_softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def _softmax(z: np.ndarray) -> np.ndarray:
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)
