"""The small network by hand."""

import torch
from torch.nn import functional as F

from labelsieve.networks import network


def test_halving_before_the_relu_is_halving_after_it():
    torch.manual_seed(0)
    net, x = network("small-cnn", images=True, width=3)(4).eval(), torch.randn(2, 3, 28, 28)
    conv = [m for m in net.body if isinstance(m, torch.nn.Conv2d)]
    norm = [m for m in net.body if isinstance(m, torch.nn.BatchNorm2d)]
    y = x
    for i in range(3):
        y = F.relu(norm[i](conv[i](y)))
        y = F.max_pool2d(y, 2) if i < 2 else y
    assert torch.equal(net.features(x), y.mean((2, 3)))
