"""Splits as a thing of the data: read, chosen, judged together, and leaks between them."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.errors import UserError

DIGITS = load_digits()
X, Y = DIGITS.data.astype(np.float32), DIGITS.target.copy()
Y[[3, 40, 250]] = (Y[[3, 40, 250]] + 1) % 10
COPIES = 6  # rows of train that are also in test; the label of the fourth is wrong in train only
SPLIT = np.array(["train"] * 240 + ["test"] * 60 + ["test"] * COPIES, object)
X, Y = np.concatenate([X[:300], X[:COPIES]]), np.concatenate([Y[:300], DIGITS.target[:COPIES]])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)]).assign(label=Y, split=SPLIT)
    path = tmp_path_factory.mktemp("splits") / "digits.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(table):
    folder = table.parent / "digits.sieve"
    ls.find(table, out=folder)
    return folder


def test_the_column_of_splits_is_neither_a_feature_nor_a_class(table):
    data = ls.load(table)
    assert data.splits.tolist() == SPLIT.tolist() and len(data.columns.names) == 64
    assert data.classes == tuple(map(str, range(10))) and "train (240), test (66)" in data.notes[0]
    assert any("'split' holds the split" in note for note in data.notes)
    frame = pd.read_csv(table).rename(columns={"split": "set"})
    assert ls.load(frame).splits.tolist() == SPLIT.tolist()
    other = frame.assign(set=np.where(frame.set == "train", "a", "b"))  # not the names of splits
    assert ls.load(other).splits is None


def test_some_splits_are_read_by_name(table, capsys):
    data = ls.load(table, split="test")
    assert len(data) == 66 and data.ids[0] == "240" and data.recipe["split"] == "test"
    assert any("Read: test (66). Not read, as asked: train." in note for note in data.notes)
    assert len(ls.load(table, split=["train", "test"])) == 306
    with pytest.raises(UserError, match="no split 'tset'. Did you mean 'test'. Its splits are train, test."):
        ls.load(table, split="tset")
    with pytest.raises(UserError, match="holds an empty name"):
        ls.load(table, split="train,")
    assert main(["find", str(table), "--split", "tset"]) == 2
    assert "Did you mean 'test'" in capsys.readouterr().err
    with pytest.raises(UserError, match="has no splits, so split='train' cannot be used"):
        ls.load(X, labels=Y, split="train")


def test_findings_keep_the_split_and_leaks_are_told(run, table, tmp_path):
    findings = ls.open_run(run).findings
    assert findings.splits.tolist() == SPLIT.tolist()
    assert findings.table(ranked=False)["split"].to_pylist() == SPLIT.tolist()
    (leak,) = findings.leaks.pairs
    assert (leak.split, leak.also, leak.examples, leak.exact, leak.disagree) == ("test", "train", 6, 6, 1)
    assert str(leak) == "6 examples of test are also in train (6 exact copies; the labels of 1 differ)"
    with open(run / "leaks.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and {row["split"] for row in rows} == {"train", "test"}
    assert [row["id"] for row in rows if row["labels_agree"] == "false"] == ["3", "303"]
    out = ls.export(run, to="csv", out=tmp_path / "findings.csv")
    assert pd.read_csv(tmp_path / "findings.csv").split.tolist() == SPLIT.tolist(), out


def test_the_summary_counts_per_split(table, tmp_path, capsys):
    assert main(["find", str(table), "-o", str(tmp_path / "r.sieve"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert [(one["split"], one["examples"]) for one in summary["splits"]] == [("train", 240), ("test", 66)]
    assert sum(one["expected_wrong"] for one in summary["splits"]) == pytest.approx(summary["estimate"][1], rel=0.02)
    assert summary["leaks"] == [{"split": "test", "also": "train", "examples": 6, "exact": 6, "disagree": 1}]


def test_a_second_run_without_splits_leaves_no_leaks(table, tmp_path):
    copy = tmp_path / "copy.csv"
    copy.write_bytes(table.read_bytes())
    ls.find(copy, out=tmp_path / "r.sieve")
    assert (tmp_path / "r.sieve/leaks.csv").exists()
    pd.read_csv(table).drop(columns="split").to_csv(copy, index=False)
    assert ls.find(copy, out=tmp_path / "r.sieve").leaks is None
    assert not (tmp_path / "r.sieve/leaks.csv").exists()


def test_apply_with_one_split_copies_the_others_unchanged(table, tmp_path):
    (tmp_path / "patch.csv").write_text(f"id,old,new\n250,{Y[250]},{DIGITS.target[250]}\n")
    ls.find(table, split="test", out=tmp_path / "test.sieve")
    again = ls.open_run(tmp_path / "test.sieve")
    assert len(again.findings) == 66 and again.findings.splits.tolist() == ["test"] * 66
    applied = ls.apply(tmp_path / "test.sieve", patch=tmp_path / "patch.csv", out=tmp_path / "clean")
    before, now = pd.read_csv(table), pd.read_csv(tmp_path / "clean/digits.csv")
    assert applied.relabelled == 1 and len(now) == 306 and now.split.tolist() == before.split.tolist()
    changed = np.flatnonzero(before.label.to_numpy() != now.label.to_numpy())
    assert changed.tolist() == [250]


def test_arrays_of_several_splits(tmp_path):
    images = (DIGITS.images[:60] * 15).astype(np.uint8)
    parts = {"train": slice(0, 40), "val": slice(40, 50), "test": slice(50, 60)}
    arrays = {f"{name}_images": images[rows] for name, rows in parts.items()}
    np.savez(tmp_path / "m.npz", **arrays, **{f"{n}_labels": DIGITS.target[:60][r] for n, r in parts.items()})
    data = ls.load(tmp_path / "m.npz", split="val,test")
    assert data.splits.tolist() == ["val"] * 10 + ["test"] * 10 and data.ids[0] == "val/0"
    (tmp_path / "patch.csv").write_text(f"id,old,new\nval/3,{DIGITS.target[43]},{(DIGITS.target[43] + 1) % 10}\n")
    ls.find(data, encoder="fast", out=tmp_path / "m.sieve")
    ls.apply(tmp_path / "m.sieve", patch=tmp_path / "patch.csv", out=tmp_path / "clean")
    again = ls.load(tmp_path / "clean/m.npz")
    assert len(again) == 60 and again.splits.tolist() == ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    assert again.classes[again.labels[43]] == str((DIGITS.target[43] + 1) % 10)


def picture(i: int, side: int = 64, **how) -> bytes:
    image = Image.fromarray((DIGITS.images[i] * 15).astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.resize((side, side)).save(buffer, how.pop("format", "png"), **how)
    return buffer.getvalue()


def test_folders_of_splits_through_find_and_apply(tmp_path):
    root = tmp_path / "photos"
    for i in range(48):
        place = root / ("train", "valid", "test")[0 if i < 36 else 1 + i % 2] / str(DIGITS.target[i] % 4)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.png").write_bytes(picture(i))
    (root / f"test/{DIGITS.target[0] % 4}/again.png").write_bytes(picture(0))
    (root / "test/loose.png").write_bytes(picture(1))
    data = ls.load(root, split="train")
    assert len(data) == 36 and not data.excluded and set(data.splits) == {"train"}
    assert [item.id for item in ls.load(root).excluded] == ["test/loose.png"]
    findings = ls.find(root, encoder="fast", out=tmp_path / "all.sieve")
    ls.find(data, encoder="fast", out=tmp_path / "train.sieve")
    assert (findings.leaks.pairs[0].examples, findings.leaks.pairs[0].exact) == (1, 1)
    old = data.classes[data.labels[0]]
    new = next(name for name in data.classes if name != old)
    (tmp_path / "patch.csv").write_text(f"id,old,new\n{data.ids[0]},{old},{new}\n")
    for name in ("train", "all"):
        out = tmp_path / f"clean-{name}"
        ls.apply(tmp_path / f"{name}.sieve", patch=tmp_path / "patch.csv", out=out)
        again = ls.load(out)
        assert len(again) == 49
        assert sorted(again.splits.tolist()) == sorted(ls.load(root).splits.tolist())
        assert f"train/{new}/{data.ids[0].rpartition('/')[2]}" in again.ids.tolist()


def test_labels_from_a_file_and_one_split(tmp_path):
    root = tmp_path / "photos"
    for i in range(12):
        place = root / ("train" if i < 8 else "test")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.png").write_bytes(picture(i))
    lines = [f"{i}.png,{'ab'[i % 2]}\n" for i in range(12)]
    (tmp_path / "labels.csv").write_text("name,label\n" + "".join(lines))
    data = ls.load(root, labels=tmp_path / "labels.csv", split="test")
    assert len(data) == 4 and data.splits.tolist() == ["test"] * 4 and not data.excluded
    (tmp_path / "patch.csv").write_text(f"id,old,new\n{data.ids[0]},{data.classes[data.labels[0]]},c\n")
    ls.find(data, encoder="fast", out=tmp_path / "r.sieve")
    ls.apply(tmp_path / "r.sieve", patch=tmp_path / "patch.csv", out=tmp_path / "clean")
    assert len(pd.read_csv(tmp_path / "clean/labels.csv")) == 12


def test_a_contract_bounds_leaks_and_the_report_tells_them(run, table, tmp_path):
    (tmp_path / "c.toml").write_text("max_leaks = 5\n")
    verdict = ls.check(run, contract=tmp_path / "c.toml")
    (rule,) = verdict.rules
    assert (verdict.holds, rule.value, rule.ids) == (False, 6, ("300", "301", "302", "303", "304", "305"))
    (tmp_path / "c.toml").write_text("max_leaks = 6\n")
    assert ls.check(run, contract=tmp_path / "c.toml").holds
    ls.report(run, out=tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "6 examples of test are also in train" in page and "Remove the copies that are in several splits" in page


def test_training_and_scoring_read_the_splits_that_are_named(tmp_path, capsys):
    pytest.importorskip("torch")
    x, y = load_digits(return_X_y=True)
    arrays = {"X_train": x[:400], "y_train": y[:400], "X_test": x[400:600], "y_test": y[400:600]}
    np.savez(tmp_path / "d.npz", **arrays)
    source = str(tmp_path / "d.npz")
    model = ls.train(source, split="train", epochs=3, progress=False)
    assert model.manifest["notes"] == ["Read: train (400). Not read, as asked: test."]
    assert model.score(source, split="test").n == 200 and model.score(source).n == 600
    out = str(tmp_path / "m")
    assert main(["train", source, "--split", "train", "--epochs", "2", "-o", out]) == 0
    capsys.readouterr()
    assert main(["score", out, source, "--split", "test"]) == 0
    assert "on 200 examples" in capsys.readouterr().out
    with pytest.raises(UserError, match="has no split 'tests'"):
        ls.train(source, split="tests", progress=False)


def test_compare_and_noise_read_the_splits_that_are_named(table, tmp_path, capsys):
    made = ls.noise(table, rate=0.2, split="test", out=tmp_path / "noisy")
    assert len(made.labels) == 66 and made.ids[0] == "240"
    main(["noise", str(table), "--rate", "20%", "--split", "test", "--out", str(tmp_path / "again")])
    assert "of 66 labels" in (said := capsys.readouterr().out) and "--split test --labels" in said
    assert (tmp_path / "again/labels.csv").read_text() == (tmp_path / "noisy/labels.csv").read_text()
    compared = ls.compare(table, split="train", methods="standard", seeds=1, epochs=2)
    assert compared.trained_on + compared.tested_on == 240
    main(
        ["compare", str(table), "--split", "train", "--methods", "standard", "--seeds", "1", "--epochs", "2", "--json"]
    )
    assert json.loads(capsys.readouterr().out)["trained_on"] == compared.trained_on
    with pytest.raises(UserError, match="no split 'nonsense'"):
        ls.noise(table, rate=0.2, split="nonsense")
