"""Arrays to `Samples`: pixels stay bytes and are normalised per batch, features are standardised once.

A feature column without spread carries no information and becomes zero; values are cut at ten standard deviations. If
no feature is negative, as from most networks, the square root is taken first, which shortens their long tails (power
normalisation, Perronnin et al., "Improving the Fisher kernel for large-scale image classification", ECCV 2010).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from labelsieve.core.errors import UserError
from labelsieve.engine.samples import Samples
from labelsieve.engine.standardise import CUT

_ROWS = 4096


class Scale(NamedTuple):
    """The normalisation of inputs: mean and std float64, (C,) of pixels / 255 or (d,); `root`: of square roots."""

    mean: np.ndarray
    std: np.ndarray
    root: bool = False


def samples(inputs: np.ndarray, labels: np.ndarray, classes: int, scale: Scale | None = None) -> tuple[Samples, Scale]:
    """Return the inputs of a method or a model as samples on the CPU, and their normalisation.

    Args:
        inputs: uint8 (n, C, H, W), or float (n, d), finite.
        labels: (n,) positions.
        scale: the normalisation of the model; None computes it from the data.

    Raises:
        UserError: the examples do not differ in any feature.
    """
    target = torch.from_numpy(np.ascontiguousarray(labels, np.int64))
    if inputs.ndim == 4:
        pixels = torch.from_numpy(inputs)
        if scale is None:
            made = Samples.of(pixels, target, classes)
            return made, Scale(made.mean.flatten().double().numpy(), made.std.flatten().double().numpy())
        mean, std = (torch.from_numpy(np.asarray(part, np.float32)).view(-1, 1, 1) for part in (scale.mean, scale.std))
        return Samples(pixels, target, classes, mean, std), scale
    scale = _scale(inputs) if scale is None else scale
    if np.isinf(scale.std).all():
        raise UserError(f"All {len(inputs)} examples have the same features, so nothing can be learnt from them.")
    out = np.empty(inputs.shape, np.float32)
    for rows in _blocks(len(inputs)):
        block = (_values(inputs[rows], scale.root) - scale.mean) / scale.std
        out[rows] = np.clip(block, -CUT, CUT, out=block)
    d = inputs.shape[1]
    return Samples(torch.from_numpy(out), target, classes, torch.zeros(d), torch.ones(d)), scale


def _scale(features: np.ndarray) -> Scale:
    """The scale of features (n, d); a column without spread gets an infinite standard deviation, so that it becomes
    zero."""
    n, blocks = len(features), _blocks(len(features))
    root = all(np.min(features[rows]) >= 0 for rows in blocks)
    mean = sum((_values(features[rows], root).sum(0) for rows in blocks), np.zeros(features.shape[1])) / n
    square = sum((np.square(_values(features[rows], root) - mean).sum(0) for rows in blocks), np.zeros(len(mean)))
    std = np.sqrt(square / n)
    return Scale(mean, np.where(std > 1e-6 * np.abs(mean), std, np.inf), root)


def _values(block: np.ndarray, root: bool) -> np.ndarray:
    """The block as float64; with `root` the signed square roots, because new data may have negative values."""
    values = np.asarray(block, np.float64)
    return np.copysign(np.sqrt(np.abs(values)), values) if root else values


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + _ROWS) for start in range(0, n, _ROWS)]
