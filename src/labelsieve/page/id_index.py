"""From the user's id to the position in the findings: a sorted table of hashes. It takes 16 bytes per example, a dict
about a hundred."""

from __future__ import annotations

import numpy as np


class IdIndex:
    """Positions of ids; computed on first use."""

    def __init__(self, ids: np.ndarray):
        self._ids = ids
        self._keys: np.ndarray | None = None
        self._order = np.empty(0, np.int64)

    def of(self, id: str) -> int | None:
        """The position of an id, or None if it is not in the findings."""
        if self._keys is None:
            keys = np.fromiter(map(hash, self._ids), np.int64, len(self._ids))
            self._order = np.argsort(keys, kind="stable")
            self._keys = keys[self._order]  # set last: another thread may be reading
        key = np.int64(hash(id))
        first, last = np.searchsorted(self._keys, key, "left"), np.searchsorted(self._keys, key, "right")
        return next((int(i) for i in self._order[first:last] if self._ids[i] == id), None)
