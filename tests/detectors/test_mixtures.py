"""Beta and Gaussian mixture detectors over a record."""

import numpy as np
import pytest

from labelsieve.core.record import Record
from labelsieve.detectors.beta_mixture import beta_mixture
from labelsieve.detectors.gaussian_mixture import gaussian_mixture

BOTH = pytest.mark.parametrize("detect", [beta_mixture, gaussian_mixture])


def recorded(loss):
    empty = Record.empty(*loss.shape)
    return Record(loss.astype(np.float32), empty.margin, empty.p_y, empty.argmax)


def two_heaps(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    wrong = rng.random(n) < 0.25
    return rng.gamma(4, np.where(wrong, 1.0, 0.1), (10, n)), wrong


@BOTH
def test_flags_and_ranks_the_high_heap(detect):
    loss, wrong = two_heaps()
    scores = detect(recorded(loss))
    assert (scores.flags == wrong).mean() > 0.97
    assert ((scores.suspicion > 0.5) == scores.flags).all()


@BOTH
def test_saturated_posteriors_are_ranked_by_loss(detect):
    loss, _ = two_heaps()
    scores = detect(recorded(loss))
    mean = loss.mean(0)
    top = np.argsort(-mean)[:50]
    assert (np.diff(scores.suspicion[top]) < 0).all()


@BOTH
def test_constant_losses_flag_nobody_and_losses_still_rank(detect):
    scores = detect(recorded(np.full((4, 100), 2.0)))
    assert not scores.flags.any()
    assert np.isfinite(scores.suspicion).all()


@BOTH
def test_last_epochs_only(detect):
    loss, wrong = two_heaps()
    early = np.concatenate([100 * np.random.default_rng(1).random((5, len(wrong))), loss])
    np.testing.assert_allclose(detect(recorded(early), last=10).suspicion, detect(recorded(loss)).suspicion)
    assert (detect(recorded(early)).flags == wrong).mean() < 0.9


@BOTH
def test_flagged_is_what_more_likely_belongs_to_the_upper_heap(detect):
    rng = np.random.default_rng(0)
    loss = np.where(rng.random(4000) < 0.3, rng.gamma(6, 0.3, 4000), rng.gamma(2, 0.3, 4000))  # they overlap
    scores = detect(recorded(loss[None]))
    between = (scores.suspicion > 0.3) & (scores.suspicion < 0.8)
    assert between.sum() > 50
    np.testing.assert_array_equal(scores.flags, scores.suspicion > 0.5)
