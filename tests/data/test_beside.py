"""Own probabilities beside the data: they judge the labels; the data are what is shown and corrected."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.cli import main

N, NAMES = 60, ["ant", "bee", "cow"]
TRUE = np.arange(N) % 3
GIVEN = np.where(np.isin(np.arange(N), [4, 17, 33]), (TRUE + 1) % 3, TRUE)
PROBS = np.full((N, 3), 0.02) + 0.94 * np.eye(3)[TRUE]
LABELS = [NAMES[c] for c in GIVEN]


@pytest.fixture
def data(tmp_path):
    """Makes each kind of data; returns what to name."""

    def make(kind):
        if kind == "folder":
            for i, name in enumerate(LABELS):
                path = tmp_path / "photos" / name / f"{i:02}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (i * 4, 90 * int(TRUE[i]), 0)).save(path)
            return str(tmp_path / "photos")
        if kind == "hf":
            datasets = pytest.importorskip("datasets")
            rows = {"text": [f"text {i}" for i in range(N)], "label": LABELS}
            datasets.Dataset.from_dict(rows).save_to_disk(str(tmp_path / "hf"))
            return f"hf:{tmp_path / 'hf'}"
        columns = ["f0", "f1"] if kind == "features" else ["text"]
        with open(tmp_path / "t.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", *columns, "label"])
            writer.writerows(
                [f"k{i}", *((TRUE[i] * 3 + i % 7, i % 5) if kind == "features" else [f"text {i}"]), LABELS[i]]
                for i in range(N)
            )
        return str(tmp_path / "t.csv")

    return make


def order(kind):
    """The positions of the examples in the order in which that kind of data stands; a folder is sorted by class."""
    return sorted(range(N), key=lambda i: (LABELS[i], i)) if kind == "folder" else list(range(N))


@pytest.mark.parametrize("kind", ["features", "text", "folder", "hf"])
def test_the_probabilities_judge_and_the_data_are_corrected(data, tmp_path, kind, capsys):
    rows = order(kind)
    np.save(tmp_path / "p.npy", PROBS[rows])
    assert main(["find", data(kind), "--probs", str(tmp_path / "p.npy"), "-o", str(tmp_path / "r"), "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    alone = ls.find(ls.load_probabilities(PROBS[rows], [LABELS[i] for i in rows]))
    found = ls.open_run(tmp_path / "r").findings
    assert found.settings["kind"] == {"folder": "image", "hf": "text"}.get(kind, kind)
    assert np.allclose(found.p_wrong, alone.p_wrong) and found.wrong == alone.wrong
    assert sorted(rows[i] for i in np.flatnonzero(found.flagged)) == [4, 17, 33]
    assert any("Your own probabilities judge" in note for note in output["notes"])
    assert ("neighbours_agree" in found.extra) == (kind == "features") and "duplicate_group" in found.extra
    assert any("set an encoder" in note for note in output["notes"]) == (kind != "features")
    assert main(["apply", str(tmp_path / "r"), "-o", str(tmp_path / "out"), "--auto", "0.5"]) == 0
    again = ls.load(
        {"folder": str(tmp_path / "out"), "hf": f"hf:{tmp_path / 'out/data'}"}.get(kind, str(tmp_path / "out/t.csv"))
    )
    assert np.bincount(again.labels).tolist() == [20, 20, 20]
    capsys.readouterr()
    assert (
        main(["export", str(tmp_path / "r"), "--to", "hf", "-o", str(tmp_path / "e")]) == 0
    )  # with texts, images, features inside


@pytest.mark.parametrize("table", [True, False])
def test_rows_are_matched_by_id(data, tmp_path, table):
    rows = np.random.default_rng(0).permutation(N)
    ids = np.array([f"k{i}" for i in rows])
    if table:
        with open(tmp_path / "p.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["cow", "id", "ant", "bee"])
            writer.writerows([PROBS[i][2], f"k{i}", PROBS[i][0], PROBS[i][1]] for i in rows)
            writer.writerow([0.2, "stranger", 0.4, 0.4])
        probs = tmp_path / "p.csv"
    else:
        np.savez(tmp_path / "p.npz", probs=PROBS[rows], ids=ids)
        probs = tmp_path / "p.npz"
    found = ls.find(data("features"), probs=str(probs))
    assert found.ids[found.flagged].tolist() == ["k4", "k17", "k33"] and found.ids[:3].tolist() == ["k0", "k1", "k2"]
    assert any("'stranger'" in note and "not used" in note for note in found.notes) == table


def test_examples_without_a_row_or_with_a_broken_one_are_listed(data):
    probs = PROBS.copy()
    probs[8] = np.nan
    ids = np.array([f"k{i}" for i in range(N)])
    keep = np.arange(N) != 5
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(probs[keep], columns=NAMES).assign(id=ids[keep])
    found = ls.find(data("text"), probs=frame)
    assert {e.id for e in found.excluded} == {"k5", "k8"} and len(found) == N - 2
    assert "has no row for it" in next(e.reason for e in found.excluded if e.id == "k5")


def test_matching_by_order_counts_rows_that_were_left_out_or_a_note_says_that_it_does_not(tmp_path):
    x = np.stack([TRUE * 4.0 + np.arange(N) % 7, np.arange(N) % 5], 1)
    x[10] = np.nan
    whole = ls.find(x, labels=LABELS, probs=PROBS)
    part = ls.find(x, labels=LABELS, probs=np.delete(PROBS, 10, 0))
    assert whole.ids[whole.flagged].tolist() == part.ids[part.flagged].tolist() == ["4", "17", "33"]
    assert any("that were not left out" in note for note in part.notes) and not any(
        "left out" in note for note in whole.notes
    )
    with pytest.raises(ls.UserError, match="has 57 rows, but the array has 60 examples, or 59 without those"):
        ls.find(x, labels=LABELS, probs=PROBS[:57])


def test_the_columns_follow_a_class_order_that_the_source_fixes(tmp_path):
    names = np.array(["cow", "ant", "bee"])
    np.savez(tmp_path / "d.npz", features=np.stack([TRUE * 4.0, np.arange(N) % 5], 1), labels=GIVEN, classes=names)
    found = ls.find(str(tmp_path / "d.npz"), probs=PROBS)
    assert found.ids[found.flagged].tolist() == ["4", "17", "33"] and found.classes == tuple(names)


def test_a_class_without_examples_stays_a_column(data):
    probs = np.concatenate([PROBS * 0.9, np.full((N, 1), 0.1)], 1)
    pandas = pytest.importorskip("pandas")
    found = ls.find(data("features"), probs=pandas.DataFrame(probs, columns=[*NAMES, "dodo"]))
    assert found.classes == (*NAMES, "dodo") and found.ids[found.flagged].tolist() == ["k4", "k17", "k33"]


def test_an_encoder_adds_neighbours(data, tmp_path):
    found = ls.find(data("text"), probs=PROBS, encoder="use", out=tmp_path / "r")
    assert (
        "neighbours_agree" in found.extra
        and "knn_vote" in found.scores
        and (tmp_path / "r/evidence/neighbours.npy").exists()
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--from-network", "small-cnn"], "leave out --probs or --from-network"),
        (["--detectors", "gce"], "needs more evidence; probabilities beside the data allow"),
    ],
)
def test_arguments_that_do_not_fit_probabilities_are_refused(data, tmp_path, arguments, word, capsys):
    np.save(tmp_path / "p.npy", PROBS[order("folder")])
    assert (
        main(["find", data("folder"), "--probs", str(tmp_path / "p.npy"), "-o", str(tmp_path / "r"), *arguments]) == 2
    )
    assert word in capsys.readouterr().err


def test_data_and_probabilities_that_do_not_belong_together_are_refused(data):
    frame = pytest.importorskip("pandas").DataFrame
    with pytest.raises(ls.UserError, match="have no id in common"):
        ls.find(data("text"), probs=frame(PROBS, columns=NAMES).assign(id=[f"x{i}" for i in range(N)]))
    with pytest.raises(ls.UserError, match="no column for the label"):
        ls.find(data("text"), probs=frame(PROBS, columns=["ant", "bee", "elk"]))
    with pytest.raises(ls.UserError, match="rows? .*(sum|add)"):
        ls.find(data("text"), probs=PROBS * 3)
    with pytest.raises(ls.UserError, match="probabilities already"):
        ls.find(ls.load_probabilities(PROBS, LABELS), probs=PROBS)


@pytest.mark.parametrize("apart", [False, True])
def test_the_order_of_categories_of_the_data_is_tried(tmp_path, apart):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    p = 0.2 * rng.dirichlet([1, 1, 1], 300) + 0.8 * np.eye(3)[y]
    labels = pd.Series(pd.Categorical.from_codes(y, ["low", "mid", "high"], ordered=True))
    frame = pd.DataFrame({"x": rng.normal(size=300)})
    data = ls.load(frame, labels=labels, probs=p) if apart else ls.load(frame.assign(label=labels), probs=p)
    assert data.classes == ("low", "mid", "high") and (data.labels == y).all()
    assert any("categories (low, mid, high), not in the order of text" in note for note in data.notes)
