"""The state that a killed run leaves, so that the next one continues: arrays under a key of all that they depend on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from labelsieve.core.files import replacing

OFTEN = 5.0  # seconds between two writes


def key_of(*parts: Any) -> str:
    """A hash of arrays and of anything with a faithful repr."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).data if isinstance(part, np.ndarray) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


class State:
    """The state of a loop in a file; without a path or a key nothing is written or read."""

    def __init__(self, path: Path | None, key: str | None):
        self._path, self._key, self._written = path if key else None, key, time.monotonic()

    def find(self) -> dict[str, np.ndarray] | None:
        """The last state with the same key; None if there is none, or if it is damaged or has another key."""
        if self._path is None:
            return None
        try:
            with np.load(self._path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files} if str(file["key"]) == self._key else None
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None

    def write(self, arrays: Callable[[], dict[str, Any]], *, now: bool = False) -> None:
        """Write the arrays, all or none, if `OFTEN` seconds have passed since the last time, or `now`."""
        if self._path is None or (not now and time.monotonic() - self._written < OFTEN):
            return
        with replacing(self._path) as partial, open(partial, "wb") as file:
            np.savez(file, allow_pickle=False, key=np.array(self._key), **arrays())
        self._written = time.monotonic()
