"""Decodes one image to the square of RGB pixels that an encoder takes.

Pillow decodes, other readers what Pillow cannot (`encode.raster`). EXIF orientation is applied, transparency is laid
over white, a file of several frames or pages gives the first, a TIFF of many bands three of them, more than 8 bits per
channel are reduced to 8 with one scale for all pictures (`encode.pixel_levels`). The image is then
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
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.crop import MARGIN, Crop
from labelsieve.encode import band_tiff, deep_pixels, dicom, jpeg_xl
from labelsieve.encode.pixel_levels import Levels
from labelsieve.encode.raster import DecodeError, Raster, reader, three_bands
from labelsieve.stats.same_picture import GREY, TINT

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
FULL = 1 << 20  # pixels: a side that no image has, to decode it in its own size
# Formats whose readers neither run nor interpret a program: EPS, for example, would start Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "MPO", "PPM", "AVIF", "JPEG2000", "TGA", "ICO", "PCX")
_ORIENTATION = 0x0112
EIGHT, DEEP, UNSCALED = range(3)  # bits per channel: 8, more, more with an unknown scale
DEPTH, PAGES, BANDS = 3, 4, 8  # of `Decoded.bits`: those three; the file has more pages, or more bands, than are shown
_DEPTHS, _SAMPLES, _LAYOUT = 258, 277, 284  # TIFF tags: bits of each band, number of bands, 2 if they are stored apart

__all__ = ["DecodeError", "Decoded", "Header", "Opened", "decode", "deep_values", "header", "picture", "sketch"]


@dataclass(frozen=True, eq=False)
class Decoded:
    """One decoded image: pixels uint8 (side, side, 3) RGB and its two duplicate keys. `content` is an unsigned 64-bit
    number, `sketch` BYTES uint8, `bits` one of EIGHT, DEEP and UNSCALED, with PAGES and BANDS added where they hold."""

    pixels: np.ndarray
    content: int
    sketch: np.ndarray
    bits: int = 0


@dataclass(frozen=True, eq=False)
class Opened:
    """The upright RGB image, the original (width, height), the values if they have more than 8 bits, else None, and
    whether the file has more (PAGES, BANDS, their sum or 0)."""

    image: Image
    size: tuple[int, int]
    deep: np.ndarray | None = None
    more: int = 0

    def bits(self, levels: Levels) -> int:
        depth = EIGHT if self.deep is None else DEEP if levels.known(self.deep) else UNSCALED
        return depth | self.more


@dataclass(frozen=True)
class Header:
    """What the first bytes of a picture file say: its format as Pillow or `Raster` names it (the several pictures of a
    phone are a "JPEG"), (width, height), pages and bands, and whether it has more than 8 bits per channel."""

    format: str
    size: tuple[int, int]
    pages: int
    bands: int
    deep: bool


def decode(data: bytes | np.ndarray | Crop, side: int, resample: int = 3, levels: Levels | None = None) -> Decoded:
    """Decode encoded bytes, a box of them, or a uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

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


def picture(data: bytes | np.ndarray | Crop, side: int, levels: Levels | None = None) -> Opened:
    """The image in encoded bytes or a uint8 array. A large JPEG comes at the smallest of 1, 1/2, 1/4, 1/8 that still
    covers `side`; any other image in its own size, and so does a crop, with its margin.

    Raises:
        DecodeError: as in `decode`.
    """
    if isinstance(data, Crop):
        return _from_crop(data, levels or Levels())
    return _from_array(data) if isinstance(data, np.ndarray) else _from_bytes(data, side, levels or Levels())


def whole(crop: Crop, levels: Levels | None = None) -> Opened:
    """The picture of a crop, turned as its annotations see it: upright, or as stored if only that fits their size.

    Raises:
        DecodeError: as in `decode`; or the annotations tell another size.
    """
    levels = levels or Levels()
    opened = crop.whole.once("upright", lambda data: _from_bytes(data, FULL, levels))
    if crop.fits(*opened.image.size):
        return opened
    if opened.size != opened.image.size and crop.fits(*opened.size):
        return crop.whole.once("stored", lambda data: _from_bytes(data, FULL, levels, upright=False))
    told, sides = (" x ".join(f"{side:g}" for side in size) for size in (crop.size or (), opened.image.size))
    raise DecodeError(f"in a picture of {sides} pixels, but its annotations were made for {told}")


def header(data: bytes) -> Header:
    """The header of encoded bytes; the pixels are not read.

    Raises:
        DecodeError: as in `decode`.
    """
    with _decode_errors():
        file = _opened(data, ())
        if isinstance(file, Raster):
            return Header(file.format, file.size, file.pages, file.bands, file.format != "DICOM")
        kind = "JPEG" if file.format == "MPO" else file.format or ""
        pages = getattr(file, "n_frames", 1) if kind == "TIFF" else 1
        return Header(kind, file.size, pages, _bands(file), _is_deep(file))


def deep_values(data: bytes, bands: tuple[int, ...] = ()) -> np.ndarray | None:
    """The values of an image of more than 8 bits per channel; None for any other, of which only the header is read if
    Pillow reads it. `bands` as in `three_bands`.

    Raises:
        DecodeError: as in `decode`.
    """
    with _decode_errors():
        file = _opened(data, bands)
        if isinstance(file, Raster):
            _refuse_bomb(*file.size)
            array = three_bands(file.read(), bands)
            return None if array.dtype == np.uint8 else array
        if not _is_deep(file):
            return None
        _refuse_bomb(*file.size)
        raw = deep_pixels.rawmode(file)
        file.load()
        return deep_pixels.values(file, data, raw)


def _is_deep(image: Image) -> bool:
    """Whether an opened image, which is not loaded yet, may have more than 8 bits per channel."""
    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    return deep or ";16" in deep_pixels.rawmode(image)


def _bands(image: Image) -> int:
    tags: Any = getattr(image, "tag_v2", None)
    return len(image.getbands()) if tags is None else int(tags.get(_SAMPLES, 1))


def _in_rgb(image: Image, data: bytes, levels: Levels) -> tuple[Image, np.ndarray | None]:
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


def _from_crop(crop: Crop, levels: Levels) -> Opened:
    opened = whole(crop, levels)
    box = crop.pixels(opened.image.width, opened.image.height, MARGIN)
    if box is None:
        raise DecodeError("a box that lies outside its picture")
    image, deep = opened.image.crop(box), None
    if opened.deep is not None and opened.deep.shape[1::-1] == opened.image.size == opened.size:
        deep = opened.deep[box[1] : box[3], box[0] : box[2]]
    return Opened(image, image.size, deep, opened.more)


def _from_bytes(data: bytes, side: int, levels: Levels, *, upright: bool = True) -> Opened:
    with _decode_errors():
        file = _opened(data, levels.bands)
        _refuse_bomb(*file.size)
        if isinstance(file, Raster):
            return _from_raster(file, levels)
        size = file.size
        more = PAGES if file.format == "TIFF" and getattr(file, "is_animated", False) else 0
        more |= BANDS if _bands(file) > 3 and file.mode in ("RGB", "RGBX") else 0
        file.draft(None, (side, side))
        shown, deep = _in_rgb(file, data, levels)
        return Opened(_upright(shown, file) if upright else shown, size, deep, more)


def _from_raster(file: Raster, levels: Levels) -> Opened:
    from PIL.Image import fromarray

    array = np.ascontiguousarray(three_bands(file.read(), levels.bands if file.format == "TIFF" else ()))
    more = (PAGES if file.several_pages else 0) | (BANDS if file.bands > 3 else 0)
    deep = None if array.dtype == np.uint8 else array
    return Opened(fromarray(array if deep is None else levels.eight_bits(deep)).convert("RGB"), file.size, deep, more)


def _opened(data: bytes, bands: tuple[int, ...]) -> Image | Raster:
    """The file behind the bytes, opened by Pillow if it can and its `bands` are not chosen."""
    from PIL import Image as images

    _refuse_markup(data)
    for own in (dicom, jpeg_xl):
        if own.recognises(data):
            return own.opened(data)
    kinds = _readers()
    if _is_heic(data):
        reader("pillow_heif", "a HEIC picture, as phones take them", "heic", "pillow-heif").register_heif_opener()
        kinds = ("HEIF",)
    try:
        image = images.open(io.BytesIO(data), formats=kinds)
    except images.UnidentifiedImageError:
        if band_tiff.recognises(data):
            return band_tiff.opened(data)
        raise
    return band_tiff.opened(data) if image.format == "TIFF" and _for_bands(image, bands) else image


def _for_bands(tiff: Image, bands: tuple[int, ...]) -> bool:
    """Whether Pillow is not to read a TIFF that it opens: its bands are chosen, or of 16 bits and stored apart."""
    tags: Any = getattr(tiff, "tag_v2", {})
    apart = tags.get(_LAYOUT, 1) == 2 and max(tags.get(_DEPTHS, (1,))) > 8
    return _bands(tiff) > 1 and (bool(bands) or apart)


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
    from PIL import Image, TiffImagePlugin

    Image.init()
    # Our own limit is lower and raises a DecodeError.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    # What Pillow refuses, `band_tiff` reads, or it is listed; neither needs a line for each file.
    logging.getLogger(TiffImagePlugin.__name__).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=TiffImagePlugin.__name__)
    return tuple(kind for kind in FORMATS if kind in Image.OPEN)


_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis")


def _is_heic(data: bytes) -> bool:
    """Whether it is a HEIF file of HEVC pictures: its main brand, or one of those with which it is compatible."""
    brands = data[8 : min(int.from_bytes(data[:4], "big"), 200)]
    return data[4:8] == b"ftyp" and b"avif" not in brands and any(brand in brands for brand in _HEIC)


def _refuse_markup(data: bytes) -> None:
    if len(data) == 0:
        raise DecodeError("empty (0 bytes)")
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head and head.startswith(b"<"):
        raise DecodeError("an SVG drawing; drawings are not rendered, convert it to PNG first")
    if head.startswith((b"<!doctype html", b"<html")):
        raise DecodeError("a web page, not an image; perhaps a download that went wrong")


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
