"""Sentences about findings that cannot be right as a whole."""

import numpy as np
import pytest

from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.plausibility import plausibility


def findings(given, p_wrong, other=None):
    given, n = np.asarray(given), len(given)
    k = int(given.max()) + 1
    p = np.broadcast_to(np.asarray(p_wrong, float), n)
    return Findings(
        ids=np.arange(n).astype(str).astype(object),
        classes=tuple(f"c{i}" for i in range(k)),
        given=given,
        other=(given + 1) % k if other is None else np.asarray(other),
        p_wrong=p,
        rank=np.arange(n) + 1,
        flagged=p > 0.5,
        scores={},
        extra={},
        wrong=Estimate(p.sum(), p.sum(), p.sum()),
    )


def test_nothing_odd_is_not_spoken_of():
    assert plausibility(findings(np.arange(60) % 3, 0.1)) == ()


@pytest.mark.parametrize(
    ("sizes", "said"),
    [([4, 4, 4], "Every class has fewer than 5"), ([4, 4, 50], "2 of the 3 classes have fewer than 5")],
)
def test_few_examples(sizes, said):
    (note,) = plausibility(findings(np.repeat(np.arange(3), sizes), 0.1))
    assert note.startswith(said) and "rough" in note


def test_one_small_class_of_many_is_ordinary():
    assert plausibility(findings(np.repeat(np.arange(3), [4, 50, 50]), 0.1)) == ()


def test_two_labels_swapped():
    given = np.repeat(np.arange(4), 20)
    other = np.array([1, 0, 3, 0])[given]
    (note,) = plausibility(findings(given, np.where(given < 2, 0.9, 0.05), other))
    assert "look swapped: 'c0' and 'c1'." in note and "c2" not in note
    one_way = findings(given, np.where(given == 2, 0.9, 0.05), other)
    assert plausibility(one_way) == ()


def test_most_labels_wrong():
    (note,) = plausibility(findings(np.arange(60) % 3, 0.6))
    assert note.startswith("More than half") and "order of rows" in note


@pytest.mark.parametrize(("share", "swapped"), [(0.49, False), (0.51, True)])
def test_two_labels_are_swapped_where_more_than_half_of_either_looks_like_the_other(share, swapped):
    given = np.repeat(np.arange(4), 20)
    notes = plausibility(findings(given, np.where(given < 2, share, 0.05), np.array([1, 0, 3, 2])[given]))
    assert bool(notes) == swapped
