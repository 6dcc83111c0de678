"""ProMix's debiasing: signs, the uniform prior, empty parts, sharpening."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from labelsieve import losses

PRIOR = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)


def batch(n=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=generator, dtype=torch.float64), torch.randint(3, (n,), generator=generator)


def test_uniform_prior_or_alpha_zero_is_cross_entropy():
    logits, target = batch()
    uniform = torch.full((3,), 1 / 3, dtype=torch.float64)
    torch.testing.assert_close(losses.debiased_margin(logits, target, uniform), losses.cross_entropy(logits, target))
    torch.testing.assert_close(
        losses.debiased_margin(logits, target, PRIOR, alpha=0), losses.cross_entropy(logits, target)
    )
    torch.testing.assert_close(losses.debiased_probabilities(logits, uniform), torch.softmax(logits, 1))


def test_rare_classes_cost_more_in_the_loss_and_gain_in_the_pseudo_label():
    logits = torch.zeros(3, 3, dtype=torch.float64)
    loss = losses.debiased_margin(logits, torch.arange(3), PRIOR, alpha=1.0)
    torch.testing.assert_close(loss, -PRIOR.log())
    pseudo = losses.debiased_probabilities(logits[:1], PRIOR, alpha=1.0)[0]
    torch.testing.assert_close(pseudo, (1 / PRIOR) / (1 / PRIOR).sum())


def test_gradient_for_positions_and_probabilities():
    logits, target = batch()
    soft = torch.softmax(batch(seed=2)[0], 1)
    for wanted in (target, soft):
        assert gradcheck(
            lambda z, wanted=wanted: losses.debiased_margin(z, wanted, PRIOR), logits.clone().requires_grad_()
        )


def test_prior_follows_predictions_and_an_empty_part_changes_nothing():
    logits, _ = batch()
    moved = losses.update_prior(PRIOR, logits, momentum=0.9)
    torch.testing.assert_close(moved, 0.9 * PRIOR + 0.1 * torch.softmax(logits, 1).mean(0))
    torch.testing.assert_close(losses.update_prior(PRIOR, logits[:0]), PRIOR)


def test_the_mean_over_nobody_is_zero_not_nan():
    loss = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    assert losses.mean_over(loss, torch.tensor([True, False, True])).item() == 3.5
    nobody = losses.mean_over(loss, torch.zeros(3, dtype=torch.bool))
    assert nobody.item() == 0
    assert torch.autograd.grad(nobody, loss)[0].tolist() == [0, 0, 0]


@given(seed=st.integers(0, 1000), temperature=st.floats(0.01, 1.0), scale=st.floats(0.1, 300))
@settings(max_examples=50, deadline=None)
def test_sharpening_keeps_the_order_and_the_sum(seed, temperature, scale):
    p = torch.softmax(scale * batch(seed=seed)[0], 1)
    sharp = losses.sharpen(p, temperature)
    torch.testing.assert_close(sharp.sum(1), torch.ones(10, dtype=torch.float64))
    assert (sharp.argmax(1) == p.argmax(1)).all() and (sharp.amax(1) >= p.amax(1) - 1e-12).all()
    torch.testing.assert_close(losses.sharpen(p, 1.0), p)


def test_the_defaults_are_those_of_the_authors_for_ten_classes():
    logits, target = torch.zeros(2, 3, dtype=torch.float64), torch.tensor([0, 2])
    weight = PRIOR**0.8
    torch.testing.assert_close(losses.debiased_margin(logits, target, PRIOR), -(weight / weight.sum()).log()[target])
    torch.testing.assert_close(losses.debiased_probabilities(logits, PRIOR)[0], (1 / weight) / (1 / weight).sum())
    torch.testing.assert_close(losses.sharpen(PRIOR[None])[0], PRIOR**2 / (PRIOR**2).sum())
    moved = losses.update_prior(PRIOR, torch.tensor([[0.0, -99, -99]], dtype=torch.float64))
    torch.testing.assert_close(moved[0] - PRIOR[0], torch.tensor(0.4e-4, dtype=torch.float64))


def test_pseudo_labels_take_no_gradient():
    logits = batch()[0].requires_grad_()
    assert not losses.debiased_probabilities(logits, PRIOR).requires_grad
    assert not losses.update_prior(PRIOR, logits).requires_grad
