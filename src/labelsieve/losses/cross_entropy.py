"""Cross-entropy, L = -ln p_y: the loss that fits every label, wrong ones too, if it is given time.

Targets are positions (n,) or probabilities (n, K), as mixup, bootstrapping and pseudo-labels make them.
Cost: one log-softmax.
"""

from __future__ import annotations

from torch import Tensor, nn

from labelsieve.losses.softmax import log_p_y, log_probabilities


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Loss (n,) of logits (n, K) against target, positions (n,) or probabilities (n, K)."""
    if target.dim() == logits.dim():
        if target.shape != logits.shape:
            raise ValueError(
                f"Probabilities of the classes are (n, K) as the logits are; got {tuple(target.shape)}, {tuple(logits.shape)}."
            )
        return -(target * log_probabilities(logits)).sum(-1)
    return -log_p_y(logits, target)


class CrossEntropy(nn.Module):
    """The batch mean of `cross_entropy`."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(logits, target).mean()
