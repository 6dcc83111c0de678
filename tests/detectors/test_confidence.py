"""The detectors that read out-of-sample probabilities: confident learning, GCE, Blurry and Piecewise-zero loss."""

import warnings

import numpy as np
import pytest

from labelsieve.detectors.blurry import blurry
from labelsieve.detectors.confident_learning import confident_joint, confident_learning, flags
from labelsieve.detectors.gce import gce
from labelsieve.detectors.lda import lda
from labelsieve.detectors.piecewise_zero import piecewise_zero


def problem(n=900, n_classes=6, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n)
    labels = np.where(rng.random(n) < 0.2, rng.integers(n_classes, size=n), truth)
    p = np.exp(rng.normal(size=(n, n_classes)) + 2.5 * np.eye(n_classes)[truth])
    return (p / p.sum(1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize(
    ("detect", "rule"),
    [(confident_learning, "prune_by_noise_rate"), (blurry, "both"), (piecewise_zero, "both"), (lda, "both")],
)
def test_flags_are_cleanlabs(detect, rule):
    find_label_issues = pytest.importorskip("cleanlab.filter").find_label_issues
    probs, labels = problem()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = find_label_issues(labels, probs, filter_by=rule, n_jobs=1)
    assert expected.any()
    np.testing.assert_array_equal(detect(probs, labels).flags, expected)


@pytest.mark.parametrize("detect", [confident_learning, gce, blurry, piecewise_zero, lda])
def test_suspicion_is_what_is_left_of_self_confidence(detect):
    probs, labels = problem()
    scores = detect(probs, labels)
    np.testing.assert_allclose(scores.suspicion, 1 - probs[np.arange(900), labels].astype(float))
    assert (scores.suggestion != labels).all()
    differs = probs.argmax(1) != labels
    np.testing.assert_array_equal(scores.suggestion[differs], probs.argmax(1)[differs])


def test_the_public_names_of_confident_learning():
    probs, labels = problem()
    assert confident_joint(probs, labels).sum() == len(labels)
    np.testing.assert_array_equal(confident_learning(probs, labels, rule="both").flags, flags(probs, labels, "both"))


def test_confident_learning_by_hand():
    """Thresholds 0.7 (mean of 0.9, 0.8, 0.4) and 0.7; the third is confidently the other class."""
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.1, 0.9], [0.5, 0.5]])
    probs[2] = [0.4, 0.6]
    scores = confident_learning(probs, np.array([0, 0, 0, 1, 1, 1]))
    np.testing.assert_allclose(scores.suspicion, [0.1, 0.2, 0.6, 0.3, 0.1, 0.5])
    assert scores.suggestion.tolist() == [1, 1, 1, 0, 0, 0]
