"""Loss correction with a noise transition matrix T, T[c, j] = P(given label j | true label c).

Paper: Patrini et al., "Making deep neural networks robust to label noise: a loss correction approach", CVPR 2017, theorems 1 and 2.
    forward:  -ln (T' p)_y         the network predicts true labels, the loss sees them through the noise
    backward: (T^-1 (-ln p))_y     its mean over the given labels is the cross-entropy with the true one; it can be negative
Good at: class-dependent noise whose T is known or well estimated. Bad at: a wrong T; backward also at a T that is nearly singular,
    whose inverse multiplies the variance.
Cost: forward one log-sum-exp over (n, K); backward one K x K inverse and a product (n, K).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelsieve.core.errors import UserError
from labelsieve.losses.softmax import log_probabilities, require_one_each


def forward_correction(logits: Tensor, target: Tensor, transition: Tensor) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,); transition (K, K), rows sum to 1."""
    require_one_each(logits, target)
    log_p = log_probabilities(logits)
    to_y = transition.to(log_p).log().T[target.long()]  # (n, K): ln T[c, y] for every true class c
    return -torch.logsumexp(log_p + to_y, dim=-1)


def backward_correction(logits: Tensor, target: Tensor, transition: Tensor) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,); transition (K, K) must have an inverse."""
    require_one_each(logits, target)
    losses = -log_probabilities(logits)
    inverse = torch.linalg.inv_ex(transition.to(losses)).inverse  # inv_ex: no wait for the device
    return (inverse[target.long()] * losses).sum(-1)


class ForwardCorrection(nn.Module):
    """The batch mean of `forward_correction`."""

    transition: Tensor

    def __init__(self, transition: Tensor):
        super().__init__()
        self.register_buffer("transition", _checked(transition))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return forward_correction(logits, target, self.transition).mean()


class BackwardCorrection(nn.Module):
    """The batch mean of `backward_correction`."""

    transition: Tensor

    def __init__(self, transition: Tensor):
        super().__init__()
        self.register_buffer("transition", _checked(transition))
        if not torch.linalg.cond(self.transition) < 1e6:
            raise UserError("The transition matrix has no usable inverse (two classes are confused alike); take forward correction.")

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return backward_correction(logits, target, self.transition).mean()


def _checked(transition: Tensor) -> Tensor:
    matrix = torch.as_tensor(transition, dtype=torch.float64)
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UserError(f"A transition matrix is (K, K); this one is {tuple(matrix.shape)}.")
    if not ((matrix >= 0).all() and torch.allclose(matrix.sum(1), torch.ones_like(matrix[0]), atol=1e-4)):
        raise UserError("A transition matrix holds chances: no entry below 0, and every row (a true class) sums to 1.")
    if not (matrix.sum(0) > 0).all():
        raise UserError("A column of the transition matrix is 0: no true class would ever give that label.")
    return matrix
