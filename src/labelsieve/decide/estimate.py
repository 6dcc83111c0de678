"""How many wrong labels are left: a hierarchical count over the strata of the score, with an interval for few reviews.

In stratum h the share of wrong labels theta_h varies around the value of the curve, theta_h ~ Beta(c pi_h(b), c (1 -
pi_h(b))). Of a random sample of n_h of its rows, k_h are called wrong (a beta-binomial model of finite strata: Ericson,
JRSS B 1969; the unreviewed rows are drawn, so no correction for the finite population is needed). The coefficients b
are integrated out on a grid. Strata with many sampled rows are estimated from their own answers; strata with few depend
on the curve, and all strata together on its uncertainty. Rows that were picked because they looked suspicious inform
the curve, not their stratum. So without a random sample the interval is the curve's own and wide; `_TRUST` bounds the
weight of such rows, because the curve is a model.
Numbers: c = 15, as if the curve were worth fifteen reviews in each stratum; from simulated reviews of development sets
    (docs/calibration.md).
Cost: n numbers once; then a grid of 225 curves x 10 strata x 141 shares, and 2,000 draws, for each rate of reviewer
    error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelsieve.core.findings import Estimate
from labelsieve.decide.random_sample import STRATA
from labelsieve.stats.logistic_fit import Curve, log_odds, logistic

_STRENGTH = 15.0  # c
_MIDDLE = (1.5, 98.5)  # per cent; a little more than 95 %, because the posterior depends on the model
_TRUST = 50  # reviews: hand-picked rows together never weigh more than this many on the curve
DRAWS = 2000
# Spread of intercept and slope if a random sample can move them: the count is constrained less than p_wrong.
WIDE = np.array([2.0, 0.6])
_AXIS = np.linspace(-3.5, 3.5, 15)
_SHARES = logistic(np.linspace(-14, 14, 141))
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


def draws_left(
    strata: Strata,
    picked: Curve,
    together: Curve,
    *,
    spread: np.ndarray,
    picked_rows: int,
    error: float,
    many: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """(many,) draws from the posterior of the number of wrong labels among the rows not reviewed.

    Args:
        strata: from `gather`.
        picked: the curve fitted to the rows outside the random sample, with the prior; intercept and slope.
        together: the curve fitted to all rows; the grid is laid around it.
        spread: spread of the prior of both.
        picked_rows: how many rows `picked` was fitted to.
        error: the rate at which reviewers err.
        many: number of draws.
        rng: the source of randomness.
    """
    hold = np.diag(1 / spread**2)
    trust = min(1.0, _TRUST / max(picked_rows, 1))
    precision = hold + trust * (np.linalg.inv(picked.covariance) - hold)
    width = np.linalg.cholesky(np.linalg.inv(hold + trust * (np.linalg.inv(together.covariance) - hold)))
    grid = together.b + 1.3 * np.stack(np.meshgrid(_AXIS, _AXIS), -1).reshape(-1, 2) @ width.T
    source = np.clip(_mean(grid, strata.source), 1e-7, 1 - 1e-7)
    chance = error + (1 - 2 * error) * _SHARES
    answers = strata.wrong[:, None] * np.log(np.maximum(chance, 1e-300)) + (strata.drawn - strata.wrong)[
        :, None
    ] * np.log1p(-chance)
    off = grid - picked.b
    weight = -np.einsum("gi,ij,gj->g", off, precision, off) / 2
    for h in np.flatnonzero(strata.drawn):
        prior = _beta(source[:, h])
        weight += np.log(prior @ np.exp(answers[h] - answers[h].max()))
    weight = np.exp(weight - weight.max())
    chosen = rng.choice(len(grid), many, p=weight / weight.sum())
    source, open_ = source[chosen], np.clip(_mean(grid, strata.points), 1e-7, 1 - 1e-7)[chosen]
    left = np.zeros(many)
    for h in np.flatnonzero(strata.open):
        posterior = np.cumsum(_beta(source[:, h]) * np.exp(answers[h] - answers[h].max()), axis=1)
        share = _SHARES[(posterior < rng.random((many, 1)) * posterior[:, -1:]).sum(1).clip(max=len(_SHARES) - 1)]
        share = logistic(log_odds(share) + log_odds(open_[:, h]) - log_odds(source[:, h]))
        left += rng.binomial(int(strata.open[h]), share)
    return left


def _mean(grid: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(g, STRATA) the mean of each curve over the points of each stratum."""
    return np.stack([logistic(b0 + (1 + b1) * points).mean(1) for b0, b1 in grid])


def _beta(mean: np.ndarray) -> np.ndarray:
    """(g, shares) weights of a Beta prior with each mean, on the grid of shares (even steps in the log-odds)."""
    log = _STRENGTH * (mean[:, None] * np.log(_SHARES) + (1 - mean[:, None]) * np.log1p(-_SHARES))
    prior = np.exp(log - log.max(1, keepdims=True))
    return prior / prior.sum(1, keepdims=True)


def summed(draws: np.ndarray) -> Estimate:
    """The mean of the draws and an interval that should contain the truth 95 times in 100."""
    low, high = np.percentile(draws, _MIDDLE)
    mean = float(draws.mean())
    return Estimate(mean, min(float(low), mean), max(float(high), mean))
