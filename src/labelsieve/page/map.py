"""The map of a run: the position of each example, computed once and saved in the run folder; sent as numbers, not as
text.

It is computed from the features of images and texts that `find` saved, the columns of a table, or the user's own
probabilities.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.evidence import Neighbours
from labelsieve.core.files import write_array
from labelsieve.page.api import MapStatus
from labelsieve.page.desk import Desk
from labelsieve.stats.map_layout import inside, layout

FILE, MADE_OF = "map.npy", "map_of.npy"
HUES, LEVELS = 20, 6  # more than twenty classes share the colours
NONE = "This run has no features on disk, so there is no map of it."
NOT_YET = "The map of this run is not computed yet; open the view Map first."


class Map:
    """The map of one desk."""

    def __init__(self, desk: Desk):
        self.desk = desk
        self._made: Future[np.ndarray] | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="map")
        self._lock = Lock()

    def status(self, start: bool = True) -> MapStatus:
        """Whether the map is ready. The first call starts to compute it."""
        with self._lock:
            if self._made is None and start:
                self._made = self._worker.submit(self._make)
            made = self._made
        if made is None or not made.done():
            return {"state": "making", "why": "", "n": len(self.desk.findings)}
        error = made.exception()
        if error is not None:
            why = error.in_words() if isinstance(error, UserError) else f"The map cannot be computed ({error})."
            return {"state": "none", "why": why, "n": 0}
        return {"state": "ready", "why": "", "n": len(made.result())}

    def possible(self) -> bool:
        """Whether there is something to compute a map from, as far as that is known before."""
        if self.desk.several:  # a point would be an example, not a question
            return False
        if self.desk.findings.settings.get("kind") in ("features", "probs"):
            return self.desk.data_error() is None
        return (self.desk.folder / "features" / "features.npy").exists()

    def place(self) -> np.ndarray:
        """(n, 2) float32 in the unit square.

        Raises:
            UserError: it is not computed yet, or there is none.
        """
        with self._lock:
            if self._made is None:
                kept = self._kept()
                if kept is None:
                    raise UserError(NOT_YET)
                self._made = Future()
                self._made.set_result(kept)
            made = self._made
        if not made.done():
            raise UserError(NOT_YET)
        return made.result()

    def within(self, polygon: np.ndarray) -> np.ndarray:
        """(n,) bool, the examples inside a polygon (m, 2) of the unit square."""
        return inside(self.place(), polygon)

    def shades(self, mask: np.ndarray, blind: bool) -> bytes:
        """One byte per example: 0 outside the view, else 1 + LEVELS * (class mod HUES) + the level of p(wrong)."""
        if blind:
            return mask.astype(np.uint8).tobytes()
        level = np.minimum((self.desk.calibrated.p_wrong * LEVELS).astype(np.uint8), LEVELS - 1)
        shade = 1 + LEVELS * (self.desk.findings.given % HUES).astype(np.uint8) + level
        return np.where(mask, shade, 0).astype(np.uint8).tobytes()

    def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _make(self) -> np.ndarray:
        kept = self._kept()
        if kept is not None:
            return kept
        made = layout(self._features(), self._neighbours())
        if not self.desk.readonly:
            try:
                write_array(self._evidence / FILE, made)
                write_array(self._evidence / MADE_OF, self._mark())
            except OSError:  # on a full disk it is computed again next time
                pass
        return made

    @property
    def _evidence(self) -> Path:
        return self.desk.folder / "evidence"

    def _mark(self) -> np.ndarray:
        """What the map was computed from: a new `find` into the same folder needs a new map."""
        settings = self.desk.findings.settings
        return np.array([str(settings.get(name)) for name in ("data_hash", "encoder", "seed")])

    def _kept(self) -> np.ndarray | None:
        try:
            made, mark = np.load(self._evidence / FILE), np.load(self._evidence / MADE_OF)
        except (OSError, ValueError, EOFError):
            return None
        fits = (
            made.shape == (len(self.desk.findings), 2)
            and made.dtype == np.float32
            and np.array_equal(mark, self._mark())
        )
        return made if fits else None

    def _features(self) -> np.ndarray:
        n, kind = len(self.desk.findings), self.desk.findings.settings.get("kind")
        if kind in ("features", "probs"):
            return np.asarray(self.desk.data().inputs)
        folder = self.desk.folder / "features"
        try:
            features = np.load(folder / "features.npy", mmap_mode="r")
            readable = np.load(folder / "content.npy", mmap_mode="r") != 0
        except (OSError, ValueError) as error:
            raise UserError(NONE) from error
        if len(features) != len(readable) or int(readable.sum()) != n:
            raise UserError(NONE)
        return features if readable.all() else features[readable]

    def _neighbours(self) -> np.ndarray | None:
        try:
            index = Neighbours.load(self._evidence).index
        except (OSError, ValueError):
            return None
        return index if len(index) == len(self.desk.findings) else None
