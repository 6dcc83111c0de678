"""Pictures for the page: decoded by Pillow and encoded again, never the user's own bytes, so that nothing in a file can
run.

A picture that cannot be read becomes a grey card with the reason. Decoding runs in a few threads, very large images one
at a time, so that memory stays bounded. Thumbnails are cached in the run folder (`thumbs/`); the least recently used
are removed first.
"""

from __future__ import annotations

import hashlib
import io
import os
import textwrap
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from labelsieve.core.crop import Crop
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing
from labelsieve.encode.decode_image import DecodeError, header, picture, whole
from labelsieve.encode.deep_pixels import look
from labelsieve.encode.pixel_levels import Levels
from labelsieve.page.desk import Desk

THUMB, LARGE, FULL = 256, 2048, 8192  # pixels, longest side
SMALL = 128  # images up to this side are encoded without loss
CACHE_BYTES = 2 << 30
_THIN = 400  # the outline of a box is this part of the longest side
ALONE_ABOVE = 16_000_000  # pixels; larger images are decoded one at a time
WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Picture:
    """An encoded image; `broken` is the reason if it is only a card, else None."""

    data: bytes
    type: str
    broken: str | None = None


class Media:
    """The pictures of one desk."""

    def __init__(self, desk: Desk, cache_bytes: int = CACHE_BYTES):
        self.desk = desk
        kept = desk.findings.settings.get("levels")
        self._known = None if kept is None else Levels.of(kept)  # None: computed from the data
        self._levels_key = (
            "looked"
            if self._known is None
            else hashlib.sha256(self._known.key.encode()).hexdigest()[:8] * bool(self._known.key)
        )
        self._looking = Lock()
        self._cache = None if desk.readonly else desk.folder / "thumbs" / _safe(desk.id + self._levels_key)
        self._limit = cache_bytes
        self._used = 0
        self._alone, self._sweeping = Lock(), Lock()
        if self._cache is not None:
            Thread(target=self._sweep, daemon=True).start()

    def thumb(self, i: int) -> Picture:
        """At most 256 pixels per side, from the cache if possible."""
        path = None if self._cache is None else self._cache / str(i // 1000) / f"{i}.webp"
        if path is not None:
            try:
                data = path.read_bytes()
                os.utime(path)
                return Picture(data, "image/webp")
            except OSError:
                pass
        made = self._make(i, THUMB)
        if path is not None and made.broken is None:
            self._keep(path, made.data)
        return made

    def single(self, i: int, side: int) -> Picture:
        """At most `side` pixels per side: LARGE, or FULL to zoom in."""
        return self._make(i, side)

    def whole(self, i: int, side: int) -> Picture:
        """As `single`; of a box the whole picture, with its outline."""
        return self._make(i, side, whole=True)

    def _make(self, i: int, side: int, *, whole: bool = False) -> Picture:
        try:
            data = self.desk.data().inputs[i]
            drawn = _outlined if whole and isinstance(data, Crop) else _encode
            with self._alone if _pixels(data) > ALONE_ABOVE else nullcontext():
                return drawn(data, side, self._levels())
        except (DecodeError, UserError, OSError) as error:
            return card(str(error))

    def _levels(self) -> Levels:
        """The scale for pictures of more than 8 bits: that of the encoder, so that people see what it saw."""
        with self._looking:
            if self._known is None:
                self._known = look(self.desk.data().inputs)
            return self._known

    def _keep(self, path: Path, data: bytes) -> None:
        try:
            with replacing(path) as partial:
                partial.write_bytes(data)
        except OSError:  # a full disk makes it slower, no more
            return
        self._used += len(data)
        if self._used > self._limit:
            self._sweep()

    def _sweep(self) -> None:
        """Measure the cache. Above its limit, remove the least recently used files until it is four fifths full."""
        if self._cache is None or not self._sweeping.acquire(blocking=False):
            return
        try:
            files = []
            for path in self._cache.parent.glob("*/*/*.webp"):
                stat = path.stat()
                files.append((stat.st_mtime_ns, stat.st_size, path))
            self._used = sum(size for _, size, _ in files)
            if self._used > self._limit:
                for _, size, path in sorted(files):
                    if self._used <= 0.8 * self._limit:
                        break
                    path.unlink(missing_ok=True)
                    self._used -= size
        except OSError:
            pass  # another process is removing files
        finally:
            self._sweeping.release()


def card(why: str) -> Picture:
    """A grey card with the reason why there is no picture."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (THUMB, THUMB), "#d9d9d9")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, THUMB - 1, THUMB - 1), outline="#8a8a8a", width=2)
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in why)
    lines = textwrap.wrap(f"No picture: {shown}", 30)[:12]
    draw.multiline_text((14, 14), "\n".join(lines), fill="#333333", font=ImageFont.load_default(15), spacing=5)
    return Picture(_webp(image, lossless=True), "image/webp", why)


def _pixels(data: object) -> int:
    """Pixels of an encoded image by its header; 0 if it cannot be read."""
    data = data.whole.data if isinstance(data, Crop) else data
    if not isinstance(data, bytes):
        return 0
    try:
        width, height = header(data).size
    except DecodeError:
        return 0  # the decoder reports what is wrong
    return width * height


def _encode(data: Any, side: int, levels: Levels) -> Picture:
    from PIL.Image import Resampling

    image = picture(data, side, levels).image
    image.thumbnail((side, side), Resampling.LANCZOS if side <= THUMB else Resampling.BICUBIC, reducing_gap=3)
    return _sent(image)


def _outlined(crop: Crop, side: int, levels: Levels) -> Picture:
    """The picture of a box, with the box drawn in two colours, so that it stands out from any background."""
    from PIL import ImageDraw
    from PIL.Image import Resampling

    image = whole(crop, levels).image
    image.thumbnail((side, side), Resampling.BICUBIC, reducing_gap=3)
    box = crop.pixels(*image.size)
    if box is None:
        raise DecodeError("a box that lies outside its picture")
    width = max(2, round(max(image.size) / _THIN))
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = box
    for out, colour in ((2 * width, "#000000"), (width, "#ffd400")):
        edges = (left - out, top - out, right - 1 + out, bottom - 1 + out)
        draw.rectangle(edges, outline=colour, width=width)
    return _sent(image)


def _sent(image) -> Picture:
    if max(image.size) > 4 * THUMB:  # WebP is slow on large images
        out = io.BytesIO()
        image.save(out, "JPEG", quality=90)
        return Picture(out.getvalue(), "image/jpeg")
    return Picture(_webp(image, lossless=max(image.size) <= SMALL), "image/webp")


def _webp(image, *, lossless: bool) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", lossless=lossless, quality=82, method=0 if lossless else 2)
    return out.getvalue()


def _safe(name: str) -> str:
    return "".join(c for c in name if c.isalnum()) or "run"
