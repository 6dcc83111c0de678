"""Exports of Label Studio (JSON and JSON-MIN, as of 1.23) are read in full: every annotator, every kind of control."""

import json

import numpy as np
import pytest

from labelsieve.cli import main
from labelsieve.core.decision import Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.store import run
from labelsieve.store.journal import Journal

CLASSES = ("cat", "dog", "owl")
ANN = {"id": 4, "email": "ann@lab.org", "first_name": "Ann", "last_name": "Bee"}


@pytest.fixture
def folder(tmp_path):
    """A run on twelve texts r0 to r11 of three classes, in turn."""
    n, given = 12, np.arange(12) % 3
    p = np.linspace(0.9, 0.1, n)
    findings = Findings(
        np.array([f"r{i}" for i in range(n)], object), CLASSES, given, (given + 1) % 3, p, np.arange(1, n + 1), p > 0.5,
        {"consensus": p}, {}, Estimate(p.sum(), 0, n), (), (), {"source": "", "kind": "text"},
    )  # fmt: skip
    (tmp_path / "r").mkdir()
    run.save(findings, tmp_path / "r")
    return tmp_path / "r"


def task(number, *annotations, **more):
    """A task as the JSON export writes it."""
    data = {"text": f"t{number}", "labelsieve_id": f"r{number}", "given_label": CLASSES[number % 3], "p_wrong": 0.5}
    keys = {
        "drafts": [],
        "predictions": [],
        "meta": {},
        "inner_id": number,
        "total_annotations": len(annotations),
        "project": 1,
    }
    return {"id": 900 + number, "annotations": list(annotations), "file_upload": "x.json", "data": data, **keys, **more}


def annotation(by, *results, **more):
    facts = {
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-01-01T00:00:00.1Z",
        "lead_time": 2.5,
        "prediction": {},
    }
    return {"id": 1, "completed_by": by, "result": list(results), **facts, "result_count": 0, "unique_id": "u", **more}


def choice(*names, control="animal", kind="choices"):
    values = [list(name) for name in names] if kind == "taxonomy" else list(names)
    return {
        "value": {kind: values},
        "id": "Qx1",
        "from_name": control,
        "to_name": "text",
        "type": kind,
        "origin": "manual",
    }


def import_answers(folder, content, capsys, *more, rc=0):
    file = folder.parent / "done.json"
    file.write_text(json.dumps(content))
    capsys.readouterr()
    assert main(["import", str(folder), str(file), "--from", "label-studio", "--json", *more]) == rc
    out = capsys.readouterr()
    return json.loads(out.out) if rc == 0 else out.err


def decisions_of(folder):
    journal = Journal(folder)
    rows = journal.read()[0]
    journal.close()
    return {(row.reviewer, row.id): (row.act, row.label) for row in rows}, Fold(rows)


def test_a_control_of_any_name_is_read(folder, capsys):
    output = import_answers(
        folder, [task(0, annotation(1, choice("cat"))), task(1, annotation(1, choice("owl")))], capsys
    )
    assert (output["read"], output["new"], output["conflicts"], output["reviewers"]) == (2, 2, [], ["1"])
    assert decisions_of(folder)[0] == {("1", "r0"): ("keep", None), ("1", "r1"): ("relabel", "owl")}


def test_annotators_keep_their_names_and_disagreement_is_a_conflict(folder, capsys):
    content = [
        task(0, annotation(ANN, choice("dog")), annotation({"id": 7, "first_name": "Bob"}, choice("cat"))),
        # fmt: skip
        task(1, annotation(ANN, choice("owl")), annotation({"id": 9}, choice("owl")), annotation(12, choice("owl"))),
    ]
    output = import_answers(folder, content, capsys, "--reviewer", "nobody")
    rows, fold = decisions_of(folder)
    assert output["new"] == 5 and output["conflicts"] == [] and fold.conflict("r0") and not fold.conflict("r1")
    assert rows == {
        ("ann@lab.org", "r0"): ("relabel", "dog"), ("Bob", "r0"): ("keep", None),
        ("ann@lab.org", "r1"): ("relabel", "owl"), ("9", "r1"): ("relabel", "owl"), ("12", "r1"): ("relabel", "owl"),
    }  # fmt: skip
    second = import_answers(folder, content, capsys)
    assert second["new"] == 0 and second["nothing_new"] == 5 and decisions_of(folder)[0] == rows


def test_answers_without_a_name_need_a_reviewer(folder, capsys):
    nameless = [task(0, {"result": [choice("dog")]}), task(1, annotation(ANN, choice("owl")))]
    error = import_answers(folder, nameless, capsys, rc=2)
    assert (
        "1 of the 2 answers do not say who gave them" in error
        and "--reviewer" in error
        and not (folder / "decisions.sqlite").exists()
    )
    import_answers(folder, nameless, capsys, "--reviewer", "eve")
    assert set(decisions_of(folder)[0]) == {("eve", "r0"), ("ann@lab.org", "r1")}


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ([["Animal", "owl"]], "owl"),
        ([["dog"]], "dog"),
        ([["Animal"], ["Animal", "dog"]], "dog"),  # a parent beside its child says nothing more
    ],
)
def test_the_leaf_of_a_taxonomy_is_the_class(folder, capsys, path, label):
    import_answers(folder, [task(0, annotation(1, choice(*path, control="tree", kind="taxonomy")))], capsys)
    assert decisions_of(folder)[0] == {("1", "r0"): ("relabel", label)}


def test_the_path_of_a_taxonomy_is_the_class_where_classes_are_paths(tmp_path, capsys):
    findings = Findings(
        np.array(["r0", "r1", "r2"], object),
        ("a/b", "a/c", "c"),
        np.arange(3),
        (np.arange(3) + 1) % 3,
        np.full(3, 0.5),
        np.arange(1, 4),
        np.zeros(3, bool),
        {"consensus": np.zeros(3)},
        {},
        Estimate(1, 0, 3),
        (),
        (),
        {"source": "", "kind": "text"},
    )
    (tmp_path / "r").mkdir()
    run.save(findings, tmp_path / "r")
    one = task(0, annotation(1, choice(["a", "c"], kind="taxonomy")))
    one["data"]["given_label"] = "a/b"
    import_answers(tmp_path / "r", [one], capsys)
    assert decisions_of(tmp_path / "r")[0] == {("1", "r0"): ("relabel", "a/c")}  # and not c


def test_other_answers_are_counted_and_named(folder, capsys):
    stars = {"value": {"rating": 4}, "from_name": "stars", "to_name": "text", "type": "rating", "id": "a"}
    count = {"value": {"number": 3}, "from_name": "n", "to_name": "text", "type": "number", "id": "b"}
    words = {"value": {"text": ["well"]}, "from_name": "why", "to_name": "text", "type": "textarea", "id": "c"}
    region = {
        "value": {"start": 0, "end": 2, "text": "t0", "labels": ["dog"]},
        "from_name": "ner",
        "to_name": "text",
        "type": "labels",
    }
    content = [
        task(0, annotation(ANN, choice("dog"), stars, count, words, region)),
        task(1, annotation(ANN, choice("cat", "owl"))),
        task(2, annotation(ANN, choice(["x", "cat"], ["x", "dog"], kind="taxonomy"))),
        task(3, annotation(ANN, choice("dog"), was_cancelled=True)),
        task(4, annotation(ANN)),
        task(
            5, drafts=[annotation(ANN, choice("dog"))], predictions=[{"result": [choice("dog")], "model_version": "m"}]
        ),
        task(6, annotation(ANN, stars)),
        task(7, annotation(ANN, choice("unicorn"))),
        task(8, annotation(ANN, choice("dog"), choice("good", control="quality"))),
        {"id": 1, "data": {"text": "no id"}, "annotations": [annotation(ANN, choice("dog"))]},
    ]
    output = import_answers(folder, content, capsys)
    assert decisions_of(folder)[0] == {
        ("ann@lab.org", "r0"): ("relabel", "dog"),
        ("ann@lab.org", "r8"): ("relabel", "dog"),
    }
    assert {c["id"] for c in output["conflicts"]} == {"r1", "r2", "r7", "task 10"}
    assert "cat, owl" in next(c["reason"] for c in output["conflicts"] if c["id"] == "r1")
    assert {u["what"]: (u["count"], u["first"]) for u in output["not_read"]} == {
        "answers to 'stars' (rating)": (2, "r0"),
        "answers to 'n' (number)": (1, "r0"),
        "answers to 'why' (textarea)": (1, "r0"),
        "answers to 'ner' (labels)": (1, "r0"),
        "answers to 'quality' (choices)": (1, "r8"),
        "skipped": (1, "r3"),
        "annotations without a choice": (1, "r4"),
        "tasks without an answer": (1, "r5"),
    }
    file = folder.parent / "done.json"
    assert main(["import", str(folder), str(file), "--from", "label-studio"]) == 0
    out = capsys.readouterr().out
    assert "2 answers to 'stars' (rating)" in out and "1 skipped" in out and "r1" in out


def test_json_min_with_another_control_and_annotators(folder, capsys):
    def row(number, by, **answers):
        data = {
            "text": f"t{number}",
            "labelsieve_id": f"r{number}",
            "given_label": CLASSES[number % 3],
            "p_wrong": 0.5,
            "source": "owl",
        }
        times = {"annotation_id": 3, "created_at": "2026", "updated_at": "2026", "lead_time": 1.0}
        return {**data, "id": 40 + number, **answers, "annotator": by, **times}

    content = [
        row(0, "ann@lab.org", animal="dog"),
        row(0, 7, animal="cat"),
        row(1, 7, animal={"choices": ["cat", "dog"]}),
        row(2, 7, tree=[{"taxonomy": [["Animal", "cat"]]}], stars=[{"rating": 3}]),
        row(3, None),
        row(4, 7, animal="owl", why="since"),
    ]
    output = import_answers(folder, content, capsys)
    assert decisions_of(folder)[0] == {
        ("ann@lab.org", "r0"): ("relabel", "dog"),
        ("7", "r0"): ("keep", None),
        ("7", "r2"): ("relabel", "cat"),
        ("7", "r4"): ("relabel", "owl"),
    }
    assert [c["id"] for c in output["conflicts"]] == ["r1"]
    assert {u["what"] for u in output["not_read"]} == {"answers to 'stars' (rating)", "tasks without an answer"}


def test_the_control_called_label_has_priority(folder, capsys):
    import_answers(
        folder, [task(0, annotation(1, choice("dog", control="label"), choice("cat", control="second_look")))], capsys
    )
    assert decisions_of(folder)[0] == {("1", "r0"): ("relabel", "dog")}


def test_coco_lists_what_it_cannot_read(folder, tmp_path, capsys):
    images = [
        {"id": i, "file_name": f"{i}.png", "labelsieve_id": f"r{i}", "label_exported": CLASSES[i % 3]} for i in range(4)
    ]
    boxes = [(0, 2, "ann"), (0, 3, "bob"), (1, 2, None), (1, 3, None), (2, 9, None), (77, 1, None), (3, 1, None)]
    annotations = [{"id": i, "image_id": a, "category_id": c, "annotator": who} for i, (a, c, who) in enumerate(boxes)]
    result = {
        "images": images,
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES, 1)],
        "annotations": annotations,
    }
    (tmp_path / "c.json").write_text(json.dumps(result))
    assert main(["import", str(folder), str(tmp_path / "c.json"), "--from", "coco", "--reviewer", "eve", "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert decisions_of(folder)[0] == {
        ("ann", "r0"): ("relabel", "dog"),
        ("bob", "r0"): ("relabel", "owl"),
    } and decisions_of(folder)[1].conflict("r0")
    assert {c["id"] for c in output["conflicts"]} == {
        "r1",
        "r2",
        "annotation 5",
    }  # two categories, one that is not there, no such image


def test_fiftyone_lists_what_it_cannot_read(folder, tmp_path, capsys):
    def label(i, value, **more):
        return {"label": value, "attributes": {"labelsieve_id": f"r{i}", "label_exported": CLASSES[i % 3], **more}}

    labels = {
        "a": label(0, 1),
        "b": label(1, 7),
        "c": [label(2, 0), label(2, 1)],
        "d": {"label": 1},
        "e": label(3, 0),
        "f": None,
    }
    (tmp_path / "labels.json").write_text(json.dumps({"classes": list(CLASSES), "labels": labels}))
    assert (
        main(
            ["import", str(folder), str(tmp_path / "labels.json"), "--from", "fiftyone", "--reviewer", "eve", "--json"]
        )
        == 0
    )
    output = json.loads(capsys.readouterr().out)
    assert decisions_of(folder)[0] == {("eve", "r0"): ("relabel", "dog")} and {
        c["id"] for c in output["conflicts"]
    } == {
        "r1",
        "r2",
        "d",
    }


def test_invalid_hugging_face_codes_are_conflicts(folder, tmp_path, capsys):
    datasets = pytest.importorskip("datasets")
    table = {"id": ["r0", "r1", "r2", "r3"], "label": [1, -1, 2, 0], "annotator": ["ann", None, None, None]}
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "label": datasets.ClassLabel(names=list(CLASSES)),
            "annotator": datasets.Value("string"),
        }
    )
    datasets.Dataset.from_dict(table, features).save_to_disk(str(tmp_path / "h"))
    assert main(["import", str(folder), str(tmp_path / "h"), "--from", "hf", "--reviewer", "eve", "--json"]) == 0
    assert decisions_of(folder)[0] == {("ann", "r0"): ("relabel", "dog")}
