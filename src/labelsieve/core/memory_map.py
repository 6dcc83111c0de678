"""Reading files that are larger than the memory, through memory maps, without holding their pages."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

IN_MEMORY = 8_000_000  # bytes; larger arrays are in files, if a folder is given
COLUMN = 1_000_000  # bytes; the same for the columns of findings, of which there are many
_BYTES = 1 << 26  # read between two releases
_TAKEN = 2048  # rows anywhere in a file that are read between two releases


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
    """Some rows, in memory; what was read of a memory map is released again, some rows at a time: the system maps up to
    64 kB around each."""
    if not isinstance(array, np.memmap):
        taken = np.asarray(array[rows])
        release(array)
        return taken
    out = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for start in range(0, len(rows), _TAKEN):
        out[start : start + _TAKEN] = array[rows[start : start + _TAKEN]]
        release(array)
    return out


def blocks(array: np.ndarray, rows: int) -> Iterator[slice]:
    """Consecutive blocks of `rows` rows of an array; what was read of a memory map is released again."""
    often = max(1, _BYTES // max(1, rows * array.strides[0] if array.ndim else 1))
    for i, start in enumerate(range(0, len(array), rows)):
        if i % often == often - 1:
            release(array)
        yield slice(start, min(start + rows, len(array)))
    release(array)


def allocate(shape: tuple[int, ...], dtype: type, folder: Path | None, name: str) -> np.ndarray:
    """An array in memory, or if it is large and a folder is given a memory map `folder/name.npy`."""
    if folder is None or np.prod(shape, dtype=float) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)


def temporary(
    shape: tuple[int, ...], dtype: type | np.dtype, folder: Path | None, most: int | None = None
) -> np.ndarray:
    """An array in memory; one of more than `most` bytes (`IN_MEMORY`), if a folder is given, in a file there, without a
    name, that goes with it."""
    most = IN_MEMORY if most is None else most
    if folder is None or np.prod(shape, dtype=float) * np.dtype(dtype).itemsize <= most:
        return np.empty(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder) as file:  # the map keeps it
        return np.memmap(file, dtype, "w+", shape=shape)


def stored(array: np.ndarray, folder: Path | None) -> np.ndarray:
    """The array (n,), or if it is large and a folder is given a copy in a file without a name there."""
    if array.nbytes <= COLUMN:
        return array
    out = temporary(array.shape, array.dtype, folder, most=COLUMN)
    if not isinstance(out, np.memmap):
        return array
    for rows in blocks(out, max(1, _BYTES // max(1, out.strides[0]))):
        out[rows] = array[rows]
    return out
