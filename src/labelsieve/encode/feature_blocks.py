"""Features on disk, written block by block, so that a killed run loses one block at most.

A folder holds `features.npy`, `content.npy`, `sketch.npy`, `reading.npy` (plain arrays that any program can read) and
`journal.jsonl`: a header that names encoder, key and sizes, then one line for each finished block with the digest of
its inputs and its failures. A block's rows are on the disk before its line is. Rows are written with plain writes, not
through a memory map, with which a full disk would crash the process instead of raising an error.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing

JOURNAL = "journal.jsonl"

_VERSION = 2


@dataclass(frozen=True)
class Header:
    """What must match for stored blocks to be reused; any change restarts encoding."""

    encoder: str
    key: str
    n: int
    width: int
    block: int
    sketch: int
    version: int = _VERSION

    def columns(self) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        number = np.dtype(np.uint64)
        return {
            "features": (np.dtype(np.float16), (self.n, self.width)),
            "content": (number, (self.n,)),
            "sketch": (np.dtype(np.uint8), (self.n, self.sketch)),
            "reading": (np.dtype(np.uint16), (self.n,)),
        }


@dataclass(frozen=True)
class Finished:
    """One line of the journal: the digest of the block's inputs, and (position, reason) of each example that failed."""

    inputs: str
    failed: tuple[tuple[int, str], ...]


class Blocks:
    """The blocks under `folder` that were finished with the same header; none if the folder does not exist yet."""

    def __init__(self, folder: Path, header: Header):
        self.folder, self.header = folder, header
        self.finished = self._read_journal() if self._columns_fit() else {}

    def start(self, keep: Iterable[int]) -> None:
        """Forget every finished block but `keep`, before any of the others is overwritten."""
        self.finished = {block: self.finished[block] for block in sorted(keep)}
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._columns_fit():
                self._journal.unlink(missing_ok=True)
                self._create_columns()
            lines = [json.dumps(asdict(self.header)), *(_line(block, done) for block, done in self.finished.items())]
            with replacing(self._journal) as partial:
                partial.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write(self, block: int, done: Finished, **columns: np.ndarray) -> None:
        """Store a block's rows, then record them in the journal."""
        with writing(self.folder):
            for name, rows in columns.items():
                with open(self._path(name), "r+b") as file:
                    np.lib.format.read_magic(file)
                    np.lib.format.read_array_header_1_0(file)
                    file.seek(block * self.header.block * rows[0].nbytes, os.SEEK_CUR)
                    file.write(rows.tobytes())
                    _to_disk(file)
            with open(self._journal, "a", encoding="utf-8") as file:
                file.write(_line(block, done) + "\n")
                _to_disk(file)
        self.finished[block] = done

    def scatter(self, rows: np.ndarray, **columns: np.ndarray) -> None:
        """Store some rows (m,), ascending, anywhere. They count only once `close` has recorded their blocks."""
        runs = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1)
        with writing(self.folder):
            for name, values in columns.items():
                with open(self._path(name), "r+b") as file:
                    np.lib.format.read_magic(file)
                    np.lib.format.read_array_header_1_0(file)
                    begin = file.tell()
                    for run in runs:
                        file.seek(begin + int(rows[run[0]]) * values[0].nbytes)
                        file.write(values[run[0] : run[-1] + 1].tobytes())

    def close(self, digests: Callable[[range], str], failed: Iterable[tuple[int, str]]) -> None:
        """Record every block as finished, once all rows are stored and on the disk. `digests` gives the digest of the
        inputs in a span."""
        spans = self.spans()
        of_block: list[list[tuple[int, str]]] = [[] for _ in spans]
        for position, reason in sorted(failed):
            of_block[position // self.header.block].append((position, reason))
        done = {i: Finished(digests(span), tuple(of_block[i])) for i, span in enumerate(spans)}
        with writing(self.folder):
            for name in self.header.columns():
                with open(self._path(name), "r+b") as file:
                    _to_disk(file)
            with open(self._journal, "a", encoding="utf-8") as file:
                file.writelines(_line(block, finished) + "\n" for block, finished in done.items())
                _to_disk(file)
        self.finished = done

    def spans(self) -> list[range]:
        """The rows of each block."""
        n, size = self.header.n, self.header.block
        return [range(start, min(n, start + size)) for start in range(0, n, size)]

    def load(self, name: str) -> np.ndarray:
        """A column, memory-mapped read-only."""
        return np.load(self._path(name), mmap_mode="r")

    @property
    def _journal(self) -> Path:
        return self.folder / JOURNAL

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def _columns_fit(self) -> bool:
        try:
            columns = {name: self.load(name) for name in self.header.columns()}
        except (OSError, ValueError):
            return False
        return all(
            (columns[name].dtype, columns[name].shape) == expected for name, expected in self.header.columns().items()
        )

    def _create_columns(self) -> None:
        for name, (dtype, shape) in self.header.columns().items():
            with open(self._path(name), "wb") as file:
                header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                size = file.tell() + dtype.itemsize * int(np.prod(shape))
                file.truncate(size)
                # disk space is reserved now, so that it cannot run out after hours of encoding
                if hasattr(os, "posix_fallocate"):
                    file.flush()
                    os.posix_fallocate(file.fileno(), 0, size)

    def _read_journal(self) -> dict[int, Finished]:
        try:
            lines = self._journal.read_text(encoding="utf-8").split("\n")[
                :-1
            ]  # a line without its end was cut short by a kill
            if not lines or json.loads(lines[0]) != asdict(self.header):
                return {}
            entries = [json.loads(line) for line in lines[1:]]
            if not all(0 <= e["block"] < -(-self.header.n // self.header.block) for e in entries):
                return {}
            return {e["block"]: Finished(e["inputs"], tuple((p, reason) for p, reason in e["failed"])) for e in entries}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def _line(block: int, done: Finished) -> str:
    return json.dumps({"block": block, "inputs": done.inputs, "failed": done.failed})


def _to_disk(file) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def writing(folder: Path | str) -> Iterator[None]:
    """Errors of the disk, while features are written to `folder`, become sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            message = (
                f"The disk is full: features could not be written to {folder}. Free some space and run the same "
                "command again"
            )
            raise UserError(f"{message}; the blocks finished so far are kept.") from error
        raise UserError(f"Features could not be written to {folder} ({error.strerror or error}).") from error
