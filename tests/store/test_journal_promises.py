"""The journal's promises: what was acknowledged outlasts a power cut, and one writer at a time."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.store.journal import FILE, Journal


def said(id, batch=None):
    return Decision(id, "keep", reviewer="ann", at="2026-01-01T00:00:00+00:00", batch=batch or f"batch {id}")


def test_every_commit_is_synced(tmp_path):
    journal = Journal(tmp_path)
    [(level,)] = journal._db.execute("PRAGMA synchronous").fetchall()
    [(mode,)] = journal._db.execute("PRAGMA journal_mode").fetchall()
    journal.close()
    assert level == 2  # FULL; with OFF or NORMAL a power cut loses the last commits of a write-ahead log
    assert mode == "wal"


class Watched(list):
    """Rows that look, when they are first asked for, whether another writer could begin now."""

    def __init__(self, rows, folder):
        super().__init__(rows)
        self.folder, self.locked = folder, None

    def __iter__(self):
        other = sqlite3.connect(self.folder / FILE, timeout=0, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
            self.locked = False
        except sqlite3.OperationalError:
            self.locked = True
        finally:
            other.close()
        return super().__iter__()


def test_the_writer_has_the_lock_before_it_looks_at_its_first_row(tmp_path):
    journal, rows = Journal(tmp_path), Watched([said("x"), said("y")], tmp_path)
    assert journal.append(rows) == 2 and rows.locked is True
    assert Watched([said("z")], tmp_path).__iter__() and journal.append([said("z")]) == 1  # and lets go of it


def test_an_old_journal_may_be_opened_by_many_at_once(tmp_path):
    columns = "id TEXT, act TEXT, label TEXT, reviewer TEXT, at TEXT, batch TEXT, pick TEXT, blind INT"
    columns += ", p_wrong REAL, suggestion TEXT, target TEXT, note TEXT"
    for turn in range(10):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with sqlite3.connect(folder / FILE) as old:
            old.execute(f"CREATE TABLE decisions (seq INTEGER PRIMARY KEY, {columns}, UNIQUE (batch, id))")
            old.execute(
                "INSERT INTO decisions VALUES (1, 'x', 'keep', NULL, 'ann', '1', 'b', 'ranked', 0, NULL, NULL, NULL, "
                "'')"
            )
        old.close()
        with ThreadPoolExecutor(6) as pool:
            opened = list(pool.map(Journal, [folder] * 6))
        for journal in opened:
            assert [(row.id, row.given, row.content) for row in journal.read()[0]] == [("x", None, None)]
            journal.close()


def test_a_batch_and_an_example_are_written_once_whoever_sends_them(tmp_path):
    one, other = Journal(tmp_path), Journal(tmp_path)
    assert one.append([said("x", "b"), said("y", "b")]) == 2
    assert other.append([said("y", "b"), said("z", "b"), said("y", "c")]) == 2
    assert [(row.id, row.batch) for row in one.read()[0]] == [("x", "b"), ("y", "b"), ("z", "b"), ("y", "c")]


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_reading_goes_on_after_the_number_that_was_read(tmp_path, after):
    journal = Journal(tmp_path)
    journal.append([said("x"), said("y"), said("z")])
    rows, last = journal.read(after)
    assert [row.id for row in rows] == ["x", "y", "z"][after:] and last == max(3, after)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("act", "shrug"),
        ("blind", 2),
        ("p_wrong", 1.5),
        ("p_wrong", -0.1),
        ("p_wrong", "much"),
        ("content", "xyz"),
        ("content", "0" * 15),
        ("reviewer", b"ann"),
    ],
)
def test_a_row_that_we_never_write_is_named(tmp_path, column, value):
    journal = Journal(tmp_path)
    journal.append([said("x"), said("y")])
    journal._db.execute(f"UPDATE decisions SET {column} = ? WHERE seq = 2", (value,))
    with pytest.raises(UserError, match=rf"decisions.sqlite is damaged \(row 2 has .* as its {column}\)"):
        journal.read()


def test_a_new_label_without_a_label_is_named(tmp_path):
    journal = Journal(tmp_path)
    journal.append([said("x")])
    journal._db.execute("UPDATE decisions SET act = 'relabel'")
    with pytest.raises(UserError, match="row 1 has 'None' as its label"):
        journal.read()


def test_a_file_of_no_bytes_is_no_new_journal(tmp_path):
    (tmp_path / FILE).write_bytes(b"")
    with pytest.raises(UserError, match="is damaged .it is empty."):
        Journal(tmp_path)
    assert (tmp_path / FILE).read_bytes() == b""


def test_in_a_folder_that_cannot_be_written_decisions_are_read_and_none_is_lost_in_a_copy(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    journal.append([said("x")])
    journal.close()
    monkeypatch.setattr("labelsieve.store.journal.os.access", lambda path, mode: False)
    journal = Journal(tmp_path)
    assert [row.id for row in journal.read()[0]] == ["x"]
    with pytest.raises(PermissionError, match="no decision can be added because the run folder is read-only"):
        journal.append([said("y")])
    journal.close()
