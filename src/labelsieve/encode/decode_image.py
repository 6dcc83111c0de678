"""Decodes one image to the square of RGB pixels that an encoder takes.

Pillow decodes; EXIF orientation is applied, transparency is laid over white, an animation gives its first frame, more
than 8 bits per channel are reduced to 8 with one scale for all pictures (`encode.pixel_levels`). The image is then
stretched to a square (bicubic): a centre crop would lose whatever lies at the edge, which in photographs is sometimes
the labelled object. Large JPEGs are decoded at the smallest of 1, 1/2, 1/4, 1/8 that still covers the square.

Two keys detect duplicates: `content`, a hash of the decoded pixels and the original size (so for a large JPEG it also
depends on the side), and `sketch`: a difference hash (64 comparisons of neighbouring cells of a 9 x 8 grey thumbnail),
which differs in a few bits between copies that were resized or compressed again, and small versions of the picture by
which such a pair is verified (`stats.same_picture`).
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from labelsieve.encode import deep_pixels
from labelsieve.encode.pixel_levels import Levels
from labelsieve.stats.same_picture import GREY, TINT

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
# Formats whose readers neither run nor interpret a program: EPS, for example, would start Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "MPO", "PPM", "AVIF", "JPEG2000", "TGA", "ICO", "PCX")
_ORIENTATION = 0x0112
EIGHT, DEEP, UNSCALED = range(3)  # bits per channel: 8, more, more with an unknown scale


class DecodeError(ValueError):
    """Why an input is not a usable image; the message completes the sentence "it was left out because it is ..."."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """One decoded image: pixels uint8 (side, side, 3) RGB and its two duplicate keys. `content` is an unsigned 64-bit
    number, `sketch` BYTES uint8, `bits` one of EIGHT, DEEP and UNSCALED."""

    pixels: np.ndarray
    content: int
    sketch: np.ndarray
    bits: int = 0


@dataclass(frozen=True, eq=False)
class Opened:
    """The upright RGB image, the original (width, height), and the values if they have more than 8 bits, else None."""

    image: Image
    size: tuple[int, int]
    deep: np.ndarray | None = None

    def bits(self, levels: Levels) -> int:
        return EIGHT if self.deep is None else DEEP if levels.known(self.deep) else UNSCALED


def decode(data: bytes | np.ndarray, side: int, resample: int = 3, levels: Levels | None = None) -> Decoded:
    """Decode encoded bytes, or a uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    Args:
        resample: a number of `PIL.Image.Resampling`, to resize the image to (side, side); 3 is bicubic.
        levels: the values shown as black and white in images of more than 8 bits per channel.

    Raises:
        DecodeError: empty, truncated or damaged, not an image, a vector drawing, or more than 100 megapixels (refused
            before decoding).
    """
    from PIL.Image import Resampling

    levels = levels or Levels()
    opened = picture(data, side, levels)
    image = opened.image
    digest = hashlib.blake2b(np.array(opened.size, "<u4").tobytes(), digest_size=8)
    digest.update(image.tobytes() if opened.deep is None else np.ascontiguousarray(opened.deep).data)
    pixels = image if image.size == (side, side) else image.resize((side, side), Resampling(resample))
    return Decoded(np.asarray(pixels), int.from_bytes(digest.digest(), "little"), sketch(image), opened.bits(levels))


def picture(data: bytes | np.ndarray, side: int, levels: Levels | None = None) -> Opened:
    """The image in encoded bytes or a uint8 array. A large JPEG comes at the smallest of 1, 1/2, 1/4, 1/8 that still
    covers `side`; any other image in its own size.

    Raises:
        DecodeError: as in `decode`.
    """
    return _from_array(data) if isinstance(data, np.ndarray) else _from_bytes(data, side, levels or Levels())


def deep_values(data: bytes) -> np.ndarray | None:
    """The values of an image of more than 8 bits per channel; None for any other, of which only the header is read.

    Raises:
        DecodeError: as in `decode`.
    """
    from PIL import Image

    with _decode_errors():
        image = Image.open(io.BytesIO(data), formats=_readers())
        raw = deep_pixels.rawmode(image)
        if image.mode not in ("I", "F") and not image.mode.startswith("I;16") and ";16" not in raw:
            return None
        _refuse_bomb(*image.size)
        image.load()
        return deep_pixels.values(image, data, raw)


def to_rgb(image: Image, data: bytes, levels: Levels) -> tuple[Image, np.ndarray | None]:
    """An opened image as 8-bit RGB, and its values if it has more bits. The orientation is not applied."""
    from PIL import Image as images

    raw = deep_pixels.rawmode(image)
    image.load()
    deep = deep_pixels.values(image, data, raw)
    if deep is None:
        return _to_rgb(image), None
    shown = levels.eight_bits(deep if deep.ndim == 2 else deep[:, :, :3])
    if deep.ndim == 3 and deep.shape[2] == 4:
        shown = np.dstack([shown, (deep[:, :, 3] >> 8).astype(np.uint8)])
    return _to_rgb(images.fromarray(shown)), deep


def _from_array(array: np.ndarray) -> Opened:
    from PIL.Image import fromarray

    if array.dtype != np.uint8:
        raise DecodeError(f"an array of {array.dtype}; images in arrays must be uint8")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise DecodeError(f"an array of shape {array.shape}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)")
    if array.size == 0:
        raise DecodeError(f"an image without pixels, shape {array.shape}")
    _refuse_bomb(array.shape[1], array.shape[0])
    image = fromarray(np.ascontiguousarray(array))
    return Opened(_to_rgb(image), image.size)


def _from_bytes(data: bytes, side: int, levels: Levels) -> Opened:
    from PIL import Image

    _refuse_markup(data)
    with _decode_errors():
        image = Image.open(io.BytesIO(data), formats=_readers())
        size = image.size
        _refuse_bomb(*size)
        image.draft(None, (side, side))
        shown, deep = to_rgb(image, data, levels)
        return Opened(_upright(shown, image), size, deep)


@contextmanager
def _decode_errors() -> Iterator[None]:
    """Whatever Pillow raises becomes a DecodeError."""
    from PIL import Image

    try:
        yield
    except DecodeError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError(f"larger than the limit of {MAX_PIXELS // 1_000_000} megapixels") from error
    except Image.UnidentifiedImageError as error:
        raise DecodeError("not an image, or damaged in its first bytes") from error
    except (
        Exception
    ) as error:  # Pillow's readers raise almost anything on damaged bytes; whatever it is, the file is at fault
        raise DecodeError(f"truncated or damaged ({error or type(error).__name__})") from error


@cache
def _readers() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    # Our own limit is lower and raises a DecodeError.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    return tuple(kind for kind in FORMATS if kind in Image.OPEN)


_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis")


def _refuse_markup(data: bytes) -> None:
    if len(data) == 0:
        raise DecodeError("empty (0 bytes)")
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head and head.startswith(b"<"):
        raise DecodeError("an SVG drawing; drawings are not rendered, convert it to PNG first")
    if head.startswith((b"<!doctype html", b"<html")):
        raise DecodeError("a web page, not an image; perhaps a download that went wrong")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        raise DecodeError("a HEIC picture, as phones take them, which is not read; convert it to JPEG or PNG first")


def _refuse_bomb(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise DecodeError(f"{width} x {height} pixels, larger than the limit of {MAX_PIXELS // 1_000_000} megapixels")


def _to_rgb(image: Image) -> Image:
    from PIL import Image as images

    if image.has_transparency_data:
        image = image.convert("RGBA")
        return images.alpha_composite(images.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _upright(image: Image, source: Image) -> Image:
    from PIL.Image import Transpose

    turns: dict[int | None, Transpose] = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(source.getexif().get(_ORIENTATION))
    except Exception:  # damaged metadata does not spoil the pixels
        turn = None
    return image if turn is None else image.transpose(turn)


def sketch(image: Image) -> np.ndarray:
    """(BYTES,) uint8 of an RGB or grey image: difference hash, grey version, colours (`stats.same_picture`)."""
    from PIL.Image import Resampling

    cells = np.asarray(image.resize((9, 8), Resampling.BOX).convert("L"))
    small = np.asarray(image.resize((GREY, GREY), Resampling.BILINEAR).convert("YCbCr"))
    part = GREY // TINT
    tint = small[:, :, 1:].reshape(TINT, part, TINT, part, 2).mean((1, 3)).round().astype(np.uint8)
    return np.concatenate([np.packbits(cells[:, 1:] > cells[:, :-1]), small[:, :, 0].ravel(), tint.ravel()])
