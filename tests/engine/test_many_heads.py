"""Heads that train together are those that train alone, where both multiply in the same precision."""

from functools import partial

import numpy as np
import pytest
import torch

from labelsieve.core.errors import UserError
from labelsieve.engine.many_heads import together
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.methods import TOGETHER, all_for_features, for_features, head_recipe, method
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


def recipe(name, samples, seeds=SEEDS, **settings):
    own = {**all_for_features(name), "epochs": 2, **LATER.get(name, {}), **settings}
    return head_recipe(name)(samples, len(seeds), own)


def swept(precision):
    samples = ready(toy())
    made = together(samples, [recipe(name, samples) for name in TOGETHER], SEEDS, batch=31, precision=precision)
    return dict(zip(TOGETHER, made, strict=True))


@pytest.fixture(scope="module")
def exact():
    return swept("float32")


@pytest.mark.parametrize("name", TOGETHER)
def test_each_head_is_the_one_that_trains_alone(exact, name):
    samples, heads = ready(toy()), exact[name]
    assert not torch.equal(heads[0].head.weight, heads[1].head.weight), "every seed has its own order"
    for seed, net in zip(SEEDS, heads, strict=True):
        alone = call(name)(samples, network("linear", images=False, width=WIDTH), Session(N, seed=seed))
        assert alone.nets[0].head.weight.abs().max() > 0.01
        torch.testing.assert_close(net.head.weight, alone.nets[0].head.weight, rtol=0, atol=ROUNDING)
        torch.testing.assert_close(net.head.bias, alone.nets[0].head.bias, rtol=0, atol=ROUNDING)


@torch.no_grad()
@pytest.mark.parametrize("name", TOGETHER)
def test_rounded_products_make_nearly_the_same_heads(exact, name):
    rounded, samples = swept("bfloat16")[name], ready(toy())
    for head, other in zip(exact[name], rounded, strict=True):
        assert not torch.equal(head.head.weight, other.head.weight)
        torch.testing.assert_close(
            head.head.weight, other.head.weight, rtol=0, atol=0.02 * head.head.weight.abs().max().item()
        )
        assert (head(samples.inputs).argmax(1) == other(samples.inputs).argmax(1)).float().mean() > 0.98


def test_a_shorter_method_stops_while_the_others_go_on():
    samples, names = ready(toy()), ("standard", "gce", "elr")
    for epochs in ((3, 1, 2), (1, 3, 2)):
        recipes = [recipe(name, samples, SEEDS[:2], epochs=many) for name, many in zip(names, epochs, strict=True)]
        made = together(samples, recipes, SEEDS[:2], batch=31, precision="float32")
        for name, many, heads in zip(names, epochs, made, strict=True):
            session = Session(N, seed=SEEDS[1])
            alone = call(name, epochs=many)(samples, network("linear", images=False, width=WIDTH), session)
            torch.testing.assert_close(heads[1].head.weight, alone.nets[0].head.weight, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(("lr", "momentum", "weight_decay"), [(3.0, 0.5, 1e-2), (0.1, 0.0, 0.0)])
def test_momentum_and_decay_are_those_of_torch(lr, momentum, weight_decay):
    own = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "epochs": 4}
    samples = ready(toy())
    [heads] = together(samples, [recipe("standard", samples, [5], **own)], [5], batch=31, precision="float32")
    alone = call("standard", **own)(samples, network("linear", images=False, width=WIDTH), Session(N, seed=5)).nets[0]
    torch.testing.assert_close(heads[0].head.weight, alone.head.weight, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(heads[0].head.bias, alone.head.bias, rtol=0, atol=ROUNDING)


def test_many_classes_lie_the_other_way_and_learn_the_same():
    labels = np.arange(N) % 40
    inputs = np.random.default_rng(0).normal(0, 1, (40, WIDTH))[labels] + np.random.default_rng(1).normal(
        0, 1, (N, WIDTH)
    )
    samples = Samples(
        torch.from_numpy(inputs).float(), torch.from_numpy(labels), 40, torch.zeros(WIDTH), torch.ones(WIDTH)
    )
    made = together(samples, [recipe(n, samples) for n in ("gce", "elr")], SEEDS, batch=31, precision="float32")
    for name, heads in zip(("gce", "elr"), made, strict=True):
        alone = call(name)(samples, network("linear", images=False, width=WIDTH), Session(N, seed=SEEDS[2]))
        torch.testing.assert_close(heads[2].head.weight, alone.nets[0].head.weight, rtol=0, atol=ROUNDING)


def test_a_loss_that_is_not_finite_is_told():
    samples = ready(toy())
    with pytest.raises(UserError, match="no longer a finite number in epoch 1"):
        together(samples, [recipe("standard", samples), recipe("gce", samples, lr=float("nan"))], SEEDS, batch=31)


def test_progress_is_that_of_the_longest():
    told, samples = [], ready(toy())
    recipes = [recipe("standard", samples, epochs=3), recipe("gce", samples)]
    together(samples, recipes, SEEDS, batch=31, progress=lambda *news: told.append(news))
    assert told == [("train", 1, 3), ("train", 2, 3), ("train", 3, 3)]
