"""PreAct ResNet-18 for small images, the network of dynamic bootstrapping.

Paper: He, Zhang, Ren, Sun, "Identity mappings in deep residual networks", ECCV 2016: normalise and activate before each
convolution, once more after the last block.
Cost: as ResNet-18.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from labelsieve.networks.global_mean import global_mean


class PreActBlock(nn.Module):
    """Two 3x3 convolutions, each after its normalisation; if the shape changes, the shortcut starts after the first
    normalisation."""

    def __init__(self, width: int, out: int, stride: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.shortcut = None if stride == 1 and width == out else nn.Conv2d(width, out, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        active = F.relu(self.norm1(x))
        shortcut = x if self.shortcut is None else self.shortcut(active)
        return self.conv2(F.relu(self.norm2(self.conv1(active)))) + shortcut


class PreActResNet18(nn.Module):
    """Four stages of two blocks at widths 64, 128, 256, 512."""

    def __init__(self, classes: int, channels: int):
        super().__init__()
        self.stem = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
        widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
        blocks = [
            block
            for width, out, stride in widths
            for block in (PreActBlock(width, out, stride), PreActBlock(out, out, 1))
        ]
        self.stages = nn.Sequential(*blocks, nn.BatchNorm2d(512), nn.ReLU())
        self.head = nn.Linear(512, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, 512) from images (b, C, H, W)."""
        return global_mean(self.stages(self.stem(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def preact18(classes: int, channels: int) -> PreActResNet18:
    return PreActResNet18(classes, channels)
