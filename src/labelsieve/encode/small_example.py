"""One example as the report and a notebook show it: a small picture, an excerpt, a few values, or the reason why there is nothing to see.

Whatever the bytes are, the answer is small: pictures are drawn anew as JPEG of at most 200 px, so nothing of the file itself travels.
Vector graphics are never drawn. A picture with more pixels than LARGEST is named, not drawn; a JPEG decodes at a fraction of its size, so
it may have eight times that.
"""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.printable import visible
from labelsieve.core.snippet import values

SIDE = 200  # pixels
LARGEST = 50_000_000  # pixels that are decoded
HEAVIEST = 100 << 20  # bytes that are looked at
EXCERPT = 420  # characters
VALUES = 8
TILE = 96  # pixels of a picture in a notebook
LINE = 160  # characters of a text in a notebook
SMALL = 4 << 20  # bytes of a file that is read for a notebook
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


@dataclass(frozen=True)
class Sample:
    """Exactly one of the first three is set: `picture` a data address, `text` an excerpt, `values` (name, value) pairs.
    Without any, `odd` says why; `size` describes the whole ("640 x 480 px", "1,204 characters")."""

    picture: str | None = None
    text: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    odd: str = ""
    size: str = ""


def sample(
    dataset: Dataset,
    row: int,
    to_rgb: Callable[[Any, bytes], Any] | None = None,
    *,
    side: int = SIDE,
    excerpt: int = EXCERPT,
) -> Sample:
    """The example at position `row`; never raises on account of the data. `to_rgb` brings an opened image, whose file holds these bytes,
    to 8 bits a channel; `side` is the longer side of a picture in pixels, `excerpt` the length of a text in characters."""
    try:
        value = dataset.inputs[row]
        if dataset.kind == "image":
            return _picture(value, to_rgb, side)
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
    except Exception as error:  # any decoder may fail in any way on hostile bytes; the report says so and goes on
        return Sample(odd=visible(f"cannot be shown ({str(error) or type(error).__name__})", 120))


def _picture(value: Any, to_rgb: Callable[[Any, bytes], Any] | None, side: int) -> Sample:
    from PIL import Image, ImageOps

    if isinstance(value, np.ndarray):
        return _drawn(Image.fromarray(value), "", side)
    if not value:
        return Sample(odd="zero bytes")
    if len(value) > HEAVIEST:
        return Sample(odd=f"a file of {len(value) / (1 << 20):,.0f} MB, too large to show")
    if b"<svg" in value[:1024].lower():
        return Sample(odd="an SVG drawing, never drawn here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # the check below is stricter, and tells the size
        try:
            with Image.open(io.BytesIO(value), formats=FORMATS) as image:
                size = f"{image.width:,} × {image.height:,} px {image.format}"
                if image.width * image.height > LARGEST * (8 if image.format == "JPEG" else 1):
                    return Sample(odd=f"too large to show ({size})")
                image.draft("RGB", (side, side))  # JPEG decodes at an eighth of the size, at little cost
                orientation = image.getexif()
                shown = image if to_rgb is None else to_rgb(image, value)
                if shown is not image:  # a new image does not know which way up it is
                    shown.getexif().update(orientation)
                return _drawn(ImageOps.exif_transpose(shown), size, side)
        except Image.UnidentifiedImageError:
            return Sample(odd="not an image file")
        finally:
            Image.MAX_IMAGE_PIXELS = limit


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
    """The examples of findings in small, for a notebook. A file of more than SMALL bytes, or one that lies elsewhere, is not read.

    Attributes:
        data: the examples in the order of the findings, or a function that reads them again and gives None where it cannot.
        levels: the scale of pictures of more than 8 bits, as in the settings of the findings; None where there is none.
    """

    data: Dataset | Callable[[], Dataset | None]
    levels: Any = None

    def show(self, rows: Sequence[int]) -> list[Sample] | None:
        """The examples at these positions; None where they cannot be had."""
        dataset = self._dataset
        if dataset is None:
            return None
        to_rgb = None
        if dataset.kind == "image":
            from labelsieve.encode.decode_image import to_rgb as scaled
            from labelsieve.encode.pixel_levels import Levels

            levels = None if self.levels is None else Levels.of(self.levels)
            to_rgb = None if levels is None else lambda image, data: scaled(image, data, levels)[0]
        paths = getattr(dataset.inputs, "paths", None) if dataset.kind == "image" else None
        return [
            Sample(odd=unread)
            if paths is not None and (unread := _why_unread(paths[row]))
            else sample(dataset, row, to_rgb, side=TILE, excerpt=LINE)
            for row in rows
        ]

    @cached_property
    def _dataset(self) -> Dataset | None:
        return self.data() if callable(self.data) else self.data


def _why_unread(path: str) -> str:
    """Why a file is not read for a notebook; "" where it is, and where there is no path."""
    try:
        return "a large file, not read here" if path and os.path.getsize(path) > SMALL else ""
    except (OSError, ValueError):
        return "not on this machine"
