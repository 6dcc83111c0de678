"""Standard, mixup and GCE: two steps of each against the same mathematics written out with plain tensors."""

import numpy as np
import pytest
import torch

from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.losses.mixing import strength
from labelsieve.methods.gce import gce
from labelsieve.methods.mixup import mixup
from labelsieve.methods.standard import standard
from labelsieve.networks import network

N, D, K, B = 20, 5, 3, 10
LR, MOMENTUM, DECAY = 0.3, 0.9, 0.01


@pytest.fixture
def toy():
    rng = np.random.default_rng(0)
    return Samples.of(
        torch.from_numpy(rng.normal(size=(N, D)).astype(np.float32)), torch.from_numpy(rng.integers(0, K, N)), K
    )


def reference(toy, loss_gradient, lr):
    """Weights after one epoch of SGD with momentum on logits = W x / sqrt(D) + b, for d loss / d logits as given, in
    float64."""
    x = ((toy.inputs - toy.mean) / toy.std).double().numpy()
    y = np.eye(K)[toy.labels.numpy()]
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0)).numpy()
    w, b = np.zeros((K, D)), np.zeros(K)
    vw, vb = np.zeros_like(w), np.zeros_like(b)
    for start in range(0, N, B):
        rows = order[start : start + B]
        inputs, gradient = loss_gradient(x[rows] / np.sqrt(D), y[rows], w, b)
        vw = MOMENTUM * vw + gradient.T @ inputs / B + DECAY * w
        vb = MOMENTUM * vb + gradient.mean(0) + DECAY * b
        w, b = w - lr * vw, b - lr * vb
    return w, b


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def trained(function, toy, **more):
    out = function(
        toy,
        network("linear", images=False, width=D),
        Session(N),
        epochs=1,
        lr=LR,
        momentum=MOMENTUM,
        weight_decay=DECAY,
        batch=B,
        **more,
    )
    head = out.nets[0].head
    return head.weight.detach().numpy(), head.bias.detach().numpy()


def test_standard_is_cross_entropy(toy):
    expected = reference(toy, lambda x, y, w, b: (x, softmax(x @ w.T + b) - y), LR)
    for got, want in zip(trained(standard, toy), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_gce_weighs_each_example_by_its_probability(toy):
    def gradient(x, y, w, b):
        p = softmax(x @ w.T + b)
        return x, (p * y).sum(1, keepdims=True) ** 0.7 * (p - y)

    for got, want in zip(trained(gce, toy), reference(toy, gradient, LR), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_mixup_mixes_inputs_and_labels_alike(toy):
    rng = np.random.default_rng(0)

    def gradient(x, y, w, b):
        share, partner = rng.beta(32, 32), rng.permutation(B)
        x, y = share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
        return x, softmax(x @ w.T + b) - y

    for got, want in zip(trained(mixup, toy, alpha=32.0), reference(toy, gradient, LR), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_the_learning_rate_falls_to_zero_along_a_cosine(toy, monkeypatch):
    seen = []
    step = Session.step
    monkeypatch.setattr(
        Session,
        "step",
        lambda self, loss, optimiser: (seen.append(optimiser.param_groups[0]["lr"]), step(self, loss, optimiser))[1],
    )
    standard(toy, network("linear", images=False, width=D), Session(N), epochs=8, lr=2.0, batch=N)
    np.testing.assert_allclose(seen, 1 + np.cos(np.pi * np.arange(8) / 8), rtol=1e-6)


def test_gce_keeps_more_of_the_truth_than_cross_entropy_under_wrong_labels():
    rng = np.random.default_rng(1)
    n, d, k = 600, 100, 4
    centres = rng.normal(0, 1, (k, d))
    truth = rng.integers(0, k, n)
    x = (centres[truth] + rng.normal(0, 2.5, (n, d))).astype(np.float32)
    given = np.where(rng.random(n) < 0.4, rng.integers(0, k, n), truth)
    samples = Samples.of(torch.from_numpy(x), torch.from_numpy(given), k)
    right = {}
    for function, lr in ((standard, 3.0), (gce, 6.0)):
        out = function(
            samples, network("linear", images=False, width=d), Session(n), epochs=60, lr=lr, weight_decay=0, batch=32
        )
        right[function.__name__] = (out.logits(samples).argmax(1).numpy() == truth).mean()
    assert right["gce"] > right["standard"] + 0.02


def test_short_runs_mix_less_unless_told_otherwise(toy):
    def alpha(**more):
        return mixup(toy, network("linear", images=False, width=D), Session(N), epochs=1, batch=B, **more).settings[
            "alpha"
        ]

    assert (alpha(), alpha(alpha=8.0)) == (1, 8)
    assert strength(300 * 50_000 / 128) == 32  # CIFAR-10 as in the papers
    assert strength(20 * 50_000 / 128) == 1
