"""Loss correction with a noise transition matrix T, T[c, j] = P(given label j | true label c).

Paper: Patrini et al., "Making deep neural networks robust to label noise: a loss correction approach", CVPR 2017,
    theorems 1 and 2.
    forward:  -ln (T' p)_y         the network predicts true labels, the loss adds the noise to the prediction
    backward: (T^-1 (-ln p))_y     its mean over the given labels is the cross-entropy with the true label; it can be
                                   negative
Good at: class-dependent noise whose T is known or well estimated. Bad at: a wrong T; backward also at a T that is
    nearly singular, whose inverse multiplies the variance.
Cost: forward one log-sum-exp over (n, K); backward one K x K inverse and a product (n, K).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelsieve.core.errors import UserError
from labelsieve.losses.softmax import log_probabilities, require_one_each

MOST = 1e6  # largest condition number (in the 1-norm) of a matrix whose inverse is usable


def forward_correction(logits: Tensor, target: Tensor, transition: Tensor) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,); transition (K, K), rows sum to 1.

    Raises:
        UserError: logits and target differ in number, or the matrix is not a transition matrix.
    """
    _checked(transition, logits)
    return _forward(logits, target, transition)


def backward_correction(logits: Tensor, target: Tensor, transition: Tensor) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,); transition (K, K) must have an inverse.

    Raises:
        UserError: logits and target differ in number, or the matrix is not a transition matrix or has no usable
            inverse.
    """
    _checked(transition, logits)
    return _backward(logits, target, _inverse(transition))


def _forward(logits: Tensor, target: Tensor, transition: Tensor) -> Tensor:
    require_one_each(logits, target)
    log_p = log_probabilities(logits)
    to_y = transition.to(log_p).log().T[target.long()]  # (n, K): ln T[c, y] for every true class c
    return -torch.logsumexp(log_p + to_y, dim=-1)


def _backward(logits: Tensor, target: Tensor, inverse: Tensor) -> Tensor:
    require_one_each(logits, target)
    losses = -log_probabilities(logits)
    return (inverse.to(losses)[target.long()] * losses).sum(-1)


class ForwardCorrection(nn.Module):
    """The batch mean of `forward_correction`."""

    transition: Tensor

    def __init__(self, transition: Tensor):
        super().__init__()
        self.register_buffer("transition", _checked(transition))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return _forward(logits, target, self.transition).mean()


class BackwardCorrection(nn.Module):
    """The batch mean of `backward_correction`."""

    transition: Tensor
    inverse: Tensor

    def __init__(self, transition: Tensor):
        super().__init__()
        self.register_buffer("transition", _checked(transition))
        self.register_buffer("inverse", _inverse(self.transition), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return _backward(logits, target, self.inverse).mean()


def _checked(transition: Tensor, logits: Tensor | None = None) -> Tensor:
    tensor = torch.as_tensor(transition)
    matrix = tensor.detach().to("cpu", torch.float64)
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UserError(f"A transition matrix has the shape (K, K); this one has {tuple(matrix.shape)}.")
    if logits is not None and logits.shape[-1] != len(matrix):
        raise UserError(
            f"The transition matrix is for {len(matrix)} classes, but the logits have the shape {tuple(logits.shape)}."
        )
    slack = 1e-4 if tensor.dtype not in (torch.float16, torch.bfloat16) else 1e-2
    if not ((matrix >= 0).all() and torch.allclose(matrix.sum(1), torch.ones_like(matrix[0]), atol=slack)):
        raise UserError(
            "A transition matrix holds probabilities: no entry is below 0, and every row (a true class) sums to 1."
        )
    if not (matrix.sum(0) > 0).all():
        raise UserError("A column of the transition matrix is 0: no true class would ever get that label.")
    return matrix


def _inverse(transition: Tensor) -> Tensor:
    """Return the inverse (K, K), in float64 if the device supports it.

    Raises:
        UserError: the condition number is above `MOST`.
    """
    matrix = transition.to(torch.float32 if transition.device.type == "mps" else torch.float64)
    inverse = torch.linalg.inv_ex(matrix).inverse
    condition = float(torch.linalg.matrix_norm(matrix.detach(), 1) * torch.linalg.matrix_norm(inverse.detach(), 1))
    condition = condition if condition == condition else float("inf")
    if not condition < MOST:
        distance = torch.cdist(matrix.detach(), matrix.detach(), 1.0).fill_diagonal_(torch.inf)
        one, other = divmod(int(distance.argmin()), len(matrix))
        raise UserError(
            f"The transition matrix has no usable inverse (condition number {condition:.2g}, limit {MOST:.0e}). Its "
            f"most similar rows are {one} and {other}, two true classes that get the same labels. Use forward "
            "correction."
        )
    return inverse
