"""Pictures with more than 8 bits per channel: their full values, and the scale to show those of a data set.

Pillow keeps grey of 16 and 32 bits, but only the upper bytes of 16-bit colours, so that dark pictures become black. The
lower bytes are read by decoding the same file once more with the bytes of each number swapped.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.crop import Crop
from labelsieve.core.input_parts import spread
from labelsieve.core.read_many import UNREAD, read_many
from labelsieve.encode.pixel_levels import Levels, fitted, some

if TYPE_CHECKING:
    from PIL.Image import Image

LOOK = 200  # pictures that determine the scale
_SWAPPED = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}


def rawmode(image: Image) -> str:
    """How Pillow reads the numbers of an opened file, before it is loaded; "" if unknown."""
    tiles: Any = getattr(image, "tile", None)  # only of an opened file
    arguments = tiles[0][3] if tiles else ""
    return (
        arguments
        if isinstance(arguments, str)
        else str(arguments[0])
        if isinstance(arguments, tuple) and arguments
        else ""
    )


def values(image: Image, data: Any, raw: str) -> np.ndarray | None:
    """The values of a loaded picture of more than 8 bits, (H, W[, 3 or 4]), whole numbers or float; None for any other.

    Args:
        data: the bytes of the file.
        raw: its `rawmode`, which is gone once it is loaded.
    """
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I", "F"):
        return np.asarray(image)
    if image.mode in ("RGB", "RGBA") and raw.endswith(tuple(_SWAPPED)):
        return _colours(image, data, raw)
    return None


def look(
    inputs: Sequence[Any] | np.ndarray,
    positions: Sequence[int] | np.ndarray | None = None,
    bands: tuple[int, ...] = (),
) -> Levels:
    """The scales for a data set (or its `positions`), from at most LOOK of its pictures, spread over it. Only headers
    are read, and values if there are more than 8 bits. `bands` as in `Levels`."""
    if not len(inputs) or (isinstance(inputs, np.ndarray) and inputs.dtype == np.uint8):
        return Levels()
    if positions is None:
        chosen = spread(inputs, LOOK)
    else:
        at = np.asarray(positions)
        chosen = at[np.unique(np.linspace(0, len(at) - 1, LOOK).round().astype(int))].tolist() if len(at) else []
    parts = (_sampled_values(value, bands) for value in read_many(inputs, chosen, again=True))
    return fitted([part for part in parts if part is not None], bands)


def _sampled_values(value: Any, bands: tuple[int, ...]) -> np.ndarray | None:
    """Some values of a picture of more than 8 bits; None for any other, or if it is unreadable (reported later)."""
    from labelsieve.encode.decode_image import DecodeError, deep_values

    value = value.whole.data if isinstance(value, Crop) else value
    try:
        array = deep_values(bytes(value), bands) if isinstance(value, (bytes, bytearray, memoryview)) else None
    except (DecodeError, *UNREAD):
        return None
    return None if array is None else some(array[..., :3] if array.ndim == 3 else array)


def _colours(image: Image, data: Any, raw: str) -> np.ndarray | None:
    from PIL import Image as images

    grey = raw.startswith("LA")  # Pillow can read all bytes of such a file at once, as four channels of 8 bits
    try:
        low = images.open(io.BytesIO(data), formats=[image.format] if image.format else None)
        swapped = "RGBA" if grey else raw[:-4] + _SWAPPED[raw[-4:]]
        low.tile = [tile._replace(args=_with(tile.args, swapped)) for tile in low.tile]
        low.load()
    except Exception:  # a layout that Pillow cannot read this way: use eight bits
        return None
    rest = np.asarray(low).astype(np.uint16)
    if grey:
        pair = rest[:, :, 0::2] << 8 | rest[:, :, 1::2]
        return pair[:, :, [0, 0, 0, 1]]
    upper = np.asarray(image).astype(np.uint16)
    return upper << 8 | rest if upper.shape == rest.shape else None


def _with(arguments: Any, raw: str) -> Any:
    return raw if isinstance(arguments, str) else (raw, *arguments[1:])
