"""What each detector flags and suggests by its own rule reaches the table, the run, the exports, the page and the
command line."""

import csv
import json

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.adapters.cleanlab import from_cleanlab, to_cleanlab
from labelsieve.cli import main
from labelsieve.detectors import DETECTORS

N, K = 240, 3
SILENT = {"gce"}  # has no rule for flags
NAMES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    truth = np.arange(N) % K
    wrong = rng.random(N) < 0.15
    x = rng.normal(size=(N, 16)) + 2.5 * rng.normal(size=(K, 16))[truth]
    return x.astype(np.float32), np.where(wrong, (truth + 1) % K, truth), truth


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("speaking")
    x, y, _ = data
    np.savez(folder / "data.npz", features=x, labels=np.array(NAMES)[y])
    assert main(["find", str(folder / "data.npz"), "--out", str(folder / "run.sieve")]) == 0
    return folder / "run.sieve"


def test_the_table_ends_with_flags_and_suggestions(made, data):
    findings = ls.open_run(made).findings
    columns = findings.table().column_names
    flags = [f"flag_{name}" for name in DETECTORS if name not in (*SILENT, "votes", "placement")]  # no votes, boxes
    suggested = [name for name in columns if name.startswith("suggested_") and name != "suggested_label"]
    assert columns[columns.index("content") + 1 :] == [*flags, *suggested]
    assert {"suggested_consensus", "suggested_gce", "suggested_knn_vote"} <= set(suggested)
    frame, (_, _, truth) = findings.to_pandas(), data
    truth = truth[frame.id.astype(int)]
    wrong = frame.given_label.to_numpy() != np.array(NAMES)[truth]
    for name in flags:
        assert frame[name].dtype == bool
        assert frame[name][wrong].mean() > 0.5 and frame[name][~wrong].mean() < 0.3, name
    for name in suggested:  # another class than the given one, and right where that is wrong
        alone = frame.neighbours_agree == 1 if name == "suggested_knn_vote" else False
        assert ((frame[name] != frame.given_label) | alone).all()
        assert (frame[name][wrong] == np.array(NAMES)[truth][wrong]).mean() > 0.8, name


def test_aum_flags_by_its_threshold_samples(data):
    x, y, truth = data
    findings = ls.find(ls.load(x, labels=y), detectors=["aum"])
    cut = findings.scores["aum"][findings.flags["aum"]]
    assert list(findings.flags) == ["aum", "consensus"] and list(findings.suggestions) == ["consensus"]
    assert np.isin(np.flatnonzero(y != truth), np.argsort(-findings.scores["aum"])[: len(cut)]).mean() > 0.7


def test_the_summary_names_who_flags(made, data, capsys):
    findings = ls.open_run(made).findings
    x, y, _ = data
    capsys.readouterr()
    assert main(["find", str(made.parent / "data.npz"), "--out", str(made), "--json"]) == 0
    top = json.loads(capsys.readouterr().out)["top"]
    for row in top:
        i = findings.ids.tolist().index(row["id"])
        assert row["flagged_by"] == [name for name, flag in findings.flags.items() if flag[i]]
    assert any("aum" in row["flagged_by"] and "knn_vote" in row["flagged_by"] for row in top)


def test_the_csv_export_has_them_and_comes_back(made, tmp_path, capsys):
    assert main(["export", str(made), "--to", "csv", "--out", str(tmp_path / "out.csv")]) == 0
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    findings = ls.open_run(made).findings
    assert [row["flag_aum"] == "True" for row in rows] == findings.flags["aum"].tolist()
    assert [row["suggested_gce"] for row in rows] == [NAMES[c] for c in findings.suggestions["gce"]]
    rows[3] |= {"decision": "relabel", "label": rows[3]["suggested_gce"]}
    with open(tmp_path / "back.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert main(["import", str(made), "--from", "csv", str(tmp_path / "back.csv"), "--reviewer", "ana"]) == 0
    for i, row in enumerate(rows):
        row["size"] = i % 7
    with open(tmp_path / "more.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    again = ls.load(str(tmp_path / "more.csv"), label="label", id="id")  # nothing else in it is the user's
    assert list(again.columns.names) == ["size"]


def test_own_features_of_those_names_are_features(tmp_path):
    rows = [{"flag_blurry": i % 2, "size": i % 7, "label": "ab"[i % 2]} for i in range(40)]
    with open(tmp_path / "own.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert list(ls.load(str(tmp_path / "own.csv"), label="label").columns.names) == ["flag_blurry", "size"]


def test_cleanlabs_table_carries_them_there_and_its_own_back(made):
    findings = ls.open_run(made).findings
    table = to_cleanlab(findings)
    assert table.column_names[:5] == ["id", "is_label_issue", "label_score", "given_label", "predicted_label"]
    assert dict(zip(table["id"].to_pylist(), table["flag_o2u"].to_pylist(), strict=True)) == dict(
        zip(findings.ids.tolist(), findings.flags["o2u"].tolist(), strict=True)
    )
    back = from_cleanlab(table)
    assert back.flags["cleanlab"].sum() == findings.flagged.sum() > 0
    np.testing.assert_array_equal(back.flags["cleanlab"], back.flagged)
    assert sorted(back.table()["suggested_cleanlab"].to_pylist()) == sorted(table["predicted_label"].to_pylist())


def test_own_probabilities_speak_too(data):
    _, y, truth = data
    p = np.full((N, K), 0.1)
    p[np.arange(N), truth] = 0.8
    findings = ls.find(ls.load_probabilities(p, y))
    np.testing.assert_array_equal(findings.flags["confident_learning"], ls.flags(p, y))
    np.testing.assert_array_equal(findings.suggestions["confident_learning"][y != truth], truth[y != truth])
