"""Early-learning regularisation: the network is pulled towards its predictions from before it began to memorise.

Paper: Liu et al., "Early-learning regularization prevents memorization of noisy labels", NeurIPS 2020.
    memory  t_i <- beta t_i + (1 - beta) p_i / sum p_i           loss  CE + strength * ln(1 - <t_i, p_i>)
p is kept within [1e-4, 1 - 1e-4]; the memory starts at 0, gets no gradient and needs the position of every example.
Numbers (paper): symmetric CIFAR-10 beta = 0.7, strength = 3; asymmetric CIFAR-10 0.9 and 1; CIFAR-100 0.9 and 7. The
    strength is the sensitive parameter. After training, argmax t_i != y_i marks suspicious labels.
Cost: N K floats of memory.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelsieve.losses.cross_entropy import cross_entropy
from labelsieve.losses.softmax import probabilities

EDGE = 1e-4  # keeps <t, p> below 1, so that the logarithm is finite


def remember(memory: Tensor, index: Tensor, logits: Tensor, *, beta: float = 0.7) -> Tensor:
    """Update the rows `index` (n,) of the memory (N, K) in place with the predictions of logits (n, K); return these
    rows (n, K)."""
    return remember_probabilities(memory, index, probabilities(logits.detach()), beta=beta)


def remember_probabilities(memory: Tensor, index: Tensor, p: Tensor, *, beta: float = 0.7) -> Tensor:
    """As `remember`, with probabilities p (n, K)."""
    p = p.clamp(EDGE, 1 - EDGE).to(memory.dtype)
    now = torch.lerp(memory.index_select(0, index), p / p.sum(-1, keepdim=True), 1 - beta)
    memory.index_copy_(0, index, now)
    return now


def elr_regulariser(logits: Tensor, remembered: Tensor) -> Tensor:
    """Ln(1 - <t, p>) (n,), at most 0; logits and remembered targets (n, K)."""
    p = probabilities(logits).clamp(EDGE, 1 - EDGE)
    return torch.log1p(-(p * remembered).sum(-1))


def elr_pull(p: Tensor, remembered: Tensor) -> Tensor:
    """The gradient of `elr_regulariser` with respect to the logits (n, K), from probabilities and remembered targets
    (n, K)."""
    within = p.clamp(EDGE, 1 - EDGE)
    agreeing = within * remembered
    towards = agreeing.masked_fill(p != within, 0) / (agreeing.sum(-1, keepdim=True) - 1)  # with respect to ln p
    return torch.addcmul(towards, p, towards.sum(-1, keepdim=True), value=-1)


def elr(logits: Tensor, target: Tensor, remembered: Tensor, *, strength: float = 3.0) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,) and their remembered targets (n, K)."""
    return cross_entropy(logits, target) + strength * elr_regulariser(logits, remembered)


class ELR(nn.Module):
    """Holds the memory (N, K) as a buffer; a call in training mode updates it, then returns the batch mean of `elr`."""

    memory: Tensor

    def __init__(self, n: int, n_classes: int, beta: float = 0.7, strength: float = 3.0):
        super().__init__()
        self.beta, self.strength = beta, strength
        self.register_buffer("memory", torch.zeros(n, n_classes))

    def forward(self, logits: Tensor, target: Tensor, index: Tensor) -> Tensor:
        if self.training:
            remember(self.memory, index, logits, beta=self.beta)
        return elr(logits, target, self.memory[index], strength=self.strength).mean()
