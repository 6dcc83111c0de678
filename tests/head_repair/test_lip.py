"""LIP: the closed form against the printed one and against least squares; orientation, bias, dead directions, choices
of k."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.core.errors import UserError
from labelsieve.head_repair.lip import by_energy, by_held_out, choose_k, components, effective_rank, lip


def problem(n=120, d=9, k=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    features = rng.normal(size=(n, d)) + rng.normal(size=(k, d))[labels]
    return rng.normal(size=(k, d)), features, labels


def as_printed(weight, x, y, k):
    """PSP and LAP with the residual, matrices as the paper writes them; W is (q, l)."""
    w = weight.T
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    head = (u[:, :k] * s[:k]) @ vt[:k]
    ul, vl = u[:, k:], vt[k:].T
    a = ul.T @ x.T @ (y - x @ head) @ vl
    b = ul.T @ x.T @ x @ ul
    return (head + ul @ np.diag(np.diag(a) / np.diag(b)) @ vl.T).T


shapes = st.tuples(st.integers(1, 12), st.integers(1, 8), st.integers(0, 10_000))


@given(shapes, st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_short_form_is_the_printed_residual_form(shape, share):
    d, k, seed = shape
    weight, features, labels = problem(100, d, k, seed)
    kept = int(share * min(d, k) + 0.5)
    expected = as_printed(weight, features, np.eye(k)[labels], kept)
    np.testing.assert_allclose(lip(weight, features, labels, keep=share).weight, expected, rtol=1e-7, atol=1e-9)


@given(shapes)
@settings(max_examples=40, deadline=None)
def test_all_components_kept_leave_the_weight_to_the_last_bit(shape):
    d, k, seed = shape
    weight, features, labels = problem(50, d, k, seed)
    for dtype in (np.float64, np.float32, np.float16):
        repair = lip(weight.astype(dtype), features, labels, keep=1.0)
        assert repair.weight.dtype == dtype and np.array_equal(repair.weight, weight.astype(dtype))


@given(shapes, st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_diagonal_is_the_least_squares_optimum(shape, k):
    d, classes, seed = shape
    weight, features, labels = problem(80, d, classes, seed)
    k = min(k, min(d, classes))
    parts = components(weight, features, labels)
    y = np.eye(classes)[labels] - features @ ((parts.u[:, :k] * parts.s[:k]) @ parts.vt[:k])
    if k == len(parts.s):
        return
    tail = range(k, len(parts.s))
    design = np.stack([np.outer(features @ parts.u[:, i], parts.vt[i]).ravel() for i in tail], axis=1)
    best = np.linalg.lstsq(design, y.ravel(), rcond=None)[0]
    np.testing.assert_allclose(parts.sigma[k:], best, rtol=1e-6, atol=1e-9)


def test_kept_space_stays_and_the_tail_stays_in_its_own():
    weight, features, labels = problem()
    repair = lip(weight, features, labels, keep=0.5)
    parts = repair.components
    turned = parts.u.T @ repair.weight.T @ parts.vt.T
    np.testing.assert_allclose(turned, np.diag(repair.diagonal), atol=1e-12)
    np.testing.assert_array_equal(repair.diagonal[:3], parts.s[:3])
    assert repair.kept == 3


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_turning_the_feature_space_turns_the_answer(seed):
    weight, features, labels = problem(seed=seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(9, 9)))[0]
    straight = lip(weight, features, labels, keep=0.5).weight
    np.testing.assert_allclose(
        lip(weight @ turn, features @ turn, labels, keep=0.5).weight, straight @ turn, rtol=1e-6, atol=1e-8
    )


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_order_of_classes_and_of_rows_does_not_matter(seed):
    weight, features, labels = problem(seed=seed)
    rng = np.random.default_rng(seed)
    classes, rows = rng.permutation(6), rng.permutation(len(labels))
    moved = lip(weight[classes], features[rows], np.argsort(classes)[labels[rows]], keep=0.5).weight
    np.testing.assert_allclose(moved, lip(weight, features, labels, keep=0.5).weight[classes], rtol=1e-6, atol=1e-8)


def test_the_least_squares_head_is_a_fixed_point():
    _, features, labels = problem()
    y = np.eye(6)[labels]
    weight = np.linalg.lstsq(features, y, rcond=None)[0].T
    repair = lip(weight, features, labels, keep=0.3)
    np.testing.assert_allclose(repair.weight, weight, atol=1e-10)
    np.testing.assert_allclose(repair.ratio, 1, rtol=1e-6)


def test_scale_of_the_head_undoes_the_size_of_its_logits():
    _, features, labels = problem()
    weight = 25 * np.linalg.lstsq(features, np.eye(6)[labels], rcond=None)[0].T
    np.testing.assert_allclose(lip(weight, features, labels, keep=0.5).ratio, 1 / 25, rtol=1e-6)
    np.testing.assert_allclose(lip(weight, features, labels, keep=0.5, scale="head").weight, weight, atol=1e-9)
    assert np.abs(lip(weight, features, labels, keep=0.5).weight - weight).max() > 1


def test_blocks_and_half_precision_features_change_nothing():
    weight, features, labels = problem(n=9000, d=7, k=5)
    half = features.astype(np.float16)
    np.testing.assert_allclose(
        components(weight, half, labels).sigma,
        components(weight, half.astype(np.float64)[::-1], labels[::-1]).sigma,
        rtol=1e-9,
    )


def test_targets_may_be_a_matrix():
    weight, features, labels = problem()
    np.testing.assert_allclose(
        lip(weight, features, np.eye(6)[labels], keep=0.5).weight,
        lip(weight, features, labels, keep=0.5).weight,
        atol=1e-12,
    )


def test_dead_features_and_empty_components_give_zero_not_nonsense():
    weight, features, labels = problem(d=9, k=6)
    features[:, 4:] = 0  # dead units; a direction within them
    weight[5] = 0
    weight[5, 7] = 1e-3
    repair = lip(weight, features, labels, keep=0.0)
    assert np.isfinite(repair.weight).all() and np.abs(repair.diagonal).max() < 10
    centred = problem()[0]
    centred -= centred.mean(0)  # as cross-entropy leaves it: the classes sum to zero, one component is empty
    assert lip(centred, *problem()[1:], keep=0.0).diagonal[-1] == 0


def test_ridge_shrinks():
    weight, features, labels = problem()
    plain, ridge = components(weight, features, labels), components(weight, features, labels, ridge=50.0)
    assert (np.abs(ridge.sigma) < np.abs(plain.sigma)).all() and (np.sign(ridge.sigma) == np.sign(plain.sigma)).all()


def test_bias_stays_or_becomes_a_row():
    weight, features, labels = problem()
    bias = np.linspace(-1, 1, 6)
    same = lip(weight, features, labels, keep=0.5, bias=bias)
    np.testing.assert_array_equal(same.bias, bias)
    np.testing.assert_array_equal(same.weight, lip(weight, features, labels, keep=0.5).weight)
    row = lip(weight, features, labels, keep=0.5, bias=bias, bias_as="row")
    ones = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    joined = lip(np.concatenate([weight, bias[:, None]], axis=1), ones, labels, keep=0.5).weight
    np.testing.assert_array_equal(np.concatenate([row.weight, row.bias[:, None]], axis=1), joined)
    np.testing.assert_array_equal(lip(weight, features, labels, keep=1.0, bias=bias, bias_as="row").bias, bias)


@given(st.lists(st.floats(1e-3, 100), min_size=1, max_size=20), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_energy_takes_the_fewest_that_suffice(values, share):
    s = np.sort(np.array(values))[::-1]
    k = by_energy(s, share)
    assert (s[:k] ** 2).sum() >= share * (s**2).sum() * (1 - 1e-9)
    assert k == 0 or (s[: k - 1] ** 2).sum() < share * (s**2).sum()


def test_effective_rank_by_hand():
    assert effective_rank(np.ones(7)) == pytest.approx(7)
    assert effective_rank(np.array([5.0, 0, 0])) == pytest.approx(1)
    assert effective_rank(np.zeros(3)) == 0
    p = np.array([0.5, 0.25, 0.25])
    assert effective_rank(8 * p) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


def test_ways_to_choose_k():
    weight, features, labels = problem()
    parts = components(weight, features, labels)
    assert [choose_k(parts, f) for f in (0, 0.5, 0.9, 1.0, 1)] == [0, 3, 5, 6, 6]
    assert choose_k(parts, "0.5") == 3
    assert choose_k(parts, "energy:0.9") == by_energy(parts.s, 0.9)
    assert choose_k(parts, "effective-rank") == round(effective_rank(parts.s))
    for nonsense in (1.5, -0.1, "nan", "half", "energy", "energy:2", "held-out:3", "effective-rank:1", "0.5:1"):
        with pytest.raises(UserError, match="fraction"):
            choose_k(parts, nonsense)
    with pytest.raises(UserError, match="not trained on"):
        choose_k(parts, "held-out")


def test_held_out_takes_the_best_and_the_least_change():
    weight, features, labels = problem(n=300)
    bias = np.linspace(0, 2, 6)
    parts = components(weight, features[:150], labels[:150])
    k = by_held_out(parts, features[150:], labels[150:], bias=bias)
    right = [((features[150:] @ parts.repaired(j).T + bias).argmax(1) == labels[150:]).mean() for j in range(7)]
    assert right[k] == max(right) and all(r < right[k] for r in right[k + 1 :])
    assert (
        lip(
            weight, features[:150], labels[:150], keep="held-out", held_out=(features[150:], labels[150:]), bias=bias
        ).kept
        == k
    )
    features[290, 0] = np.nan
    with pytest.raises(UserError, match="Row 140 of the held-out features holds NaN"):
        by_held_out(parts, features[150:], labels[150:])


def test_weights_that_are_whole_numbers_are_repaired_as_real_ones():
    weight, features, labels = problem(n=300)
    whole = np.rint(10 * weight).astype(np.int64)
    np.testing.assert_array_equal(
        lip(whole, features, labels).weight, lip(whole.astype(float), features, labels).weight
    )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda w, x, y: (w.T, x, y), "transposed"),
        (lambda w, x, y: (w, x[:, :3], y), "takes 9 features"),
        (lambda w, x, y: (w, x, y[:-1]), "120 rows of features and 119 labels"),
        (lambda w, x, y: (w, x, y + 1), "has 6 classes"),
        (lambda w, x, y: (w, x, y / 2), "whole-number positions"),
        (lambda w, x, y: (w * np.nan, x, y), "finite"),
        (lambda w, x, y: (w, np.where(np.arange(120)[:, None] == 7, np.nan, x), y), "Row 7"),
        (lambda w, x, y: (w, x[:0], y[:0]), "0 rows"),
    ],
)
def test_what_does_not_fit_is_told(change, what):
    with pytest.raises(UserError, match=what):
        lip(*change(*problem()))


def test_true_labels_have_no_door():
    with pytest.raises(TypeError):
        lip(*problem(), true_labels=np.zeros(120, int))


def test_accuracy_on_held_out_labels_counts_the_bias():
    """By hand: W = diag(4, 1), and least squares on each component gives diag(1, 1/4). The held-out example (1/2, 1/2)
    has the logits (2, 1/2) with all kept, (2, 1/8) with one, (1/2, 1/8) with none; only with the bias (0, 1) is the
    last its label, 1."""
    parts = components(np.diag([4.0, 1.0]), np.array([[1.0, 0], [0, 4]]), np.array([0, 1]))
    np.testing.assert_allclose(parts.sigma, [1, 0.25])
    held_out = np.array([[0.5, 0.5]]), np.array([1])
    assert choose_k(parts, "held-out", held_out=held_out) == 2, "all are wrong: the least change"
    assert choose_k(parts, "held-out", held_out=held_out, bias=np.array([0.0, 1.0])) == 0
    repair = lip(
        parts.weight,
        np.array([[1.0, 0], [0, 4]]),
        np.array([0, 1]),
        keep="held-out",
        held_out=held_out,
        bias=np.array([0.0, 1]),
    )
    assert repair.kept == 0
    np.testing.assert_allclose(repair.weight, np.diag([1, 0.25]))


def test_nine_tenths_of_the_components_are_kept_unless_told_otherwise():
    weight, features, labels = problem(n=200, d=12, k=11)
    assert lip(weight, features, labels).kept == 10  # 9.9
    np.testing.assert_array_equal(lip(weight, features, labels).weight, lip(weight, features, labels, keep=0.9).weight)


def test_a_direction_with_little_of_the_data_is_not_dead():
    """By hand: the second feature is a ten-thousandth of the first; its component is fitted all the same."""
    x, labels = np.array([[1.0, 0], [0, 1e-4]]), np.array([0, 1])
    np.testing.assert_allclose(components(np.diag([2.0, 1.0]), x, labels).sigma, [1, 1e4])
    assert components(np.diag([2.0, 1.0]), x * [1, 1e-3], labels).sigma[1] == 0  # below a millionth of the length
