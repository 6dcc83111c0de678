"""The content of many files, read when it is needed; files at an address are fetched many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labelsieve.core.content_hash import numbered, tagged
from labelsieve.places import paths
from labelsieve.places.paths import Stored

TOGETHER = 32  # requests on the way at the same time
NAMED = 3  # files that a note lists
BYTES = 64 << 20  # what they may bring together


@dataclass(frozen=True, eq=False)
class Listing:
    """What was listed below an address.

    Attributes:
        folder: the address.
        marks: (m,) uint64, hashes of the names and versions of its files, ascending.
    """

    folder: str
    marks: np.ndarray

    @classmethod
    def of(cls, folder: str, files: Sequence[Stored]) -> Listing:
        return cls(folder, np.sort(_marks(files)))

    def replaced(self) -> list[str]:
        """The names of files that are there now with another content, or that are new.

        Raises:
            OSError: it cannot be listed.
        """
        files = paths.files_below(self.folder)
        return [files[i].name for i in np.flatnonzero(~np.isin(_marks(files), self.marks))]


def replaced_files(inputs: Any) -> list[str]:
    """A note on the files of some inputs that were replaced at an address since they were listed, or none.

    Raises:
        OSError, Unreachable: the address cannot be listed again.
    """
    listing = getattr(inputs, "listing", None)
    if listing is None:
        return []
    names = listing.replaced()
    own = set(inputs.paths) if names else set()
    names = [name for name in names if paths.join(listing.folder, name) in own]
    if not names:
        return []
    some = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    many = "1 file of {} was" if len(names) == 1 else f"{len(names):,} files of {{}} were"
    return [
        f"{many.format(listing.folder)} replaced during the run ({some}); run the same command again: only what "
        "has changed is encoded again."
    ]


def _marks(files: Sequence[Stored]) -> np.ndarray:
    names = (tagged(b"file", f"{file.name}\0{file.version}".encode("utf-8", "surrogatepass")) for file in files)
    return numbered(b"".join(names))


@dataclass(frozen=True, eq=False)
class Files(Sequence):
    """The content of n files as bytes, read when indexed.

    Attributes:
        paths: n paths or addresses.
        sizes: (n,) int64 bytes, to fetch no more at a time than fits into memory; None if unknown.
        listing: what was listed to find them, or None.
        carry: whether contents that were kept go with it to another process.
    """

    paths: Sequence[str]
    sizes: np.ndarray | None = None
    listing: Listing | None = None
    carry: bool = False
    _kept: dict[int, bytes] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> bytes:
        return paths.read(self.paths[i])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ if self.carry else {**self.__dict__, "_kept": {}}

    row_bytes = 0  # only paths travel, and a few contents that were kept

    def part(self, rows: np.ndarray) -> Files:
        """As `core.input_parts`."""
        chosen: list[int] = rows.tolist()
        kept = {at: self._kept.pop(row) for at, row in enumerate(chosen) if row in self._kept}
        sizes = None if self.sizes is None else self.sizes[rows]
        return Files([self.paths[row] for row in chosen], sizes, None, True, kept)

    def many(self, positions: Sequence[int], again: bool = False) -> Iterator[bytes | OSError]:
        """The files at the positions, in that order; the error in place of one that cannot be read. Of those at
        addresses many are fetched at the same time.

        Args:
            again: they will soon be read once more by `many`: some are kept until then.
        """
        for group in self._groups(positions):
            missing = [i for i in group if i not in self._kept]
            contents = dict(zip(missing, paths.read_all([self.paths[i] for i in missing]), strict=True))
            for i in group:
                content = contents.pop(i) if i in contents else self._kept.pop(i)
                if again and not isinstance(content, OSError) and paths.is_remote(self.paths[i]):
                    self._keep(i, content)
                yield content

    def _keep(self, i: int, content: bytes) -> None:
        if sum(map(len, self._kept.values())) + len(content) <= BYTES:
            self._kept[i] = content

    def _groups(self, positions: Sequence[int]) -> Iterator[list[int]]:
        """The positions in groups that are fetched together: local files one by one."""
        group: list[int] = []
        size = 0
        for i in positions:
            own = BYTES // TOGETHER if self.sizes is None else int(self.sizes[i])
            full = len(group) == TOGETHER or size + own > BYTES or not paths.is_remote(self.paths[i])
            if group and full:
                yield group
                group, size = [], 0
            group.append(i)
            size += own
        if group:
            yield group
