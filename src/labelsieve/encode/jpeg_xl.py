"""JPEG XL files through imagecodecs. (A plugin for Pillow exists, but its licence is the GPL.)

The size stands in the first bytes of the codestream (ISO/IEC 18181-1, SizeHeader), so a picture that is too large is
refused before it is decoded.
"""

from __future__ import annotations

import numpy as np

from labelsieve.encode.raster import DecodeError, Raster, reader

_BARE, _BOXED = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height


def recognises(data: bytes) -> bool:
    return data.startswith((_BARE, _BOXED))


def opened(data: bytes) -> Raster:
    """A JPEG XL file.

    Raises:
        DecodeError: imagecodecs is not installed, or the file is damaged; reading may raise the same.
    """
    codecs = reader("imagecodecs", "a JPEG XL picture", "jxl")
    return Raster("JPEG XL", _size(_codestream(data)), 3, 1, lambda: _over_white(codecs.jpegxl_decode(data)))


def _over_white(array: np.ndarray) -> np.ndarray:
    """The picture (H, W) or (H, W, 3), with what is transparent laid over white."""
    if array.ndim == 4:  # an animation
        array = array[0]
    if array.ndim == 3 and array.shape[2] in (2, 4):
        white = 1.0 if array.dtype.kind == "f" else float(np.iinfo(array.dtype).max)
        alpha = array[:, :, -1:].astype(np.float64) / white
        flat = array[:, :, :-1] * alpha + white * (1 - alpha)
        array = (flat if array.dtype.kind == "f" else np.rint(flat)).astype(array.dtype)
    array = array.astype(np.float32) if array.dtype == np.float16 else array
    return array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array


def _codestream(data: bytes) -> bytes:
    """The first bytes of the codestream, which may lie in a box of the container."""
    if data.startswith(_BARE):
        return data[:32]
    at = 0
    while at + 16 <= len(data):
        length, kind, begin = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if length == 1:
            length, begin = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        if kind in (b"jxlc", b"jxlp"):
            begin += 4 * (kind == b"jxlp")
            return data[begin : begin + 32]
        if length < 8:
            break
        at += length
    raise DecodeError("a damaged JPEG XL picture")


def _size(stream: bytes) -> tuple[int, int]:
    bits, at = int.from_bytes(stream[2:], "little"), 0

    def take(n: int) -> int:
        nonlocal at
        at += n
        return bits >> (at - n) & ((1 << n) - 1)

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    width = height * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1] if ratio else side()
    return width, height
