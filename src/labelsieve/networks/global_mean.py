"""The mean over all places of a map, with which our convolutional networks end."""

from __future__ import annotations

import torch


def global_mean(x: torch.Tensor) -> torch.Tensor:
    """(b, C) of (b, C, H, W). The gradient of mean((2, 3)) has its places innermost; where maps have their colours
    there, what comes before would stride through two layouts at once."""
    if x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)
    return x.mean((2, 3))
