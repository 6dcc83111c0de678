"""TIFF files that Pillow does not read: more than four bands, bands stored apart, floating-point colours, 64 bits."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from labelsieve.encode.raster import DecodeError, Raster, reader

_BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_VALUES = 1_000_000_000  # in all bands of a picture
_WHITE_IS_0 = 0


def recognises(data: bytes) -> bool:
    return data[:4] in _BEGINS


def opened(data: bytes) -> Raster:
    """The first page of a TIFF.

    Raises:
        DecodeError: tifffile is not installed, or it cannot read the file; reading may raise the same.
    """
    tifffile = reader("tifffile", "a TIFF with many bands or unusual numbers", "tiff")
    try:
        pages = tifffile.TiffFile(io.BytesIO(data)).pages
        page, count = pages[0], len(pages)
    except Exception as error:  # its readers raise many kinds of exceptions
        raise DecodeError(f"a damaged TIFF ({error or type(error).__name__})") from error
    size = int(page.imagewidth), int(page.imagelength)
    if size[0] * size[1] * page.samplesperpixel > _VALUES:
        raise DecodeError(f"a TIFF of {size[0]} x {size[1]} pixels in {page.samplesperpixel} bands, which is too large")
    return Raster("TIFF", size, int(page.samplesperpixel), count, lambda: _read(page))


def _read(page: Any) -> np.ndarray:
    try:
        array = page.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise DecodeError(
                f"a TIFF compressed as {getattr(page.compression, 'name', page.compression)}, which needs imagecodecs; "
                "install it with: pip install 'labelsieve[tiff]'"
            ) from error
        raise
    if page.axes.startswith("S"):  # bands stored apart
        array = np.moveaxis(array, 0, -1)
    if array.ndim not in (2, 3):
        raise DecodeError(f"a TIFF of shape {array.shape}, which is not one picture")
    array = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if page.photometric == _WHITE_IS_0 and array.dtype.kind == "u":
        array = np.iinfo(array.dtype).max - array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind not in "iuf":
        raise DecodeError(f"a TIFF of {array.dtype}, which cannot be shown")
    wide = {"u": np.uint16 if array.dtype.itemsize == 2 else np.int64, "i": np.int64, "f": np.float32}
    return array if array.dtype == np.uint8 else array.astype(wide[array.dtype.kind])
