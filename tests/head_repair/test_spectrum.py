"""Spectra and subspaces: identities, rotations, bounds that hold, and a page that stands alone."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.core.errors import UserError
from labelsieve.head_repair.spectrum import compare, overlap, principal_angles, ridge_bound

seeds = st.integers(0, 10_000)


def heads(seed=0, k=6, d=10, noise=0.3):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(k, d))
    return first, first + noise * rng.normal(size=(k, d))


def turn(seed, d):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_head_and_its_multiple_share_every_direction(seed):
    first, _ = heads(seed)
    same = compare(first, 3 * first, k=4)
    np.testing.assert_allclose(same.second, 3 * same.first)
    assert same.effective[0] == pytest.approx(same.effective[1])
    for space in (same.features, same.classes):
        np.testing.assert_allclose(np.diag(space.phi), 1, atol=1e-9)
        assert space.angles.max() < 1e-6


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_turning_both_changes_nothing_turning_one_moves_its_space_only(seed):
    first, second = heads(seed)
    before, q = compare(first, second, k=3), turn(seed, 10)
    both = compare(first @ q, second @ q, k=3)
    np.testing.assert_allclose(both.features.phi, before.features.phi, atol=1e-7)
    np.testing.assert_allclose(both.bound, before.bound)
    one = compare(first, first @ q, k=3)
    np.testing.assert_allclose(one.first, one.second)
    np.testing.assert_allclose(np.diag(one.classes.phi), 1, atol=1e-7)
    assert np.diag(one.features.phi)[:3].max() < 0.999


def test_phi_by_the_definition():
    first, second = heads()
    found = compare(first, second).features.phi
    u, u2 = (np.linalg.svd(w.T, full_matrices=False)[0] for w in (first, second))
    for i in range(1, 7):
        for j in range(1, 7):
            assert found[i - 1, j - 1] == pytest.approx(np.linalg.norm(u[:, :i].T @ u2[:, :j]) ** 2 / min(i, j))
    assert ((found >= 0) & (found <= 1)).all()


def test_phi_of_a_basis_turned_within_its_span_is_one_at_the_end():
    basis = turn(1, 8)[:, :4]
    found = overlap(basis, basis @ turn(2, 4))
    assert found[3, 3] == pytest.approx(1) and found[3].tolist() == pytest.approx([1, 1, 1, 1]) and found[0, 0] < 1


@given(seeds, st.floats(1e-9, 1.5))
@settings(max_examples=40, deadline=None)
def test_angles_are_those_of_scipy_and_small_ones_keep_their_digits(seed, angle):
    basis = turn(seed, 6)
    a = basis[:, :2]
    b = np.stack([basis[:, 0], np.cos(angle) * basis[:, 1] + np.sin(angle) * basis[:, 2]], axis=1)
    found = principal_angles(a, b)
    assert found[1] == pytest.approx(angle, rel=1e-6, abs=1e-15) and found[0] < 1e-7
    x, y = (m[:, :3] for m in (turn(seed, 8), turn(seed + 1, 8)))
    np.testing.assert_allclose(principal_angles(x, y), scipy.linalg.subspace_angles(x, y)[::-1], atol=1e-9)


@given(seeds, st.floats(1e-4, 1.0), st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_wedin_holds_in_both_spaces(seed, noise, k):
    found = compare(*heads(seed, noise=noise), k=k)
    for space in (found.features, found.classes):
        assert np.sin(space.angles[-1]) <= found.bound * (1 + 1e-9) + 1e-9


@given(seeds, st.floats(0.01, 0.6), st.floats(0, 10))
@settings(max_examples=40, deadline=None)
def test_the_bound_of_the_paper_holds_for_ridge_heads(seed, p, ridge):
    rng = np.random.default_rng(seed)
    n, d, k = 200, 5, 4
    labels = rng.integers(k, size=n)
    x = rng.normal(size=(n, d)) + 3 * rng.normal(size=(k, d))[labels]
    noisy = np.where(rng.random(n) < p, (labels + 1) % k, labels)
    first, second = (np.linalg.solve(x.T @ x + ridge * np.eye(d), x.T @ np.eye(k)[y]).T for y in (labels, noisy))
    found = compare(first, second, k=2)
    limit = ridge_bound(x, k, float((noisy != labels).mean()), found.gap, ridge)
    assert found.bound <= limit * (1 + 1e-9) and np.sin(found.features.angles[-1]) <= limit + 1e-9


def test_no_gap_no_bound():
    first, _ = heads()
    assert compare(first, 100 * first, k=2).bound == np.inf
    assert ridge_bound(np.zeros((5, 2)), 3, 0.1, 1.0) == np.inf


def test_default_k_is_the_effective_rank_below_the_rank():
    flat = np.eye(5)
    assert compare(flat, flat).k == 4
    assert compare(np.diag([9.0, 9.0, 9.0, 1e-9, 1e-9]), flat).k == 3


@pytest.mark.parametrize(
    ("first", "second", "k", "what"),
    [
        (np.eye(3), np.eye(4), None, "the same shape"),
        (np.eye(3)[0], np.eye(3)[0], None, "the same shape"),
        (np.eye(3), np.eye(3) * np.nan, None, "NaN"),
        (np.eye(3), np.eye(3), 4, "1 to 3"),
    ],
)
def test_what_cannot_be_compared_is_told(first, second, k, what):
    with pytest.raises(UserError, match=what):
        compare(first, second, k=k)


def test_the_bound_of_the_paper_by_hand():
    """X = diag(3, 2) on two of four rows: sigma_max 3, lambda_min 4, n 4, l 5; sqrt(4 * 5 * 0.2) = 2."""
    x = np.array([[3.0, 0], [0, 2], [0, 0], [0, 0]])
    assert ridge_bound(x, 5, 0.2, gap=1.5, ridge=1.0) == pytest.approx(3 * 2 / (1.5 * (4 + 1)))
    assert ridge_bound(x, 5, 0.05, gap=1.5) == pytest.approx(3 * 1 / (1.5 * 4))
    assert ridge_bound(x, 5, 0.0, gap=1.5) == 0


def test_wedin_s_bound_by_hand():
    """The gap lies between the k-th value of the first head and the one after it of the second."""
    first, second = np.diag([5.0, 3, 1]), np.diag([4.5, 2.5, 0.5])
    for k, gap in ((1, 2.5), (2, 2.5), (3, 1.0)):
        found = compare(first, second, k=k)
        assert (found.gap, found.change, found.bound) == pytest.approx((gap, 0.5, 0.5 / gap))
