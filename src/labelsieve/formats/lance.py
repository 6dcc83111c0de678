"""Lance data sets: folders `NAME.lance` of columns, read through pylance (lancedb.github.io/lance).

Rows come in the order of a scan. Lance moves a row that is updated to the end, so a corrected copy is written anew, in
the old order. Encoded images stay in the data set and are taken from it when they are indexed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.extras import need
from labelsieve.places import paths

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIX = ".lance"
_AT_ONCE = 256  # images that are taken in one pass


def is_lance(place: str) -> bool:
    return place.endswith(SUFFIX) and paths.is_folder(paths.join(place, "_versions"))


def opened(place: str, version: int | None = None) -> Any:
    """The `lance.LanceDataset`.

    Raises:
        UserError: pylance is not installed, or the folder is damaged.
    """
    if paths.is_remote(place):
        raise UserError(f"{place} is at an address, and Lance is read in place; copy it to this machine.")
    lance = need("lance", f"{place} is a Lance data set, which", "lance", "pylance")
    try:
        return lance.dataset(place, version=version)
    except Exception as error:  # it raises errors of several kinds
        raise UserError(f"{place} cannot be read as a Lance data set: {str(error).partition(',')[0]}.") from error


def columns_of(place: str, names: Sequence[str], rows: int | None = None) -> pa.Table:
    """Some columns, of the first `rows` rows or of all."""
    return opened(place).to_table(columns=list(names), limit=rows, blob_handling="all_binary")


def large_column(place: str, name: str) -> LanceColumn | None:
    """A column of bytes that stays in the data set; None for any other."""
    from pyarrow import types

    dataset = opened(place)
    field = dataset.schema.field(name)
    if not (types.is_binary(field.type) or types.is_large_binary(field.type)):
        return None
    if b"lance-encoding:blob" in (field.metadata or {}):  # of which rows are taken in another way
        return None
    return LanceColumn(place, name, dataset.version, dataset.count_rows())


@dataclass(frozen=True, eq=False)
class LanceColumn(Sequence):
    """The values of a column of bytes.

    Attributes:
        place, column: the data set and the column.
        version: of the data set, so that a later change does not matter.
        length: how many rows the data set has.
        folder: unused; the values are no paths.
        rows: (n,) int64 rows of the data set; None: all of them.
    """

    place: str
    column: str
    version: int
    length: int
    folder: str = ""
    rows: np.ndarray | None = None
    row_bytes = 0  # only the numbers of rows travel

    def __len__(self) -> int:
        return self.length if self.rows is None else len(self.rows)

    def __getitem__(self, i: int) -> bytes | None:
        return next(self.many([int(i)]))

    def many(self, positions: Sequence[int], again: bool = False) -> Iterator[bytes | None]:
        """As `core.read_many`."""
        dataset = _dataset(self.place, self.version, os.getpid())
        for start in range(0, len(positions), _AT_ONCE):
            at = np.asarray(positions[start : start + _AT_ONCE], np.int64)
            rows, back = np.unique(at if self.rows is None else self.rows[at], return_inverse=True)
            values = dataset.take(rows.tolist(), columns=[self.column])[self.column].to_pylist()
            yield from (values[i] for i in back.tolist())

    def part(self, rows: np.ndarray) -> LanceColumn:
        """As `core.input_parts`."""
        own = rows if self.rows is None else self.rows[rows]
        return LanceColumn(self.place, self.column, self.version, self.length, self.folder, own)


@lru_cache(maxsize=8)
def _dataset(place: str, version: int, process: int) -> Any:
    return opened(place, version)


def copied(place: str, columns: pa.Table, keep: np.ndarray, out: Path) -> None:
    """Write a copy into the folder `out`, with `columns` in place of those of the same name or added, and only with the
    rows that `keep` (n,) says."""
    import pyarrow as pa

    dataset = opened(place)
    schema = dataset.schema
    for field in columns.schema:
        at = schema.get_field_index(field.name)
        schema = schema.append(field) if at < 0 else schema.set(at, field)
    others = [name for name in dataset.schema.names if name not in columns.schema.names]

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in dataset.to_batches(columns=others, scan_in_order=True, blob_handling="all_binary"):
            rows = columns.slice(start, len(batch)).combine_chunks()
            arrays = [_array(batch, rows, name) for name in schema.names]
            mask = pa.array(keep[start : start + len(batch)])
            start += len(batch)
            yield pa.RecordBatch.from_arrays(arrays, schema=schema).filter(mask)

    most = max((fragment.count_rows() for fragment in dataset.get_fragments()), default=1)
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    need("lance", f"{place} is a Lance data set, which", "lance", "pylance").write_dataset(
        reader, str(out), max_rows_per_file=most, data_storage_version=dataset.data_storage_version
    )


def _array(batch: pa.RecordBatch, rows: pa.Table, name: str) -> Any:
    if name not in rows.schema.names:
        return batch.column(name)
    column = rows.column(name)
    return column.chunk(0) if column.num_chunks else column.combine_chunks()
