"""Texts and encoded images in Arrow memory, converted when they are indexed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.places import paths

if TYPE_CHECKING:
    import pyarrow as pa


def without_pixels(column: pa.ChunkedArray, folder: str, source: str) -> dict[int, str]:
    """The rows of Hugging Face's {bytes, path} that have no bytes, and whose path leads nowhere.

    Raises:
        UserError: all of them.
    """
    from pyarrow import types

    if not types.is_struct(column.type) or {"bytes", "path"} - {field.name for field in column.type}:
        return {}
    found, row = {}, 0
    for chunk in column.chunks:
        empty = np.flatnonzero((chunk.is_valid().to_numpy(False)) & chunk.field("bytes").is_null().to_numpy(False))
        for i in empty.tolist():
            path = paths.join(folder, chunk.field("path")[i].as_py() or "")
            if not paths.is_remote(path) and not paths.is_file(path):
                found[row + i] = f"there is no file {path}"
        row += len(chunk)
    if found and len(found) == row:
        raise UserError(
            f"{source} holds paths of images and no pixels, and {next(iter(found.values()))}. `to_parquet` writes so: "
            "read the table where the images are, or save the data with save_to_disk or push_to_hub."
        )
    return found


@dataclass(frozen=True, eq=False)
class ArrowColumn(Sequence):
    """A column as Python values, converted when indexed."""

    column: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, i: int) -> Any:
        return self.column[int(i)].as_py()

    @property
    def row_bytes(self) -> float:
        return self.column.nbytes / max(1, len(self))

    def part(self, rows: np.ndarray) -> ArrowColumn:
        return ArrowColumn(_taken(self.column, rows))


@dataclass(frozen=True, eq=False)
class ArrowImages(Sequence):
    """A column of encoded images: bytes, or Hugging Face's {bytes, path}."""

    column: pa.ChunkedArray
    folder: str

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, i: int) -> bytes:
        value = self.column[int(i)].as_py()
        if isinstance(value, dict):
            value = (
                paths.read(paths.join(self.folder, value.get("path") or ""))
                if value["bytes"] is None
                else value["bytes"]
            )
        return value

    @property
    def row_bytes(self) -> float:
        return self.column.nbytes / max(1, len(self))

    def part(self, rows: np.ndarray) -> ArrowImages:
        return ArrowImages(_taken(self.column, rows), self.folder)


def _taken(column: pa.ChunkedArray, rows: np.ndarray) -> pa.ChunkedArray:
    """Some rows of a column, copied chunk by chunk: only what is taken is pickled, however long the column is."""
    import pyarrow as pa

    ends = np.cumsum([len(chunk) for chunk in column.chunks])
    at = np.searchsorted(ends, rows, side="right")
    parts = [
        column.chunk(int(at[run[0]])).take(
            pa.array(rows[run] - (ends[at[run[0]]] - len(column.chunk(int(at[run[0]])))))
        )
        for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(at)) + 1)
        if len(run)
    ]
    return pa.chunked_array(parts, column.type)
