"""Early-learning regularisation: memory and steps against the formulae written out, schedule, what it finds,
resumption."""

import numpy as np
import pytest
import torch
from torch import nn

from labelsieve.engine.samples import Samples
from labelsieve.methods.elr import elr

N, K, EPOCHS = 120, 3, 5
SHORT = {"epochs": EPOCHS, "lr": 0.3, "batch": N}


def network(k):
    return nn.Linear(5, k)


def written_out(samples, steps, beta, strength):
    """Loss and gradients of each of the steps (one batch an epoch), and the memory after them, in float64."""
    x = torch.from_numpy(((samples.inputs - samples.mean) / samples.std).double().numpy())
    y = samples.labels
    t = torch.zeros(N, K, dtype=torch.float64)
    out = []
    for step in steps:
        weight, bias = (w.double().requires_grad_() for w in step.weights)
        z = x @ weight.T + bias
        p = z.exp() / z.exp().sum(1, keepdim=True)
        inside = p.clip(1e-4, 1 - 1e-4)
        t = beta * t + (1 - beta) * (inside / inside.sum(1, keepdim=True)).detach()
        loss = (-p[torch.arange(N), y].log() + strength * (1 - (t * inside).sum(1)).log()).mean()
        out.append((loss.item(), torch.autograd.grad(loss, (weight, bias))))
    return out, t


@pytest.mark.parametrize(("beta", "strength"), [(0.7, 3.0), (0.9, 1.0)])
def test_every_step_is_the_paper_s(beta, strength, blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    trained = elr(samples, network, session, beta=beta, strength=strength, **SHORT)
    expected, t = written_out(samples, session.steps, beta, strength)
    for step, (loss, gradients) in zip(session.steps, expected, strict=True):
        assert step.loss == pytest.approx(loss, abs=1e-5)
        for ours, theirs in zip(step.gradients, gradients, strict=True):
            torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        trained.p_wrong, 1 - (t / t.sum(1, keepdim=True))[torch.arange(N), samples.labels], atol=1e-5
    )
    assert session.history[-1]["agree"] == pytest.approx((t.argmax(1) == samples.labels).double().mean().item())


def test_without_strength_it_is_cross_entropy(blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    elr(samples, network, session, strength=0.0, **SHORT)
    np.testing.assert_allclose([s.loss for s in session.steps], session.dynamics.loss.mean(1), atol=1e-6)


def test_the_rate_starts_anew_every_cycle(blobs, spy, monkeypatch):
    samples, _ = blobs(N)
    session, seen = spy(N), []
    step = session.step
    monkeypatch.setattr(session, "step", lambda loss, o: (seen.append(o.param_groups[0]["lr"]), step(loss, o)))
    elr(samples, network, session, epochs=8, lr=0.02, lowest=0.001, cycle=4, batch=N)
    cosine = 0.001 + 0.019 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2
    np.testing.assert_allclose(seen, np.tile(cosine, 2), rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "classes", "chosen"),
    [((64,), 3, (0.7, 3.0)), ((64,), 60, (0.9, 7.0)), ((1, 8, 8), 3, (0.9, 1.0)), ((1, 8, 8), 60, (0.9, 7.0))],
)
def test_kind_and_classes_choose_the_paper_s_numbers(shape, classes, chosen, spy):
    inputs = torch.randint(0, 256, (N, *shape), dtype=torch.uint8) if shape[1:] else torch.randn(N, *shape)
    samples = Samples.of(inputs, torch.arange(N) % classes, classes)
    trained = elr(samples, lambda k: nn.Sequential(nn.Flatten(), nn.Linear(64, k)), spy(N), epochs=1, batch=N)
    assert trained.settings == dict(zip(("beta", "strength"), chosen, strict=True))


def test_memory_names_the_wrong_labels(blobs, spy):
    samples, wrong = blobs(400)
    trained = elr(samples, network, spy(400), epochs=20, lr=0.1, batch=50)
    assert ((trained.p_wrong > 0.5) == wrong).mean() > 0.97
    assert (trained.p_wrong >= 0).all() and (trained.p_wrong <= 1).all()


def test_it_learns_fewer_wrong_labels_by_heart_than_cross_entropy(blobs, spy):
    samples, wrong = blobs(300, d=150, noise=0.3)  # enough features to fit every label
    shares = []
    for strength in (3.0, 0.0):
        trained = elr(
            samples,
            lambda k: nn.Linear(150, k),
            spy(300),
            epochs=60,
            lr=0.1,
            batch=50,
            weight_decay=0.0,
            strength=strength,
        )
        said = trained.logits(samples).argmax(1).numpy()
        shares.append((said[wrong] == samples.labels.numpy()[wrong]).mean())
    assert shares[0] < shares[1] - 0.15


def test_labels_that_nothing_speaks_against_are_not_doubted_after_few_epochs(blobs, spy):
    samples, _ = blobs(60, noise=0.0, spread=9.0)
    assert elr(samples, network, spy(60), epochs=10, lr=1.0, batch=10, beta=0.9).p_wrong.max() < 0.15


@pytest.mark.parametrize("stop_after", [2, 5])
def test_a_killed_run_goes_on(stop_after, blobs, survives_a_kill):
    samples, _ = blobs(80)
    survives_a_kill(
        lambda session: elr(samples, network, session, epochs=8, lr=0.1, batch=16, cycle=3), samples, stop_after
    )
