"""Features of any encoder on one scale: zero mean, unit variance, outliers cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CUT = 10.0  # standard deviations; a spike in one coordinate must not outvote all others
IN_MEMORY = 2_000_000_000  # bytes; larger arrays are memory-mapped in the run folder
_ROWS = 4096


def standardise(features: np.ndarray, folder: Path | None = None) -> np.ndarray:
    """(n, d) float, maybe memory-mapped -> (n, d) float16 of zero mean and unit variance; a constant column becomes zero."""
    n, d = features.shape
    mean, scale = _moments(features)
    out = allocate((n, d), np.float16, folder, "standardised")
    for start in range(0, n, _ROWS):
        block = (np.asarray(features[start : start + _ROWS], np.float32) - mean) * scale
        out[start : start + _ROWS] = np.clip(block, -CUT, CUT)
    return out


def allocate(shape: tuple[int, ...], dtype: type, folder: Path | None, name: str) -> np.ndarray:
    """An array in memory, or a memory map `folder/name.npy` where it would be large and there is a folder."""
    if folder is None or np.prod(shape, dtype=float) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and reciprocal standard deviation of each column; two passes, so that large offsets cost no digits."""
    n, d = features.shape
    mean, variance = np.zeros(d), np.zeros(d)
    for start in range(0, n, _ROWS):
        mean += np.asarray(features[start : start + _ROWS], np.float64).sum(0) / n
    for start in range(0, n, _ROWS):
        variance += ((np.asarray(features[start : start + _ROWS], np.float64) - mean) ** 2).sum(0) / n
    std = np.sqrt(variance)
    scale = np.where(std > 1e-6 * np.maximum(np.abs(mean), 1e-30), 1 / np.maximum(std, 1e-30), 0)
    return mean.astype(np.float32), scale.astype(np.float32)
