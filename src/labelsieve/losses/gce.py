"""Generalised cross-entropy, L_q = (1 - p_y^q) / q: between cross-entropy (q -> 0) and the mean absolute error (q = 1).

Paper: Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels", NeurIPS
    2018.
Good at: random noise with few classes. Bad at: many classes, where its gradient p_y^q times that of cross-entropy
    under-fits.
Numbers: q = 0.7 and k = 0.5, the paper's.
Differs: the paper decides every ten epochs which examples are truncated and keeps the decision in between. `kept` takes
    such a decision, which `above` makes; without it, every step decides. (The code in circulation takes it from the
    epoch that is best on the test set, which leaks test labels.)
Cost: one log-softmax.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from labelsieve.core.loss_defaults import Q
from labelsieve.losses.softmax import log_p_y


def gce(logits: Tensor, target: Tensor, *, q: float = Q) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,); q = 0 is cross-entropy."""
    log_p = log_p_y(logits, target)
    return -torch.expm1(q * log_p) / q if q > 0 else -log_p


def truncated_gce(
    logits: Tensor, target: Tensor, *, q: float = Q, k: float = 0.5, kept: Tensor | None = None
) -> Tensor:
    """Loss (n,): L_q(p_y) for the kept, the constant L_q(k) for the others; kept (n,) bool, by default p_y > k."""
    kept = above(logits, target, k=k) if kept is None else kept
    ceiling = -math.expm1(q * _log(k)) / q if q > 0 else -_log(k)
    return gce(logits, target, q=q).where(kept, ceiling)


def above(logits: Tensor, target: Tensor, *, k: float = 0.5) -> Tensor:
    """(n,) bool: examples with p_y > k."""
    return log_p_y(logits.detach(), target) > _log(k)


def _log(k: float) -> float:
    return math.log(k) if k > 0 else -math.inf


class GCE(nn.Module):
    """The batch mean of `gce`."""

    def __init__(self, q: float = Q):
        super().__init__()
        self.q = q

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return gce(logits, target, q=self.q).mean()
