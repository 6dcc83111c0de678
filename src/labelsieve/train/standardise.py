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


def allocate(shape: tuple[int, ...], dtype: type, folder: Path | None, name: str, *, on_disk: type | None = None) -> np.ndarray:
    """An array in memory, or a memory map `folder/name.npy` (of type `on_disk`) where it would be large and there is a folder."""
    if folder is None or np.prod(shape, dtype=float) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=on_disk or dtype, shape=shape)


def project(features: np.ndarray, limit: int = 2 * IN_MEMORY, seed: int = 0) -> np.ndarray:
    """The features themselves, or, where they exceed `limit` bytes as float32, a Gaussian random projection that keeps cosines
    (Johnson and Lindenstrauss 1984) and fits."""
    n, d = features.shape
    width = max(32, limit // (4 * n))
    if width >= d:
        return features
    matrix = np.random.default_rng(seed).normal(size=(d, width)).astype(np.float32) / np.float32(np.sqrt(width))
    out = np.empty((n, width), np.float32)
    for start in range(0, n, _ROWS):
        out[start : start + _ROWS] = np.asarray(features[start : start + _ROWS], np.float32) @ matrix
    return out


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
