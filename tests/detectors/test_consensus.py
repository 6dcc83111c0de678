"""The consensus: which judges it asks, and what it makes of them."""

import numpy as np
import pytest

from labelsieve.core.evidence import Neighbours
from labelsieve.detectors.consensus import consensus
from labelsieve.stats.opinion_pool import Pool, estimate_transition, verdict

N, K = 400, 3


def judged(seed=0):
    """A judge of hidden classes who is sometimes unsure, and labels of which a tenth is wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(K, size=N)
    p = np.exp(1.5 * rng.normal(size=(N, K)) + 2.5 * np.eye(K)[true])
    return p / p.sum(1, keepdims=True), np.where(rng.random(N) < 0.1, (true + 1) % K, true)


def ring():
    index = (np.arange(N)[:, None] + np.arange(1, 6)) % N
    return Neighbours(index.astype(np.int32), np.full((N, 5), 0.5, np.float32))


def test_the_robust_head_and_the_neighbours_are_asked():
    robust, labels = judged()
    plain, _ = judged(seed=1)
    near = ring()
    scores = consensus(labels, K, plain, robust, near)
    pool = Pool([robust], near, labels, K)
    transition = estimate_transition(pool)
    said = verdict(pool, transition)
    np.testing.assert_array_equal(scores.suspicion, said.log_odds)
    np.testing.assert_array_equal(scores.suggestion, said.other)
    np.testing.assert_array_equal(scores.extra["judges_agree"], said.united)
    assert scores.n_wrong == transition.n_wrong
    np.testing.assert_array_equal(consensus(labels, K, None, robust, near).suspicion, said.log_odds)


def test_probabilities_of_ones_own_are_the_only_judge():
    plain, labels = judged()
    pool = Pool([plain], None, labels, K)
    np.testing.assert_array_equal(
        consensus(labels, K, plain).suspicion, verdict(pool, estimate_transition(pool)).log_odds
    )
    with pytest.raises(ValueError, match="probs or probs_gce"):
        consensus(labels, K)


def test_flagged_is_what_another_class_explains_better():
    probs, labels = judged()
    scores = consensus(labels, K, probs)
    assert ((scores.suspicion > 0) & (scores.suspicion < 1)).sum() > 5, "otherwise the test could not fail"
    np.testing.assert_array_equal(scores.flags, scores.suspicion > 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("k", 2), ("sharpness", 30.0), ("spread", 0.5), ("trust", 1.0), ("prior", 50.0), ("steps", 1), ("floor", 0.05)],
)
def test_each_constant_is_heard(name, value):
    probs, labels = judged()
    near = ring()
    near.similarity[:] = np.linspace(0.9, 0.5, 5)
    plain = consensus(labels, K, None, probs, near)
    assert np.abs(consensus(labels, K, None, probs, near, **{name: value}).suspicion - plain.suspicion).max() > 1e-3
