"""A run is opened with its decisions: the calibrated probabilities, what is left, and what could not be matched."""

import json
from dataclasses import FrozenInstanceError, replace
from uuid import uuid4

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.decision import Decision
from labelsieve.store.journal import FILE, Journal


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 60)
    probs = np.eye(3)[truth] * 4 + rng.normal(size=(180, 3))
    probs = np.exp(probs) / np.exp(probs).sum(1, keepdims=True)
    given = truth.copy()
    given[::12] = (given[::12] + 1) % 3
    return probs, np.array(["ant", "bee", "cat"])[given]


@pytest.fixture
def folder(tmp_path, data):
    ls.find(ls.load_probabilities(*data), out=tmp_path / "p.sieve")
    return tmp_path / "p.sieve"


def decide(folder, *acts):
    journal = Journal(folder)
    rows = [replace(act, batch=act.batch or str(uuid4()), at="2026-01-01T00:00:00.000+00:00") for act in acts]
    journal.append(rows)
    journal.close()


def test_without_decisions_it_says_what_find_said(folder):
    run = ls.open_run(folder)
    assert run.path == folder and len(run) == 180
    assert run.findings.table().equals(ls.open_run(str(folder)).findings.table())
    np.testing.assert_array_equal(run.p_wrong, run.findings.p_wrong)
    assert run.decisions == () and run.unmatched == () and run.notes == run.findings.notes
    assert not (folder / FILE).exists()  # reading makes no journal
    assert repr(run).startswith(f"<Run '{folder}': 180 examples, 3 classes, about ") and "\n" not in repr(run)


def test_it_says_what_reviews_measured(folder):
    before = ls.open_run(folder)
    assert "depending on what is assumed" in repr(before)
    decide(folder, *(Decision(id, "keep", None, "ann", pick="sample") for id in before.findings.ids[::6]))
    run = ls.open_run(folder)
    wrong = run.calibrated.wrong
    assert f"about {wrong.count:,.0f} wrong (95 % interval {wrong.low:,.0f} to {wrong.high:,.0f})" in repr(run)


def test_decisions_calibrate_and_are_listed(folder):
    first = ls.open_run(folder).findings
    worst, second, third, fourth = first.ids[first.order()[:4]]
    decide(
        folder,
        Decision(worst, "relabel", "bee", "ann"),
        Decision(second, "exclude", None, "ann"),
        Decision(third, "keep", None, "ann"),
        Decision(third, "exclude", None, "bob"),
        Decision(fourth, "later", None, "bob"),
    )
    run = ls.open_run(folder)
    rows = {row["id"]: row for row in run.table().to_pylist()}
    assert (rows[worst]["decision"], rows[worst]["label"], rows[worst]["p_wrong"]) == (
        "relabel",
        "bee",
        pytest.approx(1, abs=1e-3),
    )
    assert (rows[second]["decision"], rows[second]["label"]) == ("exclude", None)
    assert (rows[third]["decision"], rows[third]["label"]) == ("conflict", rows[third]["given_label"])
    assert rows[fourth]["decision"] == "later"
    assert run.table()["rank"].to_pylist() == list(range(1, 181))
    assert len(run.decisions) == 5 and run.fold.conflict(third)
    assert run.left.low <= run.left.count <= run.left.high and run.left.count < first.wrong.count
    assert int(run.now.reviewed.sum()) == 2 and int((~run.now.kept).sum()) == 1


def test_it_equals_what_the_commands_print(folder, tmp_path, capsys):
    key = ls.open_run(folder).findings.ids[0]
    decide(folder, Decision(key, "exclude", None, "ann"))
    run = ls.open_run(folder)
    assert main(["report", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["left"]["count"] == pytest.approx(run.left.count) and told["decisions"] == 1


def test_what_cannot_be_matched_is_named(folder):
    decide(folder, Decision("nobody", "keep", None, "ann", content="00000000000000ff"))
    run = ls.open_run(folder)
    assert [item.id for item in run.unmatched] == ["nobody"] and run.decisions == ()
    assert any("Decisions on 1 example are not counted ('nobody'" in note for note in run.notes)


def test_it_is_a_picture_of_one_moment(folder):
    run = ls.open_run(folder)
    assert run.decisions == () and ls.open_run(run) is run
    decide(folder, Decision(run.findings.ids[0], "keep", None, "ann"))
    assert run.decisions == () and len(ls.open_run(folder).decisions) == 1
    with pytest.raises(FrozenInstanceError):
        run.path = folder


def test_findings_are_had_where_the_journal_is_damaged(folder):
    (folder / FILE).write_bytes(b"no journal of decisions, certainly")
    run = ls.open_run(folder)
    assert len(run.findings) == 180
    with pytest.raises(ls.UserError, match=r"decisions\.sqlite is damaged"):
        run.decisions  # noqa: B018


@pytest.mark.parametrize("what", ["absent", "file", "other folder"])
def test_what_is_no_run_is_a_sentence(tmp_path, what):
    path = tmp_path / "x"
    if what == "file":
        path.write_text("x")
    elif what == "other folder":
        path.mkdir()
    with pytest.raises(ls.UserError, match=r"x is not a run folder of Labelsieve"):
        ls.open_run(path)
    with pytest.raises(ls.UserError, match="The run folder is a number|The run folder is 3"):
        ls.open_run(3)
