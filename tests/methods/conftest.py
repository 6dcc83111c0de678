"""Small blobs with wrong labels, and a session that keeps what every step saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session


@dataclass
class Step:
    loss: float
    gradients: list[torch.Tensor]
    weights: list[torch.Tensor]  # before the step
    rate: float


class Spy(Session):
    """A session whose `steps` hold loss, gradients and weights; `stop_after` epochs it fails, as a killed run does."""

    def __init__(self, n, *, stop_after=None, **settings):
        super().__init__(n, **settings)
        self.steps, self.stop_after = [], stop_after

    def step(self, loss, optimiser, *, clip=None):
        if self.stop_after is not None and len(self.history) >= self.stop_after:
            raise InterruptedError
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        weights, rate = [p.detach().clone() for p in parameters], optimiser.param_groups[0]["lr"]
        self.steps.append(Step(loss.item(), list(gradients), weights, rate))
        super().step(loss, optimiser, clip=clip)


def _blobs(n=60, k=3, d=5, noise=0.3, seed=0, spread=2.0):
    """Samples of k normal blobs, and which labels are wrong (n,)."""
    rng = np.random.default_rng(seed)
    centres = np.eye(k, d) * spread
    true = rng.integers(k, size=n)
    wrong = rng.random(n) < noise
    given = np.where(wrong, (true + rng.integers(1, k, n)) % k, true)
    inputs = (centres[true] + rng.normal(0, 0.5, (n, d))).astype(np.float32)
    return Samples.of(torch.from_numpy(inputs), torch.from_numpy(given), k), wrong


def _resumed(train, samples, folder, stop_after):
    """What `train(session)` gives in one go, and what it gives when it dies after `stop_after` epochs and starts
    again."""
    whole_session = Spy(len(samples))
    whole = train(whole_session)
    with pytest.raises(InterruptedError):
        train(Spy(len(samples), folder=folder, stop_after=stop_after))
    again_session = Spy(len(samples), folder=folder)
    again = train(again_session)
    assert len(again_session.steps) < len(whole_session.steps)
    return whole, again, whole_session, again_session


def _same(resumed, samples):
    whole, again, one, two = resumed
    assert torch.equal(whole.logits(samples), again.logits(samples))
    assert one.history == two.history
    assert np.array_equal(one.dynamics.loss, two.dynamics.loss, equal_nan=True)
    assert (whole.p_wrong is None) == (again.p_wrong is None)
    assert whole.p_wrong is None or np.array_equal(whole.p_wrong, again.p_wrong)
    assert whole.settings == again.settings


@pytest.fixture
def blobs():
    return _blobs


@pytest.fixture
def spy():
    return Spy


@pytest.fixture
def survives_a_kill(tmp_path):
    """Check that `train(session)` killed after some epochs goes on to the same numbers."""

    def check(train, samples, stop_after):
        _same(_resumed(train, samples, tmp_path, stop_after), samples)

    return check
