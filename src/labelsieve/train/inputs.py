"""Arrays to `Samples`: pixels keep their bytes and are normalised batch by batch, features are standardised once.

A feature column without spread says nothing and becomes zero; what lies more than ten standard deviations out is cut.
"""

from __future__ import annotations

import numpy as np
import torch

from labelsieve.train.samples import Samples
from labelsieve.train.standardise import CUT

Scale = tuple[np.ndarray, np.ndarray]  # mean and standard deviation, float64: (C,) of pixels over 255, or (d,)
_ROWS = 4096


def samples(inputs: np.ndarray, labels: np.ndarray, classes: int, scale: Scale | None = None) -> tuple[Samples, Scale]:
    """What a method or a model takes, on the CPU.

    Args:
        inputs: uint8 (n, C, H, W), or float (n, d), finite.
        labels: (n,) positions.
        scale: that of the model; None takes the data's own.
    """
    target = torch.from_numpy(np.ascontiguousarray(labels, np.int64))
    if inputs.ndim == 4:
        pixels = torch.from_numpy(inputs)
        if scale is None:
            made = Samples.of(pixels, target, classes)
            return made, (made.mean.flatten().double().numpy(), made.std.flatten().double().numpy())
        mean, std = (torch.from_numpy(np.asarray(part, np.float32)).view(-1, 1, 1) for part in scale)
        return Samples(pixels, target, classes, mean, std), scale
    mean, std = scale = _scale(inputs) if scale is None else scale
    out = np.empty(inputs.shape, np.float32)
    for start in range(0, len(inputs), _ROWS):
        rows = slice(start, start + _ROWS)
        block = (np.asarray(inputs[rows], np.float64) - mean) / std
        out[rows] = np.clip(block, -CUT, CUT, out=block)
    d = inputs.shape[1]
    return Samples(torch.from_numpy(out), target, classes, torch.zeros(d), torch.ones(d)), scale


def _scale(features: np.ndarray) -> Scale:
    """Mean and standard deviation (d,); that of a column without spread is infinite, so that it becomes zero."""
    blocks = [slice(start, start + _ROWS) for start in range(0, len(features), _ROWS)]
    n = len(features)
    mean = sum((np.asarray(features[rows], np.float64).sum(0) for rows in blocks), np.zeros(features.shape[1])) / n
    square = sum((np.square(np.asarray(features[rows], np.float64) - mean).sum(0) for rows in blocks), np.zeros(len(mean)))
    std = np.sqrt(square / n)
    return mean, np.where(std > 1e-6 * np.abs(mean), std, np.inf)
