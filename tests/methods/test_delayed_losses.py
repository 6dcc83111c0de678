"""Losses that set in late (Blurry, piecewise-zero, GCE): steps against the formulae written out, the delay, what is
left out, a kill."""

from dataclasses import replace
from inspect import signature
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from labelsieve.losses.blurry import turning_point
from labelsieve.methods.blurry import blurry
from labelsieve.methods.gce import gce
from labelsieve.methods.piecewise_zero import piecewise_zero
from labelsieve.methods.standard import standard

N, K = 120, 3
SHORT = {"epochs": 5, "lr": 0.3, "momentum": 0.0, "weight_decay": 0.0, "batch": N, "delay": 3}


def network(k):
    return nn.Linear(5, k)


def frozen(samples, step):
    """Inputs with a one for the bias (n, d + 1), probabilities (n, K) and one-hot labels before a step, in float64."""
    x = ((samples.inputs - samples.mean) / samples.std).double().numpy()
    weight, bias = (p.double().numpy() for p in step.weights)
    z = x @ weight.T + bias
    e = np.exp(z - z.max(1, keepdims=True))
    return np.column_stack([x, np.ones(len(x))]), e / e.sum(1, keepdims=True), np.eye(K)[samples.labels.numpy()]


def agree(step, loss, factor, x, p, y):
    """The step's loss and gradient are the mean of `loss` (n,) and of factor (n,) times cross-entropy's gradient."""
    gradient = (factor[:, None] * (p - y)).T @ x / len(x)
    assert step.loss == pytest.approx(loss.mean(), abs=1e-5)
    np.testing.assert_allclose(np.column_stack([g.numpy().reshape(K, -1) for g in step.gradients]), gradient, atol=1e-5)


@pytest.mark.parametrize("detached", [False, True])
def test_a_blurry_step_is_the_formula_s(detached, blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    blurry(samples, network, session, gamma=0.6, detached=detached, **SHORT)
    x, p, y = frozen(samples, session.steps[3])
    own = (p * y).sum(1)
    assert (own < turning_point(0.6)).any() and (
        own > turning_point(0.6)
    ).any()  # pushed away from, and held to, their labels
    agree(session.steps[3], -(own**0.6) * np.log(own), own**0.6 * (1 if detached else 1 + 0.6 * np.log(own)), x, p, y)


def test_a_piecewise_zero_step_is_the_formula_s(blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    trained = piecewise_zero(samples, network, session, c=0.4, **SHORT)
    x, p, y = frozen(samples, session.steps[-1])
    own = (p * y).sum(1)
    alive = own >= 0.4
    assert 0.1 < alive.mean() < 0.9
    agree(session.steps[-1], np.where(alive, -np.log(own), 0), alive, x, p, y)
    np.testing.assert_array_equal(trained.p_wrong, ~alive)
    last = session.history[-1]
    assert last["teaching"] == pytest.approx(alive.mean()) and trained.settings["left_out"] == pytest.approx(
        1 - alive.mean()
    )
    assert last["teaching_worst_class"] == pytest.approx(min(alive[y[:, k] == 1].mean() for k in range(K)))


def test_a_gce_step_is_the_formula_s(blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    gce(samples, network, session, q=0.6, **SHORT)
    x, p, y = frozen(samples, session.steps[3])
    own = (p * y).sum(1)
    agree(session.steps[3], (1 - own**0.6) / 0.6, own**0.6, x, p, y)


@pytest.mark.parametrize("method", [blurry, piecewise_zero, gce])
def test_before_the_delay_is_over_it_is_cross_entropy(method, blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    method(samples, network, session, **SHORT)
    for step in session.steps[:3]:
        x, p, y = frozen(samples, step)
        agree(step, -np.log((p * y).sum(1)), np.ones(N), x, p, y)


@pytest.mark.parametrize(
    ("method", "none"), [(blurry, {"gamma": 0.0}), (piecewise_zero, {"c": 0.0}), (gce, {"q": 0.0})]
)
def test_at_its_end_of_the_scale_it_is_cross_entropy(method, none, blobs, spy):
    samples, _ = blobs(N)
    always = spy(N)
    method(samples, network, always, **{**SHORT, "delay": 0}, **none)
    never = spy(N)
    method(samples, network, never, **{**SHORT, "delay": 9})
    np.testing.assert_allclose([s.loss for s in always.steps], [s.loss for s in never.steps], atol=1e-6)


@pytest.mark.parametrize("method", [blurry, piecewise_zero, gce])
def test_it_descends_as_standard_does(method, blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    method(samples, network, session, **SHORT | {"momentum": 0.5, "weight_decay": 0.01})
    velocity = 0
    for epoch, (one, two) in enumerate(pairwise(session.steps)):
        velocity = 0.5 * velocity + one.gradients[0] + 0.01 * one.weights[0]
        rate = 0.3 * (1 + np.cos(np.pi * epoch / 5)) / 2
        np.testing.assert_allclose(two.weights[0], one.weights[0] - rate * velocity, atol=1e-6)


@pytest.mark.parametrize("method", [blurry, piecewise_zero, gce])
def test_it_learns_fewer_wrong_labels_by_heart_than_cross_entropy(method, blobs, spy):
    samples, wrong = blobs(300, d=150, noise=0.3)  # enough features to fit every label
    more = {"c": 0.2} if method is piecewise_zero else {}
    shares = []
    for delay in (1, 99):
        trained = method(
            samples, lambda k: nn.Linear(150, k), spy(300), epochs=60, lr=0.2, batch=50, delay=delay, **more
        )
        said = trained.logits(samples).argmax(1).numpy()
        shares.append((said[wrong] == samples.labels.numpy()[wrong]).mean())
    assert shares[0] < shares[1] - 0.15


def test_what_piecewise_zero_leaves_out_is_wrong(blobs, spy):
    samples, wrong = blobs(400, noise=0.1)
    trained = piecewise_zero(samples, network, spy(400), epochs=12, lr=0.05)
    assert wrong[trained.p_wrong == 1].mean() > 0.9 and trained.p_wrong[wrong].mean() > 0.7


@pytest.mark.parametrize("method", [blurry, piecewise_zero, gce])
def test_a_killed_run_goes_on(method, blobs, survives_a_kill):
    samples, _ = blobs(80)
    survives_a_kill(lambda session: method(samples, network, session, epochs=8, lr=0.1, batch=16), samples, 5)


@pytest.mark.parametrize("method", [blurry, piecewise_zero, gce])
def test_the_delay_grows_with_the_run(method, blobs, spy):
    samples, _ = blobs(N)
    losses = []
    for named in ({}, {"delay": 4 if method is gce else 8}):
        session = spy(N)  # seeds the network too
        method(samples, network, session, epochs=20, lr=0.3, batch=N, **named)
        losses.append([step.loss for step in session.steps])
    np.testing.assert_array_equal(*losses)


def test_piecewise_zero_starts_from_what_guessing_gives(blobs, spy):
    samples, _ = blobs(N)
    images = replace(samples, inputs=torch.zeros(N, 1, 4, 4, dtype=torch.uint8), mean=torch.zeros(1), std=torch.ones(1))
    for classes, c in ((3, 0.1), (20, 0.05)):  # with three classes the grid ends there
        for of, net, factor in (
            (samples, network, 2),
            (images, lambda k: nn.Sequential(nn.Flatten(), nn.Linear(16, k)), 1),
        ):
            out = piecewise_zero(replace(of, classes=classes), net, spy(N), epochs=2, batch=N)
            assert out.settings["c"] == pytest.approx(factor * c)


@pytest.mark.parametrize(("classes", "gamma"), [(3, 0.2), (10, 0.2), (100, 0.5 / np.log(100))])
def test_blurry_pushes_away_only_what_is_far_less_likely_than_a_guess(classes, gamma, blobs, spy):
    samples, _ = blobs(N)
    chosen = blurry(replace(samples, classes=classes), network, spy(N), epochs=4, batch=N).settings
    assert chosen == {"gamma": pytest.approx(gamma), "delay": 2}
    assert turning_point(chosen["gamma"]) <= 1 / classes**2 + 1e-12


@pytest.mark.parametrize("method", [blurry, piecewise_zero, gce])
def test_networks_train_by_the_recipe_of_standard(method):
    ours, theirs = ({name: p.default for name, p in signature(f).parameters.items()} for f in (method, standard))
    assert {name: ours[name] for name in theirs} == theirs


@pytest.mark.parametrize("method", [blurry, piecewise_zero])
def test_one_epoch_is_cross_entropy(method, blobs, spy):
    samples, _ = blobs(N)
    assert method(samples, network, spy(N), epochs=1, batch=N).settings["delay"] == 1
