"""Batch normalisation after short runs."""

import numpy as np
import torch
from torch import nn

from labelsieve.engine.batch_statistics import STEPS, settle
from labelsieve.engine.samples import Samples


def test_statistics_become_those_of_the_inputs_after_a_short_run_only():
    rng = np.random.default_rng(0)
    samples = Samples.of(
        torch.from_numpy(rng.normal(3, 2, (258, 4)).astype(np.float32)), torch.zeros(258, dtype=torch.int64), 2
    )
    x = samples.plain(torch.arange(258))
    net, long = (nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)).eval() for _ in range(2))
    settle([net], samples, steps=STEPS - 1)
    settle([long], samples, steps=STEPS)
    torch.testing.assert_close(net[1].running_mean, net[0](x).mean(0).detach(), atol=1e-2, rtol=0)
    torch.testing.assert_close(net[1].running_var, net[0](x).var(0).detach(), rtol=2e-2, atol=0)
    assert (long[1].running_mean == 0).all() and not net.training and net[1].momentum == 0.1


def test_frozen_statistics_stay():
    class Frozen(nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            self[1].eval()
            return self

    net, samples = (
        Frozen(nn.Linear(4, 5), nn.BatchNorm1d(5)),
        Samples.of(torch.randn(10, 4), torch.zeros(10, dtype=torch.int64), 2),
    )
    net[1].running_mean.fill_(3)
    settle([net], samples, steps=1)
    assert (net[1].running_mean == 3).all()


def test_networks_without_batch_normalisation_stay_as_they_are():
    net, samples = nn.Linear(4, 2), Samples.of(torch.randn(10, 4), torch.zeros(10, dtype=torch.int64), 2)
    before = net.weight.clone()
    settle([net], samples, steps=1)
    assert torch.equal(net.weight, before)


def test_a_run_is_short_below_a_hundred_steps():
    samples = Samples.of(torch.randn(30, 4) + 5, torch.zeros(30, dtype=torch.int64), 2)
    for steps, short in ((99.9, True), (100, False)):
        net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)).eval()
        settle([net], samples, steps=steps)
        assert bool((net[1].running_mean != 0).any()) == short


def test_one_example_has_no_statistics():
    samples = Samples.of(torch.randn(1, 4), torch.zeros(1, dtype=torch.int64), 2)
    net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)).eval()
    settle([net], samples, steps=1)
    assert (net[1].running_mean == 0).all() and not net.training
