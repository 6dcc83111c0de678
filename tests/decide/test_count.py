import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.core.findings import Estimate
from labelsieve.core.scores import Scores
from labelsieve.decide.count import HARD, TWO_COUNTS, count_wrong, probability_wrong, rank, unjudgeable


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=3, max_size=60), st.floats(0.01, 0.99))
def test_p_wrong_adds_up_to_the_estimate_and_keeps_the_order(odds, rate):
    odds = np.array(odds)
    p = probability_wrong(Scores(odds), Estimate(rate * len(odds), 0, len(odds)), np.zeros(len(odds), bool))
    assert p.sum() == pytest.approx(rate * len(odds), rel=1e-6)
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p[np.argsort(odds, kind="stable")]) >= -1e-12).all()


def test_the_only_example_of_a_class_gets_the_overall_rate():
    unjudged = unjudgeable(np.array([0, 0, 0, 1]))
    assert unjudged.tolist() == [False, False, False, True]
    p = probability_wrong(Scores(np.array([5.0, -5, -5, 9])), Estimate(1.0, 0, 4), unjudged)
    assert p[3] == pytest.approx(0.25) and p[0] > 0.5


def test_rank_breaks_ties_by_suspicion_then_position():
    assert rank(np.array([0.5, 0.9, 0.5, 0.5]), np.array([1.0, 0.0, 2.0, 1.0])).tolist() == [3, 1, 2, 4]


def judged(n, k, rate, seed):
    """A sharp judge and labels flipped uniformly."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    p = 0.02 / k + 0.98 * np.eye(k)[true]
    p /= p.sum(1, keepdims=True)
    given = np.where(rng.random(n) < rate, (true + rng.integers(1, k, n)) % k, true)
    return p, given, int((given != true).sum())


def answer(p, given, n_wrong):
    p_y = p[np.arange(len(given)), given]
    return Scores(np.log(1 - p_y) - np.log(p_y), n_wrong=n_wrong)


def test_the_estimate_is_never_above_the_number_of_disputed_labels():
    p, given, _ = judged(2000, 5, 0.2, seed=2)
    calm = Scores(np.where(np.arange(2000) < 17, 1.0, -1.0), n_wrong=17.0)
    assert count_wrong(p, given, calm)[0].count == 17


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4])
def test_interval_holds_the_truth_for_a_sharp_judge(rate):
    p, given, wrong = judged(2000, 5, rate, seed=1)
    estimate, doubt = count_wrong(p, given, answer(p, given, float(wrong)))
    assert doubt is None and estimate.low <= wrong <= estimate.high
    assert estimate.low <= estimate.count <= estimate.high


def test_counts_that_disagree_widen_the_interval():
    p, given, _ = judged(2000, 5, 0.2, seed=2)
    narrow, none = count_wrong(p, given, answer(p, given, 380.0))
    wide, doubt = count_wrong(p, given, answer(p, given, 20.0))
    assert none is None and "Two ways" in doubt
    assert wide.low < 30 < narrow.low


def test_divided_judges_lower_the_count_and_widen_the_interval():
    p, given, wrong = judged(2000, 5, 0.1, seed=3)
    said = answer(p, given, 250.0)
    united = np.arange(2000) % 2 == 0
    estimate, doubt = count_wrong(p, given, Scores(said.suspicion, extra={"judges_agree": united}, n_wrong=250.0))
    assert "disagree" in doubt and estimate.count == 0 and estimate.low == 0 and estimate.high > wrong


def sharp(n_wrong=100, n=1000, second=500):
    """A judge who is sure of everything: `n_wrong` labels are confidently another class, `second` examples carry the
    second label."""
    given = (np.arange(n) < second).astype(np.int64)
    disputed = np.arange(n) >= n - n_wrong
    return np.eye(2)[np.where(disputed, 1 - given, given)], given, np.where(disputed, 9.0, -9.0)


def widened(count, low, high, n=1000):
    sampling = 1.96 * np.sqrt(count * (1 - count / n))
    return Estimate(count, max(0, count - np.hypot(count - low, sampling)), count + np.hypot(high - count, sampling))


def close(estimate, expected):
    assert (estimate.count, estimate.low, estimate.high) == pytest.approx((expected.count, expected.low, expected.high))


@pytest.mark.parametrize(
    ("modelled", "divided", "second", "low", "high", "says"),
    [
        (80, 0, 500, 80, 110, None),  # from the count of the transition model to a tenth above the confident one
        (120, 0, 500, 100, 120, None),
        (50, 0, 500, 67, 110, None),  # no lower than a third below
        (50, 20, 49, 40, 110, None),  # but for a small class; less half of the divided
        (50, 20, 50, 67, 110, None),
        (40, 20, 500, 67, 110, None),
        (39, 20, 500, 29, 110, TWO_COUNTS),  # the two differ by more than 0.4
        (100, 280, 49, 0, 110, None),
    ],
)
def test_the_estimate_by_hand(modelled, divided, second, low, high, says):
    judge, given, suspicion = sharp(second=second)
    united = np.arange(1000) >= divided
    scores = Scores(suspicion, extra={"judges_agree": united}, n_wrong=float(modelled))
    estimate, told = count_wrong(judge, given, scores)
    close(estimate, widened(100, low, high))
    assert told == says


def test_where_the_judges_are_divided_on_more_than_28_per_cent_by_hand():
    judge, given, suspicion = sharp()
    scores = Scores(suspicion, extra={"judges_agree": np.arange(1000) >= 284}, n_wrong=150.0)
    estimate, told = count_wrong(judge, given, scores)
    close(estimate, widened(150 - 71, 150 - 142, 150))
    assert told == HARD


def test_copies_are_divided_on_once():
    """Of 284 divided examples 84 are copies of one: 201 of 917 things, which is less than 28 per cent."""
    judge, given, suspicion = sharp(second=40)
    copies = np.where(np.arange(1000) < 84, 0, np.arange(1000))
    scores = Scores(suspicion, extra={"judges_agree": np.arange(1000) >= 284}, n_wrong=105.0)
    estimate, told = count_wrong(judge, given, scores, copies)
    close(estimate, widened(100, 0, 110))  # less half of 201
    assert told is None and count_wrong(judge, given, scores)[1] == HARD


def test_the_curve_has_one_and_a_half_times_the_slope_of_the_log_odds():
    odds = np.array([-3.0, -1, 0.5, 2])
    p = probability_wrong(Scores(odds), Estimate(1.0, 0, 4), np.zeros(4, bool))
    np.testing.assert_allclose(np.diff(np.log(p / (1 - p))), 1.5 * np.diff(odds))


def test_a_class_of_two_can_be_judged():
    assert unjudgeable(np.array([0, 1, 1, 2, 2, 2])).tolist() == [True, False, False, False, False, False]
