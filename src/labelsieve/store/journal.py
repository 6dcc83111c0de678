"""The journal: an append-only table of decisions in SQLite (write-ahead log), for many processes at once."""

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
LATER = {"given", "content"}  # columns that older versions did not write
COLUMNS = tuple(field.name for field in fields(Decision))
_OPTIONAL = {"label", "suggestion", "target"} | LATER  # texts that may be missing
_REPAIR = (
    "move it and its -wal file away to continue without it, or save its rows with `.recover` of the program sqlite3"
)
_values = attrgetter(*COLUMNS)
_TABLE = """CREATE TABLE IF NOT EXISTS decisions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, act TEXT NOT NULL, label TEXT, reviewer TEXT NOT NULL,
    at TEXT NOT NULL, batch TEXT NOT NULL, pick TEXT NOT NULL, blind INTEGER NOT NULL, p_wrong REAL, suggestion TEXT,
    target TEXT, note TEXT NOT NULL, given TEXT, content TEXT, UNIQUE (batch, id))"""
_INSERT = (
    f"INSERT INTO decisions ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "
    "ON CONFLICT (batch, id) DO NOTHING"
)
_SELECT = f"SELECT seq, {', '.join(COLUMNS)} FROM decisions WHERE seq > ? ORDER BY seq"


class Store(Protocol):
    """What a journal does, wherever its rows are stored."""

    def append(self, rows: Sequence[Decision]) -> int: ...
    def read(self, after: int = 0) -> tuple[list[Decision], int]: ...
    def close(self) -> None: ...


class Journal:
    """The decisions of one run folder. If the folder is read-only, they are read from a copy, and none can be added.

    Raises:
        UserError: the file cannot be opened, is not a journal, or is damaged.
    """

    def __init__(self, folder: str | Path):
        self._path = path = Path(folder) / FILE
        # SQLite cannot read a write-ahead log without writing.
        self._copy = None if os.access(folder, os.W_OK) else _copy(path)
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
            raise UserError(f"{path} is damaged ({error}); {_REPAIR}.") from error

    def append(self, rows: Sequence[Decision]) -> int:
        """Write the rows in one transaction, except rows whose batch and id already exist; return how many were new.

        Raises:
            OSError: they could not be written (no permission, a full disk, another writer that does not finish). Then
                none of them is written.
        """
        if self._copy is not None:
            raise PermissionError(
                errno.EACCES, "no decision can be added because the run folder is read-only", str(self._path)
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
        """The rows after number `after`, in order, and the number of the last row."""
        try:
            rows = self._db.execute(_SELECT, (after,)).fetchall()
        except (sqlite3.DatabaseError, ValueError, OverflowError) as error:
            raise UserError(f"{self._path} is damaged ({error}); {_REPAIR}.") from error
        return [decision(row, self._path) for row in rows], rows[-1][0] if rows else after

    def fold_log(self) -> None:
        """Write what is in the log into the file, so that the file alone has every decision.

        Raises:
            UserError: somebody is reading or writing it for half a minute.
        """
        busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise UserError(f"{self._path} is in use by another command; wait for it and run the same command again.")

    def close(self) -> None:
        self._db.close()
        if self._copy is not None:
            self._copy.cleanup()


def _add_columns(db: sqlite3.Connection) -> None:
    """Add the columns that journals of older versions lack. Two processes may open one at once, so the check is
    repeated under a lock."""
    if _columns(db) >= LATER:
        return
    db.execute("BEGIN IMMEDIATE")
    for name in sorted(LATER - _columns(db)):
        db.execute(f"ALTER TABLE decisions ADD COLUMN {name} TEXT")
    db.execute("COMMIT")


def _columns(db: sqlite3.Connection) -> set[str]:
    return {row[1] for row in db.execute("PRAGMA table_info(decisions)")}


def _copy(path: Path) -> TemporaryDirectory[str]:
    """A temporary folder with a copy of the journal and its log."""
    folder = TemporaryDirectory(prefix=scratch_name())
    for suffix in ("", "-wal"):
        if os.path.exists(f"{path}{suffix}"):
            shutil.copy(f"{path}{suffix}", folder.name)
    return folder


def _require_content(path: Path) -> None:
    """Refuse an empty file, which SQLite would take for a new journal; a file that another process has just created
    soon has content."""
    for _ in range(20):
        if not path.exists() or path.stat().st_size or os.path.exists(f"{path}-wal"):
            return
        time.sleep(0.05)
    raise UserError(f"{path} is damaged (it is empty); {_REPAIR}.")


def decision(row: Sequence[Any], where: object) -> Decision:
    """Return the decision in a row of a journal, whose first value is its number.

    Raises:
        UserError: a value is missing, has the wrong type, or is never written by `append`.
    """
    values: dict[str, Any] = dict(zip(COLUMNS, row[1:], strict=True))
    wrong = next((name for name, value in values.items() if not _sound(name, value)), None)
    if wrong is None and values["act"] == "relabel" and values["label"] is None:
        wrong = "label"
    if wrong is not None:
        raise UserError(f"{where} is damaged (row {row[0]} has {str(values[wrong])[:60]!r} as its {wrong}); {_REPAIR}.")
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
