"""The consensus: which judges it asks, and what it makes of them."""

import numpy as np
import pytest

from labelsieve.core.evidence import Neighbours
from labelsieve.detectors.consensus import consensus
from labelsieve.stats.confident_joint import flagged_by
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


def test_lda_the_robust_head_and_the_neighbours_are_asked():
    robust, labels = judged()
    plain, _ = judged(seed=1)
    near = ring()
    scores = consensus(labels, K, plain, robust, plain, near)
    pool = Pool([robust, plain], near, labels, K, weights=(2, 4, 1)).tempered()
    transition = estimate_transition(pool)
    said = verdict(pool, transition)
    np.testing.assert_array_equal(scores.suspicion, said.log_odds)
    np.testing.assert_array_equal(scores.suggestion, said.other)
    np.testing.assert_array_equal(scores.extra["judges_agree"], said.united)
    assert scores.n_wrong == transition.n_wrong
    np.testing.assert_array_equal(consensus(labels, K, None, robust, plain, near).suspicion, said.log_odds)


def test_probabilities_of_ones_own_are_the_only_judge():
    plain, labels = judged()
    pool = Pool([plain], None, labels, K).tempered()
    own = verdict(pool, estimate_transition(pool)).log_odds
    flags = flagged_by(plain, labels)
    np.testing.assert_array_equal(consensus(labels, K, plain).suspicion, own + 0.25 * flags)
    assert 0 < flags.sum() < N
    with pytest.raises(ValueError, match="probs_gce or probs_lda"):
        consensus(labels, K)


def test_flags_are_those_of_confident_learning_on_the_pool():
    probs, labels = judged()
    near = ring()
    np.testing.assert_array_equal(consensus(labels, K, probs).flags, flagged_by(probs, labels))
    pool = Pool([probs], near, labels, K, weights=(2, 1)).tempered()
    flags = consensus(labels, K, None, probs, neighbours=near).flags
    np.testing.assert_array_equal(flags, flagged_by(pool.probabilities(), labels))
    assert 0 < flags.sum() < N


def test_labels_too_unlikely_for_a_millionth_are_still_ordered():
    """A network or naive Bayes can be that sure; a floor would make all of its disputes equal."""
    p = np.array([[1.0, 1e-20], [1.0, 1e-40], [0.4, 0.6], [0.1, 0.9]])
    assert np.argsort(-consensus(np.ones(4, np.int64), 2, p).suspicion).tolist() == [1, 0, 2, 3]


@pytest.mark.parametrize(
    ("name", "value"),
    [("k", 2), ("sharpness", 30.0), ("spread", 0.5), ("trust", 1.0), ("prior", 50.0), ("steps", 1), ("floor", 0.05)],
)
def test_each_constant_is_heard(name, value):
    probs, labels = judged()
    near = ring()
    near.similarity[:] = np.linspace(0.9, 0.5, 5)
    plain = consensus(labels, K, None, probs, neighbours=near)
    other = consensus(labels, K, None, probs, neighbours=near, **{name: value})
    assert np.abs(other.suspicion - plain.suspicion).max() > 1e-3
