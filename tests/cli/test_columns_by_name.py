"""A model matches its feature columns by name: `train`, then `predict`, `score`, `compare --test` and Python."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.engine import model_file

N, WIDTH = 240, 8
NAMES = [f"f{i}" for i in range(WIDTH)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    y, rng = np.arange(N) % 3, np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(0, 2, (3, WIDTH))[y] + rng.normal(size=(N, WIDTH)), columns=NAMES)
    frame["label"] = np.array(["ant", "bee", "cow"])[y]
    frame.to_csv("tab.csv", index=False)
    frame[frame.columns[::-1]].to_csv("turned.csv", index=False)
    frame.drop(columns="f3").to_csv("short.csv", index=False)
    frame.assign(f3="none").to_csv("words.csv", index=False)
    frame[frame.columns[::-1]].assign(extra=1.5, colour="red").to_csv("more.csv", index=False)
    np.savez("bare.npz", features=frame[NAMES].to_numpy(), labels=frame["label"].to_numpy(str))
    assert main(["train", "tab.csv", "-o", "m"]) == 0
    return frame


def accuracy(capsys, source, model="m"):
    capsys.readouterr()
    assert main(["score", str(model), source, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["accuracy"]


def test_column_order_does_not_change_predictions(here, capsys):
    best = accuracy(capsys, "tab.csv")
    assert best > 0.95
    assert accuracy(capsys, "turned.csv") == accuracy(capsys, "more.csv") == accuracy(capsys, "bare.npz") == best
    model = ls.Model.load("m")
    assert model.manifest["input"]["columns"] == NAMES
    data, probs = model.probabilities(ls.load(here[here.columns[::-1]], label="label"))
    np.testing.assert_allclose(probs, model.probabilities(ls.load("tab.csv"))[1], rtol=1e-5)
    assert data.columns is not None and data.columns.names == tuple(NAMES)


def test_train_and_find_note_the_columns(here, capsys):
    capsys.readouterr()
    assert main(["train", "more.csv", "-o", "m2"]) == 0 and main(["find", "more.csv"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.count("Features: f7 to extra (9 columns); not used: colour (text).") == 2
    assert any(
        note.startswith("Features: f7 to extra") for note in json.loads(Path("m2/model.json").read_text())["notes"]
    )


def test_unknown_columns_are_noted(here, capsys):
    capsys.readouterr()
    message = "Features: f0 to f7 (8 columns); not used: extra (the model was not trained on it), colour (text).\n"
    assert main(["predict", "m", "more.csv"]) == 0
    out, err = capsys.readouterr()
    assert err == message and out.count("\n") == N + 1
    assert main(["score", "m", "more.csv"]) == 0
    assert capsys.readouterr().err == message
    assert main(["predict", "m", "bare.npz"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "command", [("predict", "m", "{}"), ("score", "m", "{}"), ("compare", "tab.csv", "--test", "{}")]
)
def test_a_column_that_is_missing_is_named(here, capsys, command):
    capsys.readouterr()
    assert main([part.format("short.csv") for part in command]) == 2
    assert "short.csv has no column 'f3', which the model was trained on." in capsys.readouterr().err
    assert main([part.format("words.csv") for part in command]) == 2
    assert (
        "words.csv: the column 'f3', which the model was trained on, cannot be used: empty." in capsys.readouterr().err
    )


def test_compare_matches_the_test_data_by_name(here, capsys):
    capsys.readouterr()
    result = []
    for test in ("tab.csv", "more.csv"):
        assert main(["compare", "tab.csv", "--test", test, "--methods", "standard", "--seeds", "1", "--json"]) == 0
        result.append(json.loads(capsys.readouterr().out))
    assert result[0]["rows"][0]["accuracy"] == result[1]["rows"][0]["accuracy"] > 0.95
    assert result[0]["notes"] == ["Features: f0 to f7 (8 columns)."]
    assert "extra (the model was not trained on it)" in result[1]["notes"][1]


def test_gaps_in_unknown_columns_exclude_no_row(here, capsys):
    gaps = here.assign(extra=[1.0] * 10 + [None] * (N - 10), words=["1"] * (N - 4) + ["<1"] * 4)
    gaps.to_csv("gaps.csv", index=False)
    capsys.readouterr()
    assert main(["score", "m", "gaps.csv", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n"] == N and result["excluded"] == []
    assert "extra (the model was not trained on it)" in result["notes"][0]
    assert main(["predict", "m", "gaps.csv"]) == 0 and capsys.readouterr().out.count("\n") == N + 1
    assert len(ls.Model.load("m").probabilities(gaps)[0]) == N
    assert main(["compare", "tab.csv", "--test", "gaps.csv", "--methods", "standard", "--seeds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["excluded"] == 0


def test_one_bad_cell_in_a_mostly_empty_column(here, capsys):
    here.assign(note=[None] * (N - 3) + ["5", "see mail", "7"]).to_csv("sparse.csv", index=False)
    capsys.readouterr()
    assert main(["train", "sparse.csv", "-o", "m2", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert not made["excluded"]
    assert made["input"]["columns"] == NAMES


def test_a_file_without_usable_rows_is_an_error_with_the_reason(here, capsys):
    two = here.head(2).astype({"f2": str, "f4": str, "f5": str})
    two.loc[0, ["f2", "f4"]] = two.loc[1, "f5"] = "<1"
    two.to_csv("two.csv", index=False)
    capsys.readouterr()
    assert main(["predict", "m", "two.csv"]) == 2
    assert (
        "no usable example; all 2 were excluded, the first because: the column 'f2' holds '<1'"
        in capsys.readouterr().err
    )


def test_two_bad_cells_in_a_short_file_are_an_error(here, capsys):
    short = here.head(5).astype({"f3": str})
    short.loc[1:2, "f3"] = "<1"
    short.to_csv("five.csv", index=False)
    capsys.readouterr()
    assert main(["predict", "m", "five.csv"]) == 2
    assert (
        "the column 'f3', which the model was trained on, cannot be used: row 1 holds '<1'" in capsys.readouterr().err
    )


def test_one_bad_cell_in_a_short_file_excludes_one_row(here, capsys):
    short = here.head(5).astype({"f3": str})
    short.loc[2, "f3"] = "<1"
    short.to_csv("five.csv", index=False)
    capsys.readouterr()
    assert main(["predict", "m", "five.csv", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["predictions"]) == 4
    assert [row["id"] for row in result["excluded"]] == ["2"] and "'f3' holds '<1'" in result["excluded"][0]["reason"]


def test_a_model_without_column_names_matches_by_position(here, capsys, tmp_path):
    weights, manifest = model_file.load(tmp_path / "m")
    del manifest["input"]["columns"]
    model_file.save(tmp_path / "old", weights, manifest)
    assert accuracy(capsys, "tab.csv", "old") > 0.95 > accuracy(capsys, "turned.csv", "old")
    assert main(["train", "bare.npz", "-o", "unnamed"]) == 0
    assert "columns" not in ls.Model.load("unnamed").manifest["input"]
    assert accuracy(capsys, "tab.csv", "unnamed") > 0.95


def test_a_repaired_model_also_matches_by_name(here, capsys):
    assert main(["repair", "m", "-o", "repaired"]) == 0
    assert accuracy(capsys, "turned.csv", "repaired") == accuracy(capsys, "tab.csv", "repaired") > 0.95
