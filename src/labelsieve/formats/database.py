"""Tables in SQLite and DuckDB files: `data.db`, or `data.db::TABLE` where the file holds several.

The order of the rows is that of their row ids or, where a table has none, of its primary key. A corrected copy is the
same file with new labels: nothing else in it changes, so it gets no further columns.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.errors import UserError, meant
from labelsieve.core.extras import need
from labelsieve.places import paths

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".db", ".sqlite", ".sqlite3", ".db3", ".duckdb", ".ddb")
_SQLITE, _DUCKDB = b"SQLite format 3\0", b"DUCK"
_AT_ONCE = 10_000  # rows


def column_names(place: str) -> list[str]:
    """The columns of the table.

    Raises:
        UserError: it is no database, has no such table, or several and none is named.
    """
    with _connected(place) as (connection, table):
        return [column[0] for column in connection.execute(f"SELECT * FROM {table.sql} LIMIT 0").description]


def columns_of(place: str, names: Sequence[str], rows: int | None = None) -> list[list[Any]]:
    """The values of some columns, of the first `rows` rows or of all. Errors as in `column_names`."""
    with _connected(place) as (connection, table):
        listed = ", ".join(map(_quoted, names)) or "NULL"
        limit = "" if rows is None else f" LIMIT {rows}"
        cursor = connection.execute(f"SELECT {listed} FROM {table.sql}{table.order}{limit}")
        columns: list[list[Any]] = [[] for _ in names]
        while block := cursor.fetchmany(_AT_ONCE):
            for column, values in zip(columns, zip(*block, strict=True), strict=False):
                column.extend(values)
        return columns


def arrow_columns(place: str, names: Sequence[str], rows: int | None = None) -> pa.Table | None:
    """As `columns_of`, as DuckDB's own Arrow table; None for SQLite, whose columns have no types."""
    with _connected(place) as (connection, table):
        if isinstance(connection, sqlite3.Connection):
            return None
        listed = ", ".join(map(_quoted, names)) or "NULL"
        limit = "" if rows is None else f" LIMIT {rows}"
        return connection.sql(f"SELECT {listed} FROM {table.sql}{table.order}{limit}").to_arrow_table()


def write_labels(place: str, label: str, take: np.ndarray, fresh: Sequence[str], keep: np.ndarray, out: Path) -> None:
    """Copy the database to the file `out` with new labels in the column `label`.

    Args:
        take: (n,) the row whose label each row gets; n + j stands for the j-th of `fresh`.
        keep: (n,) bool, false where the row is removed.

    Raises:
        UserError: the table is a view or has no row ids, has other rows than before, or a new class does not fit.
    """
    shutil.copyfile(paths.file_of(place), out)
    for suffix in ("-wal", ".wal"):  # what was not yet written into the file itself
        if (log := Path(paths.file_of(place) + suffix)).is_file():
            shutil.copyfile(log, f"{out}{suffix}")
    mark, named = place.partition("::")[1:]
    with _connected(f"{out}{mark}{named}", writable=True) as (connection, table):
        if not table.key:
            raise UserError(f"{table.name} in {place} is a view or has no row ids, so its rows cannot be changed.")
        key = ", ".join(table.key)
        rows = connection.execute(f"SELECT {_quoted(label)}, {key} FROM {table.sql}{table.order}").fetchall()
        if len(rows) != len(take):
            raise UserError(f"{place} has {len(rows)} rows, but the run read {len(take)}; run find on it again.")
        given, keys = [row[0] for row in rows], [row[1:] for row in rows]
        values = [*given, *(_as_given(text, given, place) for text in fresh)]
        changed = [(values[take[i]], *keys[i]) for i in np.flatnonzero((take != np.arange(len(take))) & keep).tolist()]
        gone = [keys[i] for i in np.flatnonzero(~keep).tolist()]
        where = " AND ".join(f"{column} = ?" for column in table.key)
        try:
            connection.execute("BEGIN")
            _changed(connection, table.sql, label, where, changed, gone)
            now = connection.execute(f"SELECT {key} FROM {table.sql}{table.order}").fetchall()
            if now == [keys[i] for i in np.flatnonzero(keep).tolist()]:
                connection.execute("COMMIT")
                return
            connection.execute("ROLLBACK")
            _in_old_order(connection, table, label, where, changed, gone)
        except Exception as error:  # a rule of the database, or a class that its type does not have
            raise UserError(f"{place} does not take the new labels: {str(error).strip().splitlines()[0]}.") from error


def _changed(
    connection: Any, table: str, label: str, where: str, changed: Sequence[tuple[Any, ...]], gone: Sequence[Any]
) -> None:
    if changed:
        connection.executemany(f"UPDATE {table} SET {_quoted(label)} = ? WHERE {where}", changed)
    if gone:
        connection.executemany(f"DELETE FROM {table} WHERE {where}", gone)


def _in_old_order(
    connection: Any, table: _Table, label: str, where: str, changed: Sequence[tuple[Any, ...]], gone: Sequence[Any]
) -> None:
    """DuckDB moves a row to the end if its label is a list or has an index: write all rows anew, in their order."""
    place, key = _quoted("labelsieve place"), _quoted("labelsieve key")
    connection.execute(
        f"CREATE TEMP TABLE labelsieve_rows AS SELECT row_number() OVER (ORDER BY rowid) AS {place}, rowid AS {key}, * "
        f"FROM {table.sql}"
    )
    _changed(connection, "labelsieve_rows", label, where.replace("rowid", key, 1), changed, gone)
    connection.execute(f"DELETE FROM {table.sql}")
    connection.execute(
        f"INSERT INTO {table.sql} SELECT * EXCLUDE ({place}, {key}) FROM labelsieve_rows ORDER BY {place}"
    )


def _as_given(name: str, given: Sequence[Any], place: str) -> Any:
    kinds = {type(value) for value in given if value is not None}
    if kinds != {int}:
        return name
    try:
        return int(name)
    except ValueError as error:
        raise UserError(f"The labels of {place} are whole numbers, so {name!r} cannot be one of them.") from error


@dataclass(frozen=True)
class _Table:
    """A table: its name, the name in SQL, and the columns that name a row, none of a view."""

    name: str
    sql: str
    key: tuple[str, ...]

    @property
    def order(self) -> str:
        return f" ORDER BY {', '.join(self.key)}" if self.key else ""


@contextmanager
def _connected(place: str, writable: bool = False) -> Iterator[tuple[Any, _Table]]:
    """The open database and the table."""
    if paths.is_remote(place):
        raise UserError(f"{place} is at an address, and databases are read in place; copy it to this machine.")
    path, _, named = paths.file_of(place), *place.partition("::")[1:]
    with open(path, "rb") as file:
        head = file.read(16)
    if head[8:12] == _DUCKDB:
        duckdb = need("duckdb", f"{path} is a DuckDB file, which", "duckdb")
        listed, errors = _DUCKDB_TABLES, duckdb.Error
        open_ = partial(duckdb.connect, path, read_only=not writable)
    elif head == _SQLITE:
        mode = "rw" if writable else "ro"
        uri = f"{Path(path).resolve().as_uri()}?mode={mode}"
        listed, errors = _SQLITE_TABLES, sqlite3.Error
        open_ = partial(sqlite3.connect, uri, uri=True, isolation_level=None)
    else:
        raise UserError(f"{path} is neither a SQLite nor a DuckDB file.")
    try:
        with closing(open_()) as connection:
            kinds = {
                (name if schema == "main" else f"{schema}.{name}"): (schema, name, kind)
                for schema, name, kind in connection.execute(listed).fetchall()
            }
            chosen = _chosen(list(kinds), [key for key, one in kinds.items() if one[0] == "main"], named, path)
            schema, name, kind = kinds[chosen]
            sql = f"{_quoted(schema)}.{_quoted(name)}"
            yield connection, _Table(chosen, sql, () if "view" in kind.lower() else _key(connection, name, sql, errors))
    except errors as error:
        raise UserError(f"{path} cannot be read: {str(error).strip().splitlines()[0].rstrip('.')}.") from error


def _key(connection: Any, name: str, sql: str, errors: type[Exception]) -> tuple[str, ...]:
    """What names a row: its row id, under a name that no column has; of a table without row ids the primary key."""
    columns = {column[0].lower() for column in connection.execute(f"SELECT * FROM {sql} LIMIT 0").description}
    for rowid in ("rowid", "_rowid_", "oid"):
        with suppress(errors):  # SQLite has tables without row ids, DuckDB only the first name
            if rowid not in columns:
                connection.execute(f"SELECT {rowid} FROM {sql} LIMIT 0")
                return (rowid,)
    about = connection.execute(f"PRAGMA table_info({_quoted(name)})").fetchall()
    return tuple(_quoted(column[1]) for column in sorted(about, key=lambda column: column[5]) if column[5])


_SQLITE_TABLES = (
    "SELECT 'main', name, type FROM sqlite_master WHERE type IN ('table', 'view') "
    "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
)
_DUCKDB_TABLES = "SELECT table_schema, table_name, table_type FROM information_schema.tables ORDER BY ALL"


def _chosen(tables: Sequence[str], main: Sequence[str], named: str, path: str) -> str:
    """The table that the user named, else the only one, of the main schema if it has one."""
    listed = ", ".join(tables) or "none"
    if named:
        if named not in tables:
            raise UserError(f"{path} has no table {named!r}.{meant(named, tables)} There are: {listed}.")
        return named
    tables = main or tables
    if len(tables) != 1:
        example = f"; name one as {path}::{tables[0]}" if tables else ""
        raise UserError(f"{path} holds {len(tables)} tables ({listed}){example}.")
    return tables[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
