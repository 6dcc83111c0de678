"""What every loss here starts from: log-softmax in float32 at least, and its value for the given label.

Half precision would lose p^gamma to underflow, and log(softmax(.)) is infinite where log_softmax is not; so losses see neither.
"""

from __future__ import annotations

import torch
from torch import Tensor


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-softmax (n, K); half precision is lifted to float32, float64 stays."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if logits.dim() == 2 and logits.stride(0) == 1:  # classes first in memory: over few of them several times faster that way
        return torch.log_softmax(logits.T, dim=0).T
    return torch.log_softmax(logits, dim=-1)


def log_p_y(logits: Tensor, target: Tensor) -> Tensor:
    """Log-probability (n,) of the given label; logits (n, K), target (n,) positions."""
    return log_probabilities(logits).gather(-1, target.long()[..., None])[..., 0]
