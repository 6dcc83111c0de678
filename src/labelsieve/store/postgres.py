"""The journal in PostgreSQL, for reviewers on several machines, with the same few statements as `store.journal`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError, cause
from labelsieve.core.files import write_json
from labelsieve.store.journal import COLUMNS, FILE, LATER, Journal, Store, decision

POINTER = "journal.json"
_REPAIR = "remove it, and start `review` with <journal> again"
SCHEMES = ("postgresql://", "postgres://")
_TABLE = """CREATE TABLE IF NOT EXISTS labelsieve_decisions (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run TEXT NOT NULL, id TEXT NOT NULL, act TEXT NOT NULL,
    label TEXT, reviewer TEXT NOT NULL, at TEXT NOT NULL, batch TEXT NOT NULL, pick TEXT NOT NULL,
    blind BOOLEAN NOT NULL, p_wrong DOUBLE PRECISION, suggestion TEXT,
    target TEXT, note TEXT NOT NULL, given TEXT, content TEXT)"""
_COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('labelsieve_decisions') AND NOT attisdropped "
    f"AND attname IN ({', '.join(map(repr, sorted(LATER)))})"
)
_LATER = "ALTER TABLE labelsieve_decisions ADD COLUMN IF NOT EXISTS given TEXT, ADD COLUMN IF NOT EXISTS content TEXT"
# A unique index over the id itself would refuse ids of more than some 2,700 bytes.
_UNIQUE = "CREATE UNIQUE INDEX IF NOT EXISTS labelsieve_once ON labelsieve_decisions (run, batch, md5(id))"
_INSERT = (
    f"INSERT INTO labelsieve_decisions (run, {', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * (len(COLUMNS) + 1))}) "
    "ON CONFLICT (run, batch, md5(id)) DO NOTHING"
)
_SELECT = f"SELECT seq, {', '.join(COLUMNS)} FROM labelsieve_decisions WHERE run = %s AND seq > %s ORDER BY seq"
_SECRET = {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}  # options of libpq
_LOCK = 0x6C61_6265  # "labe"


def journal_of(folder: Path, run: str, address: str | None = None) -> Store:
    """Return the journal of a run folder: its file, or the PostgreSQL server that `journal.json` remembers.

    Args:
        folder: the run folder.
        run: its data hash. `journal.json` remembers the hash under which the decisions were first saved on a server, so
            that a later `find` in the same folder continues with them.
        address: "postgresql://..." that every command uses from now on. The password is not saved: libpq reads it from
            ~/.pgpass or PGPASSWORD.

    Raises:
        UserError: the address or `journal.json` is not valid, or the server cannot be used.
    """
    pointer = folder / POINTER
    if address is not None:
        if not address.startswith(SCHEMES):
            raise UserError(
                f"{without_password(address)} is not the address of a PostgreSQL server; write "
                "postgresql://user@host/database."
            )
        run = _kept(pointer).get("run", run)
        shared = PostgresJournal(address, run)
        if (folder / FILE).exists():  # earlier decisions move to the server; a second time adds nothing
            own = Journal(folder)
            shared.append(own.read()[0])
            own.close()
        write_json(pointer, {"address": without_password(address), "run": run})
        return shared
    if pointer.exists():
        kept = _kept(pointer)
        if not kept.get("address", "").startswith(SCHEMES):
            raise UserError(
                f"{pointer} is damaged (it holds no address of a PostgreSQL server); {_REPAIR}.", journal=""
            )
        if "run" not in kept and os.access(folder, os.W_OK):  # an older version wrote it
            write_json(pointer, {**kept, "run": run})
        return PostgresJournal(kept["address"], kept.get("run", run))
    return Journal(folder)


def _kept(pointer: Path) -> dict[str, str]:
    """The content of `journal.json`; {} if it does not exist.

    Raises:
        UserError: the file is damaged.
    """
    try:
        kept = json.loads(pointer.read_text(encoding="utf-8"))
        if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
            raise ValueError("it should hold an address and a run, both texts")
        return {name: kept[name] for name in ("address", "run") if name in kept}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{pointer} is damaged ({cause(error)}); {_REPAIR}.", journal="") from error


class PostgresJournal:
    """The decisions of one run in a shared database.

    Raises:
        UserError: psycopg is not installed, or the server cannot be reached.
    """

    def __init__(self, address: str, run: str):
        """
        Args:
            address: "postgresql://user@host/database", as libpq takes it.
            run: the key that separates this run's decisions from others, such as the data hash.
        """
        try:
            import psycopg
        except ImportError as error:
            raise UserError(
                f"{without_password(address)} needs psycopg: pip install 'labelsieve[postgres]'."
            ) from error
        self._run = run
        try:
            # Without a client encoding, a database of SQL_ASCII (as `LC_ALL=C initdb` makes it) returns bytes.
            self._db: Any = psycopg.connect(address, autocommit=True, client_encoding="utf8")
            with self._db.transaction():
                self._db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))  # two servers may start at once
                self._db.execute(_TABLE)
                if len(self._db.execute(_COLUMNS).fetchall()) < len(LATER):  # only the owner of a table may alter it
                    self._db.execute(_LATER)
                self._db.execute(_UNIQUE)
        except psycopg.Error as error:
            raise UserError(
                f"{without_password(address)} cannot be used as a journal: {str(error).splitlines()[0]}."
            ) from error

    def append(self, rows: Sequence[Decision]) -> int:
        """Write the rows in one transaction, except rows whose batch and id already exist; return how many were new."""
        # One writer at a time, so that no reader sees row 8 before row 7 is committed and then misses 7 for good.
        with self._db.transaction(), self._db.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            cursor.executemany(_INSERT, [(self._run, *map(_storable, astuple(row))) for row in rows])
            return max(cursor.rowcount, 0)

    def read(self, after: int = 0) -> tuple[list[Decision], int]:
        """The rows after number `after`, in order, and the number of the last row."""
        rows = self._db.execute(_SELECT, (self._run, after)).fetchall()
        return [decision(row, "The journal on the server") for row in rows], rows[-1][0] if rows else after

    def close(self) -> None:
        self._db.close()


def _storable(value: Any) -> Any:
    """The value without NUL in text, which PostgreSQL cannot store."""
    return value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value


def without_password(address: str) -> str:
    """The address without its secrets, whether they stand before the host or among the options."""
    scheme, mark, rest = address.partition("://") if "://" in address else ("", "", address)
    end = next((at for at, letter in enumerate(rest) if letter in "/?"), len(rest))
    name, _, host = rest[:end].rpartition("@")
    user = name.partition(":")[0]
    path, _, options = rest[end:].partition("?")
    kept = [option for option in options.split("&") if option and unquote(option.partition("=")[0]) not in _SECRET]
    return scheme + mark + (f"{user}@" if user else "") + host + path + ("?" + "&".join(kept) if kept else "")
