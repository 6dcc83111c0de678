"""Decisions and their fold, and the journal that keeps them."""

import multiprocessing
import os
import shutil
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsieve.core.decision import SETTLE, Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.store.journal import FILE, Journal


def decision(id, act="keep", label=None, by="ann", batch=None, at="1", **more):
    return Decision(id, act, label, by, at, batch or f"{by}{id}{act}{label}", **more)


def undo(batch, by="ann", act="undo", token="u"):
    return Decision("", act, reviewer=by, batch=token, target=batch)


def test_last_decision_of_a_reviewer_stands():
    fold = Fold([decision("x"), decision("x", "relabel", "dog")])
    assert fold.verdict("x").label == "dog" and not fold.conflict("x")
    assert [stands for _, stands in fold.history("x")] == [True, True]


def test_later_is_not_an_answer():
    assert Fold([decision("x", "later")]).verdict("x") is None


def test_reviewers_who_differ_conflict_until_it_is_settled():
    fold = Fold([decision("x"), decision("x", "relabel", "dog", by="bob")])
    assert fold.conflict("x") and fold.verdict("x") is None
    fold.add([decision("x", "exclude", by="eve", pick=SETTLE)])
    assert not fold.conflict("x") and fold.verdict("x").act == "exclude"


def test_a_batch_is_one_undo_and_comes_back():
    fold = Fold([decision("x", batch="b"), decision("y", batch="b"), decision("x", "exclude", batch="c")])
    assert fold.last("ann") == "c"
    fold.add([undo("c"), undo("b", token="v")])
    assert fold.verdict("x") is None and fold.verdict("y") is None
    assert fold.last("ann") is None and fold.last("ann", "redo") == "b"
    assert fold.add([undo("b", act="redo", token="w")]) == {"x", "y"}
    assert fold.verdict("x").act == "keep"
    fold.add([decision("z", batch="d")])
    assert fold.last("ann", "redo") is None  # a new act ends what can be redone


def test_undoing_twice_is_undoing_once():
    fold = Fold([decision("x", batch="b"), undo("b"), undo("b", token="v")])
    assert fold.last("ann", "redo") == "b" and fold.last("ann") is None


@given(st.lists(st.sampled_from(["act", "undo", "redo"]), max_size=30))
def test_undo_then_redo_changes_nothing_and_parts_equal_the_whole(steps):
    rows, fold = [], Fold()
    for i, step in enumerate(steps):
        if step == "act":
            rows.append(decision(f"{i % 3}", "relabel", str(i), batch=f"b{i}", at=f"{i:03d}"))
        elif fold.last("ann", step):
            rows.append(undo(fold.last("ann", step), act=step, token=f"t{i}"))
        else:
            continue
        fold.add(rows[-1:])
    whole = Fold(rows)
    assert whole.standing() == fold.standing()
    if whole.last("ann"):
        before = whole.standing()
        batch = whole.last("ann")
        whole.add([undo(batch, token="x"), undo(batch, act="redo", token="y")])
        assert whole.standing() == before


def test_the_journal_keeps_all_decisions(tmp_path):
    rows = [decision("x", p_wrong=0.5, blind=True), decision("ü\n\"'", "relabel", "a b", note="n"), undo("q")]
    journal = Journal(tmp_path)
    assert journal.append(rows) == 3
    assert journal.append(rows) == 0
    journal.close()
    again = Journal(tmp_path)
    assert again.read() == (rows, 3)
    assert again.read(2) == (rows[2:], 3)


def _write(folder, name):
    journal = Journal(folder)
    for i in range(100):
        journal.append([decision(f"{i}", by=name, batch=f"{name}{i}")])


def test_processes_write_at_once(tmp_path):
    Journal(tmp_path).close()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, name)) for name in "abc"]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    rows, last = Journal(tmp_path).read()
    assert len(rows) == last == 300 and len({row.batch for row in rows}) == 300


def test_a_failed_append_leaves_nothing(tmp_path):
    journal = Journal(tmp_path)
    with pytest.raises(OSError, match="not saved"):
        journal.append([decision("x"), Decision(None, "keep", batch="b")])
    assert journal.read() == ([], 0)


def test_a_file_that_is_not_a_journal_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"something else " * 100)
    with pytest.raises(UserError, match=FILE):
        Journal(tmp_path)


def test_a_file_damaged_in_its_middle_is_refused(tmp_path):
    journal = Journal(tmp_path)
    journal.append([decision(f"{i}", batch=f"{i}") for i in range(2000)])
    journal.close()
    raw = bytearray((tmp_path / FILE).read_bytes())
    raw[9000:60000] = b"\xff" * 51000
    (tmp_path / FILE).write_bytes(raw)
    with pytest.raises(UserError, match="decisions.sqlite is damaged"):
        Journal(tmp_path).read()


def test_another_table_of_that_name_is_refused(tmp_path):
    sqlite3.connect(tmp_path / FILE).execute("CREATE TABLE decisions (a INT)")
    with pytest.raises(UserError, match="decisions.sqlite is damaged"):
        Journal(tmp_path).read()


def test_a_writer_that_does_not_end_is_an_error_of_the_machine(tmp_path):
    journal, other = Journal(tmp_path), sqlite3.connect(tmp_path / FILE, isolation_level=None)
    journal._db.execute("PRAGMA busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OSError, match="not saved"):
        journal.append([decision("x")])
    other.execute("ROLLBACK")
    assert journal.append([decision("x")]) == 1


def test_a_folder_that_cannot_be_written_is_read_with_its_log(tmp_path, monkeypatch):
    (tmp_path / "made").mkdir()
    journal = Journal(tmp_path / "made")
    journal.append([decision("x")])  # still in the write-ahead log
    shutil.copytree(tmp_path / "made", tmp_path / "r")
    (tmp_path / "r" / f"{FILE}-shm").unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    locked = Journal(tmp_path / "r")
    assert [row.id for row in locked.read()[0]] == ["x"]
    with pytest.raises(PermissionError):
        locked.append([decision("y")])
    locked.close()
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before
