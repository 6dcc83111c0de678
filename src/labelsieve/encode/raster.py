"""Picture files that Pillow does not read: what their header says, and their values when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np


class DecodeError(ValueError):
    """Why an input is not a usable image; the message completes the sentence "it was left out because it is ..."."""


@dataclass(frozen=True, eq=False)
class Raster:
    """An opened file whose values are not read yet.

    Attributes:
        format: its name, as "DICOM".
        size: (width, height) in pixels.
        bands: values per pixel.
        pages: pages or frames in the file, of which this is the first.
        read: the values (H, W) or (H, W, bands). Uint8 is shown as it is, anything else on the scale of the data set.
    """

    format: str
    size: tuple[int, int]
    bands: int
    pages: int
    read: Callable[[], np.ndarray]

    @property
    def several_pages(self) -> bool:
        return self.pages > 1


def reader(module: str, what: str, extra: str, named: str = "") -> Any:
    """The module that reads such files; `named` is the package's usual name.

    Raises:
        DecodeError: it is not installed; the message names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise DecodeError(
            f"{what}, which needs {named or module}; install it with: pip install 'labelsieve[{extra}]'"
        ) from error


def three_bands(array: np.ndarray, bands: tuple[int, ...] = ()) -> np.ndarray:
    """Of values (H, W, bands) the bands that are shown as red, green and blue, or the one shown as grey.

    Args:
        bands: one or three numbers, counted from 1; () is the first three, or the first of two.

    Raises:
        DecodeError: there is no such band.
    """
    if array.ndim == 2:
        return array
    there = array.shape[2]
    wanted = bands or ((1, 2, 3) if there > 2 else (1,))
    if max(wanted) > there:
        raise DecodeError(f"a picture of {there} bands, and so without band {max(wanted)}")
    return array[:, :, wanted[0] - 1] if len(wanted) == 1 else array[:, :, [band - 1 for band in wanted]]
