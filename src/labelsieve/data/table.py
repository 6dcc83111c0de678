"""Tables: files of rows (see `readers`) and any frame that speaks Arrow (pandas, Polars, pyarrow, DuckDB).

Texts and encoded images stay in Arrow memory until they are indexed; an image named by a path is looked for at once and read later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.data import places
from labelsieve.data.arrays import unusable_rows
from labelsieve.data.columns import Columns, Content, choose, require_column
from labelsieve.data.draft import Draft
from labelsieve.data.labels import is_missing
from labelsieve.data.readers import open_table, telling
from labelsieve.data.words import misread, readable, word

if TYPE_CHECKING:
    import pyarrow as pa


def load_table(path: str, asked: Columns, relabelled: bool = False) -> Draft:
    """The draft of a table in a file; relative image paths start at the table's folder."""
    file = open_table(path)
    columns = choose(contents(file.schema, path), asked, path, relabelled)
    draft = from_arrow(file.read(columns), columns, path, places.parent(path), guessed_id=asked.id is None)
    return replace(draft, notes=(*file.notes, *draft.notes))


def from_frame(frame: Any, asked: Columns, relabelled: bool = False) -> Draft:
    """The draft of a frame; relative image paths start at the working directory."""
    import pyarrow as pa

    source = f"the {type(frame).__module__.partition('.')[0]} frame"
    with telling(source):
        table = pa.table(frame)
    columns = choose(contents(table.schema, source), asked, source, relabelled)
    return from_arrow(table, columns, source, "", guessed_id=asked.id is None)


def read_columns(path: str, label: str | None, id: str | None) -> tuple[list[str | None] | None, np.ndarray | list[Any]]:
    """Ids (None if there is no column `id`) and labels of a table of labels."""
    file = open_table(path)
    names = tuple(file.schema.names)
    label = label or (names[0] if len(names) == 1 else "label")
    require_column(label, names, path, "label")
    if id:
        require_column(id, names, path, "id")
    columns = Columns(label=label, id=id or ("id" if "id" in names else None))
    table = file.read(columns)
    return (names_of(table[columns.id]) if columns.id else None), labels_of(table[label], path)


def from_arrow(table: pa.Table, columns: Columns, source: str, folder: str, guessed_id: bool) -> Draft:
    """The draft of the chosen columns of an Arrow table."""
    ids = _ids(table, columns, guessed_id)
    draft = Draft(
        inputs=(),
        kind="features",
        source=source,
        labels=labels_of(table[columns.label], source) if columns.label else None,
        ids=ids,
        id_place=f"column {columns.id!r}",
        groups=names_of(table[columns.group]) if columns.group else None,
    )
    if columns.text:
        return _texts(draft, table[columns.text])
    if columns.image:
        return _images(draft, table[columns.image], folder)
    features = matrix_of(table, columns.features, source)
    return replace(draft, inputs=features, unusable=unusable_rows(features, "a feature is missing, NaN or infinite"))


def row_ids(table: pa.Table, columns: Columns, guessed_id: bool) -> list[str]:
    """The id of every row, row numbers where there are none."""
    ids = _ids(table, columns, guessed_id)
    return [str(i) for i in range(len(table))] if ids is None else [str(key) for key in ids]


def _ids(table: pa.Table, columns: Columns, guessed_id: bool) -> list[str | None] | None:
    ids = names_of(table[columns.id]) if columns.id else None
    if guessed_id and ids and (len(set(ids)) < len(ids) or None in ids):
        return None  # a column that happens to be called "id" and is none
    return ids


def names_of(column: pa.ChunkedArray) -> list[str | None]:
    """Ids or groups as text; 3.0 is "3"."""
    return [name and readable(name) for name in _names(column)]


def _names(column: pa.ChunkedArray) -> list[str | None]:
    """The same, bytes that are no UTF-8 kept as surrogates: the path that opens the file."""
    return [_name(value) for value in _values(column)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Python values; strings as bytes where they are no UTF-8."""
    import pyarrow as pa

    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return column.cast(pa.large_string()).cast(pa.large_binary()).to_pylist()


def _name(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if is_missing(value):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def labels_of(column: pa.ChunkedArray, source: str) -> np.ndarray | list[Any]:
    from pyarrow import types

    if types.is_nested(column.type):
        raise UserError(f"The labels of {source} are lists or records ({column.type}); each example needs exactly one label.")
    return column.to_numpy() if types.is_integer(column.type) and not column.null_count else _values(column)


def _texts(draft: Draft, column: pa.ChunkedArray) -> Draft:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.cast(pa.large_string())
    notes: tuple[str, ...] = ()
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:  # no UTF-8
        raw = column.cast(pa.large_binary()).to_pylist()
        notes = misread(raw, "texts")
        column = pa.chunked_array([pa.array([value if value is None else word(value) for value in raw], pa.large_string())])
    trimmed = pc.call_function("utf8_trim_whitespace", [column])
    empty = pc.call_function("equal", [trimmed, pa.scalar("", pa.large_string())]).fill_null(True).to_numpy()
    unusable = {int(i): "the text is empty" for i in np.flatnonzero(empty)}
    return replace(draft, inputs=ArrowColumn(column), kind="text", unusable=unusable, notes=notes)


def _images(draft: Draft, column: pa.ChunkedArray, folder: str) -> Draft:
    if _content(column.type) == "image":
        missing = np.flatnonzero(column.is_null().to_numpy())
        inputs: Sequence[Any] = ArrowImages(column, folder)
        return replace(draft, inputs=inputs, kind="image", unusable={int(i): "there is no image" for i in missing})
    paths = [name and places.join(folder, name) for name in _names(column)]
    unusable = {i: "there is no image path" for i, path in enumerate(paths) if not path}
    for i, path in enumerate(paths):
        # An address is not asked for here, one request a row; what is not there is listed when the image is read.
        if path and not places.is_remote(path) and not places.is_file(path):
            unusable[i] = f"there is no file {path}"
    return replace(draft, inputs=places.Files([path or "" for path in paths]), kind="image", unusable=unusable)


def matrix_of(table: pa.Table, names: Sequence[str], source: str) -> np.ndarray:
    """The numeric columns, or one column of vectors, as (n, d), NaN where a value is missing; float32 if that holds every value exactly,
    else float64."""
    import pyarrow as pa

    if len(names) == 1 and _content(table.schema.field(names[0]).type) == "vector":
        return _vectors(table[names[0]], f"The column {names[0]!r} of {source}")
    columns = [table[name].cast(pa.float64()) if pa.types.is_decimal(table[name].type) else table[name] for name in names]
    arrays = [column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column for column in columns]
    values = [column.to_numpy() for column in arrays]
    matrix = np.empty((len(table), len(names)), np.result_type(np.float32, *(value.dtype for value in values)))
    for j, value in enumerate(values):
        matrix[:, j] = value
    return matrix


def _vectors(column: pa.ChunkedArray, what: str) -> np.ndarray:
    """A column of lists of numbers, all of one length, as (n, d); a missing list is a row of NaN."""
    import pyarrow.compute as pc

    lengths = pc.call_function("list_value_length", [column])
    there = column.is_valid().to_numpy()
    found = sorted(set(lengths.drop_null().to_pylist()))
    if len(found) != 1 or not found[0]:
        raise UserError(f"{what} holds lists of {' and '.join(map(str, found[:3])) or 'no'} numbers; all should have one length, above 0.")
    values = pc.call_function("list_flatten", [column.filter(column.is_valid())]).to_numpy()
    matrix = np.full((len(column), found[0]), np.nan, np.result_type(np.float32, values.dtype))
    matrix[there] = values.reshape(-1, found[0])
    return matrix


@dataclass(frozen=True, eq=False)
class ArrowColumn(Sequence):
    """A column as Python values, made when indexed."""

    column: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, i: int) -> Any:
        return self.column[int(i)].as_py()


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
            value = places.read(places.join(self.folder, value.get("path") or "")) if value["bytes"] is None else value["bytes"]
        return value


def contents(schema: pa.Schema, source: str) -> dict[str, Content]:
    """What each column holds."""
    twice = next((name for i, name in enumerate(schema.names) if name in schema.names[:i]), None)
    if twice is not None:
        raise UserError(f"{source} has two columns called {twice!r}; column names must be unique.")
    return {field.name: _content(field.type) for field in schema}


def _content(kind: pa.DataType) -> Content:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind):
        return "number"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "vector" if types.is_integer(kind.value_type) or types.is_floating(kind.value_type) else "other"
    binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    return "image" if binary or (types.is_struct(kind) and kind.get_field_index("bytes") >= 0) else "other"
