"""The numbers that papers and authors' code state for images, and those that depend on the classes or on the length of
a run."""

from inspect import signature

import numpy as np
import pytest
import torch
from torch import nn

import labelsieve.methods.dividemix as dividemix_module
import labelsieve.methods.m_dyr as m_dyr_module
import labelsieve.methods.o2u as o2u_module
import labelsieve.methods.promix as promix_module
from labelsieve.engine.samples import Samples
from labelsieve.methods import METHODS, method
from labelsieve.methods.co_teaching import smallest
from labelsieve.methods.dividemix import chosen_lambda, dividemix
from labelsieve.methods.m_dyr import m_dyr_h, m_dyr_s, md_dyr_sh
from labelsieve.methods.o2u import o2u
from labelsieve.methods.promix import promix

USUAL = {"epochs": 200, "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "batch": 128}  # of ResNets on small images
M_DYR = {**USUAL, "epochs": 300, "weight_decay": 1e-4, "reg": 1.0}
NUMBERS = {
    "standard": USUAL,
    "mixup": USUAL,
    "gce": {**USUAL, "q": 0.7},
    "blurry": USUAL,
    "piecewise-zero": USUAL,
    "m-dyr-h": M_DYR,
    "m-dyr-s": M_DYR,
    "md-dyr-sh": M_DYR,
    "o2u": {"epochs": 249, "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "batch": 128, "small": 16, "cycle": 10},
    "co-teaching": {"epochs": 200, "lr": 1e-3, "batch": 128, "ramp": 10, "decay": 0.4},
    "dividemix": {"epochs": 300, "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4, "batch": 64, "warmup": 10}
    | {"threshold": 0.5, "temp": 0.5, "alpha": 4.0},
    "elr": {
        "epochs": 150,
        "lr": 0.02,
        "momentum": 0.9,
        "weight_decay": 1e-3,
        "batch": 128,
        "cycle": 10,
        "lowest": 1e-3,
    },
    "promix": {"epochs": 600, "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "batch": 256}
    | {"lambda_u": 0.1, "temp": 0.5, "fill": 0.9},
}
N = 40


def network(k):
    return nn.Linear(5, k)


class Split(nn.Module):
    """With features and head, as ProMix wants it."""

    def __init__(self, k):
        super().__init__()
        self.body, self.head = nn.Linear(5, 4), nn.Linear(4, k)

    def features(self, x):
        return torch.tanh(self.body(x))

    def forward(self, x):
        return self.head(self.features(x))


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_the_published_numbers(name):
    own = {key: p.default for key, p in signature(method(name)).parameters.items()}
    assert {key: own[key] for key in NUMBERS[name]} == NUMBERS[name]


@pytest.fixture
def passing(spy, monkeypatch):
    """A session that passes through some epochs of a long run only."""

    def make(n, *epochs):
        session = spy(n)
        monkeypatch.setattr(session, "epochs", lambda total, *_, **__: iter(e for e in epochs if e < total))
        return session

    return make


@pytest.mark.parametrize(
    ("classes", "epochs", "chosen"),
    [
        (50, 600, {"tau": 0.99, "alpha": 0.8, "warmup": 10}),
        (51, 600, {"tau": 0.95, "alpha": 0.5, "warmup": 30}),
        (3, 30, {"tau": 0.99, "alpha": 0.8, "warmup": 5}),
        (3, 2, {"tau": 0.99, "alpha": 0.8, "warmup": 1}),
    ],
)
def test_promix_goes_by_the_classes_and_warms_up_for_a_sixth_of_a_short_run(classes, epochs, chosen, passing):
    samples = Samples.of(torch.randn(N, 5), torch.arange(N) % classes, classes)
    settings = promix(samples, Split, passing(N), epochs=epochs, noise=0.2).settings
    assert {key: settings[key] for key in chosen} == chosen


@pytest.mark.parametrize(
    ("n", "memory"), [(256 * 195, 0.9999), (256 * 3000, 0.9999), (256, 1 - 11.7 / 600), (2560, 1 - 1.17 / 600)]
)
def test_promix_remembers_the_classes_for_a_twelfth_of_the_run(n, memory, passing):
    samples = Samples.of(torch.randn(n, 5), torch.arange(n) % 3, 3)
    assert promix(samples, Split, passing(n), noise=0.2).settings["memory"] == pytest.approx(memory)


@pytest.mark.parametrize(("challenge", "epochs", "late"), [(False, 600, 350), (True, 420, 270)])
def test_promix_at_its_published_length(challenge, epochs, late, blobs, passing, monkeypatch):
    samples, _ = blobs(N)
    seen, original = [], promix_module.batch_loss
    monkeypatch.setattr(promix_module, "batch_loss", lambda *a, **k: (seen.append(k), original(*a, **k))[1])
    when = (10, 25, 49, 50, 99, 100, late - 1, late, epochs - 1)
    promix(samples, Split, passing(N, *when), epochs=epochs, batch=N, noise=0.2, challenge=challenge)
    assert [k["ramp"] for k in seen] == pytest.approx([0.2, 0.5, 0.98, 1, 1, 1, 1, 1, 1])
    assert [k["weight"] for k in seen] == pytest.approx([0.01, 0.025, 0.049, 0.05, 0.099, 0, 0, 0, 0])
    assert [k["fill"] for k in seen] == [0] * 7 + [0.9] * 2
    assert {k["alpha"] for k in seen} == {0.0 if challenge else 0.8}


@pytest.mark.parametrize(("epochs", "warmup"), [(300, 10), (12, 4), (2, 1)])
def test_dividemix_warms_up_for_no_more_than_a_third_of_the_run(epochs, warmup, blobs, passing):
    assert dividemix(blobs(N)[0], network, passing(N), epochs=epochs, noise=0.2).settings["warmup"] == warmup


def test_lambda_u_changes_above_30_and_from_80_per_cent_and_above_50_classes():
    assert [chosen_lambda(noise, 50) for noise in (0.3, 0.31, 0.79, 0.8)] == [0, 25, 25, 50]
    assert [chosen_lambda(noise, 51) for noise in (0.3, 0.31)] == [25, 150]


@pytest.mark.parametrize(("noise", "averaged"), [(0.79, False), (0.81, True)])
def test_dividemix_averages_five_epochs_of_losses_where_80_per_cent_are_wrong(noise, averaged, blobs, spy, monkeypatch):
    seen, original = [], dividemix_module.right_labels
    monkeypatch.setattr(
        dividemix_module, "right_labels", lambda z, **k: (seen.append((len(z), k["averaged"])), original(z, **k))[1]
    )
    dividemix(blobs(N)[0], network, spy(N), epochs=2, warmup=1, lr=0.1, batch=N, noise=noise)
    assert set(seen) == {(5, averaged)}


@pytest.mark.parametrize("name", ["m-dyr-h", "m-dyr-s", "md-dyr-sh", "dividemix"])
@pytest.mark.parametrize(("noise", "doubted"), [(0.024, False), (0.026, True)])
def test_below_a_fortieth_no_label_is_doubted(name, noise, doubted, blobs, spy):
    more = {"warmup": 1} if name == "dividemix" else {"start": 0.35}
    trained = method(name)(blobs(200)[0], network, spy(200), epochs=4, lr=0.1, batch=50, noise=noise, **more)
    assert (trained.p_wrong > 0).any() == doubted


def test_md_dyr_sh_mixes_for_five_epochs_before_it_bootstraps_ever_harder(blobs, passing, monkeypatch):
    samples, _ = blobs(N)
    told = []
    for name in ("dynamic_mixup", "soft_to_hard"):
        original = getattr(m_dyr_module, name)
        monkeypatch.setattr(
            m_dyr_module,
            name,
            lambda *a, f=original, n=name, **k: (told.append((n, k.get("temperature"))), f(*a, **k))[1],
        )
    when = (104, 105, 109, 110, 154, 198, 299)
    md_dyr_sh(samples, network, passing(N, *when), start=0.35, batch=N, lr=0.01, noise=0.3)
    assert [name for name, _ in told] == ["dynamic_mixup"] * 2 + ["soft_to_hard"] * 4, "104 is static mixup"
    assert [t for _, t in told[2:]] == pytest.approx([1, 0.5005, 0.001, 0.001])


@pytest.mark.parametrize("m_dyr", [m_dyr_h, m_dyr_s, md_dyr_sh])
def test_the_weights_of_dynamic_bootstrapping_stay_a_ten_thousandth_from_certainty(m_dyr, blobs, spy, monkeypatch):
    seen, original = [], m_dyr_module.p_wrong
    monkeypatch.setattr(m_dyr_module, "p_wrong", lambda *a: (seen.append(original(*a)), seen[-1])[1])
    m_dyr(blobs(400, spread=6.0)[0], network, spy(400), epochs=12, lr=0.3, start=0.35, batch=100, noise=0.3)
    w = torch.cat(seen)
    assert w.min().item() == pytest.approx(1e-4) and w.max().item() == pytest.approx(1 - 1e-4)


def test_co_teaching_keeps_as_many_as_the_share_says():
    assert len(smallest(torch.arange(10.0), 0.8)) == 2  # as a float 0.2 * 10 is a hair less
    assert [len(smallest(torch.arange(100.0), share / 100)) for share in range(100)] == list(range(100, 0, -1))


def test_o2u_removes_only_what_loses_more_than_a_coin(blobs, spy, monkeypatch):
    """By hand: 17 examples lose 0.1, one 0.65, two 0.75; on average ln 2 = 0.693 is the least that is removed."""
    losses = np.full((4, 20), 0.1)
    losses[:, :3] = [0.65, 0.75, 0.75]
    told = iter(torch.from_numpy(losses))
    monkeypatch.setattr(o2u_module, "_fit", lambda *_, clip=0, **__: torch.zeros(20) if clip == 0 else next(told))
    trained = o2u(blobs(20)[0], network, spy(20), epochs=4)
    np.testing.assert_array_equal(trained.p_wrong, np.isin(np.arange(20), (1, 2)))


def test_the_average_loss_of_o2u_goes_over_its_epochs(blobs, spy, monkeypatch):
    """As above, but with one example a hair above ln 2 in each of two epochs: a smaller average would keep it."""
    losses = np.full((2, 20), 0.1)
    losses[:, :3] = np.log(2) + 0.01
    told = iter(torch.from_numpy(losses))
    monkeypatch.setattr(o2u_module, "_fit", lambda *_, clip=0, **__: torch.zeros(20) if clip == 0 else next(told))
    assert o2u(blobs(20)[0], network, spy(20), epochs=2).p_wrong.sum() == 3
