"""ProMix's debiased margin loss and pseudo-labels: a running estimate of the class distribution shifts the logits.

Paper: Xiao et al., "ProMix: combating label noise via maximizing clean sample utility", IJCAI 2023; signs of the code:
    loss          cross-entropy on z + alpha ln pi       rare classes must win by a larger margin
    pseudo-label  softmax(z - alpha ln pi)               frequent classes are held back
    pi            m pi + (1 - m) mean softmax(z)         plain predictions of a part of the batch; an empty part changes
                                                         nothing
At test time logits are used unchanged. A uniform pi makes the loss plain cross-entropy.
Numbers (code): alpha = 0.8 with 10 classes, 0.5 with 100; temperature 0.5; m = 0.9999, a time constant of 10,000 steps,
    so that short runs need a smaller m.
Cost: one log-softmax and K numbers of state for each pi.
"""

from __future__ import annotations

from torch import Tensor

from labelsieve.losses.cross_entropy import cross_entropy
from labelsieve.losses.softmax import log_probabilities


def debiased_margin(logits: Tensor, target: Tensor, prior: Tensor, *, alpha: float = 0.8) -> Tensor:
    """Loss (n,) of logits (n, K) against positions (n,) or probabilities (n, K); prior (K,) is positive."""
    return cross_entropy(logits + alpha * prior.log(), target)


def debiased_probabilities(logits: Tensor, prior: Tensor, *, alpha: float = 0.8) -> Tensor:
    """Pseudo-label (n, K) of logits (n, K), without gradient."""
    return log_probabilities(logits.detach() - alpha * prior.log()).exp()


def sharpen(probabilities: Tensor, temperature: float = 0.5) -> Tensor:
    """P^(1/T), normalised; probabilities (n, K), each row with a positive entry."""
    # scaled, because the power of small numbers must not vanish in all classes at once
    scaled = probabilities / probabilities.amax(-1, keepdim=True)
    power = scaled ** (1 / temperature)
    return power / power.sum(-1, keepdim=True)


def update_prior(prior: Tensor, logits: Tensor, *, momentum: float = 0.9999) -> Tensor:
    """The next prior (K,) after logits (n, K); n may be 0."""
    if not len(logits):
        return prior
    return momentum * prior + (1 - momentum) * log_probabilities(logits.detach()).exp().mean(0).to(prior.dtype)
