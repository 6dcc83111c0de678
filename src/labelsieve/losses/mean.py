"""The mean of per-sample losses over a part of the batch that may be empty."""

from __future__ import annotations

from torch import Tensor


def mean_over(loss: Tensor, chosen: Tensor) -> Tensor:
    """Sum over the chosen / max(their number, 1); loss (n,), chosen (n,) bool or weights. 0, not NaN, if none is
    chosen."""
    chosen = chosen.to(loss.dtype)
    return (loss * chosen).sum() / chosen.sum().clamp(min=1)
