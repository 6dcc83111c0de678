"""Formats of several classes per example with `several`: find, decide, apply, read back. Datumaro 1.13.12 and FiftyOne
1.22.1 wrote `written_sets` with `bench/inside_images.py write-sets`, and read the copies where they can be
installed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.store.journal import Journal

WRITTEN = Path(__file__).parent / "written_sets"
FILES = Path(__file__).parent / "files"
INSIDE = Path(__file__).parents[2] / "bench" / "inside_images.py"
DATUMARO = ["datumaro", "coco_labels", "cvat", "imagenet_txt", "voc_classification"]
GIVEN = {"a": "cat dog", "b": "dog", "c": "cat bird", "e": "bird", "f": "dog bird", "g": "cat dog bird", "h": "cat"}


def sets(place: Any, **roles: Any) -> dict[str, str]:
    """Example -> its classes, in one text."""
    asked = ls.load(place, several=True, **roles).questions
    assert asked is not None
    rows = zip(asked.examples.ids.tolist(), asked.given.tolist(), strict=True)
    return {key: " ".join(n for n, has in zip(asked.names, row, strict=True) if has) for key, row in rows}


def by_stem(found: dict[str, str]) -> dict[str, str]:
    return {Path(key).stem: " ".join(sorted(said.split())) for key, said in found.items()}


def corrected(place: Path | str, tmp_path: Path, answers: dict[str, str], gone: str = "", **roles: Any) -> Path:
    """The copy after decisions on a run of `find`. `answers` are the ids of questions -> the new answer."""
    data = ls.load(place, several=True, **roles)
    assert data.questions is not None
    probs = np.where(data.questions.given, 0.9, 0.1)
    ls.find(place, several=True, probs=probs, out=tmp_path / "run.sieve", **roles)
    journal = Journal(tmp_path / "run.sieve")
    said = [(key, "relabel", label) for key, label in answers.items()] + ([(gone, "exclude", None)] if gone else [])
    journal.append([Decision(key, act, label, "ann", "2026-01-02T03:04:05+00:00", f"ann-{key}")
                    for key, act, label in said])  # fmt: skip
    journal.close()
    done = ls.apply(tmp_path / "run.sieve", out=tmp_path / "clean")
    assert (done.relabelled, done.left_out, done.conflicts) == (len(answers), bool(gone), ())
    name = str(place).removeprefix("hf:").rstrip("/").rpartition("/")[2]
    return tmp_path / "clean" / name if (tmp_path / "clean" / name).exists() else tmp_path / "clean"


def ids_of(place: Path) -> dict[str, str]:
    return {Path(key).stem: key for key in sets(place)}


@pytest.mark.parametrize("name", DATUMARO)
def test_what_datumaro_writes_is_read_and_corrected_in_place(name, tmp_path):
    place = WRITTEN / name
    found = sets(place)
    assert by_stem(found) == {key: " ".join(sorted(said.split())) for key, said in GIVEN.items()}
    ids = ids_of(place)
    answers = {f"{ids['b']}#cat": "cat", f"{ids['a']}#dog": "not dog", f"{ids['g']}#bird": "not bird"}
    copy = corrected(place, tmp_path, answers, gone=f"{ids['h']}#dog")
    after = {**GIVEN, "a": "cat", "b": "cat dog", "g": "cat dog"}
    del after["h"]
    assert by_stem(sets(copy)) == {key: " ".join(sorted(said.split())) for key, said in after.items()}
    python = os.environ.get("LABELSIEVE_DATUMARO")
    if not python:
        return
    (copy / "patch.csv").unlink()
    copy = copy.rename(tmp_path / name)
    done = subprocess.run([python, INSIDE, "datumaro", "read", copy], capture_output=True, text=True, timeout=600)
    read = {key: set(said) for key, said in json.loads(done.stdout.splitlines()[-1])[name].items()}
    assert read == {"d": set(), **{key: set(said.split()) for key, said in after.items()}}


@pytest.mark.parametrize("name", DATUMARO)
def test_everything_but_the_changed_labels_stays(name, tmp_path):
    place, ids = WRITTEN / name, ids_of(WRITTEN / name)
    copy = corrected(place, tmp_path, {f"{ids['e']}#cat": "cat"})
    files = [file.relative_to(place) for file in place.rglob("*") if file.is_file()]
    changed = [file for file in files if (place / file).read_bytes() != (copy / file).read_bytes()]
    (file,) = changed
    before, after = (
        {line.strip().rstrip(",") for line in (root / file).read_text().replace("{", "\n{").splitlines()}
        for root in (place, copy)
    )
    assert len(before - after) <= 2 and len(after - before) <= 3


@pytest.mark.parametrize("name", DATUMARO)
def test_without_several_one_sentence_says_the_way(name):
    with pytest.raises(UserError, match=r"have several labels each \(4 of 7\); judge each label with several=True"):
        ls.load(WRITTEN / name)


def test_hard_marks_of_voc_are_no_answer(tmp_path):
    import shutil

    place = shutil.copytree(WRITTEN / "voc_classification", tmp_path / "voc")
    marks = place / "ImageSets/Main/dog_test.txt"
    marks.write_text(marks.read_text().replace("e -1", "e  0"))
    data = ls.load(place, several=True)
    assert "its mark for 'dog' is 0, hard to see" in {item.reason for item in data.excluded}
    assert "e" not in by_stem(sets(place))


def pictures(folder: Path, names: list[str]) -> Path:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (20 * i, 255 - 20 * i, 90)).save(folder / name)
    return folder


def test_one_hot_tables_of_roboflow_in_splits(tmp_path):
    root = pictures(tmp_path / "in", ["train/a.png", "train/b.png", "train/c.png", "valid/d.png", "valid/e.png"])
    (root / "train/_classes.csv").write_text("filename, cat, dog\nc.png, 1, 1\nb.png, 1, 0\na.png, 0, 0\n")
    (root / "valid/_classes.csv").write_text("filename, cat, dog\nd.png, 0, 1\ne.png, 1, 1\n")
    want = {"train/a.png": "", "train/b.png": "cat", "train/c.png": "cat dog", "valid/d.png": "dog",
            "valid/e.png": "cat dog"}  # fmt: skip
    assert sets(root) == want
    with pytest.raises(UserError, match=r"several labels to 1 rows .* judge each label with several=True"):
        ls.load(root)
    copy = corrected(root, tmp_path, {"train/a.png#dog": "dog", "valid/e.png#cat": "not cat"}, gone="train/b.png#cat")
    assert (copy / "train/_classes.csv").read_text() == "filename, cat, dog\nc.png, 1, 1\na.png, 0, 1\n"
    assert (copy / "valid/_classes.csv").read_text() == "filename, cat, dog\nd.png, 0, 1\ne.png, 0, 1\n"
    assert not (copy / "train/b.png").exists() and (copy / "train/c.png").exists()


def test_lists_beside_images_keep_their_form(tmp_path):
    root = pictures(tmp_path / "in", [f"{name}.png" for name in "abcde"])
    tags = (["x"], ["x", "y"], [], ["y"], ["x"])
    rows = [{"file_name": f"{n}.png", "tags": tags[i], "note": i} for i, n in enumerate("abcde")]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert sets(root, label="tags")["b.png"] == "x y"
    copy = corrected(root, tmp_path, {"a.png#y": "y"}, label="tags")
    lines = (copy / "metadata.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"file_name": "a.png", "tags": ["x", "y"], "note": 0}
    assert lines[1:] == [json.dumps(row) for row in rows[1:]]
    with pytest.raises(UserError, match="No table in .* names its images"):
        ls.load(pictures(tmp_path / "none", ["x.png", "y.png"]), several=True)


def test_sequences_of_class_labels_of_hugging_face(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "tags": datasets.Sequence(datasets.ClassLabel(names=["x", "y", "z"]))}
    )
    tags = [[0], [0, 1], [], [1], [2, 0], [2]]
    rows = {"text": [f"text number {i}" for i in range(6)], "tags": tags}
    data = datasets.Dataset.from_dict(rows, features=features)
    want = {"0": "x", "1": "x y", "2": "", "3": "y", "4": "x z", "5": "z"}
    assert sets(data) == want
    with pytest.raises(UserError, match="lists or records.*several=True"):
        ls.load(data, label="tags")
    datasets.DatasetDict({"train": data, "test": data}).save_to_disk(str(tmp_path / "saved"))
    place = f"hf:{tmp_path / 'saved'}"
    assert sets(place) == want
    copy = corrected(place, tmp_path, {"1#x": "not x", "2#z": "z"}, gone="5#z")
    again = datasets.load_from_disk(str(copy / "data"))
    assert again["train"].features == features and again["train"]["tags"][:] == [[0], [1], [2], [1], [2, 0]]
    assert again["test"]["tags"][:] == tags
    data.to_parquet(str(tmp_path / "t.parquet"))
    assert sets(tmp_path / "t.parquet") == want
    (tmp_path / "p").mkdir()
    copy = corrected(tmp_path / "t.parquet", tmp_path / "p", {"1#x": "not x"})
    assert datasets.Dataset.from_parquet(str(copy))["tags"][:2] == [[0], [1]]


def jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


class TestProdigy:
    OPTIONS = [{"id": name, "text": name} for name in ("x", "y", "z")]

    def choice(self, i: int, accept: list[str], who: str, answer: str = "accept") -> dict[str, Any]:
        about = {"_view_id": "choice", "_input_hash": 100 + i, "_task_hash": 900 + i, "_annotator_id": who}
        return {"text": f"a text {i}", "options": self.OPTIONS, "accept": accept, "answer": answer, **about}

    def test_choices(self, tmp_path):
        rows = [self.choice(i, said, "ana") for i, said in enumerate((["x"], ["x", "y"], [], ["z"], ["y", "z"]))]
        rows += [self.choice(5, ["x"], "ana", "reject"), self.choice(1, ["x", "y", "z"], "ben")]
        file = jsonl(tmp_path / "answers.jsonl", rows)
        assert sets(file) == {"100": "x", "101": "x y z", "102": "", "103": "z", "104": "y z"}  # of two: one is half
        assert any("2 examples have several labels each" in note for note in ls.load(file).notes)
        copy = corrected(file, tmp_path, {"100#y": "y", "101#z": "not z"}, gone="104#y")
        after = [json.loads(line) for line in copy.read_text().splitlines()]
        assert after[0]["accept"] == ["x", "y"] and after[0]["_annotator_id"] == "labelsieve"
        assert after[1:] == [*rows[1:4], rows[5]]  # ana was right about 101
        assert sets(copy) == {"100": "x y", "101": "x y", "102": "", "103": "z"}

    def test_binary_questions_one_class_at_a_time(self, tmp_path):
        truth = {0: "x", 1: "xy", 2: "", 3: "yz", 4: "z"}
        rows = [
            {"text": f"a text {i}", "label": name, "answer": "accept" if name in said else "reject", "_input_hash": i}
            for i, said in truth.items()
            for name in "xyz"
        ]
        rows.append({"text": "a text 9", "label": "x", "answer": "accept", "_input_hash": 9})
        file = jsonl(tmp_path / "answers.jsonl", rows)
        assert sets(file) == {str(i): " ".join(said) for i, said in truth.items()}
        excluded = ls.load(file, several=True).excluded
        assert [(one.id, one.reason) for one in excluded] == [("9", "nobody answered whether it is 'y'")]
        copy = corrected(file, tmp_path, {"0#y": "y", "1#x": "not x"})
        after = [json.loads(line) for line in copy.read_text().splitlines()]
        changed = [(old["label"], new["answer"]) for old, new in zip(rows, after, strict=True) if old != new]
        assert changed == [("y", "accept"), ("x", "reject")]


def test_several_choices_of_mechanical_turk_become_a_table(tmp_path):
    said = {0: ["cat"], 1: ["cat", "dog"], 2: [], 3: ["dog"]}
    rows = [
        {"HITId": f"H{i}", "WorkerId": who, "AssignmentStatus": "Approved", "Input.body": f"a text {i}"}
        | {f"Answer.animal.{name}": str(name in names).lower() for name in ("cat", "dog")}
        for i, names in said.items()
        for who in ("A1", "A2")
    ]
    with open(tmp_path / "batch.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert sets(tmp_path / "batch.csv") == {f"H{i}": " ".join(names) for i, names in said.items()}
    copy = corrected(tmp_path / "batch.csv", tmp_path, {"H0#dog": "dog"})
    written = (tmp_path / "clean" / "labels.csv").read_text() if copy.name == "clean" else ""
    assert written == "id,cat,dog\nH0,1,1\nH1,1,1\nH2,0,0\nH3,0,1\n"


def test_several_answers_of_zooniverse(tmp_path):
    said = {500: ["LION"], 501: ["LION", "ZEBRA"], 502: ["ZEBRA"], 503: []}
    with open(tmp_path / "classifications.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["classification_id", "user_name", "annotations", "subject_data"])
        for key, names in said.items():
            about = {str(key): {"text": f"subject {key}"}}
            writer.writerow([key, "ana", json.dumps([{"task": "T0", "value": names}]), json.dumps(about)])
    assert sets(tmp_path / "classifications.csv") == {str(key): " ".join(names) for key, names in said.items()}


def test_sagemaker_with_a_map_of_classes(tmp_path):
    classes = {"0": "cat", "1": "dog"}
    records = []
    for i, codes in enumerate(([0], [0, 1], [1], [1])):
        about = {"class-map": {str(k): classes[str(k)] for k in codes}, "human-annotated": "yes"}
        about |= {"confidence-map": {str(k): 0.7 for k in codes}, "type": "groundtruth/text-classification-multilabel"}
        records.append({"id": f"r{i}", "source": f"text {i}", "animals": codes, "animals-metadata": about})
    file = jsonl(tmp_path / "output.manifest", records)
    assert sets(file) == {"r0": "cat", "r1": "cat dog", "r2": "dog", "r3": "dog"}
    copy = corrected(file, tmp_path, {"r0#dog": "dog"}, gone="r3#dog")
    first, *rest = [json.loads(line) for line in copy.read_text().splitlines()]
    assert first["animals"] == [0, 1] and first["animals-metadata"]["class-map"] == classes
    assert first["animals-metadata"]["confidence-map"] == {"0": 0.7, "1": 1.0}
    assert rest == records[1:3]


def test_lists_in_an_attribute_of_coco(tmp_path):
    root = pictures(tmp_path / "in", [f"images/{name}.png" for name in "abcd"])
    (root / "annotations").mkdir()
    tags = [["x"], ["x", "y"], ["y"], ["y"]]
    coco = {
        "images": [{"id": i, "file_name": f"{n}.png", "tags": tags[i]} for i, n in enumerate("abcd")],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1}],
        "categories": [{"id": 1, "name": "thing"}],
    }
    (root / "annotations/labels.json").write_text(json.dumps(coco))
    assert by_stem(sets(root, label="tags")) == {"a": "x", "b": "x y", "c": "y", "d": "y"}
    copy = corrected(root, tmp_path, {"images/a.png#y": "y"}, label="tags")
    assert json.loads((copy / "annotations/labels.json").read_text())["images"][0]["tags"] == ["x", "y"]


def in_file(tmp_path: Path, name: str, records: list[Any]) -> Path:
    (tmp_path / name).write_text(json.dumps(records))
    return tmp_path / name


class TestLabelStudio:
    """Tasks of Label Studio's export, in which `choices` are several."""

    SAID = (("cat", "dog"), ("dog",), (), ("bird", "cat"), ("bird",), ("cat", "dog", "bird"))

    def tasks(self) -> list[dict[str, Any]]:
        tasks = json.loads((FILES / "label_studio/animals.json").read_text())[: len(self.SAID)]
        for task, names in zip(tasks, self.SAID, strict=False):
            task["predictions"], task["annotations"] = [], task["annotations"][:1]
            (annotation,) = task["annotations"]
            if names:
                annotation["result"][0]["value"]["choices"] = [*names]
            else:
                annotation["result"] = []
        return tasks

    def test_the_full_json(self, tmp_path):
        tasks = self.tasks()
        n = len(tasks)
        place = in_file(tmp_path, "tasks.json", tasks)
        ids = [str(task["id"]) for task in tasks]
        assert list(sets(place).values()) == [" ".join(sorted(said)) for said in self.SAID[:n]]
        copy = corrected(place, tmp_path, {f"{ids[1]}#cat": "cat", f"{ids[2]}#dog": "dog", f"{ids[0]}#dog": "not dog"})
        after = json.loads(copy.read_text())
        chosen = [[r["value"]["choices"] for a in task["annotations"] for r in a["result"]] for task in after]
        assert chosen[:3] == [[["cat"]], [["dog", "cat"]], [["dog"]]]
        assert after[2]["annotations"][0]["result"][0]["to_name"] == "t" and after[3:] == tasks[3:]
        assert after[0]["predictions"][0]["result"][0]["value"]["choices"] == ["cat", "dog"]

    def test_rows(self, tmp_path):
        rows = [
            {"body": f"text {i}", "id": i, "animal": said[0] if len(said) == 1 else {"choices": [*said]},
             "annotator": 1, "annotation_id": i, "created_at": "", "updated_at": "", "lead_time": 1.0}
            for i, said in enumerate(self.SAID)
        ]  # fmt: skip
        del rows[2]["animal"]
        place = in_file(tmp_path, "min.json", rows)
        assert list(sets(place).values()) == [" ".join(sorted(said)) for said in self.SAID]
        copy = corrected(place, tmp_path, {"1#cat": "cat", "0#dog": "not dog", "4#bird": "not bird"})
        after = json.loads(copy.read_text())
        assert [row.get("animal") for row in after[:2]] == ["cat", {"choices": ["dog", "cat"]}]
        assert "animal" not in after[4] and after[2:4] == rows[2:4]
        (tmp_path / "csv").mkdir()
        with open(tmp_path / "rows.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0]])
            writer.writeheader()
            for row in rows:
                cell = row.get("animal", "")
                writer.writerow({**row, "animal": cell if isinstance(cell, str) else json.dumps(cell)})
        assert list(sets(tmp_path / "rows.csv", label="animal").values()) == list(sets(place).values())
        copy = corrected(tmp_path / "rows.csv", tmp_path / "csv", {"1#cat": "cat"}, label="animal")
        assert [row["animal"] for row in csv.DictReader(copy.open())][1] == '{"choices":["dog","cat"]}'


@pytest.mark.parametrize("name", ["sets.json", "sets-min.json", "sets.csv"])
def test_exports_of_label_studio_with_a_multiple_choice(name):
    """Written by Label Studio 1.23.2."""
    said = ["cat dog", "dog", "", "bird cat", "bird", "bird cat dog"]
    roles = {"label": "animal"} if name.endswith(".csv") else {}
    assert list(sets(FILES / "label_studio" / name, **roles).values()) == said


def test_lists_of_doccano_and_of_its_members(tmp_path):
    said = {"1": ["x"], "2": ["x", "y"], "3": ["y"], "4": ["y", "z"], "5": [], "6": ["z"]}
    rows = [{"id": int(key), "text": f"text {key}", "label": names, "Comments": []} for key, names in said.items()]
    (tmp_path / "one").mkdir()
    (tmp_path / "all").mkdir()
    place = jsonl(tmp_path / "one/ana.jsonl", rows)
    want = {key: " ".join(names) for key, names in said.items() if names}
    assert sets(place) == want
    assert ls.load(place, several=True).excluded[0].reason == "nobody gave it a label"
    copy = corrected(place, tmp_path / "one", {"1#z": "z", "2#x": "not x"}, gone="3#x")
    after = [json.loads(line) for line in copy.read_text().splitlines()]
    assert [row["label"] for row in after] == [["x", "z"], ["y"], ["y", "z"], [], ["z"]] and after[2] == rows[3]
    for member in ("ana", "ben"):
        jsonl(tmp_path / "all" / f"{member}.jsonl", rows if member == "ana" else [{**rows[0], "label": ["x", "y"]}])
    assert sets(tmp_path / "all")["1"] == "x y"  # y by one of two
    copy = corrected(tmp_path / "all", tmp_path, {"1#y": "not y", "4#x": "x"})
    assert [json.loads(line)["label"] for line in (copy / "ana.jsonl").read_text().splitlines()][0] == ["x"]
    assert [json.loads(line)["label"] for line in (copy / "ben.jsonl").read_text().splitlines()] == [[]]
    assert json.loads((copy / "labelsieve.jsonl").read_text())["label"] == ["y", "z", "x"]


def test_lists_of_argilla(tmp_path):
    records = json.loads((FILES / "argilla/records.json").read_text())
    said = (["x"], ["x", "y"], [], ["y"], ["y", "z"], ["z"], ["x"], ["x", "z"])
    for record, names in zip(records, said, strict=True):
        record["responses"]["mood"] = [{**record["responses"]["mood"][0], "value": names}]
        record["suggestions"] = {}
    place = in_file(tmp_path, "records.json", records)
    assert list(sets(place).values()) == [" ".join(names) for names in said]
    copy = corrected(place, tmp_path, {"r0#y": "y", "r2#z": "z"}, gone="r3#y")
    after = json.loads(copy.read_text())
    assert [r["responses"]["mood"][0]["value"] for r in after[:3]] == [["x", "y"], ["x", "y"], ["z"]]
    assert after[0]["suggestions"]["mood"]["agent"] == "labelsieve" and after[3:] == records[4:]


def test_classifications_of_fiftyone(tmp_path):
    root = pictures(tmp_path / "in", [f"data/{name}.png" for name in "abcde"])
    labels = {
        "a": [{"label": "cat", "confidence": 0.5}, {"label": "dog", "confidence": 0.7}],
        "b": [{"label": "dog", "confidence": 0.9}],
        "c": [],
        "d": None,
        "e": [{"label": "cat", "confidence": 0.5}],
    }
    (root / "labels.json").write_text(json.dumps({"classes": None, "labels": labels}))
    assert by_stem(sets(root)) == {"a": "cat dog", "b": "dog", "c": "", "e": "cat"}
    copy = corrected(root, tmp_path, {"data/a.png#cat": "not cat", "data/c.png#dog": "dog", "data/b.png#cat": "cat"},
                     gone="data/e.png#cat")  # fmt: skip
    after = json.loads((copy / "labels.json").read_text())["labels"]
    assert after == {
        "a": [{"label": "dog", "confidence": 0.7}],
        "b": [{"label": "dog", "confidence": 0.9}, {"label": "cat"}],
        "c": [{"label": "dog"}],
        "d": None,
    }


def test_a_format_of_one_class_refuses_several(tmp_path):
    (tmp_path / "x.svm").write_text("1 1:0.5 2:1\n2 1:0.1 2:0.2\n1 1:0.4 2:0.9\n")
    with pytest.raises(UserError, match="one class per example; leave out several="):
        ls.load(tmp_path / "x.svm", several=True, format="svmlight")
