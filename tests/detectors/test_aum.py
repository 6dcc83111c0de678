"""AUM: the margin's average, and the threshold samples."""

import numpy as np
import pytest

from labelsieve.core.record import Record
from labelsieve.detectors.aum import area_under_margin, aum


def with_margin(margin):
    empty = Record.empty(*margin.shape)
    return Record(empty.loss, margin.astype(np.float32), empty.p_y, empty.argmax)


def test_two_classes_give_the_logit_difference_and_the_first_epoch_is_skipped():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 40, 2)), rng.integers(2, size=40)
    record = Record.empty(5, 40)
    for epoch in range(5):
        record.write(epoch, slice(None), logits[epoch], labels)
    given, other = logits[:, np.arange(40), labels], logits[:, np.arange(40), 1 - labels]
    np.testing.assert_allclose(area_under_margin(record), (given - other)[1:].mean(0), atol=1e-5)
    np.testing.assert_allclose(aum(record).suspicion, -(given - other)[1:].mean(0), atol=1e-5)


def test_a_record_of_one_epoch_is_used():
    np.testing.assert_array_equal(aum(with_margin(np.array([[2.0, -1]]))).suspicion, [-2, 1])


def test_flagged_only_if_under_the_cut_in_every_run_where_it_was_real():
    margin = np.zeros((3, 6))
    first, second = margin.copy(), margin.copy()
    first[:] = [5, -1, -1, 5, 0, 9]  # example 4 wears the fake class: cut 0
    second[:] = [5, -1, 5, -1, -1, 0]  # example 5 does
    runs = tuple((with_margin(run), np.arange(6) == fake) for run, fake in ((first, 4), (second, 5)))
    # 0: clean in both; 1: low in both; 2, 3: low in one; 4: real in the second only, low; 5: real in the first only,
    # high
    np.testing.assert_array_equal(aum(with_margin(margin), runs).flags, [False, True, False, False, True, False])


def test_the_cut_is_the_99th_percentile_of_the_threshold_samples():
    area = np.concatenate([np.arange(200.0), [197.5, 198.5]])
    fake = np.arange(202) < 200
    flags = aum(with_margin(area[None]), ((with_margin(area[None]), fake),)).flags
    # percentile 99 of 0..199 is 197.01: more than 1 % of them lie above it only below that value
    assert not flags[200:].any()
    lower = with_margin(area[None] - np.r_[np.zeros(200), 1, 1])
    np.testing.assert_array_equal(aum(lower, ((lower, fake),)).flags[200:], [True, False])


def test_no_threshold_runs_no_flags():
    assert aum(with_margin(np.zeros((2, 3)))).flags is None
    with pytest.raises(IndexError):
        aum(with_margin(np.zeros((2, 3))), ((with_margin(np.zeros((2, 3))), np.ones(4, bool)),))


def test_a_threshold_sample_above_the_cut_is_judged_by_the_run_in_which_it_was_real():
    first = np.array([[9.0, 1, 8, 8, 7]] * 2)  # 0 and 1 wear the fake class; the cut is 8.92, and 0 lies above it
    second = np.array([[2.0, 9, 9, 1, 3]] * 2)  # 3 and 4 do: the cut is 2.98
    runs = tuple((with_margin(run), np.isin(np.arange(5), fake)) for run, fake in ((first, (0, 1)), (second, (3, 4))))
    np.testing.assert_array_equal(aum(with_margin(first), runs).flags, [True, False, False, True, True])


def test_an_example_that_was_never_real_is_not_flagged():
    margin = with_margin(np.zeros((2, 4)))
    always = np.arange(4) == 0
    np.testing.assert_array_equal(aum(margin, ((margin, always), (margin, always))).flags, [False, True, True, True])
