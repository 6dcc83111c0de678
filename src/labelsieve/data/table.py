"""Tables: files of rows (see `readers`) and any frame that speaks Arrow (pandas, Polars, pyarrow, DuckDB).

Texts and encoded images stay in Arrow memory until they are indexed; an image named by a path is looked for at once and
read later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core import added_columns
from labelsieve.core.errors import UserError
from labelsieve.core.feature_columns import UNKNOWN, short
from labelsieve.data import paths
from labelsieve.data.binaries import is_bytes, is_record
from labelsieve.data.class_names import misread, readable, word
from labelsieve.data.columns import IMAGES, INDEXES, LABELS, TEXTS, Columns, Content, added, choose, require_column
from labelsieve.data.feature_values import EMPTY, TEXT, features_of, is_text, numbers
from labelsieve.data.frames import categories_of, index_ids, is_indexed, to_arrow
from labelsieve.data.labels import faulty, is_missing
from labelsieve.data.raw_data import Draft
from labelsieve.data.readers import TableFile, in_memory, open_table, plain_codes, telling

if TYPE_CHECKING:
    import pyarrow as pa


Names = tuple[list[str | None] | None, tuple[str, ...]]  # ids, or None, and notes


def load_table(path: str, asked: Columns, relabelled: bool = False) -> Draft:
    """The draft of a table in a file; relative image paths start at the table's folder."""
    file = open_table(path)
    draft = _draft(file, asked, path, paths.parent(path), relabelled)
    return replace(draft, notes=(*file.notes, *draft.notes))


def from_frame(frame: Any, asked: Columns, relabelled: bool = False) -> Draft:
    """The draft of a frame; relative image paths start at the working directory."""
    import pyarrow as pa

    source = f"the {type(frame).__module__.partition('.')[0]} frame"
    if not is_indexed(frame):
        with telling(source):
            table = plain_codes(pa.table(frame))
        return _draft(in_memory(table), asked, source, "", relabelled)
    with telling(source):
        table = to_arrow(frame, [*asked.named().values()])
    taken = {str(name) for name in frame.index.names} & set(asked.named().values())
    return _draft(
        in_memory(table), asked, source, "", relabelled, lambda: (None, ()) if taken else index_ids(frame, source)
    )


def _draft(
    file: TableFile,
    asked: Columns,
    source: str,
    folder: str,
    relabelled: bool,
    otherwise: Callable[[], Names] = lambda: (None, ()),
) -> Draft:
    columns, unused = roles(file, asked, source, relabelled)
    draft = from_arrow(
        file.read(columns), columns, source, folder, guessed_id=asked.id is None, unused=unused, otherwise=otherwise
    )
    return replace(draft, notes=(*draft.notes, *passed_over(file.schema.names, asked)))


def passed_over(names: Sequence[str], asked: Columns) -> tuple[str, ...]:
    """A note of the columns that Labelsieve added, if there are some."""
    return added_columns.passed_over(added(names, asked))


def roles(file: TableFile, asked: Columns, source: str, relabelled: bool) -> tuple[Columns, dict[str, str]]:
    """Which column of a table is what; and, if its numbers are the features, those that are nothing -> why."""
    found = contents(file.schema, source)
    for name in file.opaque:
        found[name] = "other"
    if (
        file.plain
        and asked.text is not None
        and asked.text in found
        and str(file.schema.field(asked.text).type) != "null"
    ):
        found[asked.text] = "text"  # digits and dates too: the user says so
    ours = added(found, asked)
    texts = [
        name for name, content in found.items() if content == "text" and name not in (*asked.named().values(), *ours)
    ]
    unfit: dict[str, str | None] = {}
    if texts and not asked.text and not asked.image:
        first = file.first(texts)
        unfit = {name: numbers(first[name]).unfit() for name in texts}
        speaking = (*LABELS, *TEXTS, *IMAGES)
        found |= {
            name: "number" for name, why in unfit.items() if why not in (TEXT, EMPTY) and name.lower() not in speaking
        }
    columns = choose(found, asked, source, relabelled, index_column(file.schema))
    if not columns.features:
        return columns, {}
    vectors = found[columns.features[0]] == "vector"
    taken = {*columns.all(), *ours}
    rest = [name for name in found if name not in taken]
    unused = {name: _why_unused(file.schema.field(name).type, name, unfit.get(name), vectors) for name in rest}
    known = columns.features == asked.features
    return columns, {name: UNKNOWN if known and found[name] == "number" else why for name, why in unused.items()}


def index_column(schema: pa.Schema) -> str | None:
    """The column that pandas says was the index of a frame, if it was one column."""
    try:
        names = (schema.pandas_metadata or {}).get("index_columns", [])
    except (ValueError, AttributeError):  # metadata that somebody else wrote
        return None
    return names[0] if len(names) == 1 and isinstance(names[0], str) and names[0] in schema.names else None


def _why_unused(kind: pa.DataType, name: str, unfit: str | None, beside_vectors: bool) -> str:
    from pyarrow import types

    if name.lower() in INDEXES:
        return "row numbers"
    if unfit or _content(kind) == "text":
        return unfit or TEXT
    if beside_vectors and _content(kind) == "number":
        return "a column of vectors is taken"
    if is_bytes(kind) or is_record(kind):
        return "bytes that are no pictures"
    return EMPTY if types.is_null(kind) else "dates or times" if types.is_temporal(kind) else short(str(kind))


def read_columns(
    path: str, label: str | None, id: str | None
) -> tuple[list[str | None] | None, np.ndarray | list[Any]]:
    """Ids (None if there is no column `labelsieve_id` or `id`; the first is ours and goes first) and labels of a table
    of labels."""
    file = open_table(path)
    names = tuple(file.schema.names)
    label = label or (names[0] if len(names) == 1 else "label")
    require_column(label, names, path, "label")
    if id:
        require_column(id, names, path, "id")
    columns = Columns(
        label=label, id=id or next((name for name in (added_columns.PREFIX + "id", "id") if name in names), None)
    )
    table = file.read(columns)
    return (names_of(table[columns.id]) if columns.id else None), labels_of(table[label], path)


def from_arrow(
    table: pa.Table,
    columns: Columns,
    source: str,
    folder: str,
    guessed_id: bool,
    unused: Mapping[str, str] = MappingProxyType({}),
    otherwise: Callable[[], Names] = lambda: (None, ()),
) -> Draft:
    """The draft of the chosen columns of an Arrow table; `unused` are those that are nothing -> why; `otherwise` gives
    the ids, and what should be said of them, where no column does."""
    ids, why, notes = _ids(table, columns, guessed_id, otherwise)
    unused = {columns.id: why, **unused} if columns.id is not None and why else unused
    draft = Draft(
        inputs=(),
        kind="features",
        source=source,
        labels=labels_of(table[columns.label], source) if columns.label else None,
        ids=ids,
        id_place="the index" if columns.id is None else f"column {columns.id!r}",
        groups=names_of(table[columns.group]) if columns.group else None,
        notes=notes,
        categories=_categories(table[columns.label]) if columns.label else None,
        label_column=columns.label or "",
    )
    if columns.text:
        return _texts(draft, table[columns.text])
    if columns.image:
        return _images(draft, table[columns.image], folder)
    features, named, unusable = features_of(table, columns.features, source, unused)
    return replace(draft, inputs=features, unusable=unusable, columns=named)


def _ids(
    table: pa.Table, columns: Columns, guessed_id: bool, otherwise: Callable[[], Names]
) -> tuple[list[str | None] | None, str, tuple[str, ...]]:
    """The ids, or None; why a column that was not named by the user does not serve; and what should be said of it."""
    if columns.id is None:
        names, notes = otherwise()
        return names, "", notes
    ids = names_of(table[columns.id])
    if not guessed_id:
        return ids, "", ()
    index = columns.id != "id"
    if index and ids == [str(i) for i in range(len(ids))]:
        return None, "row numbers", ()
    fault = faulty(ids)
    if fault:
        names, notes = otherwise()
        note = f"The column {columns.id!r} is not taken as the ids: {fault}." if names else no_ids(columns.id, fault)
        return names, "values that repeat or are blank", (*notes, note)
    first = ", ".join(map(str, ids[:3])) + (", ..." if len(ids) > 3 else "")
    return (
        ids,
        "",
        (f"The ids are the column {columns.id!r}, in which a frame names its rows ({first}).",) if index else (),
    )


def no_ids(name: str, fault: str) -> str:
    """The note that a column is not taken as the ids."""
    return (
        f"The ids are the row numbers, not the column {name!r}: {fault}. To have ids of your own, make it unique, or "
        "name another column "
        "as the ids."
    )


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
        raise UserError(
            f"The labels of {source} are lists or records ({column.type}); each example needs exactly one label."
        )
    return column.to_numpy() if types.is_integer(column.type) and not column.null_count else _values(column)


def _categories(column: pa.ChunkedArray) -> tuple[str, ...] | None:
    """The order of the categories of a column of pandas or Polars that has some."""
    from pyarrow import types

    return categories_of(column.combine_chunks()) if types.is_dictionary(column.type) and len(column) else None


def _texts(draft: Draft, column: pa.ChunkedArray) -> Draft:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.cast(pa.large_string())
    notes = draft.notes
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:  # no UTF-8
        raw = column.cast(pa.large_binary()).to_pylist()
        notes = (*notes, *misread(raw, "texts"))
        column = pa.chunked_array(
            [pa.array([value if value is None else word(value) for value in raw], pa.large_string())]
        )
    trimmed = pc.call_function("utf8_trim_whitespace", [column])
    empty = pc.call_function("equal", [trimmed, pa.scalar("", pa.large_string())]).fill_null(True).to_numpy()
    unusable = {int(i): "the text is empty" for i in np.flatnonzero(empty)}
    return replace(draft, inputs=ArrowColumn(column), kind="text", unusable=unusable, notes=notes)


def _images(draft: Draft, column: pa.ChunkedArray, folder: str) -> Draft:
    if _content(column.type) == "image":
        missing = np.flatnonzero(column.is_null().to_numpy())
        inputs: Sequence[Any] = ArrowImages(column, folder)
        return replace(draft, inputs=inputs, kind="image", unusable={int(i): "there is no image" for i in missing})
    found = [name and paths.join(folder, name) for name in _names(column)]
    unusable = {i: "there is no image path" for i, path in enumerate(found) if not path}
    for i, path in enumerate(found):
        # An address is not asked for here, one request a row; what is not there is listed when the image is read.
        if path and not paths.is_remote(path) and not paths.is_file(path):
            unusable[i] = f"there is no file {path}"
    return replace(draft, inputs=paths.Files([path or "" for path in found]), kind="image", unusable=unusable)


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
            value = (
                paths.read(paths.join(self.folder, value.get("path") or ""))
                if value["bytes"] is None
                else value["bytes"]
            )
        return value


def contents(schema: pa.Schema, source: str) -> dict[str, Content]:
    """What each column holds."""
    names = schema.names
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise UserError(f"{source} has two columns called {twice!r}; column names must be unique.")
    return {field.name: _content(field.type) for field in schema}


def _content(kind: pa.DataType) -> Content:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if is_text(kind):
        return "text"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind):
        return "number"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "vector" if types.is_integer(kind.value_type) or types.is_floating(kind.value_type) else "other"
    return "image" if is_bytes(kind) or is_record(kind) else "other"
