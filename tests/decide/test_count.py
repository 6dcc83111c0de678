from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelsieve as ls
from labelsieve.core.findings import Estimate
from labelsieve.core.scores import Scores
from labelsieve.decide.count import HARD, count_wrong, probability_wrong, rank, surer_than_right, to_flag, unjudgeable


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


def scores(n=1000, flagged=100, disputed=120, modelled=80.0, divided=0, judges=3):
    """What the consensus says of n labels; the disputed ones come last, the divided ones first."""
    at = np.arange(n)
    p_given = np.where(at >= n - disputed, 0.2, 0.9)
    extra = {"p_given": p_given, "p_other": 1 - p_given, "judges_agree": at >= divided}
    return Scores(at * 0.01 - 8, flags=at >= n - flagged, extra=extra, n_wrong=modelled, judges=judges)


def widened(count, low, high, n=1000):
    sampling = 1.96 * np.sqrt(count * (1 - count / n))
    return Estimate(count, max(0, count - np.hypot(count - low, sampling)), count + np.hypot(high - count, sampling))


@pytest.mark.parametrize(
    ("modelled", "divided", "low", "high", "says"),
    [
        (118, 10, 100, 180, None),  # never above the estimate, although it would be 118 - 2
        (80, 10, 40, 180, None),  # several judges: 80 less the 40 other disputes; half again the 120 disputes
        (30, 10, 0, 180, None),
        (80, 281, 40, 180, HARD),
        (80, 280, 40, 180, None),
    ],
)
def test_the_estimate_by_hand(modelled, divided, low, high, says):
    estimate, told = count_wrong(scores(modelled=float(modelled), divided=divided))
    expected = widened(100, low, high)
    assert (estimate.count, estimate.low, estimate.high) == pytest.approx((100, expected.low, expected.high))
    assert told == says


def test_a_judge_that_is_surer_than_the_labels_bear_out_has_no_low_end():
    """It disputes 120 of 1,000 labels, so it keeps .88; it claims .98."""
    said = scores(modelled=120.0, judges=1)
    said.extra["p_given"][:] = np.where(np.arange(1000) >= 880, 0.02, 0.98)
    said.extra["p_other"][:] = 1 - said.extra["p_given"]
    assert surer_than_right(said)
    estimate, told = count_wrong(said)
    assert estimate.low == pytest.approx(widened(100, 0, 180).low) and estimate.high > 180
    assert "98 % for the likeliest class" in told and "only 88 % of the examples" in told
    assert not surer_than_right(replace(said, judges=3)), "several judges are brought to their own temperature"
    assert not surer_than_right(scores(judges=1)), "this one claims .89"


def test_copies_are_divided_on_once():
    """Of 284 divided examples 84 are copies of one: 201 of 917 things, which is less than 28 per cent."""
    copies = np.where(np.arange(1000) < 84, 0, np.arange(1000))
    assert count_wrong(scores(divided=284), copies)[1] is None
    assert count_wrong(scores(divided=284))[1] == HARD


def test_flags_go_half_way_to_the_disputes_if_there_are_several_judges():
    assert to_flag(scores(divided=10)) == 110
    assert to_flag(scores(judges=1)) == 100


def test_the_curve_has_twice_the_slope_of_the_log_odds():
    odds = np.array([-3.0, -1, 0.5, 2])
    p = probability_wrong(Scores(odds), Estimate(1.0, 0, 4), np.zeros(4, bool))
    np.testing.assert_allclose(np.diff(np.log(p / (1 - p))), 2 * np.diff(odds))


def test_a_class_of_two_can_be_judged():
    assert unjudgeable(np.array([0, 1, 1, 2, 2, 2])).tolist() == [True, False, False, False, False, False]


def test_probabilities_of_a_model_that_was_trained_on_the_examples_are_called_by_their_name():
    """A forest knows its own training data by heart; by cross-validation it does not."""
    ensemble, selection = pytest.importorskip("sklearn.ensemble"), pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(0)
    true = np.arange(200) % 2
    x = rng.normal(size=(200, 3)) + 3 * np.eye(2, 3)[true]
    labels = np.where(np.arange(200) < 20, 1 - true, true)
    forest = ensemble.RandomForestClassifier(30, random_state=0)
    by_heart = ls.find(ls.load_probabilities(forest.fit(x, labels).predict_proba(x), labels))
    assert by_heart.flagged.sum() == 0
    assert any("100 % of the examples" in note and "by cross-validation" in note for note in by_heart.notes)
    held_out = selection.cross_val_predict(forest, x, labels, cv=5, method="predict_proba")
    findings = ls.find(ls.load_probabilities(held_out, labels))
    assert findings.flagged[:20].sum() >= 10
    assert not any("by cross-validation" in note for note in findings.notes)
