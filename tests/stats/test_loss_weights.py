"""The weights are minus p_y times the derivative of each loss; checked against numerical derivatives."""

import numpy as np
import pytest

from labelsieve.stats import loss_weights

P = np.linspace(0.02, 0.98, 49)
LOSSES = {
    "cross_entropy": (loss_weights.cross_entropy, lambda p: -np.log(p)),
    "gce": (lambda p: loss_weights.gce(p, q=0.7), lambda p: (1 - p**0.7) / 0.7),
    "mae": (lambda p: loss_weights.gce(p, q=1.0), lambda p: 1 - p),
    "blurry": (lambda p: loss_weights.blurry(p, gamma=0.5), lambda p: -(p**0.5) * np.log(p)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_weight_is_minus_p_times_the_derivative(name):
    weight, loss = LOSSES[name]
    step = 1e-6
    derivative = (loss(P + step) - loss(P - step)) / (2 * step)
    np.testing.assert_allclose(weight(P), -derivative * P, rtol=1e-5, atol=1e-8)


def test_blurry_turns_at_exp_minus_one_over_gamma():
    turn = np.exp(-1 / 0.5)
    assert loss_weights.blurry(np.array([turn]), gamma=0.5)[0] == pytest.approx(0, abs=1e-12)
    assert loss_weights.blurry(np.array([turn * 0.9]))[0] < 0 < loss_weights.blurry(np.array([turn * 1.1]))[0]


def test_blurry_with_gamma_zero_and_piecewise_zero_with_c_zero_are_cross_entropy():
    np.testing.assert_array_equal(loss_weights.blurry(P, gamma=0.0), np.ones_like(P))
    np.testing.assert_array_equal(loss_weights.piecewise_zero(P, c=0.0), np.ones_like(P))


def test_piecewise_zero_counts_p_equal_to_c():
    np.testing.assert_array_equal(loss_weights.piecewise_zero(np.array([0.049, 0.05, 0.051])), [0, 1, 1])


def test_blurry_is_finite_at_zero():
    assert np.isfinite(loss_weights.blurry(np.array([0.0], np.float32))).all()
