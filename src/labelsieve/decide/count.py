"""From scores to findings: the probability that each label is wrong, how many are wrong in total, what to flag.

Two counts of the wrong labels frame the truth. The confident joint of the robust judge (Northcutt et al. 2021) counts
confident disagreement; it is close on human noise, which sits on hard examples, and too high where the judge itself
errs (it never exceeds the number of labels that the consensus disputes). The transition model (`stats.opinion_pool`)
counts what class-dependent noise explains; it is close on artificial noise and too low on human noise. Without reviews
nobody can know which one holds, so the first count is the estimate. The interval begins at the second count minus half
of the examples on which the judges name different classes: there at least one judge errs, and its error may have been
counted. It ends a tenth above the first count, and is widened by sampling error. If both counts roughly agree and no
class is small, the interval begins no lower than a third below the estimate.

If the judges often name different classes, both counts include the judges' own errors. Then the estimate is the second
count minus a quarter of the divided examples. The interval reaches from the second count minus half of them to the
first count.

`p_wrong` is a logistic curve over the consensus log-odds, shifted so that it adds up to the estimate. It is meant to be
a probability, and roughly is one (docs/calibration.md has the measured errors); only reviews can confirm it.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.findings import Estimate
from labelsieve.core.scores import Scores
from labelsieve.stats.confident_joint import confident_joint
from labelsieve.stats.logistic_fit import logistic
from labelsieve.stats.probability_rows import unknown

# The mean of two judges' log-odds understates their joint evidence: between 1 (the same evidence) and 2 (independent).
SLOPE = 1.5
TOO_FEW = 2  # a class needs this many examples before one of them can be judged by the others
# Share of examples on which the judges name different classes; above it, their own errors outnumber the wrong labels.
_DIVIDED = 0.28
_DISAGREE = 0.4  # counts further apart than this ratio: report it, and use the wide interval
_NARROW = 0.67
_SMALL_CLASS = 50  # examples; below, class thresholds of the confident joint are unreliable
HARD = (
    "These features separate the classes poorly (the judges often disagree), so the count is rough and many flags will "
    "be false."
)
TWO_COUNTS = (
    "Two ways of counting the wrong labels differ more than usual; the interval covers both. A hundred reviewed "
    "examples would settle it."
)


def count_wrong(
    judge: np.ndarray, labels: np.ndarray, consensus: Scores, copies: np.ndarray | None = None
) -> tuple[Estimate, str | None]:
    """The estimated number of wrong labels, and a sentence if it is more uncertain than usual.

    Args:
        judge: (n, K) out-of-sample probabilities, best from a robust loss.
        labels: (n,) given labels.
        consensus: log-odds that each label is wrong; its own count is that of the transition model.
        copies: (n,) int, duplicates have the same number: a disagreement of the judges counts once for all copies.
    """
    n = len(labels)
    joint = confident_joint(judge, labels)
    confident = min(float(joint.sum() - np.trace(joint)), float((consensus.suspicion > 0).sum()))
    modelled = confident if consensus.n_wrong is None else consensus.n_wrong
    weight = np.ones(n) if copies is None else _once(copies)
    divided = float(weight[~consensus.extra["judges_agree"]].sum()) if "judges_agree" in consensus.extra else 0.0
    if divided > _DIVIDED * weight.sum():
        count, low, high = max(0.0, modelled - divided / 4), max(0.0, modelled - divided / 2), max(confident, modelled)
        return _widened(count, low, high, n), HARD
    low, high = min(modelled, confident), max(1.1 * confident, modelled)
    agree = low >= _DISAGREE * max(confident, modelled) or high < 5
    low = max(0.0, low - divided / 2)
    size = np.bincount(labels)
    if agree and size[size > 0].min() >= _SMALL_CLASS:
        low = max(low, _NARROW * confident)
    return _widened(confident, low, high, n), None if agree else TWO_COUNTS


def _once(copies: np.ndarray) -> np.ndarray:
    """(n,) weights: one for all copies together."""
    _, group, size = np.unique(copies, return_inverse=True, return_counts=True)
    return 1 / size[group]


def _widened(count: float, low: float, high: float, n: int) -> Estimate:
    """The interval with sampling error added in quadrature."""
    sampling = 1.96 * np.sqrt(max(count, 1.0) * max(1 - count / n, 0.0))
    below, above = float(np.hypot(count - low, sampling)), float(np.hypot(high - count, sampling))
    return Estimate(count, max(0.0, count - below), min(float(n), count + above))


def probability_wrong(consensus: Scores, estimate: Estimate, unjudged: np.ndarray) -> np.ndarray:
    """(n,) p_wrong: a logistic curve over the log-odds that adds up to the estimate; `unjudged` (n,) bool get the
    overall rate."""
    n = len(unjudged)
    rate = min(max(estimate.count / n, 0.0), 1.0)
    odds = SLOPE * np.clip(consensus.suspicion[~unjudged], -100, 100)
    target = rate * len(odds)
    low, high = -400.0, 400.0
    for _ in range(80):
        shift = (low + high) / 2
        low, high = (shift, high) if logistic(odds + shift).sum() < target else (low, shift)
    p = np.full(n, rate)
    p[~unjudged] = logistic(odds + (low + high) / 2)
    return p


def unjudgeable(labels: np.ndarray) -> np.ndarray:
    """(n,) bool: the only example of its class; no model that held it out could have learnt the class."""
    return np.bincount(labels)[labels] < TOO_FEW


def unseen(judge: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) bool: labels whose column is (nearly) zero throughout, so that the judge never knew the class; none if this
    holds for all labels.

    Args:
        judge: (n, K) probabilities, maybe memory-mapped.
        labels: (n,) given labels.
    """
    rows = np.logical_or(*unknown(judge, labels))[labels]
    return np.zeros(len(labels), bool) if rows.all() else rows


def rank(p_wrong: np.ndarray, suspicion: np.ndarray) -> np.ndarray:
    """(n,) int64, 1 = most suspicious: by p_wrong, ties by suspicion, then by position."""
    order = np.lexsort((-suspicion, -p_wrong))
    out = np.empty(len(order), np.int64)
    out[order] = np.arange(1, len(order) + 1)
    return out
