"""What each row of an export says after the decisions, by the command line."""

import csv

import numpy as np
import pytest

from labelsieve.cli import main
from labelsieve.core.content_hash import hexed, of_inputs
from labelsieve.core.decision import Decision
from labelsieve.core.findings import Estimate, Findings
from labelsieve.store import run as runs
from labelsieve.store.journal import Journal

CLASSES = ("ant", "bee", "cat")
IDS = ("u", "v", "w", "x", "y", "z")
TEXTS = [f"text of {key}" for key in IDS]
P = np.array([0.95, 0.9, 0.8, 0.7, 0.3, 0.2])
FLAGGED = P > 0.25  # "y" is worth a look, though more likely right


def act(key, who, what, label=None, *, day=1, note=""):
    at = f"2026-01-0{day}T00:00:00+00:00"
    return Decision(key, what, label, who, at, f"{who} {key} {day}", note=note)


@pytest.fixture
def exported(tmp_path, capsys):
    """The rows of the sheet after these decisions, by id."""
    given = np.array([0, 1, 2, 0, 1, 2])
    flag, says = np.array([1, 0, 0, 1, 0, 0], bool), (given + 2) % 3
    findings = Findings(
        np.array(IDS, object), CLASSES, given, (given + 1) % 3, P, np.arange(1, 7), FLAGGED, {"consensus": P}, {},
        Estimate(P.sum(), 0, 6), (), (), {"source": "d.csv", "kind": "text", "data_hash": "x"}, of_inputs(TEXTS),
        flags={"aum": flag}, suggestions={"aum": says},
    )  # fmt: skip
    (tmp_path / "r").mkdir()
    runs.save(findings, tmp_path / "r")

    def export(*decisions):
        journal = Journal(tmp_path / "r")
        journal.append(list(decisions))
        journal.close()
        assert main(["export", str(tmp_path / "r"), "--to", "csv", "-o", str(tmp_path / "out.csv")]) == 0
        capsys.readouterr()
        with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
            return {row["id"]: row for row in csv.DictReader(file)}

    return export


def parts(row, *names):
    return tuple(row[name] for name in names)


WHO = ("decision", "reviewer", "at", "note")


def test_each_kind_of_state(exported):
    rows = exported(
        act("u", "ann", "relabel", "cat", note="clear"),
        act("v", "ann", "keep"),
        act("v", "bob", "exclude"),
        act("w", "bob", "exclude", day=2),
        act("x", "ann", "later", day=3),
        act("x", "bob", "later", day=2),
        act("y", "ann", "keep"),
    )
    assert parts(rows["u"], *WHO) == ("relabel", "ann", "2026-01-01T00:00:00+00:00", "clear")
    assert parts(rows["v"], *WHO) == ("conflict", "", "", "")
    assert parts(rows["w"], *WHO) == ("exclude", "bob", "2026-01-02T00:00:00+00:00", "")
    assert parts(rows["x"], *WHO) == ("later", "ann", "2026-01-03T00:00:00+00:00", ""), "the latest of several"
    assert parts(rows["z"], *WHO) == ("", "", "", "")
    assert [rows[key]["label"] for key in IDS] == ["cat", "bee", "cat", "ant", "bee", "cat"]
    assert [rows[key]["given_label"] for key in IDS] == ["ant", "bee", "cat", "ant", "bee", "cat"]


def test_only_what_is_open_and_flagged_or_doubted_has_a_suggestion(exported):
    rows = exported(act("u", "ann", "exclude"), act("v", "ann", "later"))
    assert [row["suggested_label"] != row["given_label"] for row in rows.values()] == [
        key not in ("u", "z") for key in IDS
    ]
    assert float(rows["y"]["p_wrong"]) < 0.5 and rows["y"]["flagged"].lower() == "true"
    assert rows["v"]["suggested_label"] == "cat" and float(rows["z"]["p_wrong"]) < 0.5


def test_contents_and_what_each_detector_says(exported):
    rows = exported()
    assert [row["content"] for row in rows.values()] == [hexed(value) for value in of_inputs(TEXTS)]
    assert [row["flag_aum"].lower() for row in rows.values()] == ["true", "false", "false", "true", "false", "false"]
    assert [row["suggested_aum"] for row in rows.values()] == ["cat", "ant", "bee", "cat", "ant", "bee"]
