"""The slopes that losses bring along are those of automatic differentiation."""

import pytest
import torch

from labelsieve import losses
from labelsieve.losses.piecewise_zero import surviving
from labelsieve.losses.slope import Predicted

N, K = 60, 5


def batch(scale=3.0):
    generator = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(N, K, generator=generator, dtype=torch.float64)
    logits[0, 0] = 40.0  # beyond what ELR lets a probability be
    return (
        logits,
        torch.randint(K, (N,), generator=generator),
        torch.rand(N, K, generator=generator, dtype=torch.float64) / K,
    )


def predicted(logits, labels):
    p, log_p = logits.softmax(1), logits.log_softmax(1)
    at = torch.arange(len(labels)), labels
    return Predicted(p, labels, p[at], log_p[at])


LOSSES = {
    "cross_entropy": lambda logits, y, t: losses.cross_entropy(logits, y),
    "gce": lambda logits, y, t: losses.gce(logits, y, q=0.6),
    "gce at 0": lambda logits, y, t: losses.gce(logits, y, q=0),
    "blurry": lambda logits, y, t: losses.blurry(logits, y, gamma=0.3),
    "piecewise_zero": lambda logits, y, t: losses.piecewise_zero(logits, y, c=0.2),
    "elr": lambda logits, y, t: losses.elr(logits, y, t, strength=3.0),
}


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_slope_are_those_of_the_loss_of_logits(name):
    logits, labels, remembered = batch()
    leaf = logits.clone().requires_grad_()
    expected = LOSSES[name](leaf, labels, remembered)
    (slope,) = torch.autograd.grad(expected.sum(), leaf)
    assert slope.abs().max() > 0.1
    known = LOSSES[name](predicted(logits, labels), labels, remembered).mean()
    torch.testing.assert_close(known.value, expected.detach(), rtol=1e-9, atol=1e-12)
    own = known.weight[:, None] * (logits.softmax(1) - torch.eye(K, dtype=torch.float64)[labels])
    torch.testing.assert_close(own if known.more is None else own + known.more, slope, rtol=1e-9, atol=1e-12)


def test_what_is_remembered_and_what_survives_is_the_same():
    logits, labels, memory = batch()
    other = memory.clone()
    rows = torch.arange(N)
    losses.remember(memory, rows, logits)
    losses.remember(other, rows, predicted(logits, labels))
    torch.testing.assert_close(other, memory)
    assert torch.equal(surviving(predicted(logits, labels), labels, c=0.2), surviving(logits, labels, c=0.2))


def test_a_target_that_is_not_the_labels_is_refused():
    logits, labels, _ = batch()
    for loss in (losses.cross_entropy, losses.gce, losses.piecewise_zero):
        with pytest.raises(ValueError, match="no other target"):
            loss(predicted(logits, labels), (labels + 1) % K)
