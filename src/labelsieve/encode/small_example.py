"""One example as shown in reports and notebooks: a small picture, an excerpt, a few values, or why it cannot be shown.

Whatever the bytes are, the result is small: pictures are encoded again as JPEG of at most 200 px, so nothing of the
file itself is passed on. Vector graphics are never rendered. A picture with more pixels than LARGEST is described, not
shown; a JPEG decodes at a fraction of its size, so it may have twice that.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from labelsieve.core.crop import Crop
from labelsieve.core.dataset import Dataset
from labelsieve.core.printable import visible
from labelsieve.core.snippet import values
from labelsieve.encode.decode_image import DecodeError, header, picture
from labelsieve.encode.pixel_levels import Levels

SIDE = 200  # pixels
LARGEST = 50_000_000  # pixels that are decoded
HEAVIEST = 100 << 20  # bytes of a file that is decoded
EXCERPT = 420  # characters
VALUES = 8
TILE = 96  # pixels of a picture in a notebook
LINE = 160  # characters of a text in a notebook
SMALL = 4 << 20  # bytes of a file that a notebook shows


@dataclass(frozen=True)
class Sample:
    """A small version of an example. Exactly one of the first three is set: `picture` a data address, `text` an
    excerpt, `values` (name, value) pairs. If none is set, `odd` says why; `size` describes the original ("640 x 480
    px", "1,204 characters")."""

    picture: str | None = None
    text: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    odd: str = ""
    size: str = ""


def sample(
    dataset: Dataset,
    row: int,
    levels: Levels | None = None,
    *,
    side: int = SIDE,
    excerpt: int = EXCERPT,
) -> Sample:
    """The example at position `row`; bad data never raise. `levels` is the scale of pictures of more than 8 bits;
    `side` is the longer side of a picture in pixels, `excerpt` the length of a text in characters."""
    try:
        value = dataset.inputs[row]
        if dataset.kind == "image":
            return _picture(value, levels or Levels(), side)
        if dataset.kind == "text":
            text = str(value)
            return Sample(
                text=visible(text, excerpt) if text.strip() else None,
                odd="" if text.strip() else "empty text",
                size=f"{len(text):,} characters",
            )
        size = f"{np.asarray(value).size:,} {'classes' if dataset.kind == 'probs' else 'features'}"
        return Sample(
            values=tuple((visible(name, 24), number) for name, number in values(dataset, row, VALUES)), size=size
        )
    except MemoryError:
        return Sample(odd="too large to show")
    except Exception as error:  # any decoder may fail in any way on hostile bytes; the report says so and continues
        return Sample(odd=visible(f"cannot be shown ({str(error) or type(error).__name__})", 120))


def _picture(value: Any, levels: Levels, side: int) -> Sample:
    from PIL import Image

    if isinstance(value, Crop):
        return _drawn(picture(value, side, levels).image, "", side)
    if isinstance(value, np.ndarray):
        return _drawn(Image.fromarray(value), "", side)
    if not value:
        return Sample(odd="zero bytes")
    if len(value) > HEAVIEST:
        return Sample(odd=f"a file of {len(value) / (1 << 20):,.0f} MB, too large to show")
    if b"<svg" in value[:1024].lower():
        return Sample(odd="an SVG drawing, never drawn here")
    try:
        head = header(value)
        size = f"{head.size[0]:,} × {head.size[1]:,} px {head.format}"
        if head.size[0] * head.size[1] > LARGEST * (2 if head.format == "JPEG" else 1):
            return Sample(odd=f"too large to show ({size})")
        return _drawn(picture(value, side, levels).image, size, side)
    except DecodeError as error:
        return Sample(odd=visible(f"cannot be shown: it is {error}", 120))


def _drawn(image: Any, size: str, side: int) -> Sample:
    from PIL import Image

    size = size or f"{image.width:,} × {image.height:,} px"
    if max(image.size) < side // 2:  # small pictures, such as CIFAR's, are shown with their pixels
        factor = side // max(image.size)
        image = image.convert("RGBA").resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((side, side))
    image = image.convert("RGBA")
    flat = Image.new("RGBA", image.size, "white")
    flat.alpha_composite(image)
    out = io.BytesIO()
    flat.convert("RGB").save(out, "JPEG", quality=82, optimize=True)
    return Sample(picture="data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode(), size=size)


@dataclass(frozen=True, eq=False)
class Examples:
    """Small versions of the examples of findings, for a notebook. Large files (SMALL) and remote files are not read.

    Attributes:
        data: the examples in the order of the findings, or a function that reads them again and returns None if it
            cannot.
        levels: the scale of pictures of more than 8 bits, as in the settings of the findings; None if there is none.
    """

    data: Dataset | Callable[[], Dataset | None]
    levels: Any = None

    def show(self, rows: Sequence[int]) -> list[Sample] | None:
        """The examples at these positions; None if they are not available."""
        dataset = self._dataset
        if dataset is None:
            return None
        paths = getattr(dataset.inputs, "paths", None) if dataset.kind == "image" else None
        return [
            Sample(odd=unread)
            if paths is not None and (unread := _why_unread(paths[row]))
            else sample(dataset, row, Levels.of(self.levels), side=TILE, excerpt=LINE)
            for row in rows
        ]

    @cached_property
    def _dataset(self) -> Dataset | None:
        return self.data() if callable(self.data) else self.data


def _why_unread(path: str) -> str:
    """Why a file is not read for a notebook; "" if it is read, or if there is no path."""
    try:
        return "a large file, not read here" if path and os.path.getsize(path) > SMALL else ""
    except (OSError, ValueError):
        return "not on this machine"
