"""`labelsieve check` and `labelsieve diff`, through the command functions: exit codes, files, output."""

import json
import subprocess
import sys
import xml.etree.ElementTree as xml

import numpy as np
import pytest

from labelsieve.acceptance.check_files import junit_xml, markdown_table
from labelsieve.cli import main
from labelsieve.cli.check import check
from labelsieve.cli.diff import diff
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.contract import Rule
from labelsieve.store.journal import FILE, Journal
from labelsieve.store.run import save

N = 60


def make(folder, ids=None):
    p = np.linspace(0.99, 0.001, N)
    given = np.arange(N) % 2
    result = Findings(
        ids=np.array(ids or [f"img_{i}" for i in range(N)], object),
        classes=("cat", "dog"),
        given=given,
        other=1 - given,
        p_wrong=p,
        rank=np.arange(1, N + 1),
        flagged=p > 0.5,
        scores={"consensus": p},
        extra={"duplicate_group": np.full(N, -1)},
        wrong=Estimate(float(p.sum()), 20, 40),
        settings={"source": "cats"},
    )
    save(result, folder)
    return folder


def contract(folder, text):
    path = folder / "labels.toml"
    path.write_text(text)
    return path


def test_exit_code_output_and_files(tmp_path, capsys):
    run = make(tmp_path / "a.sieve")
    rules = contract(tmp_path, "conflicting_duplicates = 0\nno_unreviewed_above = 0.9\nmin_class_size = 30")
    junit, table = tmp_path / "out" / "junit.xml", tmp_path / "verdict.md"
    assert check(run, contract=rules, junit=junit, markdown=table) == 1
    printed = capsys.readouterr().out
    assert "BROKEN  no_unreviewed_above" in printed and "1 of 3 rules" in printed
    suite = xml.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    (failure,) = suite.iter("failure")
    assert "img_0" in failure.text
    assert "❌ broken | `no_unreviewed_above`" in table.read_text(encoding="utf-8")
    assert not (run / FILE).exists()  # looking makes no journal


def test_decisions_change_the_verdict(tmp_path, capsys):
    run = make(tmp_path / "a.sieve")
    rules = contract(tmp_path, "no_unreviewed_above = 0.9")
    Journal(run).append([Decision(f"img_{i}", "keep", reviewer="ann", at="2026-01-01", batch="1") for i in range(20)])
    assert check(run, contract=rules, json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["holds"] is True and answer["rules"][0]["name"] == "no_unreviewed_above"


def test_rule_no_worse_than_last(tmp_path, capsys):
    old, new = make(tmp_path / "old.sieve"), make(tmp_path / "new.sieve")
    rules = contract(tmp_path, "no_worse_than_last = true")
    assert check(new, contract=rules, against=old) == 0
    with pytest.raises(UserError, match="against="):
        check(new, contract=rules)


def test_a_file_that_cannot_be_written_is_a_mistake(tmp_path):
    run = make(tmp_path / "a.sieve")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        check(run, contract=contract(tmp_path, "min_class_size = 1"), junit=tmp_path / "file" / "junit.xml")


def test_hostile_ids_give_valid_xml_and_markdown():
    ids = ("a\x00b", "line\nbreak", "<script>", "\ud83d half", "x" * 4096, "`|", "\u202egnp.exe")
    rule = Rule("classes", ["a"], 2, False, "not expected: '<b>|[x](y)\x07'.", 7, ids)
    tree = xml.fromstring(junit_xml((rule,), "run\x01"))
    assert "line\\nbreak" in next(tree.iter("failure")).text
    text = markdown_table((rule,), "a|b")
    rows = [line for line in text.splitlines() if line.startswith("| ❌")]
    assert len(rows) == 1 and "\\<b\\>\\|\\[x\\]" in rows[0]
    assert max(map(len, text.splitlines())) < 700 and "\u202e" not in text
    text.encode()


def test_diff_prints_and_lists_everything_as_json(tmp_path, capsys):
    old = make(tmp_path / "old.sieve")
    new = make(tmp_path / "new.sieve", [f"img_{i}" for i in range(1, N + 1)])
    Journal(new).append([Decision("img_5", "relabel", "dog", "ann", "2026-01-01", "1")])
    diff(old, new)
    out = " ".join(capsys.readouterr().out.split())
    assert "Added: 1. Removed: 1. Relabelled:" in out
    assert f"depending on what is assumed; review {N} at random to know" in out
    diff(old, new, json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["added"] == ["img_60"] and answer["removed"] == ["img_0"]
    # The shifted ids change every label but that of img_5, which was decided back.
    assert len(answer["relabelled"]) == N - 2
    assert "img_5" not in {row["id"] for row in answer["relabelled"]}


def test_diff_of_a_version_whose_examples_were_all_excluded(tmp_path, capsys):
    old, new = make(tmp_path / "old.sieve"), make(tmp_path / "new.sieve")
    Journal(new).append([Decision(f"img_{i}", "exclude", None, "ann", "2026-01-01", "1") for i in range(N)])
    diff(old, new)
    assert f"Removed: {N}." in capsys.readouterr().out


def test_diff_of_runs_on_different_data_is_a_mistake(tmp_path):
    old = make(tmp_path / "old.sieve")
    new = make(tmp_path / "new.sieve", [f"other_{i}" for i in range(N)])
    with pytest.raises(UserError, match="no example in common"):
        diff(old, new)


def test_check_needs_no_training_library(tmp_path):
    run = make(tmp_path / "a.sieve")
    rules = contract(tmp_path, "min_class_size = 1")
    code = (
        "import sys; from pathlib import Path; from labelsieve.cli.check import check\n"
        f"code = check(Path({str(run)!r}), contract=Path({str(rules)!r}))\n"
        "heavy = {'torch', 'scipy', 'sklearn', 'onnxruntime', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\nraise SystemExit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_against_needs_the_rule_no_worse_than_last(tmp_path, capsys):
    contract = tmp_path / "labels.toml"
    contract.write_text("min_class_size = 1\n")
    assert main(["check", str(tmp_path / "r"), "--contract", str(contract), "--against", str(tmp_path / "old")]) == 2
    assert "no rule no_worse_than_last" in capsys.readouterr().err
