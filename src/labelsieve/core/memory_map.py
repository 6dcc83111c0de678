"""Reading files that are larger than the memory, through memory maps, without holding their pages."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

import numpy as np

_BYTES = 1 << 26  # read between two releases


def release(array: np.ndarray) -> None:
    """Give the pages of a memory map back to the system, which reads them again from its cache or the file when needed.

    Nothing is lost; an array in memory, or one whose changes are private, is left alone.
    """
    while isinstance(array, np.ndarray) and not (isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap)):
        array = array.base  # type: ignore[assignment]
    if isinstance(array, np.memmap) and array.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        file = array.base
        assert isinstance(file, mmap.mmap)  # checked above
        file.madvise(mmap.MADV_DONTNEED)


def take(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows, in memory; what was read of a memory map is released again."""
    taken = np.asarray(array[rows])
    release(array)
    return taken


def blocks(array: np.ndarray, rows: int) -> Iterator[slice]:
    """Consecutive blocks of `rows` rows of an array; what was read of a memory map is released again."""
    often = max(1, _BYTES // max(1, rows * array.strides[0] if array.ndim else 1))
    for i, start in enumerate(range(0, len(array), rows)):
        if i % often == often - 1:
            release(array)
        yield slice(start, min(start + rows, len(array)))
    release(array)
