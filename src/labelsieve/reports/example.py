"""One example as the report shows it: a small picture, an excerpt, a few values, or the reason why there is nothing to see.

Whatever the bytes are, the answer is small: pictures are drawn anew as JPEG of at most 200 px, so nothing of the file itself travels.
Vector graphics are never drawn. A picture with more pixels than LARGEST is named, not drawn; a JPEG decodes at a fraction of its size, so
it may have eight times that.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
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


def sample(dataset: Dataset, row: int, to_rgb: Callable[[Any, bytes], Any] | None = None) -> Sample:
    """The example at position `row`; never raises on account of the data. `to_rgb` brings an opened image, whose file holds these bytes,
    to 8 bits a channel."""
    try:
        value = dataset.inputs[row]
        if dataset.kind == "image":
            return _picture(value, to_rgb)
        if dataset.kind == "text":
            text = str(value)
            return Sample(
                text=visible(text, EXCERPT) if text.strip() else None,
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


def _picture(value: Any, to_rgb: Callable[[Any, bytes], Any] | None) -> Sample:
    from PIL import Image, ImageOps

    if isinstance(value, np.ndarray):
        return _drawn(Image.fromarray(value), "")
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
                image.draft("RGB", (SIDE, SIDE))  # JPEG decodes at an eighth of the size, at little cost
                orientation = image.getexif()
                shown = image if to_rgb is None else to_rgb(image, value)
                if shown is not image:  # a new image does not know which way up it is
                    shown.getexif().update(orientation)
                return _drawn(ImageOps.exif_transpose(shown), size)
        except Image.UnidentifiedImageError:
            return Sample(odd="not an image file")
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _drawn(image: Any, size: str) -> Sample:
    from PIL import Image

    size = size or f"{image.width:,} × {image.height:,} px"
    if max(image.size) < SIDE // 2:  # small pictures, such as CIFAR's, are shown with their pixels
        factor = SIDE // max(image.size)
        image = image.convert("RGBA").resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((SIDE, SIDE))
    image = image.convert("RGBA")
    flat = Image.new("RGBA", image.size, "white")
    flat.alpha_composite(image)
    out = io.BytesIO()
    flat.convert("RGB").save(out, "JPEG", quality=82, optimize=True)
    return Sample(picture="data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode(), size=size)
