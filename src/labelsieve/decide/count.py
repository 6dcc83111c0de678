"""From scores to findings: the probability that each label is wrong, how many are wrong in total, what to flag.

Noisy labels alone do not tell how many of them are wrong: a label that the judges dispute may be wrong, or the example
may be hard. So the count comes with a range that depends on what is assumed, not with a confidence interval.
- The estimate is the number of labels that confident learning flags on the pooled probabilities (Northcutt et al.
  2021). It counts confident disagreement.
- The low end believes the transition model (`stats.opinion_pool`), which counts what noise that depends on the class
  alone explains, less one label for each further dispute, because as many hard examples may look like such noise. It is
  zero for a single judge that claims more than it keeps: its own errors look like such noise too.
- The high end is half again as many as the judges dispute, because wrong labels that the judges have learnt are
  disputed by nobody.
Both ends are widened by sampling error. The three constants were chosen by leaving whole data sets out
(docs/calibration.md has the coverage). Only reviews make the range a confidence interval (`decide.calibrate`).

Flags are what is worth a look: as many of the first rows of the ranking as confident learning flags; with several
judges, half way from there to the number of disputes. The mean of `p_wrong` over them is their expected precision.

`p_wrong` is a logistic curve over the consensus log-odds, shifted so that it adds up to the estimate. It is meant to be
a probability, and roughly is one (docs/calibration.md has the measured errors); only reviews can confirm it.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.findings import Estimate
from labelsieve.core.scores import Scores
from labelsieve.core.shares import percent
from labelsieve.stats.logistic_fit import logistic
from labelsieve.stats.probability_rows import unknown

# The pool's mean of log-odds understates the joint evidence of its judges.
SLOPE = 2.0
GIVEN_BACK = 1.0  # labels off the low end for each dispute that class-dependent noise does not explain
UNDISPUTED = 1.5  # wrong labels for each dispute, at most
_CLAIMED = 0.5  # a judge claims too much if its claim exceeds what it keeps by this share of its disputes
_WORTH_SAYING = 0.02  # share of disputes
TOO_FEW = 2  # a class needs this many examples before one of them can be judged by the others
_AGREED, _ENOUGH = 0.001, 50  # share of disputes at which a judge repeats the labels; examples to say so
_DIVIDED = 0.28  # share of examples on which the judges name different classes; above it, say so
HARD = (
    "The judges often disagree: either these features separate the classes poorly, or very many labels are wrong. The "
    "count is rough, and many flags may be false. A hundred reviewed examples would tell."
)
CLAIMS = (
    "The probabilities are surer than the given labels bear out: on average {claimed} for the likeliest class, which "
    "is the given label of only {kept} of the examples. Either the other labels are wrong or the model is; a review of "
    "a hundred examples would tell."
)

REPEATS = (
    "The likeliest class is the given label of {kept} of the examples. Either nearly all labels are right and the "
    "classes easy to tell, or the model was trained on these very examples and repeats their labels; such "
    "probabilities find no wrong label. Make them by cross-validation (out-of-sample)."
)


def count_wrong(consensus: Scores, copies: np.ndarray | None = None) -> tuple[Estimate, str | None]:
    """The estimated number of wrong labels, and a sentence if it is more uncertain than usual.

    Args:
        consensus: scores of n labels: flags are those of confident learning, n_wrong is the count of the transition
            model, extra has p_given and p_other, and judges_agree if there are several judges.
        copies: (n,) int, duplicates have the same number: a disagreement of the judges counts once for all copies.
    """
    n = len(consensus.suspicion)
    count, disputes = _confident(consensus), float(disputed(consensus).sum())
    modelled = count if consensus.n_wrong is None else consensus.n_wrong
    surer = surer_than_right(consensus)
    estimate = range_of(count, modelled, disputes, n, surer)
    if not several(consensus) and n >= _ENOUGH and disputes <= _AGREED * n:
        return estimate, REPEATS.format(kept=percent(1 - disputes / n, ".0f" if disputes == 0 else ".1f"))
    if surer:
        return estimate, CLAIMS.format(
            claimed=percent(_claimed(consensus), ".0f"), kept=percent(1 - disputes / n, ".0f")
        )
    divided = 0.0
    if "judges_agree" in consensus.extra:
        weight = np.ones(n) if copies is None else _once(copies)
        divided = float(weight[~consensus.extra["judges_agree"]].sum() / max(weight.sum(), 1))
    return estimate, HARD if divided > _DIVIDED else None


def of_votes(votes: Scores) -> Estimate:
    """The estimated number of wrong labels from the votes of several annotators: the sum of p(wrong). The range is that
    of `range_of`, with the labels that the model disputes."""
    assert votes.n_wrong is not None
    count = votes.n_wrong
    return range_of(count, count, float(disputed(votes).sum()), len(votes.suspicion), False)


def range_of(confident: float, modelled: float, disputes: float, n: int, surer: bool) -> Estimate:
    """The estimate and its range from three counts over n labels: those that confident learning flags, those that
    class-dependent noise explains, and those that the judges dispute; `surer` as in `surer_than_right`."""
    low = 0.0 if surer else max(0.0, min(confident, modelled - GIVEN_BACK * max(0.0, disputes - modelled)))
    return _widened(confident, low, max(confident, UNDISPUTED * disputes), n)


def surer_than_right(consensus: Scores) -> bool:
    """Whether a single judge claims more for its likeliest classes than it keeps. A model that was fitted to noisy
    labels and is calibrated claims what it keeps, whatever share of them is wrong."""
    share = float(disputed(consensus).mean())
    return not several(consensus) and _claimed(consensus) - (1 - share) > _CLAIMED * share > 0


def _claimed(consensus: Scores) -> float:
    """The mean probability of the likeliest class."""
    return float(np.maximum(consensus.extra["p_given"], consensus.extra["p_other"]).mean())


def to_flag(consensus: Scores) -> int:
    """How many rows are worth a look."""
    count = _confident(consensus)
    return round((count + float(disputed(consensus).sum())) / 2 if several(consensus) else count)


def several(consensus: Scores) -> bool:
    """Whether several judges were pooled."""
    return consensus.judges > 1


def disputed(consensus: Scores) -> np.ndarray:
    """(n,) bool: the pool finds another class more likely than the given one."""
    return consensus.extra["p_other"] > consensus.extra["p_given"]


def _confident(consensus: Scores) -> float:
    assert consensus.flags is not None
    return float(consensus.flags.sum())


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
    p = np.full(n, rate)
    p[~unjudged] = logistic(odds + _shift(odds, rate * len(odds)))
    return p


def _shift(odds: np.ndarray, target: float) -> float:
    """What to add to log-odds (m,) so that their probabilities add up to `target`: by Newton's method, and by halves
    where that would leave the interval."""
    low, high, shift = -400.0, 400.0, 0.0
    for _ in range(80):
        p = logistic(odds + shift)
        total = float(p.sum())
        low, high = (shift, high) if total < target else (low, shift)
        slope = float((p * (1 - p)).sum())
        step = shift + (target - total) / slope if slope > 0 else np.inf
        if abs(step - shift) < 1e-12 or high - low < 1e-12:
            break
        shift = step if low < step < high else (low + high) / 2
    return shift


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
