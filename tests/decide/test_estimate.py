"""The count of what is left in the strata, against the same model drawn or summed example by example."""

import numpy as np
import pytest

from labelsieve.decide.estimate import STRATA, Strata, draws_left, gather
from labelsieve.stats.logistic_fit import Curve, log_odds, logistic

SPREAD = np.array([2.0, 0.6])


def one_stratum(rows, points, source, drawn, wrong):
    """Only the stratum 4 holds anything; all of its rows have the same log-odds."""

    def only(value, shape=()):
        out = np.zeros((STRATA, *shape), np.int64 if not shape else float)
        out[4] = value
        return out

    return Strata(only(rows), only(points, (64,)), only(source, (64,)), only(drawn), only(wrong))


def sure(b=(0.0, 0.0), spread=1e-4):
    return Curve(np.array(b), np.eye(2) * spread**2, 0.0)


def drawn(strata, picked, together, many=40_000, **more):
    more = {"spread": SPREAD, "picked_rows": 0, "error": 0.0, "rng": np.random.default_rng(0), **more}
    return draws_left(strata, picked, together, many=many, **more)


@pytest.mark.parametrize(("sampled", "wrong"), [(0, 0), (10, 4), (40, 1)])
def test_the_curve_is_worth_fifteen_reviews_of_each_stratum(sampled, wrong):
    """A curve known for sure that says 0.2: theta ~ Beta(15 * 0.2 + k, 15 * 0.8 + n - k), and 500 rows are left."""
    odds = log_odds(np.array([0.2]))[0]
    left = drawn(one_stratum(500, odds, odds, sampled, wrong), sure(), sure(), picked_rows=1)
    a, b = 15 * 0.2 + wrong, 15 * 0.8 + sampled - wrong
    mean, variance = a / (a + b), a * b / (a + b) ** 2 / (a + b + 1)
    assert left.mean() == pytest.approx(500 * mean, rel=0.03)
    assert left.var() == pytest.approx(500**2 * variance + 500 * (mean - mean**2 - variance), rel=0.06)


def test_rows_that_are_left_differ_from_those_that_were_drawn_by_what_the_curve_says():
    """The sample was drawn at 0.4; what is left has 0.1, that is odds a sixth as large."""
    source, points = log_odds(np.array([0.4, 0.1]))
    left = drawn(one_stratum(1000, points, source, 400, 200), sure(), sure(), picked_rows=1)
    theta = np.random.default_rng(1).beta(15 * 0.4 + 200, 15 * 0.6 + 200, 40_000)
    odds = theta / (1 - theta) / 6
    assert left.mean() == pytest.approx(1000 * (odds / (1 + odds)).mean(), rel=0.02)


def test_a_reviewer_s_error_is_taken_out_of_the_answers():
    """With a tenth of slips, 26 of 100 called wrong are what a fifth of wrong labels gives."""
    odds = log_odds(np.array([0.2]))[0]
    left = drawn(one_stratum(500, odds, odds, 100, 26), sure(), sure(), picked_rows=1, error=0.1)
    grid = np.linspace(1e-4, 1 - 1e-4, 4000)
    weight = grid ** (3 - 1) * (1 - grid) ** (12 - 1) * (0.1 + 0.8 * grid) ** 26 * (0.9 - 0.8 * grid) ** 74
    assert left.mean() == pytest.approx(500 * np.average(grid, weights=weight), rel=0.03)


@pytest.mark.parametrize(("picked_rows", "trust"), [(20, 1.0), (50, 1.0), (200, 0.25), (5000, 0.01)])
def test_rows_that_were_picked_count_as_fifty_at_most(picked_rows, trust):
    """Without a sample: b has the prior's precision and the trusted part of what the picked rows add; drawn here."""
    curve = Curve(np.array([0.3, 0.1]), np.diag([0.05, 0.002]), 0.0)
    left = drawn(one_stratum(10_000, -1.0, -1.0, 0, 0), curve, curve, picked_rows=picked_rows)
    hold = np.diag(1 / SPREAD**2)
    covariance = np.linalg.inv(hold + trust * (np.linalg.inv(curve.covariance) - hold))
    rng = np.random.default_rng(2)
    b = rng.multivariate_normal(curve.b, covariance, 200_000)
    pi = logistic(b[:, 0] - (1 + b[:, 1]))
    expected = 10_000 * rng.beta(15 * pi, 15 * (1 - pi))
    assert left.mean() == pytest.approx(expected.mean(), rel=0.04)
    assert left.std() == pytest.approx(expected.std(), rel=0.04)


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
