"""Ids are row numbers and the file changes after `find`: decisions and findings stay with their examples, or are refused by name.

Every format is written by `put`, from a list of items; an item is an example with its label and a number that no two share. `look` reads
the labels of a corrected copy back, by that number.
"""

import csv
import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelsieve.cli import main
from labelsieve.core import run as runs
from labelsieve.core.decision import Decision
from labelsieve.core.follow import stamp
from labelsieve.core.journal import Journal

CLASSES = {2: ("cat", "dog"), 4: ("ant", "bee", "cat", "dog")}
WORDS = {"ant": "nest hill queen", "bee": "honey wing hive", "cat": "milk purr mouse", "dog": "bark bone ball"}


@dataclass(frozen=True)
class Item:
    number: int
    label: str
    truth: str


def items(k=2, n=36, wrong=4):
    names = CLASSES[k]
    made = [Item(i, names[i % k], names[i % k]) for i in range(n)]
    for i in range(wrong):  # a wrong label each
        at = 5 * i + 2
        made[at] = replace(made[at], label=names[(names.index(made[at].truth) + 1) % k])
    return made


def text(item):
    return f"{WORDS[item.truth]} number {item.number} of the lot"


def values(item, names):
    rng = np.random.default_rng(item.number)
    row = rng.normal(0, 0.3, 5)
    row[list(names).index(item.truth)] += 3
    return [*row.round(6).tolist(), item.number / 1000]


def picture(item, names):
    rng = np.random.default_rng(item.number)
    pixels = rng.integers(0, 40, (12, 12, 3), np.uint8)
    pixels[..., list(names).index(item.truth) % 3] += np.uint8(150 + 20 * (list(names).index(item.truth) // 3))
    pixels[0, 0] = (item.number, 0, 0)
    return pixels


def put(kind, root, rows, names):
    """Write the items as data of a kind; returns what `find` is called with."""
    root.mkdir(parents=True, exist_ok=True)
    if kind == "csv-text":
        with open(root / "d.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["text", "label"], *([text(i), i.label] for i in rows)])
        return [str(root / "d.csv")]
    if kind == "csv-numbers":
        with open(root / "d.csv", "w", newline="", encoding="utf-8") as file:
            head = [f"f{j}" for j in range(6)] + ["label"]
            csv.writer(file).writerows([head, *([*values(i, names), i.label] for i in rows)])
        return [str(root / "d.csv")]
    if kind == "jsonl":
        lines = [json.dumps({"text": text(i), "label": i.label}) for i in rows]
        (root / "d.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [str(root / "d.jsonl")]
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = {f"f{j}": [values(i, names)[j] for i in rows] for j in range(6)}
        pq.write_table(pa.table({**table, "label": [i.label for i in rows]}), root / "d.parquet")
        return [str(root / "d.parquet")]
    if kind == "npz":
        np.savez(root / "d.npz", features=np.array([values(i, names) for i in rows]), labels=np.array([i.label for i in rows]))
        return [str(root / "d.npz")]
    if kind == "npz-images":
        np.savez(root / "d.npz", images=np.stack([picture(i, names) for i in rows]), labels=np.array([i.label for i in rows]))
        return [str(root / "d.npz")]
    if kind == "hf":
        datasets = pytest.importorskip("datasets")
        shutil.rmtree(root / "d", ignore_errors=True)
        datasets.disable_progress_bars()
        datasets.Dataset.from_dict({"text": [text(i) for i in rows], "label": [i.label for i in rows]}).save_to_disk(str(root / "d"))
        return [f"hf:{root / 'd'}"]
    if kind == "image-table":
        (root / "img").mkdir(exist_ok=True)
        for i in rows:
            Image.fromarray(picture(i, names)).save(root / f"img/{i.number}.png")
        with open(root / "d.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["image", "label"], *([f"img/{i.number}.png", i.label] for i in rows)])
        return [str(root / "d.csv")]
    assert kind == "probs"
    k = len(names)
    table = np.full((len(rows), k), 0.1 / k)
    for at, i in enumerate(rows):
        table[at, list(names).index(i.truth)] += 0.9 - i.number / 1000
        table[at, (list(names).index(i.truth) + 1) % k] += i.number / 1000
    np.save(root / "p.npy", table / table.sum(1, keepdims=True))
    (root / "labels.csv").write_text("label\n" + "".join(f"{i.label}\n" for i in rows))
    return ["--probs", str(root / "p.npy"), "--labels", str(root / "labels.csv")]


KINDS = ["csv-text", "csv-numbers", "jsonl", "parquet", "npz", "npz-images", "hf", "image-table", "probs"]


def look(kind, out, names):
    """Number -> label in a corrected copy."""
    if kind == "csv-text":
        with open(out / "d.csv", newline="", encoding="utf-8") as file:
            return {int(row["text"].split()[4]): row["label"] for row in csv.DictReader(file)}
    if kind == "csv-numbers":
        with open(out / "d.csv", newline="", encoding="utf-8") as file:
            return {round(1000 * float(row["f5"])): row["label"] for row in csv.DictReader(file)}
    if kind == "jsonl":
        rows = map(json.loads, (out / "d.jsonl").read_text(encoding="utf-8").splitlines())
        return {int(row["text"].split()[4]): row["label"] for row in rows}
    if kind == "parquet":
        import pyarrow.parquet as pq

        return {round(1000 * row["f5"]): row["label"] for row in pq.read_table(out / "d.parquet").to_pylist()}
    if kind in ("npz", "npz-images"):
        found = np.load(out / "d.npz")
        number = found["images"][:, 0, 0, 0] if kind == "npz-images" else (1000 * found["features"][:, 5]).round().astype(int)
        return dict(zip(number.tolist(), found["labels"].tolist(), strict=True))
    if kind == "hf":
        import datasets

        found = datasets.load_from_disk(str(out / "data"))
        return {int(row["text"].split()[4]): row["label"] for row in found}
    if kind == "image-table":
        with open(out / "d.csv", newline="", encoding="utf-8") as file:
            return {int(Path(row["image"]).stem): row["label"] for row in csv.DictReader(file)}
    raise AssertionError(kind)


@pytest.fixture
def ask(capsys):
    """Run a command: exit code, what it printed (read if it is JSON), what it said on stderr."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, (json.loads(out) if out.strip().startswith("{") else out), err

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(kind, k) -> a folder with the data and the run `r`, made once and then copied."""
    kept = {}

    def make(kind, k, to):
        names = CLASSES[k]
        if (kind, k) not in kept:
            root = tmp_path_factory.mktemp(kind)
            there = os.getcwd()
            os.chdir(root)
            try:
                assert main(["find", *put(kind, Path("."), items(k), names), "-o", "r", "--detectors", "consensus", "--json"]) == 0
            finally:
                os.chdir(there)
            kept[kind, k] = root
        shutil.copytree(kept[kind, k], to, dirs_exist_ok=True)
        os.chdir(to)
        return to / "r"

    return make


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def decide(run, rows, acts, reviewer="ann"):
    """What the page writes: item number -> class to relabel to, or "keep" or "exclude"."""
    findings = runs.load(run)
    place = {item.number: i for i, item in enumerate(rows)}
    journal = Journal(run)
    for number, act in acts.items():
        i = place[number]
        what, label = (act, None) if act in ("keep", "exclude") else ("relabel", act)
        journal.append([Decision(str(findings.ids[i]), what, label, reviewer, f"2026-01-01T00:00:{number:02}Z", f"b-{number}-{reviewer}",
                                 **stamp(findings, i))])  # fmt: skip
    journal.close()


def changed(rows, how):
    """The items after a change of the file: those decided on are 2, 7 and 12; 20 is touched, and nobody decided on it."""
    other = {item.label for item in rows}
    if how == "sorted":
        return sorted(rows, key=lambda item: (item.label, -item.number))
    if how == "dropped":
        return [item for item in rows if item.number != 0 and item.number != 20]
    if how == "inserted":
        return [Item(200, rows[0].label, rows[0].truth), *rows]
    at = next(i for i, item in enumerate(rows) if item.number == 20)
    if how == "edited":
        return [*rows[:at], replace(rows[at], number=220), *rows[at + 1 :]]
    assert how == "relabelled"
    label = next(iter(sorted(other - {rows[at].label})))
    return [*rows[:at], replace(rows[at], label=label), *rows[at + 1 :]]


CHANGES = ["sorted", "dropped", "inserted", "edited", "relabelled"]


def expected(rows, acts):
    return {
        i.number: acts.get(i.number, i.label) if acts.get(i.number) != "keep" else i.label for i in rows if acts.get(i.number) != "exclude"
    }


def acts_on(rows):
    """Right decisions on three wrong labels, keep on one more, exclude for one."""
    truth = {item.number: item.truth for item in rows}
    return {2: truth[2], 7: truth[7], 12: truth[12], 17: "keep", 5: "exclude"}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_apply_after_the_file_has_changed(made, tmp_path, ask, kind, how):
    k = 4 if kind in ("csv-numbers", "hf") else 2
    run, names, rows = made(kind, k, tmp_path), CLASSES[k], items(k)
    acts = acts_on(rows)
    decide(run, rows, acts)
    after = changed(rows, how)
    put(kind, Path("."), after, names)
    code, told, err = ask("apply", run, "-o", "clean", "--json")
    assert code == 0, err
    assert told["conflicts"] == [] and len(told["changes"]) == 4
    if kind == "probs":
        found = rows_of(tmp_path / "clean/labels.csv")
        place = {str(i): item.number for i, item in enumerate(after)}
        assert {place[row["id"]]: row["label"] for row in found if row["label"]} == expected(after, acts)
    else:
        assert look(kind, tmp_path / "clean", names) == expected(after, acts)
    if how == "sorted":
        assert any("another id" in note for note in told["notes"])


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_find_again_and_apply(made, tmp_path, ask, kind, how):
    k = 4 if kind in ("csv-numbers", "hf") else 2
    run, names, rows = made(kind, k, tmp_path), CLASSES[k], items(k)
    acts = acts_on(rows)
    decide(run, rows, acts)
    after = changed(rows, how)
    source = put(kind, Path("."), after, names)
    assert ask("find", *source, "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    code, told, err = ask("apply", run, "-o", "clean", "--json")
    assert code == 0, err
    assert told["conflicts"] == [] and len(told["changes"]) == 4
    if kind != "probs":
        assert look(kind, tmp_path / "clean", names) == expected(after, acts)


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
