"""Pictures as files for other tools: encoded bytes unchanged, arrays as PNG; file names never come from ids."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError


def picture(value: bytes | np.ndarray, id: str) -> tuple[bytes, str, tuple[int, int]]:
    """The encoded picture, its suffix with the dot, and (width, height).

    Raises:
        UserError: the bytes are not a picture.
    """
    from PIL import Image

    if not isinstance(value, bytes):
        buffer = io.BytesIO()
        Image.fromarray(value).save(buffer, "png")
        return buffer.getvalue(), ".png", (value.shape[1], value.shape[0])
    try:
        with Image.open(io.BytesIO(value)) as image:
            return value, "." + (image.format or "bin").lower().replace("jpeg", "jpg"), image.size
    except Exception as error:  # Pillow's readers raise many kinds of exceptions
        raise UserError(
            f"The picture of {id!r} cannot be read ({error or type(error).__name__}); run find on the data again."
        ) from error


def require_pictures(kind: Any, tool: str) -> None:
    if kind != "image":
        raise UserError(f"{tool} is for images, but these data are {kind}; use <to>, or the format hf.", to="csv")
