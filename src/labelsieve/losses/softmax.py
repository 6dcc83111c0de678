"""The base of all losses: log-softmax in at least float32, and its value for the given label.

Half precision would lose p^gamma to underflow, and log(softmax(.)) is infinite where log_softmax is not; so losses use
neither.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-softmax (n, K); half precision becomes float32, float64 stays."""
    return _over_classes(torch.log_softmax, logits)


def probabilities(logits: Tensor) -> Tensor:
    """Softmax (n, K), in the same precision; equal logits give exactly 1/K, which exp(log-softmax) does not."""
    return _over_classes(torch.softmax, logits)


def _over_classes(softmax: Callable[[Tensor, int], Tensor], logits: Tensor) -> Tensor:
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if logits.dim() == 2 and logits.stride(0) == 1:  # classes first in memory: several times faster for few classes
        return softmax(logits.T, 0).T
    return softmax(logits, -1)


def require_one_each(logits: Tensor, target: Tensor) -> None:
    """Refuse a number of labels that differs from the number of rows, which `gather` would accept.

    Raises:
        ValueError: logits (..., K) and target (...) do not fit.
    """
    if target.shape != logits.shape[:-1]:
        raise ValueError(
            f"A loss takes logits (n, K) and target positions (n,); got {tuple(logits.shape)} and "
            f"{tuple(target.shape)}."
        )


def log_p_y(logits: Tensor, target: Tensor) -> Tensor:
    """Log-probability (n,) of the given label; logits (n, K), target (n,) positions."""
    require_one_each(logits, target)
    return log_probabilities(logits).gather(-1, target.long()[..., None])[..., 0]


def p_y(logits: Tensor, target: Tensor) -> Tensor:
    """Probability (n,) of the given label, from softmax: uniform logits give exactly 1/K."""
    require_one_each(logits, target)
    return probabilities(logits).gather(-1, target.long()[..., None])[..., 0]
