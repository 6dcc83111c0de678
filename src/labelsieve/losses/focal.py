"""Focal loss, L = -(1 - p_y)^gamma ln p_y: more weight on improbable labels, which is harmful if labels are wrong.

Paper: Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 4. Here as the baseline of the
    Blurry-loss papers.
Numbers: gamma = 2, the value of both papers; gamma = 0 is cross-entropy.
Cost: one log-softmax.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelsieve.losses.softmax import log_p_y


def focal(logits: Tensor, target: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,)."""
    log_p = log_p_y(logits, target)
    # 1 - p by expm1, and kept off zero: a fractional power has no derivative there.
    rest = -torch.expm1(log_p)
    return -(rest.clamp(min=torch.finfo(rest.dtype).tiny) ** gamma) * log_p


class Focal(nn.Module):
    """The batch mean of `focal`."""

    def __init__(self, gamma: float = 2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return focal(logits, target, gamma=self.gamma).mean()
