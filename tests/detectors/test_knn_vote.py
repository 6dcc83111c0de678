"""The kNN vote against a dense reference and by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.core.evidence import Neighbours
from labelsieve.detectors.knn_vote import knn_vote
from labelsieve.stats.neighbours import nearest


def dense(neighbours, labels, n_classes, k):
    """The formula of the paper over an (n, K) table: distances, own distance 2 d1 - d2, normalised soft votes."""
    distance = 1 - neighbours.similarity[:, : k - 1].astype(float)
    own = 2 * distance[:, 0] - distance[:, min(1, distance.shape[1] - 1)]
    vote = np.zeros((len(labels), n_classes))
    for i, label in enumerate(labels):
        vote[i, label] += max(1 - own[i], 0)
        for j, d in zip(neighbours.index[i, : k - 1], distance[i], strict=True):
            vote[i, labels[j]] += max(1 - d, 0)
    return vote / np.linalg.norm(vote, axis=1, keepdims=True)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 60), n_classes=st.integers(2, 6), k=st.integers(2, 12))
def test_equals_the_dense_formula(seed, n, n_classes, k):
    rng = np.random.default_rng(seed)
    features = np.abs(rng.normal(size=(n, 5)))
    labels = rng.integers(n_classes, size=n)
    graph = nearest(features, 11)
    vote = dense(graph, labels, n_classes, k)
    scores = knn_vote(graph, labels, k=k)
    np.testing.assert_allclose(scores.suspicion, -np.log(np.maximum(vote[np.arange(n), labels], 1e-6)), atol=1e-5)
    clear = np.sort(vote, axis=1)[:, -1] - np.sort(vote, axis=1)[:, -2] > 1e-6
    np.testing.assert_array_equal(scores.flags[clear], (vote.argmax(1) != labels)[clear])


def test_an_outvoted_label_and_its_suggestion():
    index = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]], np.int32)
    scores = knn_vote(Neighbours(index, np.full((4, 3), 0.9, np.float32)), np.array([0, 0, 0, 1]), k=4)
    np.testing.assert_array_equal(scores.flags, [False, False, False, True])
    assert scores.suggestion[3] == 0
    np.testing.assert_allclose(scores.extra["neighbours_agree"], [2 / 3, 2 / 3, 2 / 3, 0])


def test_opposite_neighbours_do_not_vote():
    index = np.array([[1], [0]], np.int32)
    scores = knn_vote(Neighbours(index, np.full((2, 1), -0.5, np.float32)), np.array([0, 1]))
    assert np.isfinite(scores.suspicion).all()


def test_row_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    graph, labels = nearest(rng.normal(size=(200, 6)), 10), rng.integers(4, size=200)
    whole = knn_vote(graph, labels)
    monkeypatch.setattr("labelsieve.detectors.knn_vote.ROWS", 37)
    np.testing.assert_array_equal(knn_vote(graph, labels).suspicion, whole.suspicion)


def test_nine_neighbours_and_the_example_vote():
    """Of twelve equally near neighbours the first four have the label, the next five another, the last three the
    label."""
    labels = np.array([0] * 5 + [1] * 5 + [0] * 3)
    graph = Neighbours(np.tile(np.arange(1, 13), (13, 1)).astype(np.int32), np.full((13, 12), 0.5, np.float32))
    scores = knn_vote(graph, labels)
    assert scores.extra["neighbours_agree"][0] == 4 / 9
    assert abs(scores.suspicion[0] + np.log(5 / np.hypot(5, 5))) < 1e-9
