"""Heads that train together are those that train alone, where both multiply in the same precision."""

from functools import partial

import numpy as np
import pytest
import torch

from labelsieve.core.errors import UserError
from labelsieve.engine.many_heads import together
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.losses import cross_entropy
from labelsieve.methods import TOGETHER, for_features, method
from labelsieve.networks import network

N, K, WIDTH, SEEDS = 301, 4, 12, (0, 3, 8)
ROUNDING = 1e-4  # of weights up to 30
LATER = {"blurry": {"delay": 1}, "piecewise-zero": {"delay": 1}}  # so that the second epoch has the method's own loss


def toy(n=N):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % K
    inputs = rng.normal(0, 1, (K, WIDTH))[labels] + rng.normal(0, 1, (n, WIDTH))
    given = np.where(rng.random(n) < 0.3, rng.integers(0, K, n), labels)
    return Samples.of(torch.from_numpy(inputs).float(), torch.from_numpy(given), K)


def call(name, **settings):
    return partial(method(name), **{**for_features(name), "epochs": 2, "batch": 31, **LATER.get(name, {}), **settings})


def ready(samples):
    """Standardised once, as for every head."""
    inputs = (samples.inputs - samples.mean) / samples.std
    return Samples(inputs, samples.labels, K, torch.zeros(WIDTH), torch.ones(WIDTH))


def swept(precision):
    return dict(
        zip(
            TOGETHER, together(ready(toy()), [call(name) for name in TOGETHER], SEEDS, precision=precision), strict=True
        )
    )


@pytest.fixture(scope="module")
def exact():
    return swept("float32")


@pytest.mark.parametrize("name", TOGETHER)
def test_each_head_is_the_one_that_trains_alone(exact, name):
    samples, made = ready(toy()), exact[name]
    heads = made.nets[0].apart()
    assert not torch.equal(heads[0].head.weight, heads[1].head.weight), "every seed has its own order"
    for i, (seed, net) in enumerate(zip(SEEDS, heads, strict=True)):
        alone = call(name)(samples, network("linear", images=False, width=WIDTH), Session(N, seed=seed))
        assert alone.nets[0].head.weight.abs().max() > 0.01
        torch.testing.assert_close(net.head.weight, alone.nets[0].head.weight, rtol=0, atol=ROUNDING)
        torch.testing.assert_close(net.head.bias, alone.nets[0].head.bias, rtol=0, atol=ROUNDING)
        if alone.p_wrong is not None:
            np.testing.assert_allclose(made.p_wrong.reshape(len(SEEDS), N)[i], alone.p_wrong, atol=ROUNDING)


@pytest.mark.parametrize("name", TOGETHER)
def test_rounded_products_make_nearly_the_same_heads(exact, name):
    rounded, samples = swept("bfloat16")[name], ready(toy())
    for head, other in zip(exact[name].nets[0].apart(), rounded.nets[0].apart(), strict=True):
        assert not torch.equal(head.head.weight, other.head.weight)
        torch.testing.assert_close(
            head.head.weight, other.head.weight, rtol=0, atol=0.02 * head.head.weight.abs().max().item()
        )
        assert (head(samples.inputs).argmax(1) == other(samples.inputs).argmax(1)).float().mean() > 0.98


def test_the_told_loss_is_the_mean_over_seeds():
    told = []
    together(ready(toy()), [call("gce")], SEEDS, lambda *news: told.append(news[0]), precision="float32")
    alone = [Session(N, seed=seed) for seed in SEEDS]
    for session in alone:
        call("gce")(ready(toy()), network("linear", images=False, width=WIDTH), session)
    means = np.mean([[epoch["loss"] for epoch in session.history] for session in alone], axis=0)
    assert told == [f"train: loss {mean:.3g}" for mean in means]


def test_a_shorter_method_stops_while_the_others_go_on():
    samples, names = ready(toy()), ("standard", "gce", "elr")
    for epochs in ((3, 1, 2), (1, 3, 2)):
        made = together(
            samples, [call(n, epochs=e) for n, e in zip(names, epochs, strict=True)], SEEDS[:2], precision="float32"
        )
        for name, many, trained in zip(names, epochs, made, strict=True):
            alone = call(name, epochs=many)(
                samples, network("linear", images=False, width=WIDTH), Session(N, seed=SEEDS[1])
            )
            torch.testing.assert_close(
                trained.nets[0].apart()[1].head.weight, alone.nets[0].head.weight, rtol=0, atol=ROUNDING
            )


def by_adam(samples, network, session):
    net = network(samples.classes)
    optimiser = torch.optim.Adam(net.parameters())
    for _ in session.epochs(1, net=net, optimiser=optimiser):
        for rows in samples.batches(31, session.generator):
            session.step(
                cross_entropy(net(samples.weak(rows, session.generator)), samples.given(rows)).mean(), optimiser
            )


def test_what_does_not_treat_examples_alone_is_refused():
    for name in ("mixup", "m-dyr-h"):
        with pytest.raises((AttributeError, TypeError)):
            together(ready(toy()), [call("standard"), call(name)], SEEDS)
    with pytest.raises(ValueError, match="one size"):
        together(ready(toy()), [call("standard"), call("gce", batch=62)], SEEDS)
    with pytest.raises(ValueError, match="alone"):
        together(ready(toy()), [call("standard"), by_adam], SEEDS)


def test_a_loss_that_is_not_finite_is_told():
    with pytest.raises(UserError, match="finite"):
        together(ready(toy()), [call("standard"), call("gce", lr=float("nan"))], SEEDS)


def test_progress_is_that_of_the_longest():
    told = []
    together(ready(toy()), [call("standard", epochs=3), call("gce")], SEEDS, lambda *news: told.append(news[1:]))
    assert told == [(1, 3), (2, 3), (3, 3)]
