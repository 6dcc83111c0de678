"""O2U-Net's score: sums of centred losses."""

import numpy as np

from labelsieve.core.record import Record
from labelsieve.detectors.o2u import o2u
from labelsieve.stats.mixture import fit_gaussian


def recorded(loss):
    empty = Record.empty(*loss.shape)
    return Record(loss.astype(np.float32), empty.margin, empty.p_y, empty.argmax)


def test_a_constant_added_to_an_epoch_changes_nothing():
    rng = np.random.default_rng(0)
    loss, labels = rng.exponential(size=(9, 200)), rng.integers(3, size=200)
    shifted = loss + rng.uniform(0, 50, (9, 1))
    np.testing.assert_allclose(
        o2u(recorded(loss), labels, 3).suspicion, o2u(recorded(shifted), labels, 3).suspicion, atol=1e-5
    )


def test_score_by_hand_and_by_count():
    loss = np.array([[1.0, 3, np.nan], [0, 4, 2]])
    scores = o2u(recorded(loss), np.array([0, 1, 0]), 2)
    np.testing.assert_allclose(scores.suspicion, [(-1 - 2) / 2, (1 + 2) / 2, 0])


def test_forget_rate_flags_the_top_of_one_ranking():
    loss = np.tile(np.arange(10.0), (4, 1))
    flags = o2u(recorded(loss), np.zeros(10, int), 1, forget_rate=0.3).flags
    np.testing.assert_array_equal(np.flatnonzero(flags), [7, 8, 9])


def test_per_class_ranking_spares_the_hard_class():
    labels = np.repeat([0, 1], 50)
    loss = np.tile(np.arange(100.0), (3, 1))  # class 1 is harder throughout
    together = o2u(recorded(loss), labels, 2, forget_rate=0.2)
    apart = o2u(recorded(loss), labels, 2, forget_rate=0.2, per_class=True)
    assert together.flags[labels == 0].sum() == 0
    assert apart.flags[labels == 0].sum() == apart.flags[labels == 1].sum() == 10


def test_without_a_rate_the_upper_heap_is_flagged():
    rng = np.random.default_rng(1)
    wrong = rng.random(1000) < 0.2
    loss = np.where(wrong, 4, 0.5) + 0.2 * rng.normal(size=(6, 1000))
    np.testing.assert_array_equal(o2u(recorded(loss), np.zeros(1000, int), 1).flags, wrong)


def test_the_rank_in_the_class_is_the_middle_of_its_place_and_a_part_of_an_example_is_not_flagged():
    loss = np.tile([5.0, 1, 3, 9, 7], (2, 1))
    scores = o2u(recorded(loss), np.array([0, 0, 0, 1, 1]), 2, per_class=True, forget_rate=0.39)
    np.testing.assert_allclose(scores.suspicion, [5 / 6, 1 / 6, 3 / 6, 3 / 4, 1 / 4])
    np.testing.assert_array_equal(scores.flags, [True, False, False, False, False])  # 0.39 * 5 = 1.95


def test_without_a_rate_flagged_is_what_more_likely_belongs_to_the_upper_heap():
    rng = np.random.default_rng(0)
    loss = np.where(rng.random(3000) < 0.3, rng.normal(2, 0.6, 3000), rng.normal(0, 0.6, 3000))  # they overlap
    score = loss - loss.mean()
    posterior = fit_gaussian(score).posterior(score)
    assert ((posterior > 0.4) & (posterior < 0.7)).sum() > 30
    near = np.abs(posterior - 0.5) < 1e-3
    flags = o2u(recorded(loss[None]), np.zeros(3000, int), 1).flags
    np.testing.assert_array_equal(flags[~near], posterior[~near] > 0.5)
