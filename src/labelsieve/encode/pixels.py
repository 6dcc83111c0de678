"""Decodes images to one array of pixels of one size, for training networks.

Every image is stretched to the square (bicubic, with a low-pass when it shrinks), as for encoders. Threads decode.
Cost: the decoding; n C side^2 bytes, above two gigabytes in a memory-mapped file that is removed with the process.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.crop import Crop
from labelsieve.core.read_many import UNREAD, read_many
from labelsieve.encode.decode_image import DecodeError, Opened, picture, sketch
from labelsieve.encode.encoder import threads
from labelsieve.encode.pixel_levels import Levels

if TYPE_CHECKING:
    pass

LARGEST, SMALLEST = 64, 16  # the side chosen by `usual_side`: larger images take days to train without a GPU
_LOOK = 101  # images whose sizes are sampled
IN_MEMORY = 2_000_000_000  # bytes
_TOGETHER = 64
_MOVED = 4096


def usual_side(inputs: Sequence[Any] | np.ndarray) -> int:
    """The median of the shorter sides, between 16 and 64."""
    sides = []
    for value in read_many(inputs, np.unique(np.linspace(0, len(inputs) - 1, _LOOK).astype(int)), again=True):
        try:
            sides.append(min(_read(value, 10**6).image.size))
        except DecodeError:
            continue  # reported when all are read
    return int(np.clip(np.median(sides or [LARGEST]), SMALLEST, LARGEST))


def pixels(
    inputs: Sequence[Any] | np.ndarray,
    side: int,
    channels: int | None = None,
    folder: Path | None = None,
    levels: Levels | None = None,
) -> tuple[np.ndarray, list[tuple[int, str]], np.ndarray]:
    """Pixels uint8 (n, C, side, side), zeros if unreadable; (position, reason) of those; and the bits. The bits are
    (n,) uint8, EIGHT, DEEP or UNSCALED (`encode.decode_image`).

    Args:
        inputs: n images, bytes or uint8 arrays.
        channels: 1 for grey, 3 for colours, None for grey if all images are and they fit into memory.
        levels: the values shown as black and white in images of more than 8 bits per channel.
        folder: where they are memory-mapped if they are too large for memory; None keeps all in memory.
    """
    n, bits = len(inputs), np.zeros(len(inputs), np.uint8)
    out = room((n, channels or 3, side, side), np.uint8, folder)
    starts = range(0, n, _TOGETHER)
    with ThreadPoolExecutor(threads()) as pool:
        parts = list(
            pool.map(lambda start: _fill(inputs, range(start, min(n, start + _TOGETHER)), out, bits, levels), starts)
        )
    failed = [failure for _, failures in parts for failure in failures]
    if channels is None and all(grey for grey, _ in parts) and not isinstance(out, np.memmap):
        out = np.ascontiguousarray(out[:, :1])
    return out, failed, bits


def fits(shape: tuple[int, ...], folder: Path | None) -> bool:
    """Whether bytes of this shape stay in memory."""
    return folder is None or np.prod(shape, dtype=float) <= IN_MEMORY


def room(shape: tuple[int, ...], dtype: type[np.generic], folder: Path | None) -> np.ndarray:
    """Zeros; too many for the memory are mapped from a file in `folder` that is removed with the process."""
    if fits((*shape, np.dtype(dtype).itemsize), folder) or folder is None:
        return np.zeros(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    out = np.lib.format.open_memmap(folder / "pixels.npy", mode="w+", dtype=dtype, shape=shape)
    with suppress(OSError):  # if files in use can be removed, a killed process leaves nothing behind
        os.unlink(str(out.filename))
    return out


def sketches(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(m, s) uint8 sketches, to detect near-duplicates, of `rows` (m,) of the images (n, C, side, side)."""
    from PIL.Image import fromarray

    def made(i: int) -> np.ndarray:
        pixels = images[i]
        return sketch(fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))))

    with ThreadPoolExecutor(threads()) as pool:
        return np.array(list(pool.map(made, rows.tolist())), np.uint8).reshape(len(rows), -1)


def without(array: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The rows of (n, ...) that are kept (n,), moved up in the same memory."""
    at = 0
    for start in range(0, len(array), _MOVED):
        part = array[start : start + _MOVED][keep[start : start + _MOVED]]
        array[at : at + len(part)] = part
        at += len(part)
    return array[:at]


def _fill(
    inputs: Sequence[Any] | np.ndarray, span: range, out: np.ndarray, bits: np.ndarray, levels: Levels | None
) -> tuple[bool, list[tuple[int, str]]]:
    """Write the images of `span` into `out`, and their `bits`; returns whether all are grey, and what failed."""
    from PIL.Image import Resampling

    grey, failed, side = True, [], out.shape[2]
    for i, value in zip(span, read_many(inputs, span), strict=True):
        try:
            opened = _read(value, side, levels)
            bits[i] = opened.bits(levels or Levels())
            image = opened.image.convert("L" if out.shape[1] == 1 else "RGB")
        except DecodeError as error:
            failed.append((i, str(error)))
            continue
        if image.size != (side, side):
            image = image.resize((side, side), Resampling.BICUBIC)
        array = np.asarray(image)
        out[i] = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        grey = grey and bool((out[i] == out[i, :1]).all())
    return grey, failed


def _read(value: Any, side: int, levels: Levels | None = None) -> Opened:
    if isinstance(value, UNREAD):
        raise DecodeError(f"it could not be read ({value or type(value).__name__})") from value
    if not isinstance(value, (bytes, bytearray, memoryview, np.ndarray, Crop)):
        raise DecodeError("it is missing" if value is None else f"it is a {type(value).__name__}")
    return picture(value if isinstance(value, (np.ndarray, Crop)) else bytes(value), side, levels)
