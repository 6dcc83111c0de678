"""ResNet-18 and ResNet-34 for small images.

Paper: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, table 1, basic blocks.
Differs: the stem is one 3x3 convolution without pooling, as usual on 32 px, because the first two halvings would leave
    8 px of 32.
Cost: ResNet-18 0.56, ResNet-34 1.16 billion multiplications per image of 32 px; 11.2 and 21.3 million weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from labelsieve.networks.global_mean import global_mean


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut around them."""

    def __init__(self, width: int, out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        same = stride == 1 and width == out
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """Four stages of `blocks` basic blocks at widths 64, 128, 256, 512."""

    def __init__(self, classes: int, channels: int, blocks: Sequence[int]):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        stages, width = [], 64
        for stage, count in enumerate(blocks):
            for i in range(count):
                stages.append(BasicBlock(width, 64 << stage, 2 if stage and i == 0 else 1))
                width = 64 << stage
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(width, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, 512) from images (b, C, H, W)."""
        return global_mean(self.stages(self.stem(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def resnet18(classes: int, channels: int) -> ResNet:
    return ResNet(classes, channels, (2, 2, 2, 2))


def resnet34(classes: int, channels: int) -> ResNet:
    return ResNet(classes, channels, (3, 4, 6, 3))
