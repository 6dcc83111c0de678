"""Heads that train together are those that train alone.

In doubles, and with batches that no class can fill evenly: Adam makes a whole step of a gradient that is nothing but rounding.
"""

from functools import partial

import numpy as np
import pytest
import torch

from labelsieve.core.errors import UserError
from labelsieve.models import network
from labelsieve.robust import TOGETHER, for_features, method
from labelsieve.train.lockstep import together
from labelsieve.train.samples import Samples
from labelsieve.train.session import Session

N, K, WIDTH, SEEDS = 301, 4, 12, (0, 3, 8)
LATER = {"blurry": {"delay": 1}, "piecewise-zero": {"delay": 1}}  # so that the second epoch has the method's own loss


def toy(n=N):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % K
    inputs = rng.normal(0, 1, (K, WIDTH))[labels] + rng.normal(0, 1, (n, WIDTH))
    given = np.where(rng.random(n) < 0.3, rng.integers(0, K, n), labels)
    return Samples.of(torch.from_numpy(inputs), torch.from_numpy(given), K)


def call(name, **settings):
    return partial(method(name), **{**for_features(name), "epochs": 2, "batch": 31, **LATER.get(name, {}), **settings})


def ready(samples):
    """Standardised once, as for every head."""
    inputs = (samples.inputs - samples.mean) / samples.std
    return Samples(inputs, samples.labels, K, torch.zeros(WIDTH), torch.ones(WIDTH))


@pytest.fixture(scope="module", autouse=True)
def doubles():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def swept(doubles):
    return dict(zip(TOGETHER, together(ready(toy()), [call(name) for name in TOGETHER], SEEDS), strict=True))


@pytest.mark.parametrize("name", TOGETHER)
def test_each_head_is_the_one_that_trains_alone(swept, name):
    samples, made = ready(toy()), swept[name]
    heads = made.nets[0].apart()
    assert not torch.equal(heads[0].head.weight, heads[1].head.weight), "every seed has its own order"
    for i, (seed, net) in enumerate(zip(SEEDS, heads, strict=True)):
        alone = call(name)(samples, network("linear", images=False, width=WIDTH), Session(N, seed=seed))
        assert alone.nets[0].head.weight.abs().max() > 0.01
        torch.testing.assert_close(net.head.weight, alone.nets[0].head.weight, rtol=0, atol=1e-6)
        torch.testing.assert_close(net.head.bias, alone.nets[0].head.bias, rtol=0, atol=1e-6)
        if alone.p_wrong is not None:
            np.testing.assert_allclose(made.p_wrong.reshape(len(SEEDS), N)[i], alone.p_wrong, atol=1e-6)


def test_a_shorter_method_stops_while_the_others_go_on():
    samples = ready(toy())
    for epochs in ((3, 1, 2), (1, 3, 2)):
        made = together(samples, [call(n, epochs=e) for n, e in zip(("standard", "gce", "elr"), epochs, strict=True)], SEEDS[:2])
        for name, many, trained in zip(("standard", "gce", "elr"), epochs, made, strict=True):
            alone = call(name, epochs=many)(samples, network("linear", images=False, width=WIDTH), Session(N, seed=SEEDS[1]))
            torch.testing.assert_close(trained.nets[0].apart()[1].head.weight, alone.nets[0].head.weight, rtol=0, atol=1e-6)


def test_what_does_not_treat_examples_alone_is_refused():
    for name in ("mixup", "m-dyr-h"):
        with pytest.raises((AttributeError, TypeError)):
            together(ready(toy()), [call("standard"), call(name)], SEEDS)
    with pytest.raises(ValueError, match="one size"):
        together(ready(toy()), [call("standard"), call("gce", batch=62)], SEEDS)


def test_a_loss_that_is_not_finite_is_told():
    with pytest.raises(UserError, match="finite"):
        together(ready(toy()), [call("standard"), call("gce", lr=float("nan"))], SEEDS)


def test_progress_is_that_of_the_longest():
    told = []
    together(ready(toy()), [call("standard", epochs=3), call("gce")], SEEDS, lambda *news: told.append(news[1:]))
    assert told == [(1, 3), (2, 3), (3, 3)]
