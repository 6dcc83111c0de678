import numpy as np
import pytest

from labelsieve.engine.standardise import CUT, standardise

X = np.random.default_rng(0).normal(size=(2000, 6)) * [1, 3, 0.01, 1e3, 1e-4, 7] + [0, 5, -1, 1e4, 0, 2]


def reference(x):
    x = x.astype(np.float64)
    return np.clip((x - x.mean(0)) / x.std(0), -CUT, CUT)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float64, 1), (np.float64, 1e300), (np.float64, 1e-300), (np.float32, 1e30), (np.float32, 1e-30)],
)
def test_any_scale_gives_the_same(dtype, scale):
    got = standardise((X * scale).astype(dtype)).astype(np.float64)
    np.testing.assert_allclose(got, reference(X), atol=5e-3)


@pytest.mark.parametrize("wild", [1e30, 1e12, -1e6])
def test_one_wild_row_does_not_drown_the_others(wild):
    x = X.astype(np.float32)
    x[7] = wild
    others = np.arange(len(x)) != 7
    got = standardise(x).astype(np.float64)
    assert np.abs(got[7]).max() <= CUT
    assert np.corrcoef(got[others, 1], X[others, 1])[0, 1] > 0.99
    assert 0.7 < got[others].std() < 1.4


def test_large_offset_keeps_its_digits():
    x = X[:, :4] + 1.7e9  # time stamps
    np.testing.assert_allclose(standardise(x).astype(np.float64), reference(x), atol=5e-3)


def test_sparse_column_is_not_taken_for_broken():
    x = np.where(np.random.default_rng(1).random((5000, 2)) < 0.01, 5.0, 0.0)
    np.testing.assert_allclose(standardise(x).astype(np.float64), reference(x), atol=5e-3)


def test_constant_column_is_zero():
    x = X.copy()
    x[:, 0] = 3.7
    assert not standardise(x)[:, 0].any()


def test_ten_standard_deviations_are_the_most():
    x = np.r_[np.random.default_rng(2).normal(size=(5000, 1)), [[60.0]]]
    z = (x - x.mean()) / x.std()
    assert z.max() > 20
    got = standardise(x).astype(np.float64)
    assert got.max() == 10
    np.testing.assert_allclose(got[:-1], z[:-1], atol=5e-3)


@pytest.mark.parametrize(("wild", "spread"), [(5_000, 1 / 50), (20_000, 1)])
def test_a_column_a_hundred_times_as_wide_as_its_middle_is_broken(wild, spread):
    """One wild value of ten thousand makes the standard deviation a hundredth of itself: 50 or 200, where the others
    have 1."""
    x = np.random.default_rng(3).normal(size=(10_000, 1))
    x[0] = wild
    got = standardise(x).astype(np.float64)
    assert got[0] == 10
    assert got[1:].std() == pytest.approx(spread, rel=0.1)
