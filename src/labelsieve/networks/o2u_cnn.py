"""The nine-layer convolutional network of O2U-Net and Co-teaching.

Papers: Huang et al., "O2U-Net", ICCV 2019; Han et al., "Co-teaching", NeurIPS 2018, table 3. Channels 128x3, 256x3,
512, 256, 128, batch normalisation, leaky ReLU 0.01, channel dropout 0.25 after the two max-pools, global mean. The last
three convolutions have no border.
Differs: images under 28 px keep the border in the last three convolutions, because nothing would be left otherwise.
Cost: 1.1 billion multiplications per image of 32 px; 4.4 million weights.
"""

from __future__ import annotations

import torch
from torch import nn

from labelsieve.networks.global_mean import global_mean


class O2UCNN(nn.Module):
    def __init__(self, classes: int, channels: int):
        super().__init__()
        widths = (channels, 128, 128, 128)
        first = [_convolution(a, b, 1) for a, b in zip(widths, widths[1:], strict=False)]
        second = [_convolution(a, 256, 1) for a in (128, 256, 256)]
        self.body = nn.Sequential(
            *first, nn.MaxPool2d(2), nn.Dropout2d(0.25), *second, nn.MaxPool2d(2), nn.Dropout2d(0.25)
        )
        self.last = nn.Sequential(*[_convolution(a, b, 0) for a, b in ((256, 512), (512, 256), (256, 128))])
        self.head = nn.Linear(128, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, 128) from images (b, C, H, W)."""
        x = self.body(x)
        if min(x.shape[2:]) < 7:
            x = nn.functional.pad(x, (3, 3, 3, 3))
        return global_mean(self.last(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def o2u_cnn(classes: int, channels: int) -> O2UCNN:
    return O2UCNN(classes, channels)


def _convolution(width: int, out: int, border: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, out, 3, 1, border, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.01))
