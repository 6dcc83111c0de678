"""The rows of the features in files that workers on any machine can read, and what workers make of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelsieve.core.errors import UserError
from labelsieve.core.workers import PATIENCE, GivenUp, Workers
from labelsieve.engine.standardise import Standardiser
from labelsieve.places import paths

LOG = logging.getLogger(__name__)
_SHARD = 4096  # rows


@dataclass(frozen=True, eq=False)
class Shard:
    """Some rows of the features, in a file.

    Attributes:
        address: a path or an address: a `.parquet` file whose column `features` holds lists of one size, or an `.npy`
            file (m, d), which must be a local path.
        at: (b,) int, the rows of the file that are meant, or None: all of them.
    """

    address: str
    at: np.ndarray | None = None

    def read(self) -> np.ndarray:
        """(b, d) float.

        Raises:
            OSError: it cannot be read.
        """
        if self.address.endswith(".npy"):
            features = np.load(self.address, mmap_mode="r")
            return np.asarray(features if self.at is None else features[self.at])
        table = pq.read_table(pa.BufferReader(paths.read(self.address)), columns=["features"])
        column = table["features"].combine_chunks()
        features = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
        return features if self.at is None else features[self.at]


@dataclass(frozen=True, eq=False)
class Shards:
    """All rows of the features in files. Each file has a random deal of the rows.

    Attributes:
        parts: the files.
        rows: (b,) int of each part: where its rows are among all.
        place: a folder, a path or an address, in which all workers can read what this process writes.
    """

    parts: Sequence[Shard]
    rows: Sequence[np.ndarray]
    place: str


def in_files(files: Sequence[tuple[str, np.ndarray]], place: str) -> Shards:
    """Shards of files, with the positions of their rows among all, -1 for rows that are not meant."""
    kept = [np.flatnonzero(rows >= 0) for _, rows in files]
    parts = [
        Shard(address, None if len(at) == len(rows) else at) for (address, rows), at in zip(files, kept, strict=True)
    ]
    some = [i for i, at in enumerate(kept) if len(at)]
    return Shards([parts[i] for i in some], [files[i][1][kept[i]] for i in some], place)


def deal(address: str, n: int, place: str, *, size: int = _SHARD, seed: int = 0) -> Shards:
    """Shards of an `.npy` file (n, d): each has some `size` random rows of it."""
    order = np.random.default_rng([seed, 2]).permutation(n)
    rows = [np.sort(part) for part in np.array_split(order, -(-n // size))]
    return Shards([Shard(address, part) for part in rows], rows, place)


@dataclass(frozen=True)
class Made(Sequence):
    """n items that are made when they are asked for, because all at once are large."""

    n: int
    make: Callable[[int], Any]

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if not 0 <= i < self.n:
            raise IndexError(i)
        return self.make(i)


def divided(
    workers: Workers, work: Callable[[Any, Any], Any], items: Sequence[Any], *, start: Callable[[], Any], what: str
) -> Iterator[tuple[int, Any]]:
    """The results of `Workers.run`, all of them.

    Raises:
        UserError: an item was given up; `what` says what it was a part of.
    """

    def waiting(positions: Sequence[int]) -> None:
        listed = ", ".join(str(position + 1) for position in positions)
        LOG.warning("No part of %s was finished for %d seconds; waiting for part %s.", what, PATIENCE, listed)

    for position, result in workers.run(work, items, start=start, waiting=waiting):
        if isinstance(result, GivenUp):
            reason = result.reason.rstrip(".")
            raise UserError(f"Part {position + 1} of {len(items)} of {what} failed each time: {reason}.")
        yield position, result


def standardised(parts: Sequence[Shard], scale: Standardiser) -> Iterator[np.ndarray]:
    """(b, d) float16 of each shard, as `standardise` makes them; the next one is read ahead."""

    def read(part: Shard) -> np.ndarray:
        return scale.of(part.read()).astype(np.float16)

    with ThreadPoolExecutor(1) as pool:
        ahead = None
        for part in [*parts, None]:
            now, ahead = ahead, None if part is None else pool.submit(read, part)
            if now is not None:
                yield now.result()
