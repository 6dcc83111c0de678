"""ProMix's rules as a detector."""

import numpy as np
import pytest

from labelsieve.core.record import Record
from labelsieve.detectors.promix import promix


def recorded(loss, p_y=None, argmax=None):
    empty = Record.empty(*loss.shape)
    p_y = np.zeros(loss.shape) if p_y is None else p_y
    argmax = np.zeros(loss.shape, np.int32) if argmax is None else argmax
    return Record(loss.astype(np.float32), empty.margin, p_y.astype(np.float32), argmax)


def test_flags_are_what_neither_rule_takes():
    loss, labels = np.tile(np.arange(20.0), (3, 1)), np.arange(20) % 2
    flags = promix(recorded(loss), labels, 2, rho=0.7).flags
    np.testing.assert_array_equal(np.flatnonzero(flags), np.arange(14, 20))
    p_y = np.zeros((3, 20))
    p_y[:, 19] = 0.995
    confident = promix(recorded(loss, p_y), labels, 2, rho=0.7)
    np.testing.assert_array_equal(np.flatnonzero(confident.flags), np.arange(14, 19))
    assert confident.suspicion[19] < confident.suspicion[0]


def test_balanced_takes_a_rare_class_whole():
    labels = np.array([0] * 90 + [1] * 10)
    loss = np.tile(np.arange(100.0), (2, 1))
    assert promix(recorded(loss), labels, 2, rho=0.5, per_class="balanced").flags[labels == 1].sum() == 0
    assert promix(recorded(loss), labels, 2, rho=0.5).flags[labels == 1].sum() == 5


def test_without_rho_the_share_of_agreeing_predictions_sets_it():
    labels = np.zeros(100, int)
    argmax = np.zeros((4, 100), np.int32)
    argmax[:, :20] = 1
    scores = promix(recorded(np.tile(np.arange(100.0), (4, 1)), argmax=argmax), labels, 2)
    assert scores.flags.sum() == 20


def test_suspicion_is_the_share_at_which_an_example_is_taken():
    loss, labels = np.tile(np.arange(10.0), (1, 1)), np.zeros(10, int)
    np.testing.assert_allclose(promix(recorded(loss), labels, 1).suspicion, np.arange(1, 11) / 10, atol=1e-5)


def test_only_the_last_epochs_count():
    rng = np.random.default_rng(0)
    loss, labels = rng.random((30, 50)), rng.integers(2, size=50)
    whole, tail = recorded(loss), recorded(loss[-10:])
    np.testing.assert_array_equal(promix(whole, labels, 2).suspicion, promix(tail, labels, 2).suspicion)
    assert promix(whole, labels, 2, last=1).suspicion != pytest.approx(promix(whole, labels, 2).suspicion)


def test_left_out_of_half_of_the_epochs_is_not_most_of_them():
    loss = np.tile(np.arange(4.0), (4, 1))
    loss[:2] = loss[:2, ::-1]
    assert not promix(recorded(loss), np.zeros(4, int), 1, rho=0.5).flags.any()
    loss[2] = loss[0]
    np.testing.assert_array_equal(
        promix(recorded(loss), np.zeros(4, int), 1, rho=0.5).flags, [True, True, False, False]
    )


def test_confidence_above_99_per_cent_is_taken_in_any_case_and_what_is_left_of_it_breaks_the_tie():
    loss, p_y = np.tile(np.arange(4.0), (2, 1)), np.tile([0.2, 0.995, 0.98, 0.992], (2, 1))
    scores = promix(recorded(loss, p_y), np.zeros(4, int), 1, rho=0.25)
    np.testing.assert_array_equal(scores.flags, [False, False, True, False])
    np.testing.assert_allclose(scores.suspicion, [0.25 + 0.8e-6, 5e-9, 0.75 + 2e-8, 8e-9], rtol=1e-4)


def test_ten_epochs_are_used():
    loss = np.tile([0.0, 1.0], (11, 1))
    loss[1:7] = [1.0, 0.0]  # of the last ten epochs six leave out the first example, of the last five one
    np.testing.assert_array_equal(promix(recorded(loss), np.zeros(2, int), 1, rho=0.5).flags, [True, False])
