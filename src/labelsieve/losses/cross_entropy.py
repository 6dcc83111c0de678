"""Cross-entropy, L = -ln p_y: given enough time, it fits every label, also wrong ones.

Targets are positions (n,) or probabilities (n, K), as from mixup, bootstrapping and pseudo-labels.
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
                f"Target probabilities must have the shape of the logits, {tuple(logits.shape)}; got "
                f"{tuple(target.shape)}."
            )
        return -(target * log_probabilities(logits)).sum(-1)
    return -log_p_y(logits, target)


class CrossEntropy(nn.Module):
    """The batch mean of `cross_entropy`."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(logits, target).mean()
