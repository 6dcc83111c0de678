"""Files of rows -> Arrow tables: CSV, TSV, JSON Lines (each also with .gz) and Parquet.

Ids and labels of a text table are read as they are written: "007" stays "007", and "NA" may be a class. Only feature columns are
parsed as numbers. Of a CSV or Parquet file just the columns needed are kept.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelsieve.core.errors import UserError
from labelsieve.data import places
from labelsieve.data.columns import Columns

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 24  # bytes of CSV read at once; a row must fit into it
_FIRST = 10_000  # rows from which it is seen what a column of text holds
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, eq=False)
class TableFile:
    """A table in a file: its schema, `read`, which gives the columns that are wanted, `first`, the first rows of some columns, and
    `written`, some columns as they are written (of a text file: as text)."""

    schema: pa.Schema
    read: Callable[[Columns], pa.Table]
    first: Callable[[Sequence[str]], pa.Table]
    written: Callable[[Sequence[str]], pa.Table]
    notes: tuple[str, ...] = ()


def open_table(path: str) -> TableFile:
    """The table at `path`, whose suffix is one of `READERS`.

    Raises:
        UserError: it is no table, or damaged; reading its columns may raise the same.
    """
    with telling(path):
        file = READERS[places.suffix(path)](path)

    def read(columns: Columns) -> pa.Table:
        with telling(path):
            return file.read(columns)

    def first(names: Sequence[str]) -> pa.Table:
        with telling(path):
            return file.first(names)

    def written(names: Sequence[str]) -> pa.Table:
        with telling(path):
            return file.written(names)

    return TableFile(file.schema, read, first, written, file.notes)


def in_memory(table: pa.Table) -> TableFile:
    """A table that is there already."""

    def some(names: Sequence[str]) -> pa.Table:
        return table.select(list(names))

    return TableFile(table.schema, lambda columns: some(columns.all()), lambda names: some(names).slice(0, _FIRST), some)


@contextmanager
def telling(source: str) -> Iterator[None]:
    """Whatever goes wrong while reading is the file's fault, and told in a sentence."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeError, TypeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{source} cannot be read as a table: {first.rstrip('.')}.") from error


def _csv(path: str) -> TableFile:
    import pyarrow as pa
    from pyarrow import csv

    with _opened(path) as file:
        header = file.readline()
    parse = csv.ParseOptions(delimiter=_delimiter(header, path), newlines_in_values=True)
    encoding, notes = "utf8", ()
    try:
        header.decode()
    except UnicodeDecodeError:
        encoding, notes = "cp1252", (f"{path} is not UTF-8 and was read as Windows-1252 (Latin-1).",)
    block = csv.ReadOptions(block_size=_BLOCK, encoding=encoding)
    with _opened(path) as file:
        reader = csv.open_csv(file, block, parse, csv.ConvertOptions(check_utf8=False))  # what is no UTF-8 is decoded where it is used
        schema = reader.schema
        head = next(iter(reader), None)
        if not head:
            raise UserError(f"{path} has a header but no rows.")

    def read(columns: Columns) -> pa.Table:
        # Bytes, because ids may be file names, and those need not be UTF-8.
        kinds = {name: pa.binary() for name in (columns.label, columns.id, columns.group) if name is not None}
        kinds |= {name: pa.string() for name in (columns.text, columns.image) if name is not None}
        kinds |= {name: pa.string() if pa.types.is_string(schema.field(name).type) else pa.float64() for name in columns.features}
        kinds |= {name: pa.bool_() for name in columns.features if pa.types.is_boolean(schema.field(name).type)}
        try:
            return _rows(kinds)
        except pa.ArrowInvalid:  # a word among a million numbers, further down than was looked
            return _rows({name: pa.string() if kind == pa.float64() else kind for name, kind in kinds.items()})

    def _rows(kinds: dict[str, pa.DataType]) -> pa.Table:
        with _opened(path) as file:
            options = csv.ConvertOptions(column_types=kinds, include_columns=list(kinds), check_utf8=False)
            return csv.read_csv(file, block, parse, options)

    def first(names: Sequence[str]) -> pa.Table:
        return pa.Table.from_batches([head]).select(list(names)).slice(0, _FIRST)

    return TableFile(schema, read, first, lambda names: _rows({name: pa.string() for name in names}), notes)


def headerless(path: str) -> pa.Table:
    """A CSV or TSV file of numbers whose first row is data."""
    from pyarrow import csv

    with telling(path):
        with _opened(path) as file:
            parse = csv.ParseOptions(delimiter=_delimiter(file.readline(), path))
        with _opened(path) as file:
            return csv.read_csv(file, csv.ReadOptions(autogenerate_column_names=True, block_size=_BLOCK), parse)


def _delimiter(header: bytes, path: str) -> str:
    """Spreadsheets of half the world write ";" into a .csv."""
    if header.startswith(_UTF16):
        raise UserError(f"{path} is UTF-16; save it as UTF-8.")
    if places.suffix(path) == ".tsv":
        return "\t"
    return next((mark.decode() for mark in (b",", b";", b"\t") if mark in header), ",")


def _jsonl(path: str) -> TableFile:
    import pyarrow as pa

    rows = []
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{path}, line {number} is no JSON: {error}.") from error
            if not isinstance(row, dict):
                raise UserError(f'{path}, line {number} is no JSON object; each line must be one, like {{"text": ..., "label": ...}}.')
            rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    table = pa.table({name: _json_column([row.get(name) for row in rows]) for name in names})
    return in_memory(table)


def _json_column(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError):  # mixed kinds such as 1 and "1b", or half a surrogate pair
        texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
        return pa.array([text and text.encode("utf-8", "replace").decode() for text in texts])


def _parquet(path: str) -> TableFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _opened(path) as file:
        schema = pq.read_schema(file)

    def read(columns: Columns) -> pa.Table:
        with _opened(path) as file:
            return pq.ParquetFile(file).read(columns=columns.all())

    def first(names: Sequence[str]) -> pa.Table:
        with _opened(path) as file:
            batch = next(pq.ParquetFile(file).iter_batches(_FIRST, columns=list(names)), None)
            return pa.Table.from_batches([] if batch is None else [batch], pa.schema([schema.field(name) for name in names]))

    def written(names: Sequence[str]) -> pa.Table:
        with _opened(path) as file:
            return pq.ParquetFile(file).read(columns=list(names))

    return TableFile(schema, read, first, written)


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    with places.opened(path) as file:
        if path.endswith(".gz"):
            with gzip.open(file, "rb") as plain:
                yield plain
        else:
            yield file


READERS: dict[str, Callable[[str], TableFile]] = {".csv": _csv, ".tsv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}
