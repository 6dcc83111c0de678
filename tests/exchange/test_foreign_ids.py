"""Answers whose ids are not those of the run are matched by other columns of the file, or refused."""

import csv
import json

import numpy as np
import pytest

from labelsieve.cli import main
from labelsieve.core.content_hash import of_inputs
from labelsieve.core.findings import Estimate, Findings
from labelsieve.store import run as runs
from labelsieve.store.journal import Journal

NAMES = {2: ("cat", "dog"), 6: ("ant", "bee", "cat", "dog", "eel", "fox")}
N = 60


@pytest.fixture(params=[6, 2])
def made(tmp_path, request):
    """A run on sixty texts whose ids are row numbers; (folder, texts, given labels)."""
    names = NAMES[request.param]
    rng = np.random.default_rng(3)
    given = rng.integers(0, len(names), N)
    texts = [f"text {i} on something {rng.integers(1000)}" for i in range(N)]
    p = np.full(N, 0.05)
    ids = np.array(np.arange(N).astype(str), object)
    findings = Findings(
        ids,
        names,
        given,
        (given + 1) % len(names),
        p,
        np.arange(1, N + 1),
        p > 0.5,
        {"consensus": p},
        {},
        Estimate(3, 0, 9),
        (),
        (),
        {"source": "d.csv", "kind": "text", "data_hash": "x"},
        of_inputs(texts),
    )
    (tmp_path / "r").mkdir()
    runs.save(findings, tmp_path / "r")
    return tmp_path / "r", texts, [names[c] for c in given]


def sheet(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def answered(given, wrong=(4, 30)):
    """The labels that a person gives: two changes."""
    other = {name: next(c for c in sorted(set(given)) if c != name) for name in set(given)}
    return [other[c] if i in wrong else c for i, c in enumerate(given)]


def decisions_of(folder):
    journal = Journal(folder)
    rows = journal.read()[0]
    journal.close()
    return {int(row.id): row.label for row in rows if row.act == "relabel"}


def take(capsys, folder, file, *more, tool="csv"):
    capsys.readouterr()
    code = main(["import", str(folder), str(file), "--from", tool, "--reviewer", "bob", "--json", *more])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else None, err


def test_labelsieve_id_has_priority_over_the_task_number(made, tmp_path, capsys):
    folder, texts, given = made
    new = answered(given)
    rows = [
        {
            "annotation_id": 7000 + i,
            "annotator": "eve@lab",
            "created_at": "x",
            "given_label": given[i],
            "id": i + 1,
            "label": new[i],
            "labelsieve_id": i,
            "lead_time": 1.5,
            "p_wrong": 0.05,
            "text": texts[i],
            "updated_at": "x",
        }
        for i in range(N)
    ]
    code, output, err = take(capsys, folder, sheet(tmp_path / "ls.csv", rows))
    assert code == 0, err
    assert (
        decisions_of(folder) == {4: new[4], 30: new[30]}
        and output["conflicts"] == []
        and output["reviewers"] == ["eve@lab"]
    )
    assert output["new"] == N  # each row is an annotation: the others keep


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("how", ["text", "metadata", "meta"])
def test_doccano_exports_are_matched_by_id_or_text(made, tmp_path, capsys, how, suffix):
    folder, texts, given = made
    new = answered(given)
    rows = []
    for i in reversed(range(N)):
        row = {"id": N - i, "text": texts[i] if how == "text" else f"masked {i}", "label": new[i]}
        if how == "metadata":
            row["labelsieve_id"] = str(i)
        if how == "meta":
            row["meta"] = json.dumps({"labelsieve_id": str(i)})
        rows.append(row)
    file = tmp_path / f"doccano.{suffix}"
    if suffix == "csv":
        sheet(file, rows)
    else:
        lines = [
            row
            | {"label": [row["label"]], "Comments": []}
            | ({"meta": json.loads(row["meta"])} if "meta" in row else {})
            for row in rows
        ]
        file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    code, output, err = take(capsys, folder, file)
    assert code == 0, err
    assert decisions_of(folder) == {4: new[4], 30: new[30]} and output["conflicts"] == []


def test_ids_of_another_tool_without_other_evidence_are_refused(made, tmp_path, capsys):
    folder, _, given = made
    file = sheet(tmp_path / "x.csv", [{"id": i + 1, "label": c} for i, c in enumerate(answered(given))])
    code, _, err = take(capsys, folder, file)
    assert code == 2 and "another tool" in err and decisions_of(folder) == {}


def test_given_labels_that_contradict_stop_the_import(made, tmp_path, capsys):
    folder, _, given = made
    rows = [{"id": i + 1, "given_label": c, "decision": "keep", "label": c} for i, c in enumerate(given)]
    rows[4] |= {"decision": "relabel", "label": answered(given)[4]}
    code, _, err = take(capsys, folder, sheet(tmp_path / "x.csv", rows))
    assert code == 2 and "contradict the given labels" in err and decisions_of(folder) == {}
    journal = Journal(folder)
    assert journal.read()[0] == []
    journal.close()


def test_one_given_label_that_contradicts_is_listed(made, tmp_path, capsys):
    folder, _, given = made
    new = answered(given)
    rows = [{"id": i, "given_label": c, "label": new[i]} for i, c in enumerate(given)]
    rows[30]["given_label"] = rows[30]["label"]
    code, output, _ = take(capsys, folder, sheet(tmp_path / "x.csv", rows))
    assert code == 0 and decisions_of(folder) == {4: new[4]} and [c["id"] for c in output["conflicts"]] == ["30"]


def test_many_changes_are_imported_with_labelsieve_ids(made, tmp_path, capsys):
    folder, _, given = made
    new = answered(given, wrong=range(N))
    plain = sheet(tmp_path / "x.csv", [{"id": i, "label": new[i]} for i in range(N)])
    assert take(capsys, folder, plain)[0] == 2 and decisions_of(folder) == {}
    for extra in ({"labelsieve_id": None}, {"given_label": None}):
        name = next(iter(extra))
        rows = [{"id": i, "label": new[i], name: i if name == "labelsieve_id" else given[i]} for i in range(N)]
        assert take(capsys, folder, sheet(tmp_path / "y.csv", rows))[0] == 0
    assert decisions_of(folder) == dict(enumerate(new))


def test_unknown_ids_are_counted_and_named(made, tmp_path, capsys):
    folder, _, given = made
    rows = [{"id": i if i else "nobody", "label": c} for i, c in enumerate(answered(given))]
    code, output, _ = take(capsys, folder, sheet(tmp_path / "x.csv", rows))
    assert code == 0 and [c["id"] for c in output["conflicts"]] == ["nobody"]


def test_true_and_known_labels_are_matched_by_text(made, tmp_path, capsys):
    from labelsieve.page.before_review import save_known_items
    from labelsieve.store import known_items
    from labelsieve.store.open_run import open_run

    folder, texts, given = made
    new = answered(given)
    rows = [{"id": i + 1, "text": texts[i], "label": new[i]} for i in range(N)]
    bare = [{"text": row["text"], "label": row["label"]} for row in reversed(rows)]  # sorted, and without any id
    for file in (sheet(tmp_path / "doccano.csv", rows), sheet(tmp_path / "bare.csv", bare)):
        assert main(["evaluate", str(folder), "--truth", str(file), "--json"]) == 0
        output = json.loads(capsys.readouterr().out)
        assert output["n_wrong"] == 2 and output["notes"] == []
        save_known_items(open_run(folder), file)
        assert known_items.load(folder) == {str(i): label for i, label in enumerate(new)}


def test_true_labels_with_other_ids_get_a_note(made, tmp_path, capsys):
    folder, _, given = made
    file = sheet(tmp_path / "t.csv", [{"id": i + 1, "label": c} for i, c in enumerate(answered(given))])
    assert main(["evaluate", str(folder), "--truth", str(file), "--json"]) == 0
    notes = " ".join(json.loads(capsys.readouterr().out)["notes"])
    assert "1 of its 60 ids are not in the run ('60')" in notes and "check that its ids" in notes


def test_rejected_prodigy_rows_are_not_answers(made, tmp_path, capsys):
    folder, texts, given = made
    new = answered(given, wrong=(4, 30, 31, 32))
    words = {30: "reject", 31: "ignore"}
    lines = [
        {"id": i + 1, "text": texts[i], "label": new[i], "answer": words.get(i, "accept"), "_task_hash": 7 * i}
        for i in range(N)
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    code, output, err = take(capsys, folder, tmp_path / "p.jsonl")
    assert code == 0, err
    assert decisions_of(folder) == {4: new[4], 32: new[32]}
    assert [(u["count"], u["first"]) for u in output["not_read"]] == [(1, "31"), (1, "32")] and "'reject'" in output[
        "not_read"
    ][0]["what"]


def test_three_contradictions_stop_the_import_and_two_are_listed(made, tmp_path, capsys):
    folder, _, given = made
    other = answered(given, wrong=range(N))
    rows = [{"id": i, "given_label": other[i], "decision": "keep", "label": other[i]} for i in range(3)]
    code, told, _ = take(capsys, folder, sheet(tmp_path / "two.csv", rows[:2]))
    assert code == 0 and told["new"] == 0 and [c["id"] for c in told["conflicts"]] == ["0", "1"]
    code, _, err = take(capsys, folder, sheet(tmp_path / "three.csv", rows))
    assert code == 2 and "3 of 3 answers contradict the given labels" in err


def test_eight_labels_that_all_change_are_refused_and_seven_are_taken(made, tmp_path, capsys):
    folder, _, given = made
    new = answered(given, wrong=range(N))
    rows = [{"id": i, "label": new[i]} for i in range(8)]
    code, _, err = take(capsys, folder, sheet(tmp_path / "eight.csv", rows))
    assert code == 2 and "8 of 8 answers would change the label" in err and decisions_of(folder) == {}
    assert take(capsys, folder, sheet(tmp_path / "seven.csv", rows[:7]))[0] == 0
    assert decisions_of(folder) == dict(enumerate(new[:7]))
