"""Heads for features of unit variance: a linear head, and a head with a hidden layer.

Both divide by the square root of the width before a layer, so that a learning rate has the same effect for 64 and 2048
features. The last layer starts at zero: every class is equally likely.
Cost: d K multiplications per example; with a hidden layer of h units (d + K) h.
"""

from __future__ import annotations

import torch
from torch import nn

HIDDEN = 512


class Linear(nn.Module):
    def __init__(self, classes: int, width: int):
        super().__init__()
        self.scale = width**-0.5
        self.head = _zero(nn.Linear(width, classes))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, d) from features (b, d)."""
        return x * self.scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


class OneHidden(nn.Module):
    def __init__(self, classes: int, width: int, hidden: int = HIDDEN):
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        nn.init.uniform_(self.hidden.weight, -1, 1)
        self.narrow, self.scale = width**-0.5, hidden**-0.5
        self.head = _zero(nn.Linear(hidden, classes))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, hidden) from features (b, d)."""
        return torch.relu(self.hidden(x * self.narrow)) * self.scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def linear(classes: int, width: int) -> Linear:
    return Linear(classes, width)


def mlp(classes: int, width: int) -> OneHidden:
    return OneHidden(classes, width)


def _zero(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
