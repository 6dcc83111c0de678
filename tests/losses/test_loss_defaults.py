"""gamma, c and q: each default stands in one place, and loss, module, weight, panel, method and network take it from
there."""

import inspect
import math
import re
from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls
from labelsieve import losses
from labelsieve.core import loss_defaults
from labelsieve.core.loss_defaults import GAMMA, C, Q, c_to_classify, delay_to_classify, gamma_to_classify
from labelsieve.methods.gce import gce as gce_method
from labelsieve.stats import loss_weights

SOURCE = Path(ls.__file__).parent
TAKERS = {
    "gamma": (GAMMA, [losses.blurry, losses.blurry_detached, losses.Blurry, loss_weights.blurry]),
    "c": (C, [losses.piecewise_zero, losses.PiecewiseZero, loss_weights.piecewise_zero]),
    "q": (Q, [losses.gce, losses.truncated_gce, losses.GCE, loss_weights.gce, gce_method]),
}


@pytest.mark.parametrize("name", TAKERS)
def test_every_door_has_the_one_default(name):
    value, takers = TAKERS[name]
    assert [inspect.signature(taker).parameters[name].default for taker in takers] == [value] * len(takers)


def test_no_second_number_stands_in_the_code():
    number = re.compile(r"\b(gamma|c|q): float(?: \| None)? = [0-9.]+")
    own = {"losses/focal.py"}  # another gamma
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if number.search(path.read_text("utf-8"))}
    assert found <= own, found


def test_the_rules_of_what_learns_to_classify():
    assert [gamma_to_classify(k) for k in (2, 10, 12)] == [0.2] * 3
    assert gamma_to_classify(100) == 0.5 / math.log(100)
    assert math.exp(-1 / gamma_to_classify(100)) == pytest.approx(1 / 100**2), "where Blurry begins to push away"
    assert [c_to_classify(k) for k in (2, 10, 100)] == [0.1, 0.1, 0.01]
    assert [c_to_classify(k, features=True) for k in (2, 100)] == [0.2, 0.02]
    assert [delay_to_classify(epochs) for epochs in (1, 10, 30)] == [1, 4, 12]
    assert (loss_defaults.GAMMA, loss_defaults.C, loss_defaults.Q) == (0.5, 0.05, 0.7)


@pytest.mark.parametrize(("method", "name", "value"), [("blurry", "gamma", 0.2), ("piecewise-zero", "c", 0.2)])
def test_training_says_what_it_took(method, name, value):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    model = ls.train(ls.load(x, labels=np.arange(60) % 3), method=method, epochs=5, noise=0.1)
    assert model.manifest["chosen"][name] == value and model.manifest["chosen"]["delay"] == 2
