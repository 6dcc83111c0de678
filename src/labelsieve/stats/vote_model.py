"""What several annotators say together: the true class of each example and the confusion matrix of each annotator.

Model (Dawid and Skene, Applied Statistics 1979, with a classifier in the place of the class frequencies):
    p(true = k | x, votes) ~ b_k(x) (prod_v T_a(v)[k, l(v)])^w,
    b_k(x) = p_k(x)^t with out-of-fold class probabilities p, or the frequencies of the labels where there are none.
T_a[k, l] is the probability that annotator a calls class k by the name l. t says how far the classifier can be trusted:
the votes are likeliest under it. w <= 1 says how far the votes are independent: annotators who all err on the same hard
examples say less than they seem to. The classifier's p is likeliest under it; without a classifier w = 1.
EM: the posterior of the true classes, then T, and every third step s, t and w. Class frequencies are not fitted: with
    two or three votes on an example the commonest class would grow until it takes all that is in doubt.
Shrinkage: T_a = (C_a + s M_a) / (N_a + s), with C_a[k, l] the expected number of votes and N_a their sum over l. M_a is
    the matrix of all annotators together, its errors multiplied by one number for annotator a: the errors that a made
    over those that others would have made on the same classes. So who has few votes of a class is judged by all his
    votes, and by what others confuse. s is where the counts C are likeliest (a Dirichlet-multinomial).
With shrinkage=0, without p, it is Dawid-Skene's EM as crowd-kit has it, with fitted class frequencies.
Ties: votes come in one order (`core.vote_list`), so sums do not depend on the order of the rows of a table; `consensus`
    takes the first of equal classes.
Cost: 2 K sums over the votes in each step; memory of n x K and of (annotator, label) pairs x K numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labelsieve.core.vote_list import Votes

SHRINKAGES = 2.0 ** np.arange(8)  # in votes of a class; s is one of them
ERRORS = 10.0  # votes with the errors of all annotators that each one's number of errors is shrunk by
PRIOR = 300.0  # votes of each class that pull the common matrix to a single error rate
ALONE = 6  # steps before the classifier is heard, so that a useless one cannot lead the EM astray
CLEAR = 2.0  # log-likelihood that another w must gain
STEPS = 100  # of the EM, at most
TOLERANCE = 1e-5  # the EM ends when the posterior moves less, on average over the examples
EQUAL = 1e-9  # probabilities that differ by less are a tie
_TINY = 1e-10  # the least expected number of votes, and the least class frequency
_FLOOR = 1e-6  # of the classifier's probabilities
_CELLS = 1 << 20  # numbers that the choice of s looks at, about
_SOME = 3000  # examples that the choice of t and w looks at, about
_FAR = np.exp(np.linspace(-5, 1.5, 27))  # what is tried for t at first
_NEAR = np.exp(np.linspace(-0.3, 0.3, 7))  # times t or w: what is tried


@dataclass(frozen=True, eq=False)
class VoteModel:
    """The fitted model of v votes on n examples in K classes.

    Attributes:
        posterior: (n, K) float64, probability of each class to be the true one.
        votes: what it was fitted to.
        annotator, label: (u,) the pairs of an annotator and a label that occur.
        counts: (u, K) expected number of votes with this annotator and label, for each true class.
        matrix: (u, K) T_a[k, l] of those pairs.
        cell: (v,) the pair of each vote.
        common: (K, K) the matrix of all annotators together, rows = true.
        sharpness: t; 1 without a classifier.
        independence: w.
        shrinkage: s.
        steps: of the EM.
    """

    posterior: np.ndarray
    votes: Votes
    annotator: np.ndarray
    label: np.ndarray
    counts: np.ndarray
    matrix: np.ndarray
    cell: np.ndarray
    common: np.ndarray
    sharpness: float
    independence: float
    shrinkage: float
    steps: int

    def consensus(self) -> np.ndarray:
        """(n,) int64 the likeliest class, the first of equal ones."""
        return consensus(self.posterior)

    def without(self, votes: np.ndarray, also: np.ndarray | None = None) -> np.ndarray:
        """(m, K) the posterior of the examples of the votes (m,) as it would be without each of them, and without the
        votes `also` (m,) on the same examples."""
        log = np.log(np.maximum(self.posterior[self.votes.example[votes]], 1e-300))
        for gone in (votes,) if also is None else (votes, also):
            log -= self.independence * np.log(self.matrix[self.cell[gone]])
        log -= log.max(1, keepdims=True)
        p = np.exp(log)
        return p / p.sum(1, keepdims=True)


def consensus(posterior: np.ndarray) -> np.ndarray:
    """(n,) int64 the likeliest of the classes (n, K), the first of equal ones."""
    return (posterior >= posterior.max(1, keepdims=True) - EQUAL).argmax(1)


def fit(
    votes: Votes,
    n_classes: int,
    probs: np.ndarray | None = None,
    *,
    shrinkage: float | None = None,
    steps: int = STEPS,
    tolerance: float = TOLERANCE,
) -> VoteModel:
    """Fit the model to the votes.

    Args:
        votes: v votes on n examples.
        n_classes: K.
        probs: (n, K) class probabilities of a classifier that has not seen the labels of the example; None: the votes
            alone.
        shrinkage: s; None finds it.
        steps: of the EM, at most.
        tolerance: the EM ends when the posterior moves less.
    """
    k, i, n = n_classes, votes.example, votes.n
    pairs, cell = np.unique(votes.annotator.astype(np.int64) * k + votes.label, return_inverse=True)
    annotator, label = np.divmod(pairs, k)
    log_p = None if probs is None else np.log(np.maximum(np.asarray(probs, np.float64).T, 0) + _FLOOR)
    q = np.ascontiguousarray(votes.shares(k).T)
    s, t, w = 8.0 if shrinkage is None else shrinkage, 1.0, 1.0
    voted = np.flatnonzero(np.diff(votes.starts) > 0)
    some = voted[:: max(1, len(voted) // _SOME)]  # examples that t and w are chosen on
    counts = matrix = common = np.empty(0)
    base = usual = np.log(np.maximum(q[:, voted].mean(1, keepdims=True), _TINY))
    step = 0
    for step in range(1, steps + 1):
        counts = np.stack([np.bincount(cell, of_class[i], minlength=len(pairs)) for of_class in q], 1)
        common = _common(counts, label, k)
        towards = _towards(counts, annotator, label, common)
        if shrinkage is None and step % 3 == 1:
            s = _likeliest_shrinkage(counts, annotator, towards)
        matrix = _matrix(counts, annotator, towards, s)
        said = _said(np.log(matrix), cell, i, n)
        if shrinkage == 0:
            base = np.log(np.maximum(q[:, voted].mean(1, keepdims=True), _TINY))
        if log_p is not None and step > ALONE and step % 3 == 1:
            p, heard = log_p[:, some], said[:, some]
            tried = _FAR if step == ALONE + 1 else t * _NEAR
            t = float(tried[np.argmax([_likelihood(p * one, w * heard) for one in tried])])
            tried = np.r_[w, np.minimum(w * _NEAR, 1)]
            gain = np.array([_likelihood(usual + one * heard, p * t - usual) for one in tried])
            if (gain.max() - gain[0]) * len(some) > CLEAR:
                w = float(tried[np.argmax(gain)])
            base = log_p * t
        said *= w
        said += base
        before, q = q, _normal(said)
        np.abs(np.subtract(q, before, out=before), out=before)
        if before.sum() < tolerance * n and (log_p is None or step > ALONE):
            break
    return VoteModel(np.ascontiguousarray(q.T), votes, annotator, label, counts, matrix, cell, common, t, w, s, step)


def _said(log: np.ndarray, cell: np.ndarray, example: np.ndarray, n: int) -> np.ndarray:
    """(K, n) the log-likelihood of the votes of each example, from `log` (u, K) of each pair."""
    out = np.empty((log.shape[1], n))
    for of_class, row in zip(np.ascontiguousarray(log.T), out, strict=True):
        row[:] = np.bincount(example, of_class[cell], minlength=n)
    return out


def _common(counts: np.ndarray, label: np.ndarray, k: int) -> np.ndarray:
    """(K, K) the matrix of all annotators together, pulled to a single error rate by PRIOR votes of each class."""
    joint = np.stack([np.bincount(label, of_class, minlength=k) for of_class in counts.T])
    stay = float(np.clip(np.trace(joint) / joint.sum(), 1e-6, 1 - 1e-6))
    even = np.full((k, k), (1 - stay) / (k - 1))
    np.fill_diagonal(even, stay)
    return (joint + PRIOR * even) / (joint.sum(1, keepdims=True) + PRIOR)


def _towards(counts: np.ndarray, annotator: np.ndarray, label: np.ndarray, common: np.ndarray) -> np.ndarray:
    """(u, K) M_a[k, l]: the common matrix with the errors of annotator a multiplied by one number."""
    at, error = np.arange(len(label)), 1 - np.diag(common)
    right = np.bincount(annotator, counts[at, label])
    total = np.bincount(annotator, counts.sum(1))
    expected = np.bincount(annotator, counts @ error)
    usual = ERRORS * expected.sum() / total.sum()
    ratio = (np.maximum(total - right, 0) + usual) / (expected + usual)
    own = np.minimum(error * ratio[:, None], 1 - 1 / len(error))[annotator]  # (u, K) errors of each class
    out = common[:, label].T * own / error
    out[at, label] = 1 - own[at, label]
    return np.maximum(out, 1e-12)


def _matrix(counts: np.ndarray, annotator: np.ndarray, towards: np.ndarray, s: float) -> np.ndarray:
    if s == 0:
        counts = np.maximum(counts, _TINY)
    return (counts + s * towards) / (_per_annotator(counts, annotator) + s)[annotator]


def _per_annotator(counts: np.ndarray, annotator: np.ndarray) -> np.ndarray:
    """(A, K) sums over the labels."""
    return np.stack([np.bincount(annotator, of_class) for of_class in counts.T], 1)


def _likeliest_shrinkage(counts: np.ndarray, annotator: np.ndarray, towards: np.ndarray) -> float:
    """The s of SHRINKAGES under which the counts of some annotators are likeliest."""
    some = annotator % max(1, counts.size // _CELLS) == 0
    counts, towards = counts[some], towards[some]
    total = _per_annotator(counts, annotator[some])
    of = [
        float((_log_gamma(counts + s * towards) - _log_gamma(s * towards)).sum())
        - float((_log_gamma(total + s) - _log_gamma(np.full(1, s))).sum())
        for s in SHRINKAGES
    ]
    return float(SHRINKAGES[int(np.argmax(of))])


def _log_gamma(x: np.ndarray) -> np.ndarray:
    """log Gamma(x) of positive numbers: Stirling's series eight places higher, right to 1e-11."""
    y = x + 8
    product = x * (x + 1) * (x + 2) * (x + 3) * (x + 4) * (x + 5) * (x + 6) * (x + 7)
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * y**2)) / y**2) / y**2) / y
    return (y - 0.5) * np.log(y) - y + 0.5 * np.log(2 * np.pi) + series - np.log(product)


def _likelihood(log_p: np.ndarray, said: np.ndarray) -> float:
    """Mean log-likelihood of evidence with the log-likelihoods `said` (K, m) under classes of log-weights `log_p`."""
    return float((_log_sum(log_p + said) - _log_sum(log_p)).mean())


def _log_sum(z: np.ndarray) -> np.ndarray:
    top = z.max(0)
    return top + np.log(np.exp(z - top).sum(0))


def _normal(z: np.ndarray) -> np.ndarray:
    """(K, n) probabilities of log-weights z (K, n), in the place of z."""
    z -= z.max(0)
    np.exp(z, out=z)
    z /= z.sum(0)
    return z


def one_more(model: VoteModel, rows: np.ndarray) -> np.ndarray:
    """(m,) by how much one more vote of an average annotator raises the probability that the consensus of each example
    is right: sum_l max_k q_k T[k, l] - max_k q_k. At least 0, and 0 where no single vote could change the consensus."""
    out = np.empty(len(rows))
    k = model.posterior.shape[1]
    for start in range(0, len(rows), size := max(1, _CELLS // k**2)):
        q = model.posterior[rows[start : start + size]]
        out[start : start + size] = (q[:, :, None] * model.common).max(1).sum(1) - q.max(1)
    return np.maximum(out, 0)


def agreement(votes: Votes, n_classes: int) -> tuple[float, float, float]:
    """How far the annotators agree: the share of pairs of votes on one example that agree, and chance-corrected
    Fleiss's kappa (Fleiss 1971, examples weighted by their pairs) and Krippendorff's alpha for nominal data
    (Krippendorff 2011). NaN where no example has two votes; 1 where all votes are alike."""
    cell = votes.example.astype(np.int64) * n_classes + votes.label
    count = np.bincount(cell, minlength=votes.n * n_classes).reshape(votes.n, n_classes)
    count = count[count.sum(1) > 1]
    if not len(count):
        return np.nan, np.nan, np.nan
    m = count.sum(1)
    pairs, alike = float((m * (m - 1)).sum()), float((count * (count - 1)).sum())
    total, of_class = float(m.sum()), count.sum(0)
    observed, chance = alike / pairs, float(((of_class / total) ** 2).sum())
    disagreed = float((((m**2) - (count**2).sum(1)) / (m - 1)).sum())
    expected = (total**2 - float((of_class.astype(float) ** 2).sum())) / (total - 1)
    if chance == 1:
        return 1.0, 1.0, 1.0
    return observed, (observed - chance) / (1 - chance), 1 - disagreed / expected


def thinned(votes: Votes, most: int) -> Votes:
    """All votes, or those of some evenly spaced examples, at most about `most`."""
    step = -(-len(votes) // most)
    return votes if step <= 1 else replace(votes.pick(np.arange(0, votes.n, step)))
