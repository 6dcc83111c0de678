"""The values shown as black and white in pictures with more than 8 bits per channel: one scale for a data set.

A scale per picture would lose its brightness, which matters in X-rays, satellite pictures and microscopy; the range of
the file format (0 to 65,535) makes pictures black that use only part of it. So the values of some pictures decide: from
the smallest to the largest, or, if a few values lie far out (a marker, a value for "no data", a hot pixel), between the
0.5 and 99.5 percentiles. Pictures of 8 bits are shown as they are. Whole numbers and decimals have a scale each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

VALUES = 10_000  # per picture that is sampled
_TAIL = 0.5  # percent at either end that may be outliers
_AT_ONCE = 1 << 20

Range = tuple[float, float]


@dataclass(frozen=True)
class Levels:
    """The scales of a data set.

    Attributes:
        bands: of TIFF files of several bands those that are shown as red, green and blue, or the one shown as grey,
            counted from 1; () is the first three.
        whole: (black, white) of pictures of whole numbers (16 or 32 bits); None is the full range of 16 bits.
        decimal: the same for pictures of floating-point numbers; None is 0 to 1, 255 or 65,535, or each picture's own
            range.
    """

    whole: Range | None = None
    decimal: Range | None = None
    bands: tuple[int, ...] = ()

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> Levels:
        """The levels that `plain` returned; without scales if `kept` has none."""
        pairs = {name: _range((kept or {}).get(name)) for name in ("whole", "decimal")}
        return cls(**pairs, bands=tuple((kept or {}).get("bands") or ()))

    def plain(self) -> dict[str, list[float]]:
        """For JSON: the scales and bands that are set, by name."""
        return {name: list(set_to) for name, set_to in vars(self).items() if set_to}

    @property
    def key(self) -> str:
        """The part of the cache key that depends on the scales and bands; "" without any."""
        return json.dumps(self.plain()) if self.plain() else ""

    def known(self, array: np.ndarray) -> bool:
        return (self.decimal if array.dtype.kind == "f" else self.whole) is not None

    def filled(self, other: Levels) -> Levels:
        """These scales, completed with those of `other`."""
        return replace(self, whole=self.whole or other.whole, decimal=self.decimal or other.decimal)

    def eight_bits(self, array: np.ndarray) -> np.ndarray:
        """Uint8 of the same shape; values that are not finite are black."""
        low, high = (self.decimal if array.dtype.kind == "f" else self.whole) or _nominal(array)
        factor = 255 / (high - low)
        if array.dtype == np.uint16:
            table = np.rint(np.clip((np.arange(65536) - low) * factor, 0, 255)).astype(np.uint8)
            return table[array]
        out = np.empty(array.shape, np.uint8)
        flat, shown = array.reshape(-1), out.reshape(-1)
        for start in range(0, len(flat), _AT_ONCE):
            part = (flat[start : start + _AT_ONCE].astype(np.float64) - low) * factor
            shown[start : start + _AT_ONCE] = np.rint(
                np.clip(np.nan_to_num(part, nan=0.0, posinf=0.0, neginf=0.0), 0, 255)
            )
        return out


def fitted(arrays: Sequence[np.ndarray], bands: tuple[int, ...] = ()) -> Levels:
    """The scales that suit some pictures: arrays of whole numbers and of decimals, of any shape; `bands` as in
    `Levels`."""
    whole, decimal = [a for a in arrays if a.dtype.kind != "f"], [a for a in arrays if a.dtype.kind == "f"]
    return Levels(_fit(whole), _fit(decimal), bands)


def some(array: np.ndarray) -> np.ndarray:
    """At most VALUES of a picture's values, spread over it; finite."""
    flat = array.reshape(-1)
    step = max(1, len(flat) // VALUES)
    if step > 1 and array.ndim > 1:
        step += step % array.shape[1] == 0  # else it would sample the same columns of each row
    values = flat[::step]
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


def _fit(arrays: Sequence[np.ndarray]) -> Range | None:
    values = np.concatenate([some(a) for a in arrays]).astype(np.float64) if arrays else np.empty(0)
    if not len(values):
        return None
    least, most = float(values.min()), float(values.max())
    low, high = np.percentile(values, (_TAIL, 100 - _TAIL))
    span = float(high - low)
    if span > 0:
        least = least if least >= low - span else float(low)
        most = most if most <= high + span else float(high)
    return least, most if most > least else least + 1


def _nominal(array: np.ndarray) -> Range:
    """The range of a picture without a known scale. It is that of 16 bits, or for other numbers the smallest of 0..1,
    0..255, 0..65535 that holds them, else their own range."""
    if array.dtype == np.uint16:
        return 0.0, 65535.0
    values = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if low >= 0 and high <= 65535:
        return 0.0, next(top for top in (1.0, 255.0, 65535.0) if high <= top)
    return low, max(high, low + 1e-12)


def _range(kept: Any) -> Range | None:
    try:
        low, high = map(float, kept)
    except (TypeError, ValueError):
        return None
    return (low, high) if np.isfinite([low, high]).all() and high > low else None
