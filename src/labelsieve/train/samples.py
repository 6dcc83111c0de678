"""What a training method sees of a data set: inputs and given labels, resident on the device. No ids, no true labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from labelsieve.train import augment


@dataclass(frozen=True, eq=False)
class Samples:
    """n examples in K classes.

    Attributes:
        inputs: images uint8 (n, C, H, W), or features float32 (n, d).
        labels: (n,) int64 given labels.
        classes: K.
        mean, std: (C, 1, 1) or (d,) float32, what inputs are normalised with.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    classes: int
    mean: torch.Tensor
    std: torch.Tensor

    @classmethod
    def of(cls, inputs: torch.Tensor, labels: torch.Tensor, classes: int) -> Samples:
        """Samples whose mean and standard deviation are their own, channel by channel or feature by feature."""
        images = inputs.ndim == 4
        over = (0, 2, 3) if images else (0,)
        some = inputs[:: max(1, len(inputs) // 10_000)].float()
        if images:
            some /= 255
        shape = (-1, 1, 1) if images else (-1,)
        return cls(inputs, labels, classes, some.mean(over).view(shape), some.std(over).clamp_min(1e-6).view(shape))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def are_images(self) -> bool:
        return self.inputs.ndim == 4

    def to(self, device: torch.device) -> Samples:
        return replace(self, **{name: getattr(self, name).to(device) for name in ("inputs", "labels", "mean", "std")})

    def take(self, rows: torch.Tensor) -> Samples:
        """The examples at `rows` (m,); normalised as before."""
        return replace(self, inputs=self.inputs[rows], labels=self.labels[rows])

    def batches(self, size: int, generator: torch.Generator, *, drop_last: bool = False) -> Iterator[torch.Tensor]:
        """Positions of one epoch's shuffled batches, (b,) int64 on the device. A last batch of one is left out: batch
        normalisation cannot take it. `drop_last` leaves out any incomplete last batch, unless it is the only one."""
        n = len(self)
        order = torch.randperm(n, generator=generator).to(self.labels.device)
        for start in range(0, n, size):
            rows = order[start : start + size]
            if start == 0 or len(rows) == size or (len(rows) > 1 and not drop_last):
                yield rows

    def plain(self, rows: torch.Tensor) -> torch.Tensor:
        """Normalised inputs as they are."""
        return self._normalised(self._floats(rows))

    def weak(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Images: random crop and flip. Features: as they are."""
        x = self._floats(rows)
        return self._normalised(augment.crop_and_flip(x, generator) if self.are_images else x)

    def strong(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Images: three random operations and a cutout, then crop and flip (RandAugment as in ProMix). Features: some dropped."""
        x = self._floats(rows)
        if self.are_images:
            return self._normalised(augment.crop_and_flip(augment.distort(x, generator), generator))
        return augment.drop(self._normalised(x), generator)

    def _floats(self, rows: torch.Tensor) -> torch.Tensor:
        x = self.inputs[rows].float()
        return x / 255 if self.are_images else x

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - self.mean) / self.std
        return x.contiguous(memory_format=torch.channels_last) if self.are_images else x


@torch.inference_mode()
def logits(network: torch.nn.Module, samples: Samples, *, size: int = 1024) -> torch.Tensor:
    """(n, K) float32 of the plain inputs, in evaluation mode; the mode before is restored."""
    was = network.training
    network.eval()
    device = samples.labels.device
    rows = torch.arange(len(samples), device=device).split(size)
    from labelsieve.train.device import autocast

    with autocast(device):
        out = torch.cat([network(samples.plain(part)).float() for part in rows])
    network.train(was)
    return out
