"""The journal: an append-only table of decisions in SQLite (write-ahead log). Many processes may append and read at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError

FILE = "decisions.sqlite"
COLUMNS = tuple(field.name for field in fields(Decision))
_values = attrgetter(*COLUMNS)
_TABLE = """CREATE TABLE IF NOT EXISTS decisions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, act TEXT NOT NULL, label TEXT, reviewer TEXT NOT NULL, at TEXT NOT NULL,
    batch TEXT NOT NULL, pick TEXT NOT NULL, blind INTEGER NOT NULL, p_wrong REAL, suggestion TEXT, target TEXT, note TEXT NOT NULL,
    UNIQUE (batch, id))"""
_INSERT = f"INSERT INTO decisions ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT (batch, id) DO NOTHING"
_SELECT = f"SELECT seq, {', '.join(COLUMNS)} FROM decisions WHERE seq > ? ORDER BY seq"


class Store(Protocol):
    """What a journal does, wherever its rows lie."""

    def append(self, rows: Sequence[Decision]) -> int: ...
    def read(self, after: int = 0) -> tuple[list[Decision], int]: ...
    def close(self) -> None: ...


class Journal:
    """The decisions of one run folder.

    Raises:
        UserError: the file cannot be opened or is no journal.
    """

    def __init__(self, folder: str | Path):
        path = Path(folder) / FILE
        try:
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # a decision that was acknowledged survives a power cut
            self._db.execute(_TABLE)
        except sqlite3.Error as error:
            raise UserError(f"{path} cannot be opened as a journal of decisions ({error}).") from error

    def append(self, rows: Sequence[Decision]) -> int:
        """Write the rows in one transaction; a row whose batch and id are there already is not written again.
        Returns how many were new."""
        before = self._db.total_changes
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(_INSERT, map(_values, rows))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return self._db.total_changes - before

    def read(self, after: int = 0) -> tuple[list[Decision], int]:
        """The rows after number `after`, in order, and the number of the last."""
        rows = self._db.execute(_SELECT, (after,)).fetchall()
        return [_decision(row[1:]) for row in rows], rows[-1][0] if rows else after

    def close(self) -> None:
        self._db.close()


def _decision(row: tuple) -> Decision:
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    values["blind"] = bool(values["blind"])
    return Decision(**values)
