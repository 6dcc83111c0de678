"""The journal: an append-only table of decisions in SQLite (write-ahead log). Many processes may append and read at
once."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from labelsieve.core.content_hash import is_hex
from labelsieve.core.decision import ACTS, Decision
from labelsieve.core.errors import UserError
from labelsieve.core.files import scratch_name

FILE = "decisions.sqlite"
LATER = {"given", "content"}  # columns that the first versions did not write
COLUMNS = tuple(field.name for field in fields(Decision))
_OPTIONAL = {"label", "suggestion", "target"} | LATER  # texts that may be missing
_ASIDE = (
    "put it aside with its -wal file and work on without it, or save its rows with `.recover` of the program sqlite3"
)
_values = attrgetter(*COLUMNS)
_TABLE = """CREATE TABLE IF NOT EXISTS decisions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, act TEXT NOT NULL, label TEXT, reviewer TEXT NOT NULL, at TEXT NOT NULL,
    batch TEXT NOT NULL, pick TEXT NOT NULL, blind INTEGER NOT NULL, p_wrong REAL, suggestion TEXT, target TEXT, note TEXT NOT NULL,
    given TEXT, content TEXT, UNIQUE (batch, id))"""
_INSERT = f"INSERT INTO decisions ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT (batch, id) DO NOTHING"
_SELECT = f"SELECT seq, {', '.join(COLUMNS)} FROM decisions WHERE seq > ? ORDER BY seq"


class Store(Protocol):
    """What a journal does, wherever its rows lie."""

    def append(self, rows: Sequence[Decision]) -> int: ...
    def read(self, after: int = 0) -> tuple[list[Decision], int]: ...
    def close(self) -> None: ...


class Journal:
    """The decisions of one run folder. Where the folder cannot be written, they are read from a copy, and none can be
    added.

    Raises:
        UserError: the file cannot be opened, is no journal, or is damaged.
    """

    def __init__(self, folder: str | Path):
        self._path = path = Path(folder) / FILE
        self._copy = (
            None if os.access(folder, os.W_OK) else _copy(path)
        )  # SQLite cannot read a write-ahead log without writing
        try:
            place = path if self._copy is None else Path(self._copy.name) / FILE
            _require_content(path)
            self._db = sqlite3.connect(place, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # a decision that was acknowledged survives a power cut
            self._db.execute(_TABLE)
            _add_columns(self._db)
        except sqlite3.OperationalError as error:
            raise UserError(f"{path} cannot be opened as a journal of decisions ({error}).") from error
        except sqlite3.Error as error:
            raise UserError(f"{path} is damaged ({error}); {_ASIDE}.") from error

    def append(self, rows: Sequence[Decision]) -> int:
        """Write the rows in one transaction; a row whose batch and id are there already is not written again.
        Returns how many were new.

        Raises:
            OSError: they could not be written (no right to, a full disk, another writer that does not end); none of
                them is.
        """
        if self._copy is not None:
            raise PermissionError(
                errno.EACCES, "no decision can be added, the run folder is read-only", str(self._path)
            )
        before = self._db.total_changes
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(_INSERT, map(_values, rows))
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled it back already
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.DatabaseError as error:
            raise OSError(errno.EIO, f"the decisions were not saved ({error})", str(self._path)) from error
        return self._db.total_changes - before

    def read(self, after: int = 0) -> tuple[list[Decision], int]:
        """The rows after number `after`, in order, and the number of the last."""
        try:
            rows = self._db.execute(_SELECT, (after,)).fetchall()
        except (sqlite3.DatabaseError, ValueError, OverflowError) as error:
            raise UserError(f"{self._path} is damaged ({error}); {_ASIDE}.") from error
        return [decision(row, self._path) for row in rows], rows[-1][0] if rows else after

    def close(self) -> None:
        self._db.close()
        if self._copy is not None:
            self._copy.cleanup()


def _add_columns(db: sqlite3.Connection) -> None:
    """What journals of older versions lack. Two processes may open one at once, so it is looked up again under a
    lock."""
    if _columns(db) >= LATER:
        return
    db.execute("BEGIN IMMEDIATE")
    for name in sorted(LATER - _columns(db)):
        db.execute(f"ALTER TABLE decisions ADD COLUMN {name} TEXT")
    db.execute("COMMIT")


def _columns(db: sqlite3.Connection) -> set[str]:
    return {row[1] for row in db.execute("PRAGMA table_info(decisions)")}


def _copy(path: Path) -> TemporaryDirectory[str]:
    """The journal and its log in a folder of their own."""
    folder = TemporaryDirectory(prefix=scratch_name())
    for suffix in ("", "-wal"):
        if os.path.exists(f"{path}{suffix}"):
            shutil.copy(f"{path}{suffix}", folder.name)
    return folder


def _require_content(path: Path) -> None:
    """Refuse a file of no bytes, which SQLite would take for a new journal; one that another process has just made soon
    has some."""
    for _ in range(20):
        if not path.exists() or path.stat().st_size or os.path.exists(f"{path}-wal"):
            return
        time.sleep(0.05)
    raise UserError(f"{path} is damaged (it is empty); {_ASIDE}.")


def decision(row: Sequence[Any], where: object) -> Decision:
    """A row of a journal, its number first.

    Raises:
        UserError: a value is missing, of another type, or none that we write.
    """
    values: dict[str, Any] = dict(zip(COLUMNS, row[1:], strict=True))
    wrong = next((name for name, value in values.items() if not _sound(name, value)), None)
    if wrong is None and values["act"] == "relabel" and values["label"] is None:
        wrong = "label"
    if wrong is not None:
        raise UserError(f"{where} is damaged (row {row[0]} has {str(values[wrong])[:60]!r} as its {wrong}); {_ASIDE}.")
    values["blind"] = bool(values["blind"])
    return Decision(**values)


def _sound(name: str, value: Any) -> bool:
    """Whether a column of the journal may hold the value."""
    if name == "act":
        return value in ACTS
    if name == "blind":
        return value in (0, 1)
    if name == "p_wrong":
        return value is None or (isinstance(value, int | float) and 0 <= value <= 1)
    if name == "content":
        return not value or is_hex(value)
    return isinstance(value, str) or (value is None and name in _OPTIONAL)
