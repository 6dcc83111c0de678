"""The journal in a real PostgreSQL server; LABELSIEVE_POSTGRES names one (the CI script starts it)."""

import json
import os
import threading
import uuid
from urllib.parse import quote

import pytest

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.store.journal import Journal
from labelsieve.store.postgres import PostgresJournal, journal_of

ADDRESS = os.environ.get("LABELSIEVE_POSTGRES", "")
conninfo_to_dict = pytest.importorskip("psycopg.conninfo").conninfo_to_dict
real = pytest.mark.skipif(not ADDRESS, reason="LABELSIEVE_POSTGRES names no server")


def act(i, batch, **more):
    return Decision(f"id {i}", "keep", reviewer="ann", at=f"2026-01-01T00:00:{i:02d}Z", batch=batch, **more)


@pytest.fixture
def run():
    return uuid.uuid4().hex


@real
def test_same_rows_as_the_file(run, tmp_path):
    rows = [
        act(1, "a"),
        Decision(
            "ü\n'\"; DROP TABLE x --",
            "relabel",
            "Katze",
            "bob",
            "2026-01-02T00:00:00Z",
            "b",
            "view",
            True,
            0.25,
            "Hund",
            None,
            "x",
        ),
        Decision("x" * 4096, "exclude", batch="c", reviewer="ann"),
        Decision("", "undo", reviewer="ann", batch="d", target="a"),
    ]
    shared, file = PostgresJournal(ADDRESS, run), Journal(tmp_path)
    assert shared.append(rows) == file.append(rows) == 4
    assert shared.append(rows) == 0
    assert shared.read()[0] == file.read()[0] == rows
    assert Fold(shared.read()[0]).verdict("id 1") is None
    shared.close()


@real
def test_runs_do_not_mix_and_reading_goes_on(run):
    one, other = PostgresJournal(ADDRESS, run), PostgresJournal(ADDRESS, run + "x")
    one.append([act(1, "a")])
    _, seen = one.read()
    one.append([act(2, "b")])
    assert [row.id for row in one.read(seen)[0]] == ["id 2"]
    assert other.read() == ([], 0)


@real
def test_writers_at_once_lose_nothing_and_readers_miss_nothing(run):
    seen, stop = [], threading.Event()

    def write(writer):
        journal = PostgresJournal(ADDRESS, run)
        for i in range(50):
            journal.append([act(i % 60, f"{writer}-{i}")])

    def follow():
        journal, last = PostgresJournal(ADDRESS, run), 0
        while True:
            done = stop.is_set()
            rows, last = journal.read(last)
            seen.extend(row.batch for row in rows)
            if done:
                return

    reader = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert sorted(seen) == sorted(f"{w}-{i}" for w in range(4) for i in range(50))


def spelled(way):
    """The address of the server with its password before the host, or among the options."""
    told = conninfo_to_dict(ADDRESS)
    if way == "host" or not told.get("password"):
        return ADDRESS
    host = told.pop("host", "") + (f":{port}" if (port := told.pop("port", "")) else "")
    name = told.pop("dbname", "")
    return f"postgresql://{host}/{name}?" + "&".join(
        f"{key}={quote(str(value), safe='')}" for key, value in told.items()
    )


@real
@pytest.mark.parametrize("way", ["host", "options"])
def test_a_run_folder_remembers_its_server_but_not_the_password(run, tmp_path, monkeypatch, way):
    address, told = spelled(way), conninfo_to_dict(ADDRESS)
    password = told.pop("password", None)
    journal_of(tmp_path, run, address).append([act(1, "a")])
    kept = json.loads((tmp_path / "journal.json").read_text(encoding="utf-8"))
    assert set(kept) == {"address", "run"} and conninfo_to_dict(kept["address"]) == told
    if password:  # from now on libpq finds it in the environment
        monkeypatch.setenv("PGPASSWORD", str(password))
    assert [row.id for row in journal_of(tmp_path, run).read()[0]] == ["id 1"]
    assert not (tmp_path / "decisions.sqlite").exists()


@real
def test_what_was_decided_before_goes_along_once(run, tmp_path):
    own = Journal(tmp_path)
    own.append([act(1, "a"), act(2, "b")])
    own.close()
    for _ in range(2):
        shared = journal_of(tmp_path, run, ADDRESS)
        assert [row.id for row in shared.read()[0]] == ["id 1", "id 2"]
        shared.close()


def test_a_damaged_pointer_is_told(tmp_path):
    (tmp_path / "journal.json").write_text("{")
    with pytest.raises(UserError, match="journal.json is damaged"):
        journal_of(tmp_path, "r")


def test_no_server_is_a_sentence_without_the_password():
    with pytest.raises(UserError, match="cannot be used as a journal") as told:
        PostgresJournal("postgresql://me:secret@127.0.0.1:9/none?connect_timeout=2", "r")
    assert "secret" not in str(told.value)


def test_an_address_of_something_else_is_told(tmp_path):
    with pytest.raises(UserError, match="is not the address of a PostgreSQL server"):
        journal_of(tmp_path, "r", "sqlite:///x")
    assert not (tmp_path / "journal.json").exists()
