"""Tables in SQLite and DuckDB files: `data.db`, or `data.db::TABLE` where the file holds several.

The order of the rows is that of their row ids. A corrected copy is the same file with new labels: nothing else in it
changes, so it gets no further columns.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
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
    with _connected(place) as (connection, table, _):
        return [column[0] for column in connection.execute(f"SELECT * FROM {_quoted(table)} LIMIT 0").description]


def columns_of(place: str, names: Sequence[str], rows: int | None = None) -> list[list[Any]]:
    """The values of some columns, of the first `rows` rows or of all. Errors as in `column_names`."""
    with _connected(place) as (connection, table, order):
        listed = ", ".join(map(_quoted, names)) or "NULL"
        limit = "" if rows is None else f" LIMIT {rows}"
        cursor = connection.execute(f"SELECT {listed} FROM {_quoted(table)}{order}{limit}")
        columns: list[list[Any]] = [[] for _ in names]
        while block := cursor.fetchmany(_AT_ONCE):
            for column, values in zip(columns, zip(*block, strict=True), strict=False):
                column.extend(values)
        return columns


def arrow_columns(place: str, names: Sequence[str], rows: int | None = None) -> pa.Table | None:
    """As `columns_of`, as DuckDB's own Arrow table; None for SQLite, whose columns have no types."""
    with _connected(place) as (connection, table, order):
        if isinstance(connection, sqlite3.Connection):
            return None
        listed = ", ".join(map(_quoted, names)) or "NULL"
        limit = "" if rows is None else f" LIMIT {rows}"
        return connection.sql(f"SELECT {listed} FROM {_quoted(table)}{order}{limit}").to_arrow_table()


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
    mark, table = place.partition("::")[1:]
    with _connected(f"{out}{mark}{table}", writable=True) as (connection, name, order):
        if not order:
            raise UserError(f"{name} in {place} is a view or has no row ids, so its rows cannot be changed.")
        rows = connection.execute(f"SELECT rowid, {_quoted(label)} FROM {_quoted(name)}{order}").fetchall()
        if len(rows) != len(take):
            raise UserError(f"{place} has {len(rows)} rows, but the run read {len(take)}; run find on it again.")
        given = [value for _, value in rows]
        values = [*given, *(_as_given(text, given, place) for text in fresh)]
        changed = np.flatnonzero((take != np.arange(len(take))) & keep).tolist()
        try:
            connection.execute("BEGIN")
            if changed:
                connection.executemany(
                    f"UPDATE {_quoted(name)} SET {_quoted(label)} = ? WHERE rowid = ?",
                    [(values[take[i]], rows[i][0]) for i in changed],
                )
            if not keep.all():
                connection.executemany(
                    f"DELETE FROM {_quoted(name)} WHERE rowid = ?", [(rows[i][0],) for i in np.flatnonzero(~keep)]
                )
            connection.execute("COMMIT")
        except Exception as error:  # a rule of the database, or a class that its type does not have
            raise UserError(f"{place} does not take the new labels: {str(error).strip().splitlines()[0]}.") from error


def _as_given(name: str, given: Sequence[Any], place: str) -> Any:
    kinds = {type(value) for value in given if value is not None}
    if kinds != {int}:
        return name
    try:
        return int(name)
    except ValueError as error:
        raise UserError(f"The labels of {place} are whole numbers, so {name!r} cannot be one of them.") from error


@contextmanager
def _connected(place: str, writable: bool = False) -> Iterator[tuple[Any, str, str]]:
    """The open database, the name of the table, and the clause that orders its rows ("" where there are no row ids)."""
    if paths.is_remote(place):
        raise UserError(f"{place} is at an address, and databases are read in place; copy it to this machine.")
    path, _, table = paths.file_of(place), *place.partition("::")[1:]
    with open(path, "rb") as file:
        head = file.read(16)
    if head[8:12] == _DUCKDB:
        duckdb = need("duckdb", f"{path} is a DuckDB file, which", "duckdb")
        names, errors = _DUCKDB_TABLES, duckdb.Error
        open_ = partial(duckdb.connect, path, read_only=not writable)
    elif head == _SQLITE:
        mode = "rw" if writable else "ro"
        uri = f"{Path(path).resolve().as_uri()}?mode={mode}"
        names, errors = _SQLITE_TABLES, sqlite3.Error
        open_ = partial(sqlite3.connect, uri, uri=True, isolation_level=None)
    else:
        raise UserError(f"{path} is neither a SQLite nor a DuckDB file.")
    try:
        with closing(open_()) as connection:
            kinds = dict(connection.execute(names).fetchall())
            name, order = _chosen(list(kinds), table, path), ""
            if "view" not in kinds[name].lower():
                with suppress(errors):  # SQLite has tables without row ids
                    connection.execute(f"SELECT rowid FROM {_quoted(name)} LIMIT 0")
                    order = " ORDER BY rowid"
            yield connection, name, order
    except errors as error:
        raise UserError(f"{path} cannot be read: {str(error).strip().splitlines()[0].rstrip('.')}.") from error


_SQLITE_TABLES = (
    "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
    "ORDER BY name"
)
_DUCKDB_TABLES = (
    "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'main' ORDER BY table_name"
)


def _chosen(tables: Sequence[str], named: str, path: str) -> str:
    listed = ", ".join(tables) or "none"
    if named:
        if named not in tables:
            raise UserError(f"{path} has no table {named!r}.{meant(named, tables)} There are: {listed}.")
        return named
    if len(tables) != 1:
        example = f"; name one as {path}::{tables[0]}" if tables else ""
        raise UserError(f"{path} holds {len(tables)} tables ({listed}){example}.")
    return tables[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
