"""Piecewise-zero loss, L = -ln p_y if p_y >= c, else 0: labels that look too improbable are ignored.

Paper: Pellegrino, Szczecina, Fieguth, arXiv 2511.16512 (2025). It is truncated GCE in the limit q -> 0 with k = c,
    decided at every step.
Needs: some epochs of cross-entropy first. With c > 1/K nothing is learnt at the start, and an example below c returns
    only if others raise its p_y; a rare class can vanish as a whole, so watch `surviving` per class.
Numbers: c = 0.05, a working value that appears in the authors' plots (`core.loss_defaults` says which c is used where,
    and why); c = 0 is cross-entropy. The mean is over all examples, also the zeroed ones.
Cost: one log-softmax and one softmax.
"""

from __future__ import annotations

from torch import Tensor, nn

from labelsieve.core.loss_defaults import C
from labelsieve.losses.softmax import log_p_y, p_y


def piecewise_zero(logits: Tensor, target: Tensor, *, c: float = C) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,)."""
    return -log_p_y(logits, target).masked_fill(~surviving(logits, target, c=c), 0.0)


def surviving(logits: Tensor, target: Tensor, *, c: float = C) -> Tensor:
    """(n,) bool: examples with p_y >= c."""
    return p_y(logits.detach(), target) >= c  # p_y = c counts, also if all logits are equal


class PiecewiseZero(nn.Module):
    """The batch mean of `piecewise_zero`."""

    def __init__(self, c: float = C):
        super().__init__()
        self.c = c

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return piecewise_zero(logits, target, c=self.c).mean()
