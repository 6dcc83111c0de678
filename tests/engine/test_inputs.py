"""Arrays to samples: scale, square roots, columns without spread, wild values, and new data on the scale of the old."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.engine.inputs import Scale, samples
from labelsieve.engine.standardise import CUT

LABELS = np.array([0, 1, 2, 0, 1, 2])


def plain(made):
    return made.plain(torch.arange(len(made))).numpy()


@given(st.integers(0, 10**6), st.sampled_from([np.float16, np.float32, np.float64]), st.integers(2, 5000))
@settings(max_examples=20, deadline=None)
def test_features_are_centred_with_unit_spread(seed, dtype, n):
    x = (3 * np.random.default_rng(seed).normal(size=(n, 4)) + 1).astype(dtype)
    made, scale = samples(x, np.zeros(n, int), 2)
    assert not scale.root and not made.are_images and made.inputs.dtype == torch.float32
    wide = x.astype(float)
    np.testing.assert_allclose(plain(made), ((wide - wide.mean(0)) / wide.std(0)).clip(-CUT, CUT), rtol=1e-4, atol=1e-4)


def test_roots_are_taken_where_nothing_is_negative():
    x = np.random.default_rng(0).exponential(size=(500, 3)).astype(np.float32)
    labels = np.zeros(500, int)
    made, scale = samples(x, labels, 1)
    root = np.sqrt(x.astype(float))
    assert scale.root
    np.testing.assert_allclose(plain(made), (root - root.mean(0)) / root.std(0), rtol=1e-4, atol=1e-4)
    x[7, 1] = -1e-3
    assert not samples(x, labels, 1)[1].root


def test_new_features_lie_on_the_scale_of_the_old():
    old = np.random.default_rng(0).exponential(size=(100, 3))
    _, scale = samples(old, np.zeros(100, int), 1)
    new = np.array([[0.25, 4.0, -4.0]])  # a negative one, which the old had not, has the root of its size
    made, same = samples(new, np.array([0]), 1, scale)
    assert same is scale
    np.testing.assert_allclose(plain(made), (np.array([[0.5, 2.0, -2.0]]) - scale.mean) / scale.std, rtol=1e-5)


def test_a_column_without_spread_is_zero_for_any_value():
    x = np.random.default_rng(0).normal(size=(6, 3))
    x[:, 1] = 0.1
    made, scale = samples(x, LABELS, 3)
    assert (plain(made)[:, 1] == 0).all()
    later, _ = samples(np.full((1, 3), 7.0), np.array([0]), 3, scale)
    assert plain(later)[0, 1] == 0 and plain(later)[0, 0] != 0


def test_what_lies_far_out_is_cut():
    x = np.random.default_rng(0).normal(size=(1000, 2))
    x[3, 0] = 1e6
    assert plain(samples(x, np.zeros(1000, int), 1)[0])[3, 0] == pytest.approx(CUT)


def test_pixels_keep_their_bytes_and_are_normalised_channel_by_channel():
    x = np.random.default_rng(0).integers(0, 256, (6, 3, 16, 16), np.uint8)
    made, scale = samples(x, LABELS, 3)
    assert made.are_images and made.inputs.dtype == torch.uint8 and scale.mean.shape == (3,) and not scale.root
    np.testing.assert_array_equal(made.inputs.numpy(), x)
    np.testing.assert_allclose(scale.mean, x.mean((0, 2, 3)) / 255, atol=1e-6)
    unit = (x / 255 - scale.mean[:, None, None]) / scale.std[:, None, None]
    np.testing.assert_allclose(plain(made), unit, atol=1e-5)
    later, same = samples(x[:2], LABELS[:2], 3, scale)
    assert same is scale
    np.testing.assert_allclose(plain(later), unit[:2], atol=1e-5)


def test_a_saved_scale_gives_the_same():
    """A model's folder keeps the scale as arrays."""
    x = np.random.default_rng(1).exponential(size=(50, 4))
    _, scale = samples(x, np.zeros(50, int), 1)
    again = Scale(*(np.asarray(part) for part in scale))
    np.testing.assert_array_equal(
        plain(samples(x, np.zeros(50, int), 1, again)[0]), plain(samples(x, np.zeros(50, int), 1, scale)[0])
    )


def test_labels_and_classes_pass_through():
    made, _ = samples(np.eye(6), LABELS.astype(np.uint8), 7)
    assert made.classes == 7 and made.labels.dtype == torch.int64 and made.labels.tolist() == LABELS.tolist()
