"""What the journal keeps of an import, and which answers of a file say nothing, or too much."""

import csv
import json
from uuid import UUID

import numpy as np
import pytest

from labelsieve.cli import main
from labelsieve.core.conflict import Conflict
from labelsieve.core.content_hash import hexed, of_inputs
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.exchange.answers import Answer, decisions
from labelsieve.store import run as runs
from labelsieve.store.journal import Journal

CLASSES = ("ant", "bee", "cat")
GIVEN = ("ant", "bee", "cat", "ant", "bee", "cat")
IDS = ("u", "v", "w", "x", "y", "z")
TEXTS = [f"text of {key}" for key in IDS]
P = np.array([0.95, 0.6, 0.5, 0.4, 0.2, 0.1])


@pytest.fixture
def folder(tmp_path):
    given = np.array([CLASSES.index(name) for name in GIVEN])
    findings = Findings(
        np.array(IDS, object), CLASSES, given, (given + 1) % 3, P, np.arange(1, 7), P > 0.5, {"consensus": P}, {},
        Estimate(P.sum(), 0, 6), (), (), {"source": "d.csv", "kind": "text", "data_hash": "x"}, of_inputs(TEXTS),
    )  # fmt: skip
    (tmp_path / "r").mkdir()
    runs.save(findings, tmp_path / "r")
    return tmp_path / "r"


@pytest.fixture
def take(folder, tmp_path, capsys):
    """Import a sheet of these rows; returns what the command says."""

    def taken(*rows, reviewer="bob"):
        with open(tmp_path / "sheet.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        capsys.readouterr()
        who = ["--reviewer", reviewer] if reviewer else []
        code = main(["import", str(folder), str(tmp_path / "sheet.csv"), "--from", "csv", "--json", *who])
        out, err = capsys.readouterr()
        return json.loads(out) if code == 0 else err

    return taken


def journal(folder, *rows):
    opened = Journal(folder)
    opened.append(list(rows))
    found, _ = opened.read()
    opened.close()
    return found


def by_ann(key, act, label=None):
    return Decision(key, act, label, "ann", "2026-01-01T00:00:00+00:00", f"batch {key}")


def row(key, decision, label="", note=""):
    return {"id": key, "decision": decision, "label": label, "note": note}


def test_the_journal_keeps_all_that_a_review_would(folder, take):
    assert take(row("u", "relabel", "cat", "clear"), row("w", "relabel", "bee"), row("v", "later"))["new"] == 3
    rows = journal(folder)
    assert [(r.id, r.act, r.label, r.note) for r in rows] == [
        ("u", "relabel", "cat", "clear"),
        ("w", "relabel", "bee", ""),
        ("v", "later", None, ""),
    ]
    assert {(r.reviewer, r.pick, r.blind) for r in rows} == {("bob", "import", False)}
    assert [r.p_wrong for r in rows] == [0.95, 0.5, 0.6]
    assert [r.suggestion for r in rows] == ["bee", None, "cat"], "only what is doubted has a suggestion"
    content = of_inputs(TEXTS)
    assert [(r.given, r.content) for r in rows] == [
        ("ant", hexed(content[0])),
        ("cat", hexed(content[2])),
        ("bee", hexed(content[1])),
    ]
    assert len({UUID(r.batch) for r in rows}) == 1


def test_the_given_label_chosen_is_keep_only_where_somebody_chose(folder, take):
    told = take({"id": "u", "label": "ant"}, {"id": "v", "label": "cat"})
    assert (told["new"], told["nothing_new"]) == (1, 1)
    assert [(r.id, r.act, r.label) for r in journal(folder)] == [("v", "relabel", "cat")]


def test_labels_are_compared_with_those_that_stand(folder, take):
    journal(folder, by_ann("u", "relabel", "cat"), by_ann("v", "relabel", "cat"))
    told = take({"id": "u", "label": "cat"}, {"id": "v", "label": "bee"}, {"id": "w", "label": "cat"})
    assert (told["new"], told["nothing_new"]) == (1, 2)
    assert [(r.id, r.act, r.label) for r in journal(folder) if r.reviewer == "bob"] == [("v", "keep", None)]


def test_what_another_person_said_is_still_an_answer_of_ones_own(folder, take):
    journal(folder, by_ann("u", "exclude"))
    assert take(row("u", "exclude"))["new"] == 1
    told = take(row("u", "exclude"))
    assert (told["new"], told["nothing_new"]) == (0, 1)


def test_two_answers_to_one_example_are_a_conflict(folder, take):
    told = take(row("u", "relabel", "cat"), row("u", "exclude"), row("v", "keep"))
    assert told["new"] == 1 and [(c["id"], c["reason"]) for c in told["conflicts"]] == [
        ("u", "the file has several answers: cat and exclude")
    ]
    told = take({"id": "w", "label": "cat"}, {"id": "w", "label": "bee"}, {"id": "x", "label": "bee"})
    assert told["new"] == 1 and {(c["id"], c["reason"]) for c in told["conflicts"]} == {
        ("w", "the file has several answers: bee and cat")  # also if one of them is the current label
    }


def test_each_reason_why_an_answer_is_not_taken(folder, take):
    told = take(
        row("u", "relabel"),
        row("v", "relabel", "dog"),
        row("w", "burn"),
        row("nobody", "keep"),
        row("x", "keep"),
        row("z", "relabel", "cat"),
    )
    reasons = {c["id"]: c["reason"] for c in told["conflicts"]}
    assert reasons == {
        "u": "the decision is relabel, but the column label is empty",
        "v": "the run has no class 'dog'",
        "w": "'burn' is not a decision; the decisions are keep, relabel, exclude, ambiguous, later",
        "nobody": "the run has no such id",
        "z": "the decision is relabel, but the label is still 'cat'; write the right class",
    }
    assert [(r.id, r.act) for r in journal(folder)] == [("x", "keep")]


def test_an_answer_that_was_given_before_is_not_written_again(folder, take):
    assert take(row("u", "relabel", "cat", "a"))["new"] == 1
    told = take(row("u", "relabel", "cat", "b"), row("v", "keep"))  # another file, so another batch
    assert (told["new"], told["nothing_new"]) == (1, 1)
    assert [(r.id, r.note) for r in journal(folder)] == [("u", "a"), ("v", "")]


def test_ids_that_the_run_does_not_have_are_listed(folder):
    findings = runs.load(folder)
    rows, conflicts, same = decisions([Answer("nobody", "keep", "")], findings, Fold(), "bob", "2026-01-01")
    assert (rows, conflicts, same) == ([], [Conflict("nobody", "the run has no such id")], 0)


def test_a_class_that_a_decision_brought_is_a_class(folder, take):
    journal(folder, by_ann("u", "relabel", "dog"))
    assert take(row("v", "relabel", "dog"))["new"] == 1


def test_somebody_must_have_given_the_answers(folder, take):
    assert "2 of the 2 answers do not say who gave them" in take(row("u", "keep"), row("v", "keep"), reviewer="")
    assert journal(folder) == []


def test_a_batch_is_the_same_whatever_the_order_and_another_with_another_note(folder, take):
    """What was undone stays undone when the same answers come once more."""
    first, second = row("u", "relabel", "cat", "a"), row("v", "keep")
    assert take(first, second)["new"] == 2
    batch = journal(folder)[0].batch
    journal(folder, Decision("", "undo", reviewer="bob", batch="an undo", target=batch))
    assert take(second, first)["new"] == 0
    assert take(second, first | {"note": "b"})["new"] == 2
    journal(folder, Decision("", "undo", reviewer="bob", batch="an undo 2", target=journal(folder)[-1].batch))
    assert take(first, second, reviewer="eve")["new"] == 2
