"""Tables: files of rows (see `readers`) and any frame with an Arrow interface (pandas, Polars, pyarrow, DuckDB).

Texts and encoded images stay in Arrow memory until they are indexed; the path of an image is checked at once, the file
is read later.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core import added_columns
from labelsieve.core.errors import UserError
from labelsieve.core.feature_columns import UNKNOWN, short
from labelsieve.core.image_names import is_image
from labelsieve.core.splits import is_split
from labelsieve.data.arrow_inputs import ArrowColumn, ArrowImages, without_pixels
from labelsieve.data.binaries import is_bytes, is_record
from labelsieve.data.class_metadata import class_names_in
from labelsieve.data.class_names import misread, readable, word
from labelsieve.data.columns import (
    IMAGES,
    INDEXES,
    LABELS,
    SPLITS,
    TEXTS,
    Columns,
    Content,
    added,
    choose,
    require_column,
)
from labelsieve.data.feature_values import EMPTY, TEXT, features_of, is_text, numbers
from labelsieve.data.frames import categories_of, index_ids, is_indexed, to_arrow
from labelsieve.data.labels import Repeated, faulty, is_missing
from labelsieve.data.raw_data import Draft
from labelsieve.data.readers import TableFile, in_memory, open_table, plain_codes, user_errors
from labelsieve.places import paths
from labelsieve.places.many_files import Files

if TYPE_CHECKING:
    import pyarrow as pa


_SPLIT_NOTE = "The column {!r} holds the split of each example; it is neither a feature nor a text."
_NEARLY_ALL = 0.95  # of the filled cells of a column
Names = tuple[list[str | None] | None, tuple[str, ...]]  # ids, or None, and notes


def load_table(path: str, requested: Columns, relabelled: bool = False, without: Sequence[str] = ()) -> Draft:
    """The draft of a table in a file; relative image paths start at the table's folder. Columns in `without` are passed
    over."""
    file = without_columns(open_table(path), without)
    draft = _draft(file, requested, path, paths.parent(path), relabelled)
    return replace(draft, notes=(*file.notes, *draft.notes))


def from_frame(frame: Any, requested: Columns, relabelled: bool = False, without: Sequence[str] = ()) -> Draft:
    """The draft of a frame; relative image paths start at the working directory. Columns in `without` are passed
    over."""
    source = name_of(frame)
    file = without_columns(opened_frame(frame, requested), without)
    if not is_indexed(frame):
        return _draft(file, requested, source, "", relabelled)
    taken = {str(name) for name in frame.index.names} & set(requested.named().values())
    return _draft(file, requested, source, "", relabelled, lambda: (None, ()) if taken else index_ids(frame, source))


def opened_frame(frame: Any, requested: Columns) -> TableFile:
    """A frame as a table; levels of its index that are `requested` become columns."""
    import pyarrow as pa

    with user_errors(name_of(frame)):
        named = [*requested.named().values()]
        return in_memory(to_arrow(frame, named) if is_indexed(frame) else plain_codes(pa.table(frame)))


def name_of(frame: Any) -> str:
    """What messages call a frame."""
    return f"the {type(frame).__module__.partition('.')[0]} frame"


def without_columns(file: TableFile, names: Sequence[str]) -> TableFile:
    """The table as if it had no columns of these names."""
    import pyarrow as pa

    rest = [field for field in file.schema if field.name not in names]
    return replace(file, schema=pa.schema(rest, file.schema.metadata)) if names else file


def from_paths(values: Any) -> Draft | None:
    """The draft of images whose paths, as text or `Path`, are the values of a list, a tuple or an array; None if they
    are anything else, such as texts. Relative paths start at the working directory."""
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "UO":
        values = values.tolist()
    if not isinstance(values, (list, tuple)) or not all(
        is_missing(v) or isinstance(v, str | os.PathLike) for v in values
    ):
        return None
    named = pa.chunked_array([[None if is_missing(value) else str(value) for value in values]], pa.string())
    if not names_images(named):
        return None
    return _images(Draft((), "image", "the list of paths", None), named, "")


def _draft(
    file: TableFile,
    requested: Columns,
    source: str,
    folder: str,
    relabelled: bool,
    otherwise: Callable[[], Names] = lambda: (None, ()),
) -> Draft:
    requested = requested.present(file.schema.names)
    columns, unused = roles(file, requested, source, relabelled)
    large = _large(file, columns, source, folder)
    read = columns if large is None else replace(columns, text=None, image=None)
    draft = from_arrow(
        file.read(read),
        read,
        source,
        folder,
        guessed_id=requested.id is None,
        unused=unused,
        otherwise=otherwise,
        large=large,
    )
    return replace(draft, notes=(*draft.notes, *passed_over(file.schema.names, requested)))


def _large(file: TableFile, columns: Columns, source: str, folder: str) -> dict[str, Any] | None:
    """Inputs that stay in their file, as fields of a draft; None if they are read like any other column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    name = columns.text or columns.image
    of_images = columns.image is not None and _content(file.schema.field(name).type) == "image"
    if name is None or not (columns.text or of_images) or (inputs := file.large(name)) is None:
        return None
    if of_images:
        return {"inputs": replace(inputs, folder=folder), "kind": "image"}
    empty, row = {}, 0
    with user_errors(source):
        for chunk in inputs.chunks():  # pyright: ignore[reportAttributeAccessIssue]  # Lance has no large texts
            texts = chunk.cast(pa.large_string())
            try:
                texts.validate(full=True)
            except pa.ArrowInvalid:  # not UTF-8: read as a whole, which repairs it and says so
                return None
            blank = pc.call_function(
                "equal", [pc.call_function("utf8_trim_whitespace", [texts]), pa.scalar("", texts.type)]
            )
            empty |= dict.fromkeys((row + np.flatnonzero(blank.fill_null(True))).tolist(), "the text is empty")
            row += len(texts)
    return {"inputs": inputs, "kind": "text", "unusable": empty}


def passed_over(names: Sequence[str], requested: Columns) -> tuple[str, ...]:
    """A note about the columns that Labelsieve added, if there are any."""
    return added_columns.passed_over(added(names, requested))


def roles(file: TableFile, requested: Columns, source: str, relabelled: bool) -> tuple[Columns, dict[str, str]]:
    """Which column of a table is what; and, if numbers are the features, the unused columns -> why."""
    kinds = contents(file.schema, source)
    for name in file.opaque:
        kinds[name] = "other"
    if (
        file.plain
        and requested.text is not None
        and requested.text in kinds
        and str(file.schema.field(requested.text).type) != "null"
    ):
        kinds[requested.text] = "text"  # digits and dates too, because the user named the column
    ours = added(kinds, requested)
    split = _split_column(file, [name for name in kinds if name not in (*requested.all(), *ours)], kinds)
    if split is not None:
        del kinds[split]
    texts = [
        name
        for name, content in kinds.items()
        if content == "text" and name not in (*requested.named().values(), *ours)
    ]
    unfit: dict[str, str | None] = {}
    if texts and not requested.text and not requested.image:
        first = file.first(texts)
        unfit = {name: numbers(first[name]).unfit() for name in texts}
        if not any(name.lower() in IMAGES or name.lower() in TEXTS for name in kinds if name not in ours):
            values = any(kind in ("number", "vector") and name.lower() not in LABELS for name, kind in kinds.items())
            beside = paths.parent(source) if values else None
            kinds |= {
                name: "image" for name in texts if name.lower() not in LABELS and names_images(first[name], beside)
            }
        speaking = (*LABELS, *TEXTS, *IMAGES)
        kinds |= {
            name: "number" for name, why in unfit.items() if why not in (TEXT, EMPTY) and name.lower() not in speaking
        }
    if file.label and not requested.label and not any(name.lower() in LABELS for name in kinds):
        requested = replace(requested, label=file.label)
    columns = replace(choose(kinds, requested, source, relabelled, index_column(file.schema)), split=split)
    if not columns.features:
        return columns, {}
    vectors = kinds[columns.features[0]] == "vector"
    taken = {*columns.all(), *ours}
    rest = [name for name in kinds if name not in taken]
    unused = {name: _why_unused(file.schema.field(name).type, name, unfit.get(name), vectors) for name in rest}
    known = columns.features == requested.features
    return columns, {name: UNKNOWN if known and kinds[name] == "number" else why for name, why in unused.items()}


def _split_column(file: TableFile, names: Sequence[str], kinds: Mapping[str, Content]) -> str | None:
    """The column of splits: its name says so, and every filled cell is a usual name of a split (train, test, ...)."""
    for name in names:
        if name.lower() in SPLITS and kinds[name] == "text":
            values = {value for value in names_of(file.first([name])[name]) if value}
            if values and all(map(is_split, values)):
                return name
    return None


def names_images(column: pa.ChunkedArray, folder: str | None = None) -> bool:
    """Whether nearly all values end as the name of an image does, and the first is a file in `folder`, if there is one:
    beside columns of numbers, names may only say which pictures the features are of."""
    values = [name for name in _names(column) if name]
    if values and folder is not None and not paths.is_file(paths.join(folder, values[0])):
        return False
    return bool(values) and sum(is_image(name.partition("?")[0]) for name in values) >= _NEARLY_ALL * len(values)


def index_column(schema: pa.Schema) -> str | None:
    """The column that was a frame's index according to pandas' metadata, if it was one column."""
    try:
        names = (schema.pandas_metadata or {}).get("index_columns", [])
    except (ValueError, AttributeError):  # metadata of another program
        return None
    return names[0] if len(names) == 1 and isinstance(names[0], str) and names[0] in schema.names else None


def _why_unused(kind: pa.DataType, name: str, unfit: str | None, beside_vectors: bool) -> str:
    from pyarrow import types

    if name.lower() in INDEXES:
        return "row numbers"
    if unfit or _content(kind) == "text":
        return unfit or TEXT
    if beside_vectors and _content(kind) == "number":
        return "a column of vectors is used instead"
    if is_bytes(kind) or is_record(kind):
        return "bytes that are not pictures"
    return EMPTY if types.is_null(kind) else "dates or times" if types.is_temporal(kind) else short(str(kind))


def read_columns(
    path: str, label: str | None, id: str | None
) -> tuple[list[str | None] | None, np.ndarray | Sequence[Any]]:
    """Ids and labels of a table of labels. The ids are None if it has neither `labelsieve_id` (preferred) nor `id`."""
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
    large: Mapping[str, Any] | None = None,
) -> Draft:
    """The draft of the chosen columns of an Arrow table. `unused` are the others -> why; `otherwise` gives ids and
    notes if no column holds ids; `large` are fields of the draft, if the inputs are not in the table."""
    ids, why, notes = _ids(table, columns, guessed_id, otherwise)
    names = class_names_in(table.schema, columns.label) if columns.label else None
    unused = {columns.id: why, **unused} if columns.id is not None and why else unused
    draft = Draft(
        inputs=(),
        kind="features",
        source=source,
        labels=_codes(table[columns.label])
        if names
        else labels_of(table[columns.label], source)
        if columns.label
        else None,
        ids=ids,
        id_place="the index" if columns.id is None else f"column {columns.id!r}",
        groups=names_of(table[columns.group]) if columns.group else None,
        splits=names_of(table[columns.split]) if columns.split else None,
        notes=(*notes, _SPLIT_NOTE.format(columns.split)) if columns.split else notes,
        classes=names,
        categories=_categories(table[columns.label]) if columns.label else None,
        label_column=columns.label or "",
    )
    if large is not None:
        return replace(draft, **large)
    if columns.text:
        return _texts(draft, table[columns.text])
    if columns.image:
        return _images(draft, table[columns.image], folder)
    features, named, unusable = features_of(table, columns.features, source, unused)
    return replace(draft, inputs=features, unusable=unusable, columns=named)


def _ids(
    table: pa.Table, columns: Columns, guessed_id: bool, otherwise: Callable[[], Names]
) -> tuple[list[str | None] | None, str, tuple[str, ...]]:
    """The ids, or None; why a guessed column cannot be the ids; and notes."""
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
        note = f"The column {columns.id!r} is not used as the ids: {fault}." if names else no_ids(columns.id, fault)
        return names, "values that repeat or are blank", (*notes, note)
    first = ", ".join(map(str, ids[:3])) + (", ..." if len(ids) > 3 else "")
    return (
        ids,
        "",
        (f"The ids are the column {columns.id!r}, which was the index of a frame ({first}).",) if index else (),
    )


def no_ids(name: str, fault: str) -> str:
    """The note that a column is not used as the ids."""
    return (
        f"The ids are the row numbers, not the column {name!r}: {fault}. To use ids of your own, make its values "
        "unique, or name another column as the ids."
    )


def names_of(column: pa.ChunkedArray) -> list[str | None]:
    """Ids or groups as text; 3.0 is "3"."""
    return [name and readable(name) for name in _names(column)]


def _names(column: pa.ChunkedArray) -> list[str | None]:
    """The same with bytes that are not UTF-8 kept as surrogates, so that a path still opens its file."""
    return [_name(value) for value in _values(column)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Python values; strings as bytes if they are not UTF-8."""
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


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """Positions of classes, -1 where the label is missing."""
    import pyarrow as pa

    return column.cast(pa.int64()).fill_null(-1).to_numpy()


def labels_of(column: pa.ChunkedArray, source: str) -> np.ndarray | Sequence[Any]:
    import pyarrow as pa
    from pyarrow import types

    if types.is_list(column.type) and is_text(column.type.value_type):
        cells = [None if cell is None else json.dumps(cell, ensure_ascii=False) for cell in _values(column)]
        return cells  # `told_apart` reads them: one label, none or several
    if types.is_nested(column.type):
        raise UserError(
            f"The labels of {source} are lists or records ({column.type}), not exactly one label per example; judge "
            "each label with <several>.",
            several=True,
        )
    if types.is_integer(column.type) and not column.null_count:
        return column.to_numpy()
    if not (types.is_binary(column.type) or is_text(column.type)) or not len(column):
        return _values(column)
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return Repeated(_values(pa.chunked_array([coded.dictionary])), coded.indices.to_numpy())


def _categories(column: pa.ChunkedArray) -> tuple[str, ...] | None:
    """The categories of a column in their order, if it has any."""
    from pyarrow import types

    return categories_of(column.combine_chunks()) if types.is_dictionary(column.type) and len(column) else None


def _texts(draft: Draft, column: pa.ChunkedArray) -> Draft:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.cast(pa.large_string())
    notes = draft.notes
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:  # not UTF-8
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
        inputs: Sequence[Any] = ArrowImages(column, folder)
        missing = {int(i): "there is no image" for i in np.flatnonzero(column.is_null().to_numpy())}
        return replace(
            draft, inputs=inputs, kind="image", unusable={**without_pixels(column, folder, draft.source), **missing}
        )
    paths_of_rows = [name and paths.join(folder, name) for name in _names(column)]
    unusable = {i: "there is no image path" for i, path in enumerate(paths_of_rows) if not path}
    for i, path in enumerate(paths_of_rows):
        # Addresses are not checked here, to avoid one request per row; a missing one is listed when the image is read.
        if path and not paths.is_remote(path) and not paths.is_file(path):
            unusable[i] = f"there is no file {path}"
    return replace(draft, inputs=Files([path or "" for path in paths_of_rows]), kind="image", unusable=unusable)


def contents(schema: pa.Schema, source: str) -> dict[str, Content]:
    """The kind of content of each column."""
    names = schema.names
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        numbers = all(name.replace(".", "").replace("-", "").isdigit() for name in names)
        advice = (
            "its first line is made of numbers, so put a line with names before it"
            if numbers
            else ("column names must be unique")
        )
        raise UserError(f"{source} has two columns called {twice!r}; {advice}.")
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
