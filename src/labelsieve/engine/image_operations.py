"""Fourteen ways to distort images, each for a batch on the device, with one strength per image.

Source: Cubuk et al., "RandAugment", CVPR 2020, in the set and the ranges of ProMix (Xiao et al., IJCAI 2023):
autocontrast, brightness, colour, contrast, equalise, identity, posterise to 4 to 8 bits, rotate by up to 30 degrees,
sharpness, shear by up to 0.3, solarise, shift by up to 0.3 of the side; brightness, colour, contrast and sharpness keep
0.05 to 0.95 of the image. Every operation takes images (b, C, H, W) of values 0 to 1 and strengths (b,) uniform in [0,
1), and follows Pillow's arithmetic, geometry with the nearest pixel and black outside, but does not round to 1/255.
Cost: a few passes over the batch; equalise sorts its pixels into 256 bins.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

GREY = (0.299, 0.587, 0.114)  # ITU-R 601


def autocontrast(x: Tensor, u: Tensor) -> Tensor:
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).clamp_min(1 / 255), x)


def brightness(x: Tensor, u: Tensor) -> Tensor:
    return x * _kept(u)


def colour(x: Tensor, u: Tensor) -> Tensor:
    return _between(_grey(x), x, u)


def contrast(x: Tensor, u: Tensor) -> Tensor:
    return _between(_grey(x).mean((1, 2, 3), keepdim=True), x, u)


def equalise(x: Tensor, u: Tensor) -> Tensor:
    """Each channel's grey values mapped so that all are about equally frequent."""
    b, c, height, width = x.shape
    pixel = (x * 255).round().long().view(b, c, -1)
    count = torch.zeros(b, c, 256, dtype=torch.long, device=x.device).scatter_add_(2, pixel, torch.ones_like(pixel))
    last = count.gather(2, pixel.amax(2, keepdim=True))
    step = (height * width - last) // 255
    table = ((step // 2 + count.cumsum(2) - count) // step.clamp_min(1)).clamp_max(255)
    return torch.where((step > 0)[..., None], table.gather(2, pixel).view_as(x) / 255, x)


def identity(x: Tensor, u: Tensor) -> Tensor:
    return x


def posterise(x: Tensor, u: Tensor) -> Tensor:
    bin = 2.0 ** (4 - (5 * u).floor())[:, None, None, None]  # 8 bits leave 1 grey value per bin, 4 bits leave 16
    return ((x * 255).round() / bin).floor() * bin / 255


def rotate(x: Tensor, u: Tensor) -> Tensor:
    angle = math.radians(30) * (1 - 2 * u)
    cos, sin = angle.cos(), angle.sin()
    middle_x, middle_y = x.shape[3] / 2, x.shape[2] / 2
    across = torch.stack([cos, sin, middle_x - cos * middle_x - sin * middle_y], 1)
    down = torch.stack([-sin, cos, middle_y + sin * middle_x - cos * middle_y], 1)
    return _moved(x, across, down)


def sharpness(x: Tensor, u: Tensor) -> Tensor:
    smooth = x.clone()
    smooth[:, :, 1:-1, 1:-1] = (9 * F.avg_pool2d(x, 3, 1) + 4 * x[:, :, 1:-1, 1:-1]) / 13
    return _between(smooth, x, u)


def shear_x(x: Tensor, u: Tensor) -> Tensor:
    return _moved(x, _row(1, _signed(u), 0), _row(0, 1, u * 0))


def shear_y(x: Tensor, u: Tensor) -> Tensor:
    return _moved(x, _row(1, 0, u * 0), _row(_signed(u), 1, 0))


def solarise(x: Tensor, u: Tensor) -> Tensor:
    return torch.where(x < u[:, None, None, None], x, 1 - x)


def translate_x(x: Tensor, u: Tensor) -> Tensor:
    return _moved(x, _row(1, 0, _signed(u) * x.shape[3]), _row(0, 1, u * 0))


def translate_y(x: Tensor, u: Tensor) -> Tensor:
    return _moved(x, _row(1, 0, u * 0), _row(0, 1, _signed(u) * x.shape[2]))


OPERATIONS = (
    autocontrast,
    brightness,
    colour,
    contrast,
    equalise,
    identity,
    posterise,
    rotate,
    sharpness,
    shear_x,
    shear_y,
    solarise,
    translate_x,
    translate_y,
)


def _kept(u: Tensor) -> Tensor:
    return (0.05 + 0.9 * u)[:, None, None, None]


def _between(less: Tensor, x: Tensor, u: Tensor) -> Tensor:
    return less + (x - less) * _kept(u)


def _grey(x: Tensor) -> Tensor:
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return (x * x.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)


def _signed(u: Tensor) -> Tensor:
    return 0.3 * (2 * u - 1)


def _row(*values: Tensor | float) -> Tensor:
    """(b, 3) from numbers and (b,) tensors."""
    b = next(v for v in values if isinstance(v, Tensor))
    return torch.stack([v if isinstance(v, Tensor) else torch.full_like(b, v) for v in values], 1)


def _moved(x: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """The pixel at (column, row) comes from column across . (column, row, 1) and row down . (column, row, 1); both (b,
    3)."""
    b, c, height, width = x.shape
    column = torch.arange(width, device=x.device, dtype=x.dtype) + 0.5
    row = torch.arange(height, device=x.device, dtype=x.dtype)[:, None] + 0.5
    a, d = across[:, :, None, None], down[:, :, None, None]
    from_column = (a[:, 0] * column + a[:, 1] * row + a[:, 2]).floor().long()
    from_row = (d[:, 0] * column + d[:, 1] * row + d[:, 2]).floor().long()
    inside = (from_column >= 0) & (from_column < width) & (from_row >= 0) & (from_row < height)
    place = (from_row * width + from_column).where(inside, 0).view(b, 1, -1).expand(b, c, -1)
    return x.reshape(b, c, -1).gather(2, place).view(b, c, height, width) * inside[:, None]
