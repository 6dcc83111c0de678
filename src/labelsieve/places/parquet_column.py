"""A column of texts or encoded images in a Parquet file, read when it is indexed: a table that is larger than the
memory stays in its file.

Row groups are read from their beginning, some rows at a time; the last few are kept. Rows in ascending order therefore
cost one pass over each row group, and a row at random costs its row group up to there: smaller row groups suit random
access better.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.places import paths

if TYPE_CHECKING:
    import pyarrow as pa

LARGE = 256 << 20  # bytes of a column, uncompressed, above which it stays in its file
_AT_ONCE = 8 << 20  # bytes that are read at a time
_KEPT = 8  # of those: threads that decode ahead read a little out of order
_BUFFER = 1 << 20


@dataclass(frozen=True, eq=False)
class ParquetColumn(Sequence):
    """The values of a column: str, or bytes of images (Hugging Face's {bytes, path} too).

    Attributes:
        path: of the file, or its address.
        column: its name.
        starts: (g + 1,) int64, the first row of each row group, and the number of rows.
        bytes_per_row: of the column, about.
        folder: where relative paths of images begin.
        rows: (n,) int64 rows of the file; None: all of them.
    """

    path: str
    column: str
    starts: np.ndarray
    bytes_per_row: float
    folder: str = ""
    rows: np.ndarray | None = None
    row_bytes = 0  # only the numbers of rows travel

    def __len__(self) -> int:
        return int(self.starts[-1]) if self.rows is None else len(self.rows)

    def __getitem__(self, i: int) -> Any:
        value = self._reader.value(int(i) if self.rows is None else int(self.rows[int(i)]))
        if isinstance(value, dict):
            inner = value["bytes"]
            return paths.read(paths.join(self.folder, value.get("path") or "")) if inner is None else inner
        return value

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_reader"}

    def part(self, rows: np.ndarray) -> ParquetColumn:
        """As `core.input_parts`."""
        own = rows if self.rows is None else self.rows[rows]
        return ParquetColumn(self.path, self.column, self.starts, self.bytes_per_row, self.folder, own)

    @property
    def groups(self) -> np.ndarray:
        """(n,) int64 the row group of each input."""
        rows = np.arange(len(self)) if self.rows is None else self.rows
        return np.searchsorted(self.starts, rows, side="right") - 1

    def chunks(self) -> Iterator[pa.Array]:
        """All rows of the file in order, some at a time."""
        for group in range(len(self.starts) - 1):
            yield from self._reader.of_group(group)

    @cached_property
    def _reader(self) -> _Reader:
        return _Reader(self)


class _Reader:
    """Reads row groups, for several threads."""

    def __init__(self, of: ParquetColumn) -> None:
        self._of, self._lock = of, threading.Lock()
        self._group, self._next = -1, 0
        self._ahead: Iterator[pa.Array] = iter(())
        self._recent: deque[tuple[int, pa.Array]] = deque(maxlen=_KEPT)

    def value(self, row: int) -> Any:
        with self._lock:
            for first, array in self._recent:
                if first <= row < first + len(array):
                    return array[row - first].as_py()
            group = int(np.searchsorted(self._of.starts, row, side="right")) - 1
            if group != self._group or row < self._next:
                self._ahead, self._group, self._next = self.of_group(group), group, int(self._of.starts[group])
            for array in self._ahead:
                first, self._next = self._next, self._next + len(array)
                self._recent.append((first, array))
                if row < self._next:
                    return array[row - first].as_py()
        raise OSError(f"{self._of.path} has fewer rows than before")

    def of_group(self, group: int) -> Iterator[pa.Array]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = max(16, min(4096, int(_AT_ONCE / max(1.0, self._of.bytes_per_row))))
        with paths.opened(self._of.path) as file:
            table = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
            for batch in table.iter_batches(rows, row_groups=[group], columns=[self._of.column]):
                array = batch.column(0)
                yield array.cast(pa.large_string()) if pa.types.is_string_view(array.type) else array


def large_column(path: str, column: str) -> ParquetColumn | None:
    """The column of a Parquet file if it is too large to be read into memory, else None."""
    import pyarrow.parquet as pq

    with paths.opened(path) as file:
        about = pq.read_metadata(file)
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    size = 0
    for group in groups:
        for i in range(group.num_columns):
            leaf = group.column(i)
            if leaf.path_in_schema == column or leaf.path_in_schema.startswith(f"{column}."):
                size += leaf.total_uncompressed_size
    if size <= LARGE:
        return None
    starts = np.concatenate([[0], np.cumsum([group.num_rows for group in groups])]).astype(np.int64)
    return ParquetColumn(path, column, starts, size / max(1, about.num_rows))
