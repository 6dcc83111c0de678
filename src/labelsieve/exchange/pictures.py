"""Pictures as files for other tools: their own bytes, unless a tool cannot read them. File names never come from ids.

Encoded anew, as they are shown: arrays; boxes, cut out; formats that hardly any tool reads (HEIC, JPEG XL, DICOM, of
which so no word about a patient goes out); for a browser everything that browsers do not draw, and more than 8 bits,
which they draw too dark.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.crop import Crop
from labelsieve.core.errors import UserError
from labelsieve.encode import decode_image
from labelsieve.encode.decode_image import DecodeError, header
from labelsieve.encode.pixel_levels import Levels

if TYPE_CHECKING:
    from PIL.Image import Image

_BROWSERS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "AVIF": ".avif"}
_TOOLS = _BROWSERS | {"TIFF": ".tiff", "JPEG2000": ".jp2", "DIB": ".bmp", "PPM": ".ppm", "TGA": ".tga", "ICO": ".ico"}
_TOOLS |= {"PCX": ".pcx"}
_LARGE = 4_000_000  # pixels; above, a JPEG instead of a PNG of many megabytes


def picture(
    value: bytes | np.ndarray | Crop, id: str, levels: Levels, *, browser: bool = False
) -> tuple[bytes, str, tuple[int, int]]:
    """The encoded picture, its suffix with the dot, and (width, height).

    Args:
        levels: the scale of pictures of more than 8 bits that are encoded anew.
        browser: whether a browser is to draw it.

    Raises:
        UserError: the bytes are not a picture.
    """
    try:
        if isinstance(value, bytes):
            head = header(value)
            suffix = (_BROWSERS if browser else _TOOLS).get(head.format)
            if suffix is not None and not (browser and head.deep):
                return value, _named(suffix, value), head.size
        image = decode_image.picture(value, 1 << 20, levels).image
    except DecodeError as error:
        raise UserError(f"The picture of {id!r} cannot be read: it is {error}. Run find on the data again.") from error
    data, suffix = _encoded(image)
    return data, suffix, image.size


def _named(suffix: str, data: bytes) -> str:
    """The suffix; that of a bare codestream for a JPEG 2000 without the boxes of a .jp2."""
    return ".j2k" if suffix == ".jp2" and data.startswith(b"\xff\x4f") else suffix


def _encoded(image: Image) -> tuple[bytes, str]:
    out, large = io.BytesIO(), image.width * image.height > _LARGE
    if large:
        image.save(out, "JPEG", quality=90)
        return out.getvalue(), ".jpg"
    pixels = np.asarray(image)
    grey = pixels.ndim == 3 and bool((pixels == pixels[:, :, :1]).all())
    (image.convert("L") if grey else image).save(out, "PNG")
    return out.getvalue(), ".png"


def require_pictures(kind: Any, tool: str) -> None:
    if kind != "image":
        raise UserError(f"{tool} is for images, but these data are {kind}; use <to>, or the format hf.", to="csv")
