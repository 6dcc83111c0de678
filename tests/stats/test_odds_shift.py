"""Posteriors held to a share: the mean is met, the order stays, and nothing but the prior changes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelsieve.stats.odds_shift import odds_shift, shifted

chances = st.lists(st.floats(0, 1), min_size=1, max_size=50).map(np.array)


@given(chances, st.floats(0.01, 0.99))
def test_the_mean_is_the_share_and_the_order_stays(chance, share):
    held = shifted(chance, odds_shift(chance, share))
    assert abs(held.mean() - share) < 1e-6
    assert (np.diff(held[np.argsort(chance)]) >= -1e-12).all()


def test_a_shift_changes_the_prior():
    heights = np.array([[0.2, 1.0, 3.0], [2.0, 1.0, 0.5]])  # densities of three losses under right and wrong
    fitted, true = ([1 - p, p] @ heights for p in (0.4, 0.1))
    before, after = 0.4 * heights[1] / fitted, 0.1 * heights[1] / true
    np.testing.assert_allclose(shifted(before, odds_shift(before, after.mean())), after, rtol=1e-6)


def test_chances_that_are_met_already_stay():
    chance = np.random.default_rng(0).random(100)
    np.testing.assert_allclose(shifted(chance, odds_shift(chance, chance.mean())), chance, atol=1e-9)


def test_chances_of_a_ten_thousandth_keep_their_odds():
    odds = np.array([1e-4, 1e-6, 1 - 1e-4])
    moved = shifted(odds, np.log(5.0))
    np.testing.assert_allclose(moved / (1 - moved), 5 * odds / (1 - odds), rtol=1e-6)
    np.testing.assert_allclose(shifted(np.array([0.0, 1.0]), 0.0), [1e-9, 1 - 1e-9], rtol=1e-6)
