"""The reference for the times of train.py: a plain loop over a DataLoader that augments one image at a time.

It crops, flips and normalises each image.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from labelsieve.engine.device import autocast


class Plain(torch.utils.data.Dataset):
    """Images uint8 (n, C, H, W) and labels (n,): crop, flip, normalise, as torchvision's transforms do."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.mean, self.std = (
            torch.tensor((0.4914, 0.4822, 0.4465)).view(3, 1, 1),
            torch.tensor((0.2023, 0.1994, 0.2010)).view(3, 1, 1),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        height, width = self.images.shape[2:]
        image = F.pad(self.images[i], (4, 4, 4, 4))
        top, left, flip = torch.randint(0, 9, (2,)).tolist() + [torch.rand(()).item() < 0.5]
        image = image[:, top : top + height, left : left + width].float() / 255
        return ((image.flip(2) if flip else image) - self.mean) / self.std, self.labels[i]


def plain_epochs(
    images: np.ndarray,
    labels: np.ndarray,
    make: Callable[[int], nn.Module],
    device: torch.device,
    *,
    workers: int,
    epochs: int = 3,
) -> list[float]:
    """Seconds of each epoch: batches of 128, SGD, the precision of `autocast`."""
    pinned = device.type == "cuda"
    data = Plain(images, labels)
    loader = torch.utils.data.DataLoader(
        data, 128, shuffle=True, num_workers=workers, persistent_workers=workers > 0, pin_memory=pinned
    )
    net = make(int(labels.max()) + 1)
    optimiser = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=5e-4)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for x, y in loader:
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            with autocast(device):
                loss = F.cross_entropy(net(x.contiguous(memory_format=torch.channels_last)), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        if pinned:
            torch.cuda.synchronize()
        seconds += [time.perf_counter() - start]
    return seconds
