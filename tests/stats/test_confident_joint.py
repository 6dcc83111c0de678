"""Confident learning's counts and flags against cleanlab on the same probabilities, and by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.core.errors import UserError
from labelsieve.stats.confident_joint import RULES, best_other, confident_joint, flags


def problem(seed, n, n_classes, *, ties=False, rare=False, missing=False, dtype=np.float32):
    rng = np.random.default_rng(seed)
    weight = 1 / np.arange(1, n_classes + 1) ** 2 if rare else np.ones(n_classes)
    if missing and n_classes > 2:
        weight[rng.integers(n_classes)] = 0
    labels = rng.choice(n_classes, n, p=weight / weight.sum())
    labels[:2] = np.flatnonzero(weight)[:2]
    believed = np.where(rng.random(n) < 0.3, rng.choice(n_classes, n), labels)
    logits = rng.normal(size=(n, n_classes)) + rng.uniform(0, 4) * (np.arange(n_classes) == believed[:, None])
    probs = np.exp(logits)
    probs /= probs.sum(1, keepdims=True)
    if ties:
        probs = np.round(probs * 8) / 8
        probs[rng.random(n) < 0.3] = 1 / n_classes
    return probs.astype(dtype), labels


def test_toy_counts_by_hand():
    # thresholds: class 0 mean(.9, .6, .3) = .6, class 1 mean(.8, .6) = .7, class 2 .9
    probs = np.array(
        [[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.3, 0.7, 0.0], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.05, 0.05, 0.9]]
    )
    labels = np.array([0, 0, 0, 1, 1, 2])
    # confident: 0->0, 0->0, 0->1, 1->1, nobody, 2->2; class 1 is scaled from 1 to its 2 examples
    np.testing.assert_array_equal(confident_joint(probs, labels), [[2, 1, 0], [0, 2, 0], [0, 0, 1]])
    np.testing.assert_array_equal(np.flatnonzero(flags(probs, labels, "prune_by_class")), [2])


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(8, 300),
    n_classes=st.integers(2, 50),
    ties=st.booleans(),
    rare=st.booleans(),
    missing=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_flags_equal_cleanlab(rule, seed, n, n_classes, ties, rare, missing, dtype):
    cleanlab = pytest.importorskip("cleanlab.filter")
    probs, labels = problem(seed, n, n_classes, ties=ties, rare=rare, missing=missing, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cleanlab.find_label_issues(labels, probs, filter_by=rule, n_jobs=1)
    np.testing.assert_array_equal(flags(probs, labels, rule), expected)


def test_joint_equals_cleanlab_and_keeps_row_totals():
    count = pytest.importorskip("cleanlab.count")
    for seed in range(10):
        probs, labels = problem(seed, 2000, 7, rare=True, ties=seed % 2 == 0)
        joint = confident_joint(probs, labels)
        np.testing.assert_array_equal(joint, count.compute_confident_joint(labels, probs))
        np.testing.assert_array_equal(joint.sum(1), np.bincount(labels, minlength=7))


def test_block_size_and_memory_map_change_nothing(tmp_path, monkeypatch):
    probs, labels = problem(3, 1500, 12)
    whole = {rule: flags(probs, labels, rule) for rule in RULES}
    monkeypatch.setattr("labelsieve.stats.confident_joint.BLOCK", 600)
    np.save(tmp_path / "probs.npy", probs)
    mapped = np.load(tmp_path / "probs.npy", mmap_mode="r")
    for rule in RULES:
        np.testing.assert_array_equal(flags(mapped, labels, rule), whole[rule])


def test_best_other_never_is_the_given_label():
    probs, labels = problem(5, 400, 6, ties=True)
    other, p = best_other(probs, labels)
    assert (other != labels).all()
    masked = probs.copy()
    masked[np.arange(400), labels] = -1
    np.testing.assert_array_equal(p, masked.max(1))


def test_an_unknown_rule_and_misfits_are_refused():
    probs, labels = problem(0, 20, 3)
    with pytest.raises(UserError, match="prune_by_class"):
        flags(probs, labels, "prune")
    with pytest.raises(UserError, match="do not fit"):
        flags(probs[:-1], labels)


def test_columns_and_rows_of_frames_are_matched_by_name():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200)
    p = rng.dirichlet([1, 1, 1], 200) * 0.4 + 0.6 * np.eye(3)[y]
    y[:20] = (y[:20] + 1) % 3
    right, names = flags(p, y), np.array(["cat", "dog", "eel"])
    assert 10 < right.sum() < 30
    for columns, labels in (([2, 0, 1], y), (["2", "0", "1"], y), (names[[2, 0, 1]], names[y])):
        assert (flags(pd.DataFrame(p[:, [2, 0, 1]], columns=columns), labels) == right).all()
    with pytest.raises(UserError, match="in different orders"):
        flags(pd.DataFrame(p), pd.Series(y).sample(frac=1, random_state=0))
    assert (flags(p, pd.Series(y, index=range(5, 205))) == right).all()
