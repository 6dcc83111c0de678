"""A box of a picture as one input: it is cut out where pictures are decoded (`encode.decode_image`)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

MARGIN = 0.1  # of the width and the height of a box, on each side: a little of what surrounds an object tells its class
_OFF = 0.02  # a picture whose sides differ more than this from the size in its annotations is another picture
_Made = TypeVar("_Made")


class Whole:
    """An encoded picture that several crops share: it is decoded once, for as long as one of them is held.

    Attributes:
        data: the bytes of the file.
    """

    def __init__(self, data: bytes):
        self.data = data
        self._lock = Lock()
        self._made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[bytes], _Made]) -> _Made:
        """What `make` makes of the bytes; made once for each key."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make(self.data)
            return self._made[key]


@dataclass(frozen=True, eq=False)
class Crop:
    """One box of a picture.

    Attributes:
        whole: the picture.
        box: left, top, right, bottom.
        size: the width and height of the picture in the unit of the box: pixels as the annotations tell them, or (1, 1)
            for a box in fractions. None: unknown, and the box is in pixels of the picture.
    """

    whole: Whole
    box: tuple[float, float, float, float]
    size: tuple[float, float] | None = None

    def fits(self, width: int, height: int) -> bool:
        """Whether a picture of this size in pixels is the one that was annotated, or a scaled copy."""
        if self.size is None or self.size == (1, 1):
            return True
        across, down = width / self.size[0], height / self.size[1]
        return abs(across - down) <= _OFF * max(across, down)

    def pixels(self, width: int, height: int, margin: float = 0.0) -> tuple[int, int, int, int] | None:
        """The box in whole pixels of a picture of this size, clipped; None if it lies outside.

        Args:
            margin: what is added on each side, in widths and heights of the box.
        """
        across, down = (width / self.size[0], height / self.size[1]) if self.size else (1.0, 1.0)
        left, top, right, bottom = self.box
        more, taller = margin * (right - left), margin * (bottom - top)
        ends = (
            max(0, round((left - more) * across)),
            max(0, round((top - taller) * down)),
            min(width, round((right + more) * across)),
            min(height, round((bottom + taller) * down)),
        )
        inside = left * across < width and top * down < height and right > 0 and bottom > 0
        if not inside:
            return None
        x, y = min(ends[0], width - 1), min(ends[1], height - 1)
        return x, y, max(ends[2], x + 1), max(ends[3], y + 1)
