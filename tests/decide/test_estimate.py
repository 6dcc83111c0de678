"""The count of wrong labels in the strata, against the same model drawn example by example or summed on a fine grid."""

import numpy as np
import pytest

from labelsieve.decide.estimate import (
    STRATA,
    Count,
    Curves,
    Strata,
    after_call,
    any_curve,
    gather,
    near,
    plausible,
    summed,
)
from labelsieve.stats.logistic_fit import Curve, log_odds, logistic

ODDS = -1.5  # on the grid of log-odds; a share of 0.18
KNOWN = Curves(np.zeros((1, 2)), np.zeros(1))  # the curve of the findings, for sure


def one_stratum(rows, points, source, drawn, wrong):
    """Only the stratum 4 holds anything; all of its rows have the same log-odds."""

    def only(value, shape=()):
        out = np.zeros((STRATA, *shape), np.int64 if not shape else float)
        out[4] = value
        return out

    return Strata(only(rows), only(points, (64,)), only(source, (64,)), only(drawn), only(wrong))


def drawn(strata, curves=KNOWN, error=0.0, many=20_000):
    return Count(strata, curves).draws(error, many, np.random.default_rng(0))


def weighed(odds, k, n, error=0.0):
    """Shares drawn from the model, and how well each explains that k of n were called wrong."""
    rng = np.random.default_rng(1)
    theta = logistic(odds + rng.choice([0.5, 1, 2], 400_000, p=[0.4, 0.4, 0.2]) * rng.standard_normal(400_000))
    called = error + (1 - 2 * error) * theta
    return theta, called**k * (1 - called) ** (n - k)


@pytest.mark.parametrize(("sampled", "wrong"), [(0, 0), (10, 4), (40, 1)])
def test_a_stratum_deviates_from_the_curve_as_far_as_its_answers_ask(sampled, wrong):
    odds = ODDS
    left, seen = drawn(one_stratum(500, odds, odds, sampled, wrong))
    theta, weight = weighed(odds, wrong, sampled)
    mean = np.average(theta, weights=weight)
    variance = np.average((theta - mean) ** 2, weights=weight)
    assert left.mean() == pytest.approx(500 * mean, rel=0.03)
    assert left.var() == pytest.approx(500**2 * variance + 500 * (mean - mean**2 - variance), rel=0.08)
    assert (seen == wrong).all()


def test_rows_that_are_left_differ_from_those_that_were_drawn_by_what_the_curve_says():
    """The sample was drawn at 0.4; what is left has 0.1, that is odds a sixth as large."""
    source, points = log_odds(np.array([0.4, 0.1]))
    left, _ = drawn(one_stratum(1000, points, source, 400, 200))
    theta, weight = weighed(source, 200, 400)
    odds = theta / (1 - theta) / 6
    assert left.mean() == pytest.approx(1000 * np.average(odds / (1 + odds), weights=weight), rel=0.02)


def test_a_reviewer_s_error_is_taken_out_of_the_answers():
    """With a tenth of slips, 26 of 100 called wrong are what a fifth of wrong labels gives."""
    odds = ODDS
    left, seen = drawn(one_stratum(500, odds, odds, 100, 26), error=0.1)
    theta, weight = weighed(odds, 26, 100, 0.1)
    assert left.mean() == pytest.approx(500 * np.average(theta, weights=weight), rel=0.03)
    truly = 26 * after_call(theta, 1, 0.1) + 74 * after_call(theta, 0, 0.1)
    assert seen.mean() == pytest.approx(np.average(truly, weights=weight), rel=0.03)


def test_the_evidence_is_the_chance_of_the_answers():
    odds = ODDS
    evidence = Count(one_stratum(500, odds, odds, 20, 3), KNOWN).evidence(0.05)
    assert np.exp(evidence) == pytest.approx(weighed(odds, 3, 20, 0.05)[1].mean(), rel=0.03)


def test_where_the_answers_contradict_the_scores_the_answers_win():
    """Nine strata that `find` called safe, and half of each sample is wrong."""
    safe, full = np.full((STRATA, 64), -6.0), np.full(STRATA, 1000)
    left, _ = drawn(Strata(full, safe, safe, np.full(STRATA, 20), np.full(STRATA, 10)), any_curve(), many=2000)
    assert abs(left.mean() - 5000) < 300
    left, _ = drawn(Strata(full, safe, safe, np.full(STRATA, 20), np.zeros(STRATA)), any_curve(), many=2000)
    assert left.mean() < 60 and np.percentile(left, 2) == 0


@pytest.mark.parametrize(("picked", "trust"), [(20, 1.0), (50, 1.0), (200, 0.25), (5000, 0.01)])
def test_rows_that_were_picked_count_as_fifty_at_most(picked, trust):
    """Without a sample: b has the prior's precision and the trusted part of what the picked rows add."""
    spread, curve = np.array([1.0, 0.2]), Curve(np.array([0.3, 0.1]), np.array([[0.05, 0.005], [0.005, 0.002]]), 0.0)
    curves = near(curve, spread, picked)
    weight = np.exp(curves.weight) / np.exp(curves.weight).sum()
    hold = np.diag(1 / spread**2)
    covariance = np.linalg.inv(hold + trust * (np.linalg.inv(curve.covariance) - hold))
    np.testing.assert_allclose(weight @ curves.b, curve.b, atol=1e-9)
    np.testing.assert_allclose(np.cov(curves.b.T, aweights=weight, ddof=0), covariance, rtol=0.02, atol=1e-6)


def test_the_interval_holds_for_every_plausible_rate_of_slips():
    assert plausible(np.array([0.0, -2.0, -3.4, -3.6])).tolist() == [0, 1, 2]  # 0.03 of the likeliest
    low, high = np.arange(1000.0), np.arange(500.0, 1500.0)
    both = summed([low, high], np.array([3.0, 1.0]))
    assert both.count == pytest.approx(0.75 * 499.5 + 0.25 * 999.5)
    assert both.low == pytest.approx(np.percentile(low, 1)) and both.high == pytest.approx(np.percentile(high, 99))


def test_what_the_strata_hold_by_hand():
    before, stratum = np.array([-3.0, -1, 0, 2, 5, 1]), np.array([0, 0, 0, 9, 9, 9])
    unseen, drawable = np.array([1, 0, 1, 1, 0, 1], bool), np.array([1, 1, 1, 0, 1, 1], bool)
    held = gather(before, stratum, unseen=unseen, drawable=drawable, drawn=np.array([1, 4]), wrong=np.array([0.0, 1.0]))
    empty = [0] * 8
    assert held.open.tolist() == [2, *empty, 2] and held.drawn.tolist() == [1, *empty, 1]
    assert held.wrong.tolist() == [0, *empty, 1]
    assert set(held.points[0]) == {-3, 0} and set(held.points[9]) == {1, 2}
    assert set(held.source[0]) == {-3, -1, 0} and set(held.source[9]) == {1, 5}
    assert (held.source[0] == -1).sum() == 32, "evenly through the stratum: the middle one half of 64 times"
