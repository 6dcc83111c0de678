"""Early-learning regularisation: memory, value, gradient."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from labelsieve import losses
from labelsieve.losses.elr import EDGE


def batch(n=8, k=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, k, generator=generator, dtype=torch.float64)
    memory = torch.rand(n, k, generator=generator, dtype=torch.float64) / k
    return logits, torch.randint(k, (n,), generator=generator), memory


def test_memory_is_the_running_mean_of_normalised_predictions():
    logits, _, _ = batch()
    memory = torch.zeros(20, 4, dtype=torch.float64)
    index = torch.arange(8) * 2
    losses.remember(memory, index, logits, beta=0.7)
    torch.testing.assert_close(memory[index], 0.3 * torch.softmax(logits, 1))
    assert (memory[1::2] == 0).all()
    losses.remember(memory, index, logits, beta=0.7)
    torch.testing.assert_close(memory[index], (0.3 + 0.21) * torch.softmax(logits, 1))


def test_clamped_predictions_are_normalised_again():
    memory = torch.zeros(1, 4)
    losses.remember(memory, torch.tensor([0]), torch.tensor([[50.0, 0, 0, 0]]), beta=0.0)
    torch.testing.assert_close(memory.sum(), torch.tensor(1.0))
    torch.testing.assert_close(memory[0, 1].item(), EDGE / (1 - EDGE + 3 * EDGE), rtol=1e-5, atol=0)


def test_the_pull_on_heads_that_train_together_is_the_gradient():
    logits, _, memory = batch()
    logits = 3 * logits
    logits[0, 0] = 40.0  # beyond what a probability is kept within
    leaf = logits.clone().requires_grad_()
    (expected,) = torch.autograd.grad(losses.elr_regulariser(leaf, memory).sum(), leaf)
    assert expected.abs().max() > 0.01 and (expected[0] == 0).all()
    torch.testing.assert_close(losses.elr_pull(logits.softmax(1), memory), expected, rtol=1e-9, atol=1e-12)


def test_what_is_remembered_of_logits_and_of_probabilities_is_the_same():
    logits, _, memory = batch()
    other, rows = memory.clone(), torch.arange(8)
    losses.remember(memory, rows, logits)
    losses.remember_probabilities(other, rows, logits.softmax(1))
    torch.testing.assert_close(other, memory)


def test_value_gradient_and_direction():
    logits, target, memory = batch()
    p = torch.softmax(logits, 1)
    inner = (p * memory).sum(1)
    torch.testing.assert_close(losses.elr_regulariser(logits, memory), (1 - inner).log())
    assert gradcheck(lambda z: losses.elr(z, target, memory), logits.clone().requires_grad_())
    leaf = logits.clone().requires_grad_()
    (slope,) = torch.autograd.grad(losses.elr_regulariser(leaf, memory).sum(), leaf)
    torch.testing.assert_close(slope, -p * (memory - inner[:, None]) / (1 - inner[:, None]))


def test_empty_memory_or_no_strength_is_cross_entropy_and_certainty_is_finite():
    logits, target, memory = batch()
    torch.testing.assert_close(
        losses.elr(logits, target, torch.zeros_like(memory)), losses.cross_entropy(logits, target)
    )
    torch.testing.assert_close(losses.elr(logits, target, memory, strength=0), losses.cross_entropy(logits, target))
    sure = torch.tensor([[1.0, 0, 0, 0]])
    assert losses.elr_regulariser(torch.tensor([[90.0, 0, 0, 0]]), sure).isfinite().all()


def test_module_remembers_in_train_mode_only():
    logits, target, _ = batch()
    module = losses.ELR(30, 4, beta=0.9, strength=1.0)
    index = torch.arange(8) + 5
    value = module(logits, target, index)
    memory = 0.1 * torch.softmax(logits, 1)
    torch.testing.assert_close(value, losses.elr(logits, target, memory, strength=1.0).mean(), rtol=1e-6, atol=1e-6)
    before = module.memory.clone()
    module.eval()(logits, target, index)
    assert torch.equal(module.memory, before) and "memory" in module.state_dict()


def test_the_regulariser_lowers_the_loss_of_what_was_predicted_before():
    """By hand: p = (1/2, 1/2), t = (0.1, 0.4), so <t, p> = 1/4; label 0."""
    logits, remembered = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[0.1, 0.4]], dtype=torch.float64)
    by_hand = math.log(2) + 3 * math.log(0.75)
    assert losses.elr(logits, torch.tensor([0]), remembered, strength=3.0).item() == pytest.approx(by_hand)
    module = losses.ELR(1, 2, strength=3.0).eval()
    module.memory.copy_(remembered)
    assert module(logits.float(), torch.tensor([0]), torch.tensor([0])).item() == pytest.approx(by_hand, rel=1e-6)
    leaf = logits.clone().requires_grad_()
    (slope,) = torch.autograd.grad(losses.elr_regulariser(leaf, remembered).sum(), leaf)
    assert slope[0, 1] < 0 < slope[0, 0], "a step down raises the class that was remembered"


def test_the_defaults_are_the_papers_for_symmetric_cifar_10():
    even, target = torch.zeros(1, 4), torch.tensor([0])
    memory = torch.zeros(1, 4)
    losses.remember(memory, torch.tensor([0]), even)
    torch.testing.assert_close(memory, torch.full((1, 4), 0.3 * 0.25))  # beta 0.7
    expected = math.log(4) + 3 * math.log(1 - 0.3 * 0.25)  # strength 3
    assert losses.elr(even, target, memory).item() == pytest.approx(expected, rel=1e-6)
    assert losses.ELR(1, 4)(even, target, torch.tensor([0])).item() == pytest.approx(expected, rel=1e-6)


def test_no_probability_is_taken_to_be_beyond_a_ten_thousandth():
    sure = torch.tensor([[60.0, 0.0]], dtype=torch.float64)
    memory = torch.zeros(1, 2, dtype=torch.float64)
    losses.remember(memory, torch.tensor([0]), sure, beta=0.0)
    torch.testing.assert_close(memory, torch.tensor([[0.9999, 0.0001]], dtype=torch.float64))
    within = math.log(1 - 0.9999)
    assert losses.elr_regulariser(sure, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(within, rel=1e-6)
