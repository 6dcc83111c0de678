"""The learning rate of every epoch, where a method's own tests do not look at it."""

import numpy as np
import pytest
from torch import nn

from labelsieve.methods import method

N, LR = 40, 0.04


def cosine(epochs, lowest=0.0):
    return lowest + (LR - lowest) * (1 + np.cos(np.pi * np.arange(epochs) / epochs)) / 2


RATES = {
    "standard": cosine(10),
    "mixup": cosine(10),
    "gce": cosine(10),
    "m-dyr-h": LR
    * np.repeat(
        [1, 0.1, 0.01], [99, 150, 51]
    ),  # the paper's 300 epochs: it falls in epochs 100 and 250, counted from 1
    "dividemix": np.repeat(LR * np.repeat([1, 0.1], [5, 5]), 2),
    "promix": cosine(10, LR / 1000),
}


@pytest.mark.parametrize("name", RATES)
def test_rate_of_every_epoch(name, blobs, spy):
    samples, _ = blobs(N)
    session, rates = spy(N), RATES[name]
    more = {
        "m-dyr-h": {"start": 0.35, "noise": 0.3},
        "dividemix": {"noise": 0.0},
        "promix": {"challenge": True, "noise": 0.3},
    }.get(name, {})
    epochs = len(rates) // (2 if name == "dividemix" else 1)  # its two networks step one after the other
    method(name)(samples, lambda k: nn.Linear(5, k), session, epochs=epochs, lr=LR, batch=N, **more)
    np.testing.assert_allclose([step.rate for step in session.steps], rates, rtol=1e-6)
