"""Which examples share a fold and which are never neighbours."""

import numpy as np
import pytest

from labelsieve.stats.dependent_examples import bind

CLASSES = ("a", "b")


def together(fold):
    assert fold is not None
    return fold[:, None] == fold


def folds_of(bonds):
    """How many examples each number of `fold` binds."""
    assert bonds.fold is not None
    return np.unique(bonds.fold, return_counts=True)[1]


def test_groups_that_share_copies_share_a_fold():
    labels = np.arange(40) % 2
    groups, copies = np.arange(40) // 2, np.arange(40)
    copies[2] = copies[0]  # groups 0 and 1
    bonds = bind(labels, CLASSES, 5, groups=groups, copies=copies)
    assert together(bonds.fold)[0, [1, 2, 3]].all()
    assert not together(bonds.fold)[0, 4:].any()
    assert bonds.notes == ()


def test_a_chain_of_copies_does_not_bind_all_groups_into_one_fold():
    n = 400
    labels, groups, copies = np.arange(n) % 2, np.arange(n) // 10, np.arange(n)
    copies[10::10] = copies[9:-1:10]  # each group shares a copy with the next
    bonds = bind(labels, CLASSES, 5, groups=groups, copies=copies)
    assert folds_of(bonds).max() <= n // 10
    assert together(groups)[together(bonds.fold)].mean() >= 0.25  # groups stay whole
    assert (together(bonds.fold) | ~together(groups)).all()
    assert any("links between groups are ignored" in note for note in bonds.notes)


def test_many_copies_are_spread_over_the_folds_and_are_still_not_neighbours():
    labels, copies = np.arange(500) % 2, np.r_[np.zeros(300, int), np.arange(300, 500)]
    bonds = bind(labels, CLASSES, 5, groups=None, copies=copies)
    assert len(folds_of(bonds)) == 500
    assert bonds.apart[0] is copies
    assert "300 examples are copies of each other in 1 group too large for one fold" in bonds.notes[0]


def test_copies_that_are_most_of_a_class_are_spread_over_the_folds():
    labels, copies = np.r_[np.zeros(100, int), np.ones(5, int)], np.arange(105)
    copies[101:104] = 100
    bonds = bind(labels, CLASSES, 5, groups=None, copies=copies)
    assert len(folds_of(bonds)) == 105
    copies[0] = 1  # two of a hundred may share one
    assert together(bind(labels, CLASSES, 5, groups=None, copies=copies).fold)[0, 1]


def test_few_groups_and_one_group():
    labels = np.arange(60) % 2
    few = bind(labels, CLASSES, 5, groups=np.arange(60) // 20, copies=None)
    assert few.fold is None
    assert len(few.apart) == 1
    assert "only 3 groups" in few.notes[0]
    one = bind(labels, CLASSES, 5, groups=np.zeros(60), copies=None)
    assert (one.fold, one.apart) == (None, ())
    assert "one group" in one.notes[0]


def test_a_group_of_most_examples_is_spread_and_a_class_of_one_group_is_not_judged():
    groups = np.r_[np.zeros(60, int), 1 + np.arange(40)]
    labels = np.r_[np.zeros(60, int), np.ones(40, int)]
    bonds = bind(labels, CLASSES, 5, groups=groups, copies=None)
    assert len(folds_of(bonds)) == 100
    np.testing.assert_array_equal(bonds.unjudged, labels == 0)
    assert "holds 60% of the examples" in bonds.notes[0]
    assert "(a)" in bonds.notes[1]


@pytest.mark.parametrize(("size", "n", "spread"), [(3, 20, False), (4, 20, True), (10, 100, False), (11, 100, True)])
def test_copies_share_a_fold_up_to_half_of_one_and_three_always(size, n, spread):
    """Of five folds of 100 examples half of one holds 10; of 20 examples it would hold 2."""
    labels, copies = np.arange(n) % 2, np.arange(n)
    copies[:size] = 0
    bonds = bind(labels, CLASSES, 5, groups=None, copies=copies)
    assert (len(folds_of(bonds)) == n) == spread
    assert any("too large for one fold" in note for note in bonds.notes) == spread


def test_copies_that_are_more_than_half_of_a_class_are_spread_and_one_alone_is_not():
    labels, copies = np.r_[np.zeros(96, int), 1, 1, 1, 1], np.arange(100)
    copies[[0, 96, 97]] = 0  # half of the second class
    assert together(bind(labels, CLASSES, 5, groups=None, copies=copies).fold)[0, [96, 97]].all()
    labels[99] = 0  # now two of its three
    assert not together(bind(labels, CLASSES, 5, groups=None, copies=copies).fold)[0, 96]
    labels[97:] = 0  # one example of the class, a copy of others: it is not most of the class by itself
    assert together(bind(labels, CLASSES, 5, groups=None, copies=copies).fold)[0, [96, 97]].all()


@pytest.mark.parametrize(("groups", "ignored"), [(9, True), (10, False)])
def test_fewer_groups_than_two_for_each_fold_are_too_few(groups, ignored):
    labels = np.arange(90) % 2
    bonds = bind(labels, CLASSES, 5, groups=np.arange(90) % groups, copies=None)
    assert (bonds.fold is None) == ignored and len(bonds.apart) == 1
    assert any("too few" in note for note in bonds.notes) == ignored


def test_a_group_of_half_of_the_examples_is_kept():
    half = np.r_[np.zeros(50, int), 1 + np.arange(50)]
    assert folds_of(bind(np.arange(100) % 2, CLASSES, 5, groups=half, copies=None)).max() == 50
    more = np.r_[np.zeros(51, int), 1 + np.arange(49)]
    assert folds_of(bind(np.arange(100) % 2, CLASSES, 5, groups=more, copies=None)).max() == 1
