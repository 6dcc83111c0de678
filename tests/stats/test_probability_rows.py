"""Classes that a model cannot judge, by hand."""

import numpy as np
import pytest

from labelsieve.stats.probability_rows import unknown


def matrix(given_to_last, n=1000):
    """(n, 3): the last class gets so much of every row, the first two the rest."""
    rest = np.where(np.arange(n)[:, None] % 2, [0.9, 0.1], [0.1, 0.9]) * (1 - given_to_last)
    return np.c_[rest, np.full(n, given_to_last)]


@pytest.mark.parametrize(
    ("share", "of", "zero", "hardly"),
    [
        (0.0, 100, True, False),
        (1e-6, 100, True, False),
        (2e-6, 100, False, True),
        (0.0009, 100, False, True),  # a tenth of the labels: hardly anything is less than a hundredth of that
        (0.0011, 100, False, False),
        (0.00004, 5, False, True),
        (0.00003, 4, False, False),  # four labels may well get next to nothing
        (0.0, 0, False, False),  # nobody carries the label
    ],
)
def test_a_class_whose_column_is_zero_or_nearly_so(share, of, zero, hardly):
    labels = np.arange(1000) % 2
    labels[:of] = 2
    found = unknown(matrix(share), labels)
    assert [kind.tolist() for kind in found] == [[False, False, zero], [False, False, hardly]]


def test_a_class_that_is_predicted_somewhere_is_known_and_rows_with_nan_are_ignored():
    labels = np.where(np.arange(1000) < 100, 2, np.arange(1000) % 2)
    probs = matrix(1e-4)
    assert unknown(probs, labels)[1][2]
    probs[500] = [0.2, 0.2, 0.6]
    assert not unknown(probs, labels)[1].any()
    probs[500] = np.nan
    assert unknown(probs, labels)[1][2]
