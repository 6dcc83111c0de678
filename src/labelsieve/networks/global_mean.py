"""The mean over all positions of a feature map, the last step of our convolutional networks."""

from __future__ import annotations

import torch


def global_mean(x: torch.Tensor) -> torch.Tensor:
    """(b, C) from (b, C, H, W). The gradient of mean((2, 3)) has its positions innermost in memory; if the maps have
    their channels there, the layers before would mix two memory layouts."""
    if x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)
    return x.mean((2, 3))
