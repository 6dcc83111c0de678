"""Features of any encoder on one scale: zero mean, unit variance, outliers cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from labelsieve.core.memory_map import allocate, blocks, release, take, temporary

CUT = 10.0  # standard deviations; a spike in one coordinate must not outweigh all others
BROKEN = 100.0  # a column's standard deviation over its robust width; above, a few extreme values hide all others
_ALL = slice(None)
_ROWS = 512  # rows per block, so that it stays in the cache
WIDTH = 192  # principal directions in which neighbours are searched
ROTATE = 10_000  # rows from which the directions are computed
_SAMPLE = 2_000  # rows for the robust width
_PROJECTED = 500_000_000  # bytes of the features in the principal directions


@dataclass(frozen=True, eq=False)
class Standardiser:
    """What makes features standardised, so that some rows alone become what they are among all.

    Attributes:
        unit: a factor for all columns, or (d,) one for each.
        mean, scale: (d,) what is taken from each column, and what it is then multiplied by.
        root: whether square roots are standardised: sign(x) sqrt|x|.
    """

    unit: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    root: bool

    def of(self, features: np.ndarray, rows: slice | np.ndarray = _ALL) -> np.ndarray:
        """(n, d) features -> some rows of them (b, d), standardised and cut at `CUT`, in float32 or float64."""
        block = _block(features, rows, self.unit, self.root) - self.mean
        block *= self.scale
        return np.clip(block, -CUT, CUT, out=block)


def standardise(features: np.ndarray, folder: Path | None = None, *, root: bool = False) -> np.ndarray:
    """(n, d) float, maybe memory-mapped -> (n, d) float16, standardised, cut at `CUT`; a constant column becomes zero.

    With `root`, the square roots of the features are standardised: sign(x) sqrt|x|.
    """
    scale = standardiser(features, root=root)
    out = allocate(features.shape, np.float16, folder, "standardised")
    for rows, _ in zip(blocks(features, _ROWS), blocks(out, _ROWS), strict=True):
        out[rows] = scale.of(features, rows)
    return out


def standardiser(features: np.ndarray, *, root: bool = False) -> Standardiser:
    """What standardises these features.

    A column whose standard deviation is due to a few wild values (a broken row of 1e30) is centred on its median and
    divided by its width without the tails instead. float64 features may be of any size.
    """
    n = len(features)
    unit = _units(features)
    read = partial(_block, features, unit=unit, root=root)
    rows = np.arange(n) if n <= _SAMPLE else np.sort(np.random.default_rng(0).choice(n, _SAMPLE, replace=False))
    sample = read(rows)
    release(features)
    low, middle, high = np.percentile(sample, [5, 50, 95], axis=0)
    mean, std = _robust(*_moments(features, read, middle.astype(unit.dtype)), low, middle, high)
    resolution = 1e-12 if features.dtype == np.float64 else 1e-6
    scale = np.where(std > resolution * np.abs(mean), 1 / np.maximum(std, 1e-300), 0)
    scale = np.minimum(scale, np.finfo(unit.dtype).max).astype(unit.dtype)
    return Standardiser(unit, mean.astype(unit.dtype), scale, root)


def project(
    features: np.ndarray, width: int = WIDTH, limit: int = _PROJECTED, seed: int = 0, folder: Path | None = None
) -> np.ndarray:
    """The features (n, d) in their `width` leading principal directions, or the features themselves if they are not
    wider.

    There are fewer directions if the result would exceed `limit` bytes. Neighbours in them vote as well as in all
    dimensions, at a fraction of the products. The directions come from a random sample of rows; their order and
    orientation change no cosine. A large result is in a temporary file in the `folder`, if one is given.
    """
    n, d = features.shape
    width = min(width, max(32, limit // (4 * n)))
    if width >= d:
        return features
    rows = np.arange(n) if n <= ROTATE else np.sort(np.random.default_rng(seed).choice(n, ROTATE, replace=False))
    leading = directions(take(features, rows), width, seed)
    out = temporary((n, width), np.float32, folder)
    for rows, _ in zip(blocks(features, _ROWS), blocks(out, _ROWS), strict=True):
        out[rows] = features[rows].astype(np.float32) @ leading
    return out


def directions(sample: np.ndarray, width: int, seed: int) -> np.ndarray:
    """(d, width) float32: the leading principal directions of standardised rows (b, d)."""
    d = sample.shape[1]
    sample = sample.astype(np.float32) / np.float32(np.sqrt(d))
    leading = np.random.default_rng(seed).normal(size=(d, width)).astype(np.float32)
    for _ in range(3):  # subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4)
        leading, _ = np.linalg.qr(sample.T @ (sample @ leading))
    return leading


def _block(features: np.ndarray, rows: slice | np.ndarray, unit: np.ndarray, root: bool) -> np.ndarray:
    block = np.asarray(features[rows], unit.dtype)
    block = block * unit if unit.ndim else block
    return np.copysign(np.sqrt(np.abs(block)), block) if root else block


def _units(features: np.ndarray) -> np.ndarray:
    """Factors for the columns: a power of two that brings float64 columns near one, so that their squares neither
    overflow nor vanish. Squares of float32 fit float64 anyway, and narrower types are read as float32."""
    if features.dtype != np.float64:
        return np.ones((), np.float32)
    largest = np.zeros(features.shape[1])
    for rows in blocks(features, _ROWS):
        np.maximum(largest, np.abs(features[rows]).max(0), out=largest)
    _, exponent = np.frexp(largest)
    return np.ldexp(1.0, np.clip(-exponent, -1000, 1000))


def _moments(
    features: np.ndarray, read: Callable[[slice | np.ndarray], np.ndarray], middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (d,) of each column, from the differences to `middle`, so that large offsets cost no
    digits."""
    n, d = features.shape
    total, squared = np.zeros(d), np.zeros(d)
    for rows in blocks(features, _ROWS):
        block = read(rows) - middle
        with np.errstate(over="ignore"):
            squares = np.einsum("ij,ij->j", block, block)
        if not (np.isfinite(squares) & (squares > 1e-30)).all():  # float32 squares overflowed or vanished
            squares = np.square(block, dtype=np.float64).sum(0)
        total += block.sum(0, dtype=np.float64) / n
        squared += squares / n
    return middle + total, np.sqrt(np.maximum(squared - total**2, 0))


def _robust(
    mean: np.ndarray, std: np.ndarray, low: np.ndarray, middle: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation; in broken columns the median, and the deviation from the 5th and 95th percentile."""
    width = (high - low) / 3.29
    broken = (width > 0) & (std > BROKEN * width)
    return np.where(broken, middle, mean), np.where(broken, width, std)
