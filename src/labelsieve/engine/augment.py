"""Augmentation of a whole batch on the device: crop and flip, RandAugment-style distortion, cutout, dropped
features."""

from __future__ import annotations

import torch

from labelsieve.engine.image_operations import OPERATIONS


def crop_and_flip(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Images (b, C, H, W), shifted by up to an eighth of the side over a black border, half of them mirrored."""
    b, _, height, width = x.shape
    pad = max(1, height // 8)
    top = torch.randint(0, 2 * pad + 1, (b, 1), generator=generator).to(x.device) + torch.arange(
        height, device=x.device
    )
    left = torch.randint(0, 2 * pad + 1, (b, 1), generator=generator).to(x.device) + torch.arange(
        width, device=x.device
    )
    mirrored = (torch.rand(b, 1, generator=generator) < 0.5).to(x.device)
    left = torch.where(mirrored, left.flip(1), left)
    padded = torch.nn.functional.pad(x, (pad, pad, pad, pad))
    rows = torch.arange(b, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[rows, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)


def distort(x: torch.Tensor, generator: torch.Generator, *, times: int = 3) -> torch.Tensor:
    """Images (b, C, H, W) in [0, 1] after `times` random operations (with replacement, of uniform strength) and a
    cutout."""
    for _ in range(times):
        which = torch.randint(len(OPERATIONS), (len(x),), generator=generator)
        strength = torch.rand(len(x), generator=generator)
        order = which.argsort(stable=True)
        count = which.bincount(minlength=len(OPERATIONS)).tolist()
        rows, strength = order.to(x.device), strength[order].to(x.device)
        parts = zip(OPERATIONS, x[rows].split(count), strength.split(count), strict=True)
        x = torch.empty_like(x).index_copy_(
            0, rows, torch.cat([operation(part, u) for operation, part, u in parts if len(part)])
        )
    return cutout(x, generator)


def cutout(x: torch.Tensor, generator: torch.Generator, *, largest: float = 0.5) -> torch.Tensor:
    """Images (b, C, H, W), each with a grey square anywhere, whose side is up to `largest` of the image's side."""
    b, _, height, width = x.shape
    side, down, across = torch.rand(3, b, 1, generator=generator).to(x.device)
    half = largest / 2 * side * min(height, width)
    rows = (torch.arange(height, device=x.device) + 0.5 - down * height).abs() < half
    columns = (torch.arange(width, device=x.device) + 0.5 - across * width).abs() < half
    return x.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.5)


def drop(x: torch.Tensor, generator: torch.Generator, *, share: float = 0.2) -> torch.Tensor:
    """Features (b, d) with a random share set to zero and the rest scaled up."""
    kept = (torch.rand(x.shape, generator=generator) >= share).to(x.device)
    return x * kept / (1 - share)
