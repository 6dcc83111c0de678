"""How many labels are wrong: a count over the strata of a random sample, with an interval for few reviews.

The log-odds of the share of wrong labels in stratum h are those of a curve plus a deviation of its own:

    logit theta_h = logit pi_h(b) + eta_h,   eta_h ~ N(0, tau^2),   pi_h(b) = mean of logistic(b0 + (1 + b1) x)

over the rows of the stratum, x being their log-odds before the reviews. It is a hierarchical model of finite strata
(Ericson, JRSS B 1969): the unreviewed rows are drawn, so no correction for the finite population is needed. b and tau
are integrated out on a grid. A stratum with many sampled rows follows its own answers, one with few follows the curve,
and tau says how closely. The prior of b has heavy tails: where answers contradict the scores, the answers win (O'Hagan,
JRSS B 1979). Before its answers no stratum counts as surer than +-4 in the log-odds.

A reviewer who errs at the rate e calls the share e + (1 - 2e) theta_h wrong. Answers alone hardly tell e from theta, so
the interval holds for every plausible rate: it begins where that of the highest rate begins and ends where that of the
lowest ends.

Rows that were picked because they looked suspicious say little about the rows that nobody picked. With a random sample
they count as reviewed and no more. Without one the curve is fitted to them, and `_TRUST` bounds their weight.
Numbers: chosen by leaving out whole data sets (docs/calibration.md).
Cost: n numbers once; 779 curves x 3 deviations x 10 strata, and 1,000 draws, for each rate of reviewer error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelsieve.core.findings import Estimate
from labelsieve.decide.random_sample import STRATA
from labelsieve.stats.logistic_fit import Curve, log_odds, logistic

DRAWS = 1000  # for each rate of reviewer error
_TAIL = 1.0  # per cent on either side; more than 95 %, because the posterior depends on the model
_SPREAD, _FREEDOM = (2.0, 1.0), 3  # of the t prior of b0 and b1
_DEVIATIONS = ((0.5, 0.4), (1.0, 0.4), (2.0, 0.2))  # tau and its prior
_SURE = 4.0  # log-odds
_PLAUSIBLE = 0.03  # rates of reviewer error that are less likely than the likeliest by this factor are left out
_TRUST = 50  # reviews: hand-picked rows together never weigh more than this many on the curve
_LOGITS = np.linspace(-14, 14, 113)
_SHARES = logistic(_LOGITS)
_AXIS = np.linspace(-3.5, 3.5, 15)
_B0, _B1 = 4.25 * np.sinh(np.linspace(-1.5, 1.5, 41)), np.linspace(-3, 1.5, 19)
_POINTS = 64  # points per stratum, to average the curve over


@dataclass(frozen=True)
class Strata:
    """What the strata contain, and the answers on their random sample.

    Attributes:
        open: (STRATA,) number of unreviewed rows.
        points: (STRATA, 64) their log-odds before the reviews, evenly through the stratum.
        source: (STRATA, 64) log-odds of the rows that the sample was drawn from; they may have been reviewed since.
        drawn: (STRATA,) number of sampled rows with an answer.
        wrong: (STRATA,) how many of those were called wrong.
    """

    open: np.ndarray
    points: np.ndarray
    source: np.ndarray
    drawn: np.ndarray
    wrong: np.ndarray


def gather(
    before: np.ndarray,
    stratum: np.ndarray,
    *,
    unseen: np.ndarray,
    drawable: np.ndarray,
    drawn: np.ndarray,
    wrong: np.ndarray,
) -> Strata:
    """Gather the strata.

    Args:
        before: (n,) log-odds before the reviews.
        stratum: (n,) stratum of each row.
        unseen: (n,) bool, not reviewed.
        drawable: (n,) bool, not reviewed when the sample was drawn.
        drawn: (s,) positions of sampled rows with an answer.
        wrong: (s,) their answers, 1 = called wrong.
    """
    return Strata(
        open=np.bincount(stratum[unseen], minlength=STRATA),
        points=_points(before[unseen], stratum[unseen]),
        source=_points(before[drawable], stratum[drawable]),
        drawn=np.bincount(stratum[drawn], minlength=STRATA),
        wrong=np.bincount(stratum[drawn], wrong, minlength=STRATA),
    )


def _points(before: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    order = np.lexsort((before, stratum))
    many = np.bincount(stratum, minlength=STRATA)
    start = np.cumsum(many) - many
    at = start[:, None] + (np.linspace(0, 1, _POINTS) * np.maximum(many - 1, 0)[:, None]).round().astype(np.int64)
    return before[order][np.minimum(at, max(len(before) - 1, 0))] if len(before) else np.zeros((STRATA, _POINTS))


@dataclass(frozen=True, eq=False)
class Curves:
    """A grid of curves: coefficients (g, 2) and the logs of their prior weights (g,)."""

    b: np.ndarray
    weight: np.ndarray


def any_curve() -> Curves:
    """The curves that a random sample can choose from."""
    b = np.stack(np.meshgrid(_B0, _B1, indexing="ij"), -1).reshape(-1, 2)
    cell = np.log(np.outer(np.gradient(_B0), np.gradient(_B1))).ravel()
    tails = -(_FREEDOM + 1) / 2 * np.log1p((b / _SPREAD) ** 2 / _FREEDOM)
    return Curves(b, cell + tails.sum(1))


def near(fitted: Curve, spread: np.ndarray, rows: int) -> Curves:
    """The curves around one that was fitted to rows which nobody drew at random.

    Args:
        fitted: the curve, with the prior; intercept and slope.
        spread: (2,) spread of the prior.
        rows: how many rows it was fitted to.
    """
    hold = np.diag(1 / spread**2)
    trust = min(1.0, _TRUST / max(rows, 1))
    precision = hold + trust * (np.linalg.inv(fitted.covariance) - hold)
    off = 1.3 * np.stack(np.meshgrid(_AXIS, _AXIS), -1).reshape(-1, 2) @ np.linalg.cholesky(np.linalg.inv(precision)).T
    return Curves(fitted.b + off, -np.einsum("gi,ij,gj->g", off, precision, off) / 2)


class Count:
    """The number of wrong labels in strata, for curves with a prior."""

    def __init__(self, strata: Strata, curves: Curves):
        self._strata, self._prior = strata, curves.weight - np.logaddexp.reduce(curves.weight)
        source, open_ = _means(curves.b, strata.source), _means(curves.b, strata.points)
        self._step = open_ - source  # the rows that are left differ from those that were drawn
        self._place = np.rint((source - _LOGITS[0]) / (_LOGITS[1] - _LOGITS[0])).astype(np.int64)

    def evidence(self, error: float) -> float:
        """The log of the probability of the answers if reviewers err at this rate."""
        return self._posterior(error)[2]

    def draws(self, error: float, many: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(many,) draws of the number of wrong labels among the rows not reviewed, and (many,) among those sampled."""
        weight, likelihood, _ = self._posterior(error)
        deviation, curve = np.divmod(rng.choice(weight.size, many, p=weight.ravel()), weight.shape[1])
        left, seen = np.zeros(many), np.zeros(many)
        for h in range(STRATA):
            chance = np.cumsum(_DEVIATE[deviation, self._place[curve, h]] * likelihood[h], axis=1)
            at = (chance < rng.random((many, 1)) * chance[:, -1:]).sum(1).clip(max=len(_SHARES) - 1)
            left += rng.binomial(int(self._strata.open[h]), logistic(_LOGITS[at] + self._step[curve, h]))
            called, drawn, theta = int(self._strata.wrong[h]), int(self._strata.drawn[h]), _SHARES[at]
            if error == 0:
                seen += called
            elif drawn:
                seen += rng.binomial(called, after_call(theta, 1, error))
                seen += rng.binomial(drawn - called, after_call(theta, 0, error))
        return left, seen

    def _posterior(self, error: float) -> tuple[np.ndarray, np.ndarray, float]:
        """(deviations, g) weights that add up to 1, (STRATA, shares) likelihoods up to a factor, the log evidence."""
        strata, called = self._strata, error + (1 - 2 * error) * _SHARES
        answers = np.stack([strata.wrong, strata.drawn - strata.wrong], 1)
        log_likelihood = answers @ np.log(np.maximum([called, 1 - called], 1e-300))
        best = log_likelihood.max(1, keepdims=True)
        likelihood = np.exp(np.maximum(log_likelihood - best, -600))
        of_mean = np.log(np.einsum("tij,hj->thi", _DEVIATE, likelihood, optimize=True))
        log = np.log([share for _, share in _DEVIATIONS])[:, None] + self._prior
        for h in np.flatnonzero(strata.drawn):
            log = log + of_mean[:, h][:, self._place[:, h]]
        total = np.logaddexp.reduce(log, axis=None)
        weight = np.exp(log - total)
        return weight / weight.sum(), likelihood, float(total + best.sum())


def after_call(p: np.ndarray, wrong: np.ndarray | float, error: float) -> np.ndarray:
    """Bayes: the probability that a label is wrong, given its probability before and a reviewer's answer, 1 = called
    wrong, of somebody who errs at the rate `error`."""
    yes = p * np.where(np.asarray(wrong) > 0, 1 - error, error)
    no = (1 - p) * np.where(np.asarray(wrong) > 0, error, 1 - error)
    return yes / np.maximum(yes + no, 1e-300)


def _deviate(tau: float) -> np.ndarray:
    """(shares, shares) the distribution of a stratum's log-odds for each log-odds of the curve."""
    chance = np.exp(-(((_LOGITS[:, None] - _LOGITS) / tau) ** 2) / 2)
    return chance / chance.sum(1, keepdims=True)


_DEVIATE = np.stack([_deviate(tau) for tau, _ in _DEVIATIONS])


def _means(b: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(g, STRATA) the log-odds of the mean of each curve over the points of each stratum."""
    x = np.clip(points, -_SURE, _SURE)
    mean = np.stack([logistic(b0 + (1 + b1) * x).mean(1) for b0, b1 in b])
    return log_odds(np.clip(mean, 1e-5, 1 - 1e-5))


def plausible(log_weight: np.ndarray) -> np.ndarray:
    """The positions of the rates of reviewer error that the answers and the prior leave possible."""
    return np.flatnonzero(log_weight >= log_weight.max() + np.log(_PLAUSIBLE))


def summed(draws: list[np.ndarray], weight: np.ndarray) -> Estimate:
    """The mean of the draws, and an interval that should contain the truth 95 times in 100 whichever of several rates
    of reviewer error holds.

    Args:
        draws: r arrays of draws, one for each rate.
        weight: (r,) how likely each rate is; the mean is weighted.
    """
    ends = np.array([np.percentile(some, (_TAIL, 100 - _TAIL)) for some in draws])
    mean = float(np.average([some.mean() for some in draws], weights=weight))
    return Estimate(mean, min(float(ends[:, 0].min()), mean), max(float(ends[:, 1].max()), mean))
