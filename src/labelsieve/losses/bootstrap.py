"""Static bootstrapping: a fixed part of the target is the network's own prediction.

Paper: Reed et al., "Training deep neural networks on noisy labels with bootstrapping", ICLR workshop 2015.
    hard: beta CE(y) + (1 - beta) CE(argmax p)        soft: -sum_k (beta onehot(y)_k + (1 - beta) p_k) ln p_k
Without `guess` the soft form is differentiated as printed, prediction included: cross-entropy plus an entropy penalty.
`guess` are logits of another pass (unmixed batch, other network, softened by a temperature) and get no gradient. `beta`
may be a tensor (n,): with beta = 1 - w, the probability that the label is right, this is the dynamic form of Arazo et
al. 2019.
Numbers: beta = 0.8 hard, 0.95 soft, the paper's.
Cost: one log-softmax, two with `guess`.
"""

from __future__ import annotations

from torch import Tensor, nn

from labelsieve.losses.cross_entropy import cross_entropy
from labelsieve.losses.softmax import log_probabilities


def bootstrap_hard(
    logits: Tensor, target: Tensor, *, beta: float | Tensor = 0.8, guess: Tensor | None = None
) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,) and the class predicted by `guess` (n, K), or by the logits
    themselves."""
    predicted = (logits if guess is None else guess).argmax(-1)
    return beta * cross_entropy(logits, target) + (1 - beta) * cross_entropy(logits, predicted)


def bootstrap_soft(
    logits: Tensor, target: Tensor, *, beta: float | Tensor = 0.95, guess: Tensor | None = None
) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,) and the probabilities of `guess` (n, K), or of the logits
    themselves."""
    predicted = log_probabilities(logits if guess is None else guess.detach()).exp()
    return beta * cross_entropy(logits, target) + (1 - beta) * cross_entropy(logits, predicted)


class BootstrapHard(nn.Module):
    """The batch mean of `bootstrap_hard`."""

    def __init__(self, beta: float = 0.8):
        super().__init__()
        self.beta = beta

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return bootstrap_hard(logits, target, beta=self.beta).mean()


class BootstrapSoft(nn.Module):
    """The batch mean of `bootstrap_soft`."""

    def __init__(self, beta: float = 0.95):
        super().__init__()
        self.beta = beta

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return bootstrap_soft(logits, target, beta=self.beta).mean()
