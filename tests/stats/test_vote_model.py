"""The model of several annotators: Dawid-Skene as others have it, published agreements, and what the model adds."""

import numpy as np
import pytest

from labelsieve.core.vote_list import in_order
from labelsieve.stats.vote_model import _log_gamma, agreement, consensus, fit, one_more

K = 3


def some_votes(n=40, annotators=6, each=3, seed=3, truth=None, confuse=None):
    """Votes of annotators, half of whom confuse the classes 0 and 1, drawn with NumPy's legacy generator."""
    rng = np.random.RandomState(seed)
    truth = rng.randint(0, K, n) if truth is None else truth
    example = np.repeat(np.arange(n), each)
    who = np.concatenate([rng.permutation(annotators)[:each] for _ in range(n)])
    label = np.where(rng.rand(len(who)) < 0.7, truth[example], rng.randint(0, K, len(who)))
    swapped = (who % 2 == 0) & (label < 2) & (rng.rand(len(who)) < 0.3)
    label = np.where(swapped, 1 - label, label)
    return in_order(example, who, label, tuple("abcdefghijklmnopqrstuvwxyz"[:annotators]), n), truth


def test_dawid_skene_is_that_of_crowd_kit():
    """crowd-kit 1.4.1: DawidSkene(n_iter=30, tol=-1e9).fit_predict_proba on these votes."""
    votes, _ = some_votes(n=12)
    posterior = fit(votes, K, shrinkage=0, steps=30, tolerance=0).posterior
    assert posterior == pytest.approx(np.array(CROWD_KIT), abs=1e-6)


CROWD_KIT = [
    [0.0, 0.0, 1.0],
    [1.0, 0.0, 0.0],
    [0.34213318, 0.65786682, 0.0],
    [1.0, 0.0, 0.0],
    [1.0, 0.0, 0.0],
    [1.0, 0.0, 0.0],
    [0.16992932, 0.83007068, 0.0],
    [1.9e-07, 0.99999981, 0.0],
    [0.0, 2e-08, 0.99999998],
    [0.0, 1.0, 0.0],
    [0.0, 1.0, 0.0],
    [0.0, 0.0, 1.0],
]


def test_krippendorffs_alpha_of_his_example():
    """Krippendorff, Computing Krippendorff's alpha-reliability (2011), C: nominal data, four observers: .743."""
    rows = ["1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 ."]
    cells = [(i, a, int(x) - 1) for a, row in enumerate(rows) for i, x in enumerate(row.split()) if x != "."]
    votes = in_order(*np.array(cells).T, tuple("abcd"), 12)
    assert agreement(votes, 5)[2] == pytest.approx(0.743, abs=5e-4)


def test_fleiss_kappa_of_a_known_table():
    """The table of ten subjects and fourteen raters that follows Fleiss (1971); kappa .210."""
    table = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]]
    table += [[7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
    label = np.concatenate([np.repeat(np.arange(5), row) for row in table])
    votes = in_order(np.repeat(np.arange(10), 14), np.tile(np.arange(14), 10), label, tuple("abcdefghijklmn"), 10)
    assert agreement(votes, 5)[1] == pytest.approx(0.210, abs=5e-4)


def test_agreement_without_pairs_and_without_difference():
    one = in_order(np.arange(4), np.zeros(4, int), np.arange(4) % 2, ("a",), 4)
    assert np.isnan(agreement(one, 2)).all()
    alike = in_order(np.repeat(np.arange(4), 2), np.tile([0, 1], 4), np.zeros(8, int), ("a", "b"), 4)
    assert agreement(alike, 2) == (1, 1, 1)


def test_log_gamma():
    x = np.array([1e-12, 0.1, 0.5, 1, 2, 3.5, 10, 171])
    from math import lgamma

    assert _log_gamma(x) == pytest.approx([lgamma(value) for value in x], rel=1e-10, abs=1e-10)


def test_shrunk_matrices_find_more_than_dawid_skene():
    gain = []
    for seed in range(5):
        votes, truth = some_votes(n=300, annotators=20, seed=seed)
        plain, ours = fit(votes, K, shrinkage=0), fit(votes, K)
        gain.append(np.mean(ours.consensus() == truth) - np.mean(plain.consensus() == truth))
    assert np.mean(gain) > 0.02 and min(gain) >= 0


def test_classifier_is_trusted_as_far_as_it_is_right():
    votes, truth = some_votes(n=600, annotators=20)
    rng = np.random.default_rng(0)
    right = np.where(rng.random(600) < 0.9, truth, rng.integers(0, K, 600))
    good = 0.7 * np.eye(K)[right] + 0.1
    useless = rng.dirichlet(np.ones(K), 600)
    alone, with_good, with_useless = fit(votes, K), fit(votes, K, good), fit(votes, K, useless)
    assert np.mean(with_good.consensus() == truth) > np.mean(alone.consensus() == truth) + 0.05
    assert np.mean(with_useless.consensus() == truth) > np.mean(alone.consensus() == truth) - 0.02
    assert with_useless.sharpness < 0.2 < 1 < with_good.sharpness


def test_votes_that_err_together_weigh_less():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, K, 2000)
    hard = rng.random(2000) < 0.3
    example, who = np.repeat(np.arange(2000), 6), np.tile(np.arange(6), 2000)
    label = np.where(hard[example] & (rng.random(12000) < 0.8), (truth[example] + 1) % K, truth[example])
    label = np.where(rng.random(12000) < 0.1, rng.integers(0, K, 12000), label)
    votes = in_order(example, who, label, tuple("abcdef"), 2000)
    right = np.where(rng.random(2000) < 0.9, truth, rng.integers(0, K, 2000))
    fitted = fit(votes, K, 0.85 * np.eye(K)[right] + 0.05)
    assert fitted.independence < 0.6
    assert np.mean(fitted.consensus() == truth) > max(np.mean(fit(votes, K).consensus() == truth) + 0.1, 0.93)


def test_ties_go_to_the_first_class_in_any_order_of_the_rows():
    example, who, label = np.repeat(np.arange(30), 2), np.tile([0, 1], 30), np.tile([0, 1], 30)
    order = np.random.default_rng(0).permutation(60)
    one = fit(in_order(example, who, label, ("a", "b"), 30), 2)
    other = fit(in_order(example[order], who[order], label[order], ("a", "b"), 30), 2)
    assert np.array_equal(one.posterior, other.posterior)
    assert (consensus(np.array([[0.5, 0.5 + 1e-12], [0.4, 0.6]])) == [0, 1]).all()


def test_one_more_vote_helps_where_it_can_change_something():
    votes, _ = some_votes(n=600, annotators=20)
    fitted = fit(votes, K)
    gain, top = one_more(fitted, np.arange(600)), fitted.posterior.max(1)
    assert (gain >= 0).all()
    assert gain[top > 0.95].mean() < 0.01 < gain[top < 0.6].mean()


def test_few_votes_do_not_all_go_to_the_commonest_class():
    """Two votes on each example, of annotators who are right on three quarters: fitted frequencies would run away."""
    worse = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        truth = (rng.random(600) < 0.42).astype(int)
        example, who = np.repeat(np.arange(600), 2), rng.integers(0, 80, (600, 2))
        who[:, 1] = (who[:, 0] + rng.integers(1, 80, 600)) % 80
        label = np.where(rng.random(1200) < 0.75, truth[example], 1 - truth[example])
        votes = in_order(example, who.ravel(), label, tuple(f"{a:02d}" for a in range(80)), 600)
        found, shares = fit(votes, 2).consensus(), votes.shares(2)
        tied = np.where(shares[:, 0] == 0.5, 0.5, shares.argmax(1) == truth)
        worse.append(tied.mean() - np.mean(found == truth))
        assert 0.25 < found.mean() < 0.6
    assert np.mean(worse) < 0


def test_an_example_without_votes_has_the_frequencies_of_the_votes():
    votes, _ = some_votes(n=60)
    some = votes.example < 50
    fewer = in_order(votes.example[some], votes.annotator[some], votes.label[some], votes.annotators, 60)
    posterior = fit(fewer, K).posterior
    assert posterior[50:] == pytest.approx(np.tile(fewer.shares(K)[:50].mean(0), (10, 1)), abs=1e-6)
    assert fewer.pick(np.array([3, 55, 1])).of(1) == range(3, 3)
