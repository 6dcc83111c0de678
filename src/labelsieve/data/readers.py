"""Files of rows -> Arrow tables: CSV, TSV, JSON Lines, JSON, ARFF (each also with .gz), Parquet, Arrow and Feather,
tables of SQLite and DuckDB.

Ids and labels of a text table are read exactly as written: "007" stays "007", and "NA" may be a class. Only feature
columns are parsed as numbers. From a CSV or Parquet file only the necessary columns are kept.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from labelsieve.core.errors import UserError
from labelsieve.data.binaries import LOOK, is_bytes, is_foreign, is_record, what
from labelsieve.data.columns import PICTURES, Columns
from labelsieve.formats import arff, database, lance
from labelsieve.places import paths
from labelsieve.places.parquet_column import ParquetColumn, large_column

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 24  # bytes of CSV read at once; a row must fit into it
_FIRST = 10_000  # rows that decide what a column of text holds
_COLUMNS = 100_000  # per file; each takes some 15 kB to read, so this many take one or two gigabytes
_DEEPEST = 200  # levels of lists and records in a line of JSON
_NESTED = "{}, line {} is nested more than " + str(_DEEPEST) + " levels deep; leave that field out."
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, eq=False)
class TableFile:
    """A table in a file. `read` gives the chosen columns, `first` the first rows of some columns, and `written` some
    columns as they are in the file (in a text file: as text). `opaque` are columns of bytes that are neither pictures
    nor text; in a `plain` file every cell is stored as text. `large` gives a column that stays in the file, because it
    is too large for the memory, and None for any other. `label` is the column that the format says is the class."""

    schema: pa.Schema
    read: Callable[[Columns], pa.Table]
    first: Callable[..., pa.Table]
    written: Callable[[Sequence[str]], pa.Table]
    notes: tuple[str, ...] = ()
    opaque: frozenset[str] = frozenset()
    plain: bool = False
    large: Callable[[str], ParquetColumn | lance.LanceColumn | None] = lambda name: None
    label: str = ""


def open_table(path: str) -> TableFile:
    """The table at `path`, whose suffix is one of `READERS`.

    Raises:
        UserError: it is not a table, or is damaged; reading its columns may raise the same.
    """
    with user_errors(path):
        file = READERS[paths.suffix(path)](path)

    def read(columns: Columns) -> pa.Table:
        with user_errors(path):
            return file.read(columns)

    def first(names: Sequence[str], rows: int = _FIRST) -> pa.Table:
        with user_errors(path):
            return file.first(names, rows)

    def written(names: Sequence[str]) -> pa.Table:
        with user_errors(path):
            return file.written(names)

    def large(name: str) -> ParquetColumn | lance.LanceColumn | None:
        with user_errors(path):
            return file.large(name)

    return replace(file, read=read, first=first, written=written, large=large)


def in_memory(table: pa.Table) -> TableFile:
    """The `TableFile` of a table in memory."""

    def some(names: Sequence[str]) -> pa.Table:
        return table.select(list(names))

    def first(names: Sequence[str], rows: int = _FIRST) -> pa.Table:
        return some(names).slice(0, rows)

    return _bytes_classified(TableFile(table.schema, lambda columns: some(columns.all()), first, some))


def plain_codes(table: pa.Table) -> pa.Table:
    """The table with Polars' categories (string views) as large strings, because Arrow cannot decode the views."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type):
            parts = [
                pa.DictionaryArray.from_arrays(part.indices.cast(pa.int64()), part.dictionary.cast(pa.large_string()))
                for part in table.column(i).chunks
            ]
            column = pa.chunked_array(parts, pa.dictionary(pa.int64(), pa.large_string()))
            table = table.set_column(i, field.name, column)
    return table


def _bytes_classified(file: TableFile) -> TableFile:
    """The file with columns of bytes that hold texts read as texts, and `opaque` filled in."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = {field.name: field.type for field in file.schema if is_bytes(field.type) or is_record(field.type)}
    if not kinds or len(set(file.schema.names)) < len(file.schema.names):
        return file
    texts, opaque = set(), set()
    for name, column in zip(kinds, file.first(list(kinds), LOOK).columns, strict=True):
        cells = [cell["bytes"] if isinstance(cell, dict) else cell for cell in column.to_pylist()]
        cells = [cell for cell in cells if isinstance(cell, bytes) and cell.strip()]
        if is_record(kinds[name]):
            opaque |= {name} if is_foreign(cells) else set()
        elif cells and name.lower() not in PICTURES:  # bytes in a column called image are reported as a damaged picture
            kind = what(cells)
            texts |= {name} if kind == "text" else set()
            opaque |= {name} if kind == "other" else set()
    if not texts:
        return replace(file, opaque=frozenset(opaque))

    def decoded(table: pa.Table) -> pa.Table:
        for name in texts.intersection(table.column_names):
            plain = table[name].cast(pa.large_binary())
            read = pc.call_function("cast", [plain], pc.CastOptions(pa.large_string(), allow_invalid_utf8=True))
            table = table.set_column(table.column_names.index(name), name, read)
        return table

    fields = [pa.field(field.name, pa.large_string()) if field.name in texts else field for field in file.schema]
    schema = pa.schema(fields, file.schema.metadata)
    return TableFile(
        schema,
        lambda columns: decoded(file.read(columns)),
        lambda names, rows=_FIRST: decoded(file.first(names, rows)),
        lambda names: decoded(file.written(names)),
        file.notes,
        frozenset(opaque),
        large=lambda name: None if name in texts else file.large(name),
    )


@contextmanager
def user_errors(source: str) -> Iterator[None]:
    """Any error while reading becomes a UserError about the file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # every storage and format has its own exceptions
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{source} cannot be read as a table: {first.rstrip('.')}.") from error


def _csv(path: str) -> TableFile:
    import pyarrow as pa
    from pyarrow import csv

    with _opened(path) as file:
        header = file.readline(_BLOCK)
    parse = csv.ParseOptions(delimiter=delimiter(header, path), newlines_in_values=True)
    _require_few(header.count(parse.delimiter.encode()) + 1, path)
    encoding, notes = "utf8", ()
    try:
        header.decode()
    except UnicodeDecodeError:
        encoding, notes = "cp1252", (f"{path} is not UTF-8 and was read as Windows-1252 (Latin-1).",)
    block = csv.ReadOptions(block_size=_BLOCK, encoding=encoding)
    convert = partial(csv.ConvertOptions, check_utf8=False)  # what is not UTF-8 is decoded where it is used
    schema, head = _head(path, block, parse, convert())
    if parse.delimiter == ";" and any(map(_has_decimal_commas, head.columns)):
        convert = partial(convert, decimal_point=",")
        schema, head = _head(path, block, parse, convert())
        notes = (*notes, f"In {path}, whose cells are separated by semicolons, a comma is read as a decimal point.")

    def read(columns: Columns) -> pa.Table:
        # Bytes, because ids may be file names, and those need not be UTF-8.
        exact = (columns.label, columns.id, columns.group, columns.split)
        kinds = {name: pa.binary() for name in exact if name is not None}
        kinds |= {name: pa.string() for name in (columns.text, columns.image) if name is not None}
        kinds |= {
            name: pa.string() if pa.types.is_string(schema.field(name).type) else pa.float64()
            for name in columns.features
        }
        kinds |= {name: pa.bool_() for name in columns.features if pa.types.is_boolean(schema.field(name).type)}
        try:
            return _rows(kinds)
        except pa.ArrowInvalid:  # a word among a million numbers, below the rows that were checked
            return _rows({name: pa.string() if kind == pa.float64() else kind for name, kind in kinds.items()})

    def _rows(kinds: dict[str, pa.DataType]) -> pa.Table:
        with _opened(path) as file:
            options = convert(column_types=kinds, include_columns=list(kinds))
            table = csv.read_csv(file, block, parse, options)
        if parse.delimiter == "\t":
            _require_closed(table, path)
        return table

    def first(names: Sequence[str], rows: int = _FIRST) -> pa.Table:
        return pa.Table.from_batches([head]).select(list(names)).slice(0, rows)

    return TableFile(schema, read, first, lambda names: _rows({name: pa.string() for name in names}), notes, plain=True)


def _head(path: str, block: Any, parse: Any, convert: Any) -> tuple[pa.Schema, pa.RecordBatch]:
    """The columns of a CSV file and its first rows."""
    from pyarrow import csv

    with _opened(path) as file:
        reader = csv.open_csv(file, block, parse, convert)
        head = next(iter(reader), None)
        if not head:
            raise UserError(f"{path} has a header but no rows.")
        return reader.schema, head


def _require_closed(table: pa.Table, path: str) -> None:
    """Refuse a cell of a TSV file that holds a tab and a line break: a quotation mark that nobody closed swallows rows.

    Raises:
        UserError: there is such a cell.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for column in table.columns:
        if not (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
            continue
        cells = column.cast(pa.binary())
        held = [
            pc.call_function(
                "match_substring",
                [
                    cells,
                ],
                pc.MatchSubstringOptions(mark),
            )
            for mark in ("\t", "\n")
        ]
        both = pc.call_function("and", held).fill_null(False).to_numpy()
        if both.any():
            row = int(both.argmax())
            begin = cells[row].as_py()[:40].decode("utf-8", "replace")
            raise UserError(
                f"{path}: the cell that begins {begin!r}, in row {row} (from 0), runs over several rows, because a "
                'quotation mark opens it and none closes it. Write each mark in the file twice ("") inside a cell with '
                "marks around it, or save the file as .jsonl."
            )


def _has_decimal_commas(column: pa.Array) -> bool:
    """Whether most of the filled cells of a column of text are numbers with a decimal comma, as 3,5."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return False
    cells = pc.call_function("drop_null", [column.slice(0, LOOK)])
    found = pc.call_function("match_substring_regex", [cells], pc.MatchSubstringOptions(r"^\s*[+-]?[0-9]+,[0-9]+\s*$"))
    return len(cells) > 0 and 2 * sum(found.to_pylist()) > len(cells)


def _require_few(columns: int, path: str) -> None:
    if columns > _COLUMNS:
        raise UserError(
            f"{path} has {columns:,} columns, but at most {_COLUMNS:,} can be read, because each column takes memory. "
            "If rows and columns are swapped, transpose the table; else save the features as one array (.npy with "
            "<labels>, or .npz).",
            labels="",
        )


def headerless(path: str) -> pa.Table:
    """A CSV or TSV file of numbers whose first row is data."""
    from pyarrow import csv

    with user_errors(path):
        with _opened(path) as file:
            parse = csv.ParseOptions(delimiter=delimiter(file.readline(), path))
        with _opened(path) as file:
            return csv.read_csv(file, csv.ReadOptions(autogenerate_column_names=True, block_size=_BLOCK), parse)


def delimiter(header: bytes, path: str) -> str:
    """The separator of the header; spreadsheets in many countries write ";" into a .csv."""
    if header.startswith(_UTF16):
        raise UserError(f"{path} is UTF-16; save it as UTF-8.")
    if paths.suffix(path) == ".tsv":
        return "\t"
    plain = re.sub(rb'"[^"]*"', b"", header)  # a mark inside quotes is part of a name
    return max((b",", b";", b"\t"), key=plain.count).decode()


def _jsonl(path: str) -> TableFile:

    rows = []
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{path}, line {number} is not JSON: {error}.") from error
            except RecursionError as error:
                raise UserError(_NESTED.format(path, number)) from error
            if not isinstance(row, dict):
                raise UserError(
                    f'{path}, line {number} is not a JSON object; each line must be one, such as {{"text": ..., '
                    '"label": '
                    f"...}}."
                )
            if line.count(b"[") + line.count(b"{") > _DEEPEST and _too_deep(row):
                raise UserError(_NESTED.format(path, number))
            rows.append(row)
    return in_memory(_of_records(rows, path))


def _of_records(rows: list[dict[str, Any]], path: str) -> pa.Table:
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    _require_few(len(names), path)
    return pa.table({name: _json_column([row.get(name) for row in rows]) for name in names})


def _json(path: str) -> TableFile:
    from labelsieve.data.json_layouts import records

    with _opened(path) as file:
        raw = file.read()
    try:
        value = json.loads(raw)
    except ValueError as error:
        lines = raw.strip().count(b"\n")
        advice = "; if each line is a JSON object of its own, name it .jsonl" if lines else ""
        raise UserError(f"{path} is not JSON: {error}{advice}.") from error
    except RecursionError as error:
        raise UserError(f"{path} is nested more than {_DEEPEST} levels deep; leave such fields out.") from error
    rows = records(value, path)
    if not rows:
        raise UserError(f"{path} holds no rows.")
    if raw.count(b"[") + raw.count(b"{") > _DEEPEST and any(map(_too_deep, rows)):
        raise UserError(f"{path} is nested more than {_DEEPEST} levels deep; leave such fields out.")
    return in_memory(_of_records(rows, path))


def _ipc(path: str) -> TableFile:
    """An Arrow file, Feather included, or an Arrow stream, as `datasets` writes it."""
    import pyarrow as pa

    with _opened(path) as file:
        raw = pa.py_buffer(file.read())
    try:
        table = pa.ipc.open_file(raw).read_all()
    except pa.ArrowInvalid:
        table = pa.ipc.open_stream(raw).read_all()
    _require_few(len(table.schema.names), path)
    return in_memory(plain_codes(table))


def _arff(path: str) -> TableFile:
    with _opened(path) as file:
        table, label = arff.table(file.read(), path)
    return replace(in_memory(table), label=label)


def _database(path: str) -> TableFile:
    names = database.column_names(path)
    _require_few(len(names), path)

    def some(names: Sequence[str], rows: int | None = None) -> pa.Table:
        import pyarrow as pa

        table = database.arrow_columns(path, names, rows)
        if table is not None:
            return table
        columns = database.columns_of(path, names, rows)
        return pa.table({name: _json_column(values) for name, values in zip(names, columns, strict=True)})

    first = some(names, _FIRST)
    file = TableFile(
        first.schema,
        lambda columns: some(columns.all()),
        lambda names, rows=_FIRST: first.select(list(names))[:rows],
        some,
    )
    return _bytes_classified(file)


def _lance(path: str) -> TableFile:
    schema = lance.opened(path).schema
    _require_few(len(schema.names), path)
    some = partial(lance.columns_of, path)

    def read(columns: Columns) -> pa.Table:
        return plain_codes(some(columns.all()))

    def first(names: Sequence[str], rows: int = _FIRST) -> pa.Table:
        return some(names, rows)

    return _bytes_classified(TableFile(schema, read, first, some, large=partial(lance.large_column, path)))


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        within = (inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer))
        level = [inner for inner in within if isinstance(inner, list | dict)]
        if not level:
            return False
    return True


def _json_column(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        OverflowError,
        UnicodeError,
    ):  # mixed kinds such as 1 and "1b", or half a surrogate pair
        texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
        return pa.array([text and text.encode("utf-8", "replace").decode() for text in texts])


def _parquet(path: str) -> TableFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _opened(path) as file:
        schema = pq.read_schema(file)
    _require_few(len(schema.names), path)

    def read(columns: Columns) -> pa.Table:
        with _opened(path) as file:
            return pq.ParquetFile(file).read(columns=columns.all())

    def first(names: Sequence[str], rows: int = _FIRST) -> pa.Table:
        with _opened(path) as file:
            table = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)  # else it reads a whole row group
            batch = next(table.iter_batches(rows, columns=list(names)), None)
            return pa.Table.from_batches(
                [] if batch is None else [batch], pa.schema([schema.field(name) for name in names])
            )

    def written(names: Sequence[str]) -> pa.Table:
        with _opened(path) as file:
            return pq.ParquetFile(file).read(columns=list(names))

    return _bytes_classified(TableFile(schema, read, first, written, large=partial(large_column, path)))


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    with paths.opened(path) as file:
        if path.endswith(".gz"):
            with gzip.open(file, "rb") as plain:
                yield plain
        else:
            yield file


READERS: dict[str, Callable[[str], TableFile]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".jsonl": _jsonl,
    ".json": _json,
    ".arrow": _ipc,
    ".feather": _ipc,
    ".arff": _arff,
    **dict.fromkeys(database.SUFFIXES, _database),
    lance.SUFFIX: _lance,
}
