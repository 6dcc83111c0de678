"""Blurry loss, L = -p_y^gamma ln p_y: backs off from labels that look improbable to the network.

Paper: Pellegrino, Szczecina, Fieguth, "Hard samples, bad labels: robust loss functions that know when to back off",
    arXiv 2511.16512.
Two readings, because the authors' revisions differ and the printed formula does not say which derivative is meant:
    `blurry`           differentiates the formula as printed: gradient p^gamma (1 + gamma ln p) (p - onehot). It is
                       negative below the turning point p* = exp(-1/gamma): such examples are pushed away from their
                       label.
    `blurry_detached`  keeps the factor p^gamma constant: gradient p^gamma (p - onehot), exactly that of GCE with
                       q = gamma.
Needs: some epochs of cross-entropy first. At the start p_y is about 1/K, so the printed form un-learns from the first
    step if gamma > 1 / ln K (0.43 for K = 10, 0.22 for K = 100); `turning_point` gives the limit.
Numbers: gamma = 0.5, a working value that appears in the authors' plots (`core.loss_defaults` says which gamma is used
    where, and why); gamma = 0 is cross-entropy.
Cost: one log-softmax.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from labelsieve.core.loss_defaults import GAMMA
from labelsieve.losses.softmax import log_p_y


def blurry(logits: Tensor, target: Tensor, *, gamma: float = GAMMA) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,), the formula as printed."""
    log_p = log_p_y(logits, target)
    return -(gamma * log_p).exp() * log_p


def blurry_detached(logits: Tensor, target: Tensor, *, gamma: float = GAMMA) -> Tensor:
    """The same value with a constant factor p_y^gamma; its gradient is that of `gce` with q = gamma."""
    log_p = log_p_y(logits, target)
    return -(gamma * log_p.detach()).exp() * log_p


def turning_point(gamma: float) -> float:
    """The p_y below which `blurry` pushes away from the label; the loss has its maximum there."""
    return math.exp(-1 / gamma) if gamma > 0 else 0.0


class Blurry(nn.Module):
    """The batch mean of `blurry`."""

    def __init__(self, gamma: float = GAMMA):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return blurry(logits, target, gamma=self.gamma).mean()
