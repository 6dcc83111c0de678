import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.evidence.folds import assign


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=5, max_size=120), st.integers(2, 5), st.integers(0, 3))
def test_every_class_is_spread_evenly(labels, n_folds, seed):
    labels = np.array(labels)
    fold = assign(labels, n_folds, seed=seed)
    assert ((fold >= 0) & (fold < n_folds)).all()
    for c in np.unique(labels):
        counts = np.bincount(fold[labels == c], minlength=n_folds)
        assert counts.max() - counts.min() <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=5, max_size=120), st.integers(0, 3))
def test_groups_stay_together(pairs, seed):
    labels, groups = np.array(pairs).T
    fold = assign(labels, 3, groups=groups, seed=seed)
    for g in np.unique(groups):
        assert len(np.unique(fold[groups == g])) == 1


def test_grouped_folds_are_about_the_same_size():
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 5, 2000), rng.integers(0, 700, 2000)
    size = np.bincount(assign(labels, 5, groups=groups))
    assert size.min() > 0.85 * size.max()


def test_same_seed_same_folds_another_seed_other_folds():
    labels = np.arange(200) % 4
    assert (assign(labels, 5, seed=1) == assign(labels, 5, seed=1)).all()
    assert (assign(labels, 5, seed=1) != assign(labels, 5, seed=2)).any()


def test_remainders_of_the_classes_start_at_different_folds():
    """Five classes of six in five folds: each class has one more than the folds, and no fold gets two of those."""
    assert np.bincount(assign(np.repeat(np.arange(5), 6), 5)).tolist() == [6] * 5


def test_large_groups_are_dealt_first_so_that_small_ones_even_them_out():
    groups = np.repeat(np.arange(3), [2, 2, 4])  # the small ones first would leave two and six
    labels = np.zeros(len(groups), np.int64)
    for order in (groups, groups[::-1], groups.max() - groups):
        assert np.bincount(assign(labels, 2, groups=order)).tolist() == [4, 4]
