"""Parts of files, read when they are indexed: the images in shards, which are never unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from labelsieve.places import paths


@dataclass(frozen=True, eq=False)
class Slices(Sequence):
    """n values, each the bytes of a part of a file.

    Attributes:
        files: paths or addresses.
        file: (n,) positions in `files`.
        begin, size: (n,) int64 bytes.
    """

    files: tuple[str, ...]
    file: np.ndarray
    begin: np.ndarray
    size: np.ndarray
    row_bytes = 24.0  # three numbers travel

    def __len__(self) -> int:
        return len(self.file)

    def __getitem__(self, i: int) -> bytes:
        return next(self.many([int(i)]), b"")

    def many(self, positions: Sequence[int], again: bool = False) -> Iterator[bytes]:
        """As `core.read_many`."""
        name, file = "", None
        try:
            for i in positions:
                path = self.files[int(self.file[i])]
                if file is None or path != name:
                    if file is not None:
                        file.close()
                    name, file = path, paths.opened(path)
                file.seek(int(self.begin[i]))
                value = file.read(int(self.size[i]))
                if len(value) < self.size[i]:
                    raise OSError(f"{path} is shorter than before")
                yield value
        finally:
            if file is not None:
                file.close()

    def part(self, rows: np.ndarray) -> Slices:
        """As `core.input_parts`."""
        return Slices(self.files, self.file[rows], self.begin[rows], self.size[rows])


class Places:
    """Collects where the values are."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files, self._rows = tuple(files), []

    def add(self, file: int, begin: int, size: int) -> None:
        self._rows.append((file, begin, size))

    def slices(self) -> Slices:
        table = np.array(self._rows, np.int64).reshape(-1, 3)
        return Slices(self._files, table[:, 0], table[:, 1], table[:, 2])
