"""ProMix's selection rules and the averages by count."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsieve.stats.small_loss import average_seen, break_ties, class_small_loss, fill_unseen, matched_high_confidence


@given(seed=st.integers(0, 10**6), n=st.integers(3, 200), n_classes=st.integers(2, 9), tenths=st.integers(1, 10))
def test_balanced_selection_takes_the_promised_number_of_smallest_losses(seed, n, n_classes, tenths):
    rng = np.random.default_rng(seed)
    labels, loss = rng.integers(n_classes, size=n), rng.random(n)
    chosen = class_small_loss(loss, labels, n_classes, tenths / 10)
    for j in range(n_classes):
        inside = labels == j
        expected = min(math.ceil(tenths * n / (10 * n_classes) - 1e-9), inside.sum())
        assert chosen[inside].sum() == expected
        if 0 < expected < inside.sum():
            assert loss[inside & chosen].max() < loss[inside & ~chosen].min()


def test_balanced_takes_a_rare_class_whole_and_proportional_does_not():
    labels = np.array([0] * 90 + [1] * 10)
    loss = np.arange(100.0)
    assert class_small_loss(loss, labels, 2, 0.5)[labels == 1].sum() == 10
    assert class_small_loss(loss, labels, 2, 0.5, per_class="proportional")[labels == 1].sum() == 5
    chosen = class_small_loss(loss, labels, 2, 0.5, per_class=np.array([60, 15]))
    assert chosen[labels == 0].sum() == 30 and chosen[labels == 1].sum() == 8


def test_rounding_does_not_add_one():
    labels = np.repeat([0, 1], 10)
    assert class_small_loss(np.arange(20.0), labels, 2, 0.7).sum() == 14


def test_class_of_one_is_selected():
    assert class_small_loss(np.array([9.0, 1, 2]), np.array([1, 0, 0]), 2, 0.01, per_class="proportional")[0]


def test_matched_high_confidence_is_strict():
    np.testing.assert_array_equal(matched_high_confidence(np.array([0.98, 0.99, 0.995]), 0.99), [False, False, True])


def test_average_is_by_count():
    average = average_seen(np.array([[1, np.nan, np.nan], [3, 5, np.nan]], np.float32))
    np.testing.assert_array_equal(average, [2, 5, np.nan])
    np.testing.assert_array_equal(fill_unseen(average), [2, 5, 3.5])
    assert fill_unseen(np.array([np.nan])) == pytest.approx(0)


def test_an_infinite_score_goes_a_hundredth_of_the_range_beyond_the_others():
    filled = fill_unseen(np.array([1.0, 3, np.inf, -np.inf, np.nan, 2]))
    np.testing.assert_allclose(filled, [1, 3, 3.02, 0.98, 2, 2])
    np.testing.assert_allclose(fill_unseen(np.array([5.0, np.inf])), [5, 6])


def test_ties_are_broken_by_the_loss():
    score, loss = np.array([0.2, 0.7, 0.7, 0.7, 0.7 + 1e-8]), np.array([9.0, 1, 3, 2, 0.5])
    broken = break_ties(score, loss)
    np.testing.assert_array_equal(np.argsort(broken), [0, 4, 1, 3, 2])
    np.testing.assert_allclose(broken, score, atol=2e-6)


def test_one_example_of_every_class_is_taken_whatever_the_share():
    loss, labels = np.array([3.0, 1, 2, 9, 8]), np.array([0, 0, 0, 2, 2])
    for per_class in ("balanced", "proportional"):
        chosen = class_small_loss(loss, labels, 3, 0.0, per_class=per_class)
        np.testing.assert_array_equal(chosen, [False, True, False, False, True])
