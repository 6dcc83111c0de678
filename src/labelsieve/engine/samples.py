"""The data that a training method sees: inputs and given labels on the device. No ids, no true labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch

from labelsieve.engine import augment
from labelsieve.engine.device import has_room, layout

LARGE = 2 << 30  # bytes
SAMPLED = 30_000_000  # values from which mean and standard deviation are computed
AHEAD = 4  # batches, and threads that read them


@dataclass(frozen=True, eq=False)
class Samples:
    """n examples in K classes.

    Attributes:
        inputs: images uint8 (n, C, H, W), or features float32 (n, d). Images beyond LARGE bytes may be mapped from a
            file: they are never copied as a whole, stay on the CPU if the device has no room, and are read ahead, batch
                by batch, by threads.
        labels: (n,) int64 given labels, on the device.
        classes: K.
        mean, std: (C, 1, 1) or (d,) float32, the normalisation of inputs.
        at: (n,) the rows of `inputs` that belong to the samples, on their device; None means all.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    classes: int
    mean: torch.Tensor
    std: torch.Tensor
    at: torch.Tensor | None = None

    @classmethod
    def of(cls, inputs: torch.Tensor, labels: torch.Tensor, classes: int) -> Samples:
        """Samples normalised by their own mean and standard deviation, per channel or feature."""
        images = inputs.ndim == 4
        over = (0, 2, 3) if images else (0,)
        few = max(1, min(10_000, SAMPLED // max(1, inputs[:1].numel())))
        some = inputs[:: max(1, len(inputs) // few)].float()
        if images:
            some /= 255
        shape = (-1, 1, 1) if images else (-1,)
        return cls(inputs, labels, classes, some.mean(over).view(shape), some.std(over).clamp_min(1e-6).view(shape))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def are_images(self) -> bool:
        return self.inputs.ndim == 4

    @property
    def are_large(self) -> bool:
        return self.inputs.nbytes > LARGE

    def to(self, device: torch.device) -> Samples:
        moved = replace(self, **{name: getattr(self, name).to(device) for name in ("labels", "mean", "std")})
        if not has_room(device, self.inputs.nbytes):
            return moved
        return replace(moved, inputs=self.inputs.to(device), at=None if self.at is None else self.at.to(device))

    def take(self, rows: torch.Tensor) -> Samples:
        """The examples at `rows` (m,), with the same normalisation."""
        if self.are_large or self.inputs.device != self.labels.device:
            return replace(self, labels=self.labels[rows], at=self._place(rows))
        return replace(self, inputs=self.inputs[rows], labels=self.labels[rows])

    def batches(self, size: int, generator: torch.Generator, *, drop_last: bool = False) -> Iterator[torch.Tensor]:
        """Positions of one epoch's shuffled batches, (b,) int64 on the device. A last batch of one example is left out,
        because batch normalisation cannot use it. `drop_last` drops any incomplete last batch, unless it is the only
        one."""
        n = len(self)
        order = torch.randperm(n, generator=generator).to(self.labels.device)
        batches = [b for b in order.split(size) if len(b) == size or (len(b) > 1 and not drop_last)] or [order]
        yield from self._read_ahead(batches) if self.are_large and self.inputs.device.type == "cpu" else batches

    def given(self, rows: torch.Tensor) -> torch.Tensor:
        """Given labels (b,)."""
        return self.labels[rows]

    def plain(self, rows: torch.Tensor) -> torch.Tensor:
        """Normalised inputs without augmentation."""
        return self._normalised(self._raw(rows))

    def weak(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Images: random crop and flip. Features: unchanged."""
        x = self._raw(rows)
        return self._normalised(augment.crop_and_flip(x, generator) if self.are_images else x)

    def strong(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Images: three random operations, a cutout, crop and flip (RandAugment as in ProMix). Features: some
        dropped."""
        x = self._raw(rows)
        if not self.are_images:
            return augment.drop(self._normalised(x), generator)
        return self._normalised(augment.crop_and_flip(augment.distort(x.float().div_(255), generator), generator))

    def _place(self, rows: torch.Tensor) -> torch.Tensor:
        rows = rows.to(self.inputs.device)
        return rows if self.at is None else self.at[rows]

    def _raw(self, rows: torch.Tensor) -> torch.Tensor:
        return self.inputs[self._place(rows)].to(self.labels.device, non_blocking=True)

    def _read_ahead(self, batches: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The batches, while threads read the pages of the next ones into memory."""
        with ThreadPoolExecutor(AHEAD) as pool:
            for i, rows in enumerate(batches):
                for later in batches[i + AHEAD : i + AHEAD + 1] if i else batches[1 : AHEAD + 1]:
                    pool.submit(self.inputs.__getitem__, self._place(later).sort().values)
                yield rows

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        """Images (b, C, H, W), from bytes or [0, 1], in the memory layout of the device; or features (b, d)."""
        if not self.are_images:
            return (x - self.mean) / self.std
        scale = (1 / 255 if x.dtype == torch.uint8 else 1) / self.std
        x = x.permute(0, 2, 3, 1).float() * scale.flatten() - (self.mean / self.std).flatten()
        # flattened for grey images too, which `channels_last` would leave as they are
        x = x.flatten().view(x.shape).permute(0, 3, 1, 2)
        return x.contiguous(memory_format=layout(x.device))


def logits(network: torch.nn.Module, samples: Samples, *, size: int = 256) -> torch.Tensor:
    """Logits (n, K) float32 of the plain inputs, in evaluation mode; the network's mode is restored."""
    return outputs(network, samples, network, size=size)


@torch.inference_mode()
def outputs(
    network: torch.nn.Module, samples: Samples, part: Callable[[torch.Tensor], torch.Tensor], *, size: int = 256
) -> torch.Tensor:
    """Outputs (n, ...) float32 of `part` of the network, or of the network itself, for the plain inputs; as
    `logits`."""
    was_training = network.training
    network.eval()
    device = samples.labels.device
    rows = torch.arange(len(samples), device=device).split(size)
    out = torch.cat([part(samples.plain(own)).float() for own in rows])
    network.train(was_training)
    return out
