"""Forward and backward correction undo what the transition matrix did."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from labelsieve import losses
from labelsieve.core.errors import UserError

K = 4
T = torch.tensor([[0.7, 0.3, 0, 0], [0, 0.8, 0.2, 0], [0.1, 0.1, 0.6, 0.2], [0.25, 0, 0, 0.75]], dtype=torch.float64)


def batch(seed=0, n=20):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, K, generator=generator, dtype=torch.float64), torch.randint(K, (n,), generator=generator)


@pytest.mark.parametrize("correct", [losses.forward_correction, losses.backward_correction])
def test_no_noise_is_cross_entropy(correct):
    logits, target = batch()
    torch.testing.assert_close(correct(logits, target, torch.eye(K)), losses.cross_entropy(logits, target))


@pytest.mark.parametrize("correct", [losses.forward_correction, losses.backward_correction])
def test_gradient_is_the_derivative_and_finite(correct):
    logits, target = batch(n=6)
    assert gradcheck(lambda z: correct(z, target, T), logits.requires_grad_())
    extreme = torch.tensor([[300.0, -300, 0, 0]], dtype=torch.float32, requires_grad=True)
    (slope,) = torch.autograd.grad(correct(extreme, torch.tensor([2]), T).sum(), extreme)
    assert slope.isfinite().all()


def test_forward_is_the_cross_entropy_of_the_noisy_prediction():
    logits, target = batch()
    noisy = torch.softmax(logits, 1) @ T
    torch.testing.assert_close(losses.forward_correction(logits, target, T), -noisy[torch.arange(20), target].log())


@given(seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_backward_is_unbiased(seed):
    """Mean over the given label, for each true class, is the cross-entropy with the true class."""
    rng = np.random.default_rng(seed)
    transition = torch.from_numpy(rng.dirichlet(np.ones(K), K) * 0.4 + 0.6 * np.eye(K))
    logits = batch(seed, 1)[0].expand(K, K)
    each = losses.backward_correction(logits, torch.arange(K), transition)
    torch.testing.assert_close(transition @ each, losses.cross_entropy(logits, torch.arange(K)))


def test_forward_is_lowest_at_the_true_posterior():
    truth = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64)
    given = truth @ T
    logits = truth.log().expand(K, K).clone().requires_grad_()
    risk = (given * losses.forward_correction(logits, torch.arange(K), T)).sum()
    (slope,) = torch.autograd.grad(risk, logits)
    torch.testing.assert_close(slope.sum(0), torch.zeros(K, dtype=torch.float64), atol=1e-12, rtol=0)


def test_modules_are_means_and_move_with_their_matrix():
    logits, target = batch()
    for module, correct in [
        (losses.ForwardCorrection, losses.forward_correction),
        (losses.BackwardCorrection, losses.backward_correction),
    ]:
        made = module(T)
        torch.testing.assert_close(made(logits, target), correct(logits, target, T).mean())
        assert "transition" in made.state_dict()


@pytest.mark.parametrize(
    ("matrix", "what"),
    [
        (torch.ones(2, 3), r"\(2, 3\)"),
        (torch.tensor([[0.5, 0.6], [0.5, 0.5]]), "sums to 1"),
        (torch.tensor([[1.5, -0.5], [0.5, 0.5]]), "below 0"),
        (torch.tensor([[1.0, 0.0], [1.0, 0.0]]), "column"),
        (torch.tensor([[float("nan"), 0.0], [1.0, 0.0]]), "sums to 1"),
    ],
)
def test_a_matrix_that_is_none_is_told(matrix, what):
    with pytest.raises(UserError, match=what):
        losses.ForwardCorrection(matrix)


def test_backward_needs_an_inverse():
    with pytest.raises(UserError, match="forward correction"):
        losses.BackwardCorrection(torch.full((2, 2), 0.5))


@pytest.mark.parametrize("correct", [losses.forward_correction, losses.backward_correction])
def test_one_label_is_not_taken_for_all_rows(correct):
    with pytest.raises(ValueError, match=r"\(8, 3\) and \(1,\)"):
        correct(torch.zeros(8, 3), torch.zeros(1, dtype=torch.long), torch.eye(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_matrix_without_an_inverse_is_a_sentence_in_both_forms(dtype):
    alike = torch.tensor([[0.6, 0.4, 0.0], [0.0, 0.0, 1.0], [0.6, 0.4, 0.0]], dtype=dtype)
    nearly = alike.clone()
    nearly[2] += torch.tensor([1e-8, -1e-8, 0.0], dtype=dtype)
    for matrix in (alike, nearly):
        for call in (
            lambda m: losses.backward_correction(torch.zeros(3, 3), torch.arange(3), m),
            lambda m: losses.BackwardCorrection(m),
        ):
            with pytest.raises(
                UserError, match=r"transition matrix has no usable inverse \(condition number .*rows are 0 and 2"
            ):
                call(matrix)


def test_a_matrix_that_is_none_is_a_sentence_for_the_functions_too():
    for function in (losses.forward_correction, losses.backward_correction):
        for matrix, word in (
            (torch.eye(4), "4 classes"),
            (torch.ones(3, 3), "sums to 1"),
            (torch.full((3, 3), torch.nan), "sums to 1"),
        ):
            with pytest.raises(UserError, match=word):
                function(torch.zeros(2, 3), torch.arange(2), matrix)


@pytest.mark.parametrize(("apart", "usable"), [(2.1e-6, True), (1.9e-6, False)])
def test_an_inverse_is_of_use_up_to_a_condition_number_of_a_million(apart, usable):
    """By hand: [[1, 0], [1 - a, a]] has the column sums 2 - a and a; its inverse [[1, 0], [-(1 - a) / a, 1 / a]] 1 / a
    twice."""
    transition = torch.tensor([[1.0, 0.0], [1 - apart, apart]], dtype=torch.float64)
    logits, target = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([0])
    if usable:
        assert losses.backward_correction(logits, target, transition).isfinite().all()
    else:
        with pytest.raises(UserError, match="no usable inverse"):
            losses.backward_correction(logits, target, transition)
