"""Symmetric cross-entropy, L = alpha CE + beta RCE: the reverse part, with label and prediction swapped, resists noise.

Paper: Wang et al., "Symmetric cross entropy for robust learning with noisy labels", ICCV 2019. RCE = -sum_k p_k log y_k
with log 0 := A, which is -A (1 - p_y).
Numbers: alpha = 0.1, beta = 1 (paper, CIFAR-10; 6 and 0.1 for CIFAR-100), A = -4 as in the paper. The released code
    clips labels at 1e-4 instead, that is A = -9.21: its beta = 1 is a beta of 2.3 here. Slow convergence: larger alpha;
    much noise: smaller.
Cost: one log-softmax.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelsieve.losses.softmax import log_p_y


def reverse_cross_entropy(logits: Tensor, target: Tensor, *, a: float = -4.0) -> Tensor:
    """Loss (n,) -A (1 - p_y) of logits (n, K) against positions (n,)."""
    return a * torch.expm1(log_p_y(logits, target))


def sce(logits: Tensor, target: Tensor, *, alpha: float = 0.1, beta: float = 1.0, a: float = -4.0) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,)."""
    log_p = log_p_y(logits, target)
    return -alpha * log_p + beta * a * torch.expm1(log_p)


class SCE(nn.Module):
    """The batch mean of `sce`."""

    def __init__(self, alpha: float = 0.1, beta: float = 1.0, a: float = -4.0):
        super().__init__()
        self.alpha, self.beta, self.a = alpha, beta, a

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return sce(logits, target, alpha=self.alpha, beta=self.beta, a=self.a).mean()
