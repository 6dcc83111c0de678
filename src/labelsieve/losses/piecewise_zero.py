"""Piecewise-zero loss, L = -ln p_y if p_y >= c, else 0: labels that the network finds too improbable teach it nothing.

Paper: Pellegrino, Szczecina, Fieguth, arXiv 2511.16512 (2025). It is truncated GCE in the limit q -> 0 with k = c, judged at every step.
Needs: some epochs of cross-entropy first. With c > 1/K nothing is learnt from the start, and an example below c comes back only if
    others pull it; a rare class can vanish as a whole, so watch `surviving` by class.
Numbers: c = 0.05, a working value that appears in the authors' plots (`core.loss_defaults` says which c is used where, and
    why); c = 0 is cross-entropy. The mean goes over all examples, zeroed
    ones too.
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
    """Bool (n,): examples with p_y >= c."""
    return p_y(logits.detach(), target) >= c  # p_y = c counts, also where all logits are equal


class PiecewiseZero(nn.Module):
    """The batch mean of `piecewise_zero`."""

    def __init__(self, c: float = C):
        super().__init__()
        self.c = c

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return piecewise_zero(logits, target, c=self.c).mean()
