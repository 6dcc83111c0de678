"""Mixup and FMix: inputs and labels are mixed in the same proportion, by the same partners."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve import losses
from labelsieve.losses.mixing import strength


def rng(seed=0):
    return np.random.default_rng(seed)


@given(n=st.integers(1, 60), alpha=st.floats(0.1, 40), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_draw_is_a_share_and_a_permutation(n, alpha, seed):
    lam, partner = losses.draw_pairs(n, alpha, rng(seed))
    assert 0 <= lam <= 1 and sorted(partner.tolist()) == list(range(n))
    again, same = losses.draw_pairs(n, alpha, rng(seed), dominant=True)
    assert again == max(lam, 1 - lam) and torch.equal(partner, same)


def test_without_strength_nothing_is_mixed():
    assert losses.draw_pairs(5, 0, rng(0))[0] == losses.draw_pairs(5, 0.0, rng(0), dominant=True)[0] == 1


def test_beta_32_stays_near_one_half():
    generator = rng()
    lam = np.array([losses.draw_pairs(2, 32, generator)[0] for _ in range(2000)])
    assert abs(lam.mean() - 0.5) < 0.01 and lam.std() == pytest.approx(1 / np.sqrt(4 * 65), rel=0.1)


def test_mixup_by_hand_and_one_share_for_each():
    x = torch.arange(12.0).reshape(3, 2, 2)
    partner = torch.tensor([1, 2, 0])
    assert torch.equal(losses.mixup(x, partner, 1.0), x)
    assert torch.equal(losses.mixup(x, partner, 0.0), x[partner])
    each = losses.mixup(x, partner, torch.tensor([1.0, 0.0, 0.5]))
    assert torch.equal(each, torch.stack([x[0], x[2], (x[2] + x[0]) / 2]))


def test_targets_mix_as_inputs_do_for_positions_and_probabilities():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    target = torch.randint(3, (6,), generator=generator)
    partner = torch.tensor([3, 4, 5, 0, 1, 2])
    onehot = torch.nn.functional.one_hot(target, 3).double()
    mixed = 0.3 * onehot + 0.7 * onehot[partner]
    expected = losses.cross_entropy(logits, mixed)
    torch.testing.assert_close(losses.mixed_cross_entropy(logits, target, partner, 0.3), expected)
    torch.testing.assert_close(losses.mixed_cross_entropy(logits, onehot, partner, 0.3), expected)
    torch.testing.assert_close(
        losses.mixed_cross_entropy(logits, target, partner, 1.0), losses.cross_entropy(logits, target)
    )


@given(height=st.integers(1, 40), width=st.integers(1, 40), lam=st.floats(0, 1), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_mask_has_the_share_it_was_asked_for(height, width, lam, seed):
    mask = losses.fmix_mask(height, width, lam, rng(seed))
    assert mask.shape == (height, width) and set(mask.unique().tolist()) <= {0.0, 1.0}
    assert abs(mask.sum().item() - lam * height * width) < 1 + 1e-6
    assert torch.equal(mask, losses.fmix_mask(height, width, lam, rng(seed)))


def test_share_is_exact_on_average():
    generator = rng()
    ones = [losses.fmix_mask(3, 3, 0.4, generator).sum().item() for _ in range(2000)]
    assert set(ones) == {3.0, 4.0} and np.mean(ones) == pytest.approx(3.6, abs=0.05)


def test_mask_is_patches_not_noise():
    def edges(decay):
        masks = [losses.fmix_mask(32, 32, 0.5, rng(s), decay=decay) for s in range(20)]
        return np.mean([(m[1:] != m[:-1]).float().mean().item() for m in masks])

    assert edges(0.0) == pytest.approx(0.5, abs=0.05)  # white noise
    assert edges(3.0) < 0.08


def test_fmix_takes_pixels_of_either():
    x = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 3, 8, 8)
    mask = losses.fmix_mask(8, 8, 0.25, rng())
    out = losses.fmix(x, torch.tensor([1, 0]), mask)
    assert torch.equal(out[0], (1 - mask).expand(3, 8, 8)) and torch.equal(out[1], mask.expand(3, 8, 8))


def test_the_strength_is_that_of_dynamic_bootstrapping_from_12_000_steps_on():
    assert (strength(12_000), strength(11_999), strength(0)) == (32, 1, 1)


def test_masks_fall_with_the_third_power_of_the_frequency_unless_told_otherwise():
    assert torch.equal(losses.fmix_mask(9, 9, 0.5, rng(1)), losses.fmix_mask(9, 9, 0.5, rng(1), decay=3.0))
    assert not torch.equal(losses.fmix_mask(9, 9, 0.5, rng(1)), losses.fmix_mask(9, 9, 0.5, rng(1), decay=2.0))
