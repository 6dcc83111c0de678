"""Export to each tool's format, changes as the tool would make them, and import."""

import csv
import json
import os
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

import labelsieve
from labelsieve.cli.export import export
from labelsieve.cli.import_ import import_
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.store import run
from labelsieve.store.journal import Journal

ODD = ["../../evil", 'q"uo,te', "new\nline", "\u202ertl\u0627", "x" * 4096, "a/b", "=1+1", "<b>&'"]


@pytest.fixture
def photos(tmp_path):
    for i, name in enumerate(["cat/1", "cat/2", "cat/3", "dog/1", "dog/4", "dog/5"]):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (i * 40, 0, 0)).save(tmp_path / "photos" / f"{name}.png")
    return made(tmp_path / "photos", tmp_path / "r")


@pytest.fixture
def texts(tmp_path):
    labels = ["a/b", "..", "a/b", "..", '<c "&\n>', "a/b", "..", "a/b"]
    with open(tmp_path / "t.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [["id", "text", "label"], *([key, f"t {key}", c] for key, c in zip(ODD, labels, strict=True))]
        )
    return made(tmp_path / "t.csv", tmp_path / "r")


def made(source, folder):
    data = labelsieve.load(source)
    n, k = len(data), len(data.classes)
    p = np.linspace(0.1, 0.9, n)
    settings = {"source": data.source, "kind": data.kind, "recipe": data.recipe, "folder": os.getcwd()}
    findings = Findings(
        data.ids, data.classes, data.labels, (data.labels + 1) % k, p, np.arange(n, 0, -1), p > 0.5,
        {"consensus": p}, {}, Estimate(p.sum(), 0, n), data.excluded, (), settings,
    )  # fmt: skip
    folder.mkdir()
    run.save(findings, folder)
    return folder


def decide(folder, *rows):
    journal = Journal(folder)
    journal.append([Decision(id, act, label, "ann", "2026-01-01T00:00:00+00:00", f"b{id}") for id, act, label in rows])
    journal.close()


def decisions_of(folder, reviewer):
    journal = Journal(folder)
    rows = [row for row in journal.read()[0] if row.reviewer == reviewer]
    journal.close()
    assert {row.pick for row in rows} <= {"import"} and len({row.batch for row in rows}) <= 1
    return {row.id: (row.act, row.label) for row in rows}


def import_answers(capsys, folder, file, kind, reviewer="bob"):
    import_(folder, file, from_=kind, reviewer=reviewer, json=True)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kind", ["csv", "coco", "fiftyone", "hf", "label-studio"])
def test_unchanged_exports_add_nothing(photos, tmp_path, capsys, kind):
    if kind == "hf":
        pytest.importorskip("datasets")
    decide(photos, ("cat/1.png", "relabel", "dog"), ("dog/1.png", "keep", None), ("dog/4.png", "exclude", None))
    export(photos, to=kind, out=tmp_path / "out.x")
    capsys.readouterr()
    output = import_answers(capsys, photos, tmp_path / "out.x", kind)
    assert output["new"] == 0 and output["conflicts"] == [] and decisions_of(photos, "bob") == {}


def test_coco_is_read_by_pycocotools_and_comes_back(photos, tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    decide(photos, ("dog/4.png", "exclude", None))
    export(photos, to="coco", out=tmp_path / "c")
    file = tmp_path / "c/annotations/instances_default.json"
    read = coco.COCO(str(file))
    assert len(read.getImgIds()) == 6 and len(read.getAnnIds()) == 5
    (cat,) = read.getCatIds(catNms=["cat"])
    assert len(read.getImgIds(catIds=[cat])) == 3
    first = read.loadImgs(read.getImgIds()[0])[0]
    with Image.open(tmp_path / "c/images" / first["file_name"]) as image:
        assert image.size == (first["width"], first["height"]) == (6, 4)
    actual = json.loads(file.read_text())
    actual["annotations"][0]["category_id"] = actual["annotations"][-1]["category_id"]
    file.write_text(json.dumps(actual))
    capsys.readouterr()
    assert import_answers(capsys, photos, file, "coco")["new"] == 1
    assert decisions_of(photos, "bob") == {"cat/1.png": ("relabel", "dog")}
    assert import_answers(capsys, photos, file, "coco")["new"] == 0


def test_fiftyone_layout_and_back(photos, tmp_path, capsys):
    decide(photos, ("dog/4.png", "exclude", None))
    export(photos, to="fiftyone", out=tmp_path / "f")
    actual = json.loads((tmp_path / "f/labels.json").read_text())
    files = {path.stem for path in (tmp_path / "f/data").iterdir()}
    assert set(actual) == {"classes", "labels"} and set(actual["labels"]) == files and len(files) == 6
    assert sum(label is None for label in actual["labels"].values()) == 1
    actual["classes"] = ["cat", "dog"]  # as FiftyOne writes it
    for label in filter(None, actual["labels"].values()):
        attributes = label.pop("attributes")
        label["label"] = actual["classes"].index(label["label"])
        label["attributes"] = attributes
    actual["labels"]["00000001-c0"]["label"] = 1
    (tmp_path / "f/labels.json").write_text(json.dumps(actual))
    capsys.readouterr()
    import_answers(capsys, photos, tmp_path / "f", "fiftyone")
    assert decisions_of(photos, "bob") == {"cat/2.png": ("relabel", "dog")}


def test_real_fiftyone_reads_the_folder_and_what_it_writes_comes_back(photos, tmp_path, capsys):
    pytest.importorskip("fiftyone")
    from fiftyone.utils.data.exporters import FiftyOneImageClassificationDatasetExporter as Exporter
    from fiftyone.utils.data.importers import FiftyOneImageClassificationDatasetImporter as Importer

    decide(photos, ("dog/4.png", "exclude", None))
    export(photos, to="fiftyone", out=tmp_path / "f")
    with Importer(str(tmp_path / "f"), compute_metadata=True) as importer:
        samples = list(importer)
    labels = {label["labelsieve_id"]: label.label for _, _, label in samples if label is not None}
    assert len(samples) == 6 and labels["cat/1.png"] == "cat" and "dog/4.png" not in labels and len(labels) == 5
    with Exporter(str(tmp_path / "g"), include_attributes=True) as exporter:
        for path, _, label in samples:
            if label is not None and label.labelsieve_id == "cat/1.png":
                label.label = "dog"
            exporter.export_sample(path, label)
    capsys.readouterr()
    import_answers(capsys, photos, tmp_path / "g", "fiftyone")
    assert decisions_of(photos, "bob") == {"cat/1.png": ("relabel", "dog")}


def test_pictures_are_known_by_their_names_where_a_tool_drops_our_fields(photos, tmp_path, capsys):
    """COCO as Datumaro 1.13.12 and FiftyOne 1.22.1 write it again: numbers and names of their own, the last image first
    (Datumaro), no fields but those of COCO. One label was replaced; what was decided since the export stays."""
    export(photos, to="coco", out=tmp_path / "c")
    decide(photos, ("cat/1.png", "relabel", "dog"))
    content = json.loads((tmp_path / "c/annotations/instances_default.json").read_text())
    known = {"file_name", "width", "height"}
    images = [{"id": 9 - i, **{k: v for k, v in one.items() if k in known}} for i, one in enumerate(content["images"])]
    notes = [{**note, "image_id": 10 - note["image_id"]} for note in content["annotations"]]
    assert content["images"][4]["file_name"] == "00000004-c1.png"
    notes[4]["category_id"] = 1
    content |= {"images": images[::-1], "annotations": notes[::-1]}
    (tmp_path / "back").mkdir()
    (tmp_path / "back/labels.json").write_text(json.dumps(content))
    capsys.readouterr()
    output = import_answers(capsys, photos, tmp_path / "back", "coco")
    assert decisions_of(photos, "bob") == {"dog/4.png": ("relabel", "cat")} and output["nothing_new"] == 5


@pytest.mark.parametrize("attributes", [True, False])
def test_a_label_that_was_replaced_in_fiftyone_comes_back(photos, tmp_path, capsys, attributes):
    """As FiftyOne 1.22.1 writes a label that a person made, with and without `include_attributes`."""
    export(photos, to="fiftyone", out=tmp_path / "f")
    content = json.loads((tmp_path / "f/labels.json").read_text())
    labels = content["labels"]
    for name in labels if not attributes else ():
        labels[name] = labels[name]["label"]
    labels["00000004-c1"] = {"label": "cat", "attributes": {}} if attributes else "cat"
    (tmp_path / "f/labels.json").write_text(json.dumps(content))
    capsys.readouterr()
    output = import_answers(capsys, photos, tmp_path / "f", "fiftyone")
    assert decisions_of(photos, "bob") == {"dog/4.png": ("relabel", "cat")} and output["nothing_new"] == 5


def test_hugging_face_out_and_back(texts, tmp_path, capsys):
    datasets = pytest.importorskip("datasets")
    export(texts, to="hf", out=tmp_path / "h")
    actual = datasets.load_from_disk(str(tmp_path / "h"))
    assert actual["id"][:] == ODD and actual["text"][4] == "t " + ODD[4]
    names = actual.features["label"].names

    def turn(row):
        return {"label": names.index("..") if row["id"] == ODD[0] else row["label"]}

    actual.map(turn).save_to_disk(str(tmp_path / "h2"))
    capsys.readouterr()
    import_answers(capsys, texts, tmp_path / "h2", "hf")
    assert decisions_of(texts, "bob") == {ODD[0]: ("relabel", "..")}


def test_exported_hugging_face_images_can_be_opened(photos, tmp_path):
    datasets = pytest.importorskip("datasets")
    export(photos, to="hf", out=tmp_path / "h")
    assert datasets.load_from_disk(str(tmp_path / "h"))[0]["image"].size == (6, 4)


def test_label_studio_tasks_interface_and_back(texts, tmp_path, capsys):
    export(texts, to="label-studio", out=tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    root = ElementTree.parse(tmp_path / "tasks.config.xml").getroot()
    choices = root.find("Choices")
    classes = set(run.load(texts).classes)
    assert {choice.get("value") for choice in choices} == classes
    for task, key in zip(tasks, ODD, strict=True):
        (result,) = task["predictions"][0]["result"]
        assert task["data"]["labelsieve_id"] == key and task["data"][root.find("Text").get("value")[1:]] == f"t {key}"
        assert result["from_name"] == choices.get("name") and result["to_name"] == choices.get("toName") == root.find(
            "Text"
        ).get("name")
        assert result["value"]["choices"][0] in classes and 0 <= task["predictions"][0]["score"] <= 1

    def chosen(*labels):
        return [
            {"result": [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [c]}}]}
            for c in labels
        ]

    for task, labels in zip(tasks, (["a/b"], ["a/b"], ["a/b", ".."], ["nowhere"]), strict=False):
        task["annotations"] = chosen(*labels)
    tasks[4]["annotations"] = [{**chosen("a/b")[0], "was_cancelled": True}]
    tasks[5]["annotations"], tasks[5]["data"]["labelsieve_id"] = chosen(".."), "stranger"
    (tmp_path / "done.json").write_text(json.dumps(tasks))
    capsys.readouterr()
    output = import_answers(capsys, texts, tmp_path / "done.json", "label-studio")
    assert decisions_of(texts, "bob") == {ODD[0]: ("keep", None), ODD[1]: ("relabel", "a/b")}
    assert {c["id"] for c in output["conflicts"]} == {ODD[2], ODD[3], "stranger"}
    second = import_answers(capsys, texts, tmp_path / "done.json", "label-studio")
    assert second["new"] == 0 and second["conflicts"] == output["conflicts"]


def test_label_studio_json_min(texts, tmp_path, capsys):
    (tmp_path / "m.json").write_text(
        json.dumps([{"id": 7, "labelsieve_id": ODD[2], "label": ".."}, {"id": 8, "labelsieve_id": ODD[3]}])
    )
    import_answers(capsys, texts, tmp_path / "m.json", "label-studio")
    assert decisions_of(texts, "bob") == {ODD[2]: ("relabel", "..")}


def test_pictures_of_label_studio_are_inside_the_file(photos, tmp_path):
    export(photos, to="label-studio", out=tmp_path / "tasks.json")
    task = json.loads((tmp_path / "tasks.json").read_text())[0]
    assert (
        task["data"]["image"].startswith("data:image/png;base64,")
        and "image" in (tmp_path / "tasks.config.xml").read_text()
    )


def test_label_studio_sdk_accepts_the_interface_and_the_tasks(texts, tmp_path):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    export(texts, to="label-studio", out=tmp_path / "tasks.json")
    checker = interface.LabelInterface((tmp_path / "tasks.config.xml").read_text())
    checker.validate()
    for task in json.loads((tmp_path / "tasks.json").read_text()):
        assert checker.validate_prediction(task["predictions"][0])


def test_csv_keeps_every_act_and_odd_ids(texts, tmp_path, capsys):
    export(texts, to="csv", out=tmp_path / "t.csv.out")
    with open(tmp_path / "t.csv.out", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [id.replace("=1+1", "'=1+1") for id in ODD]
    acts = ["keep", "relabel", "exclude", "ambiguous", "later", "", "burn", "relabel"]
    for row, act in zip(rows, acts, strict=True):
        row["decision"], row["label"] = act, "no such" if row is rows[-1] else "a/b"
    with open(tmp_path / "back.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    capsys.readouterr()
    output = import_answers(capsys, texts, tmp_path / "back.csv", "csv")
    want = [("keep", None), ("relabel", "a/b"), ("exclude", None), ("ambiguous", None), ("later", None)]
    assert decisions_of(texts, "bob") == dict(zip(ODD, want, strict=False))
    assert [c["id"] for c in output["conflicts"]] == ODD[6:]
    assert import_answers(capsys, texts, tmp_path / "back.csv", "csv")["new"] == 0
    assert (
        import_answers(capsys, texts, tmp_path / "back.csv", "csv", reviewer="eve")["new"] == 5
    )  # each has decisions of their own


def test_an_undone_import_stays_undone(texts, tmp_path, capsys):
    with open(tmp_path / "b.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "label"], [ODD[0], ".."], [ODD[1], ".."]])
    assert import_answers(capsys, texts, tmp_path / "b.csv", "csv")["new"] == 1  # the second has that label already
    journal = Journal(texts)
    (row,) = journal.read()[0]
    journal.append([Decision("", "undo", reviewer="bob", batch="u", target=row.batch)])
    assert import_answers(capsys, texts, tmp_path / "b.csv", "csv")["new"] == 0
    assert Fold(journal.read()[0]).verdict(ODD[0]) is None
    journal.close()


@pytest.mark.parametrize("kind", ["csv", "coco", "fiftyone", "hf", "label-studio"])
def test_files_of_the_wrong_format_are_an_error(texts, tmp_path, kind):
    (tmp_path / "junk").write_bytes(b"\x89PNG\0{")
    (tmp_path / "list").write_text("[1, 2]")
    for name in ("junk", "list", "absent"):
        with pytest.raises(UserError):
            import_(texts, tmp_path / name, from_=kind, reviewer="bob")


def test_nothing_is_overwritten_and_texts_are_refused_as_pictures(texts, tmp_path):
    (tmp_path / "mine").write_text("mine")
    for kind in ("csv", "label-studio", "hf"):
        with pytest.raises(UserError):
            export(texts, to=kind, out=tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"
    for kind in ("coco", "fiftyone"):
        with pytest.raises(UserError, match="is for images"):
            export(texts, to=kind, out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_import_uses_the_stored_journal_of_the_run(texts, tmp_path):
    (texts / "journal.json").write_text('{"address": "postgresql://me@127.0.0.1:9/none?connect_timeout=2"}')
    (tmp_path / "a.csv").write_text("id,label\n1,x\n")
    with pytest.raises(UserError, match=r"^postgresql://me@127.*cannot be used as a journal"):
        import_(texts, tmp_path / "a.csv", from_="csv", reviewer="bob")
    assert not (texts / "decisions.sqlite").exists()


def test_a_file_of_a_different_run_is_refused(photos, tmp_path):
    (tmp_path / "a.csv").write_text("id,decision,label\nr1,keep,\nr2,exclude,\n")
    with pytest.raises(UserError, match="None of the 2 ids is in the run"):
        import_(photos, tmp_path / "a.csv", from_="csv", reviewer="bob")


@pytest.mark.parametrize("kind", ["coco", "fiftyone", "label-studio"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "3",
        "[3]",
        '[{"data": 3}]',
        '[{"data": {"labelsieve_id": "cat/1.png"}, "annotations": [{"result": [5]}]}]',
        '{"labels": 3}',
        '{"labels": {"a": {"attributes": {"labelsieve_id": "cat/1.png"}}}}',
        '{"labels": {"a": 3}}',
        '{"images": [], "categories": [], "annotations": [{}]}',
    ],
)
def test_malformed_files_give_one_sentence(photos, tmp_path, kind, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match="a.json"):
        import_(photos, tmp_path / "a.json", from_=kind, reviewer="bob")


def test_a_folder_without_the_file_is_an_error(photos, tmp_path):
    with pytest.raises(UserError, match="instances_default.json cannot be read"):
        import_(photos, tmp_path, from_="coco", reviewer="bob")


def test_decisions_are_written_to_the_journal_of_the_run(photos, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("id,decision,label\ncat/1.png,keep,\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("labelsieve.store.postgres.journal_of", lambda folder, run: Journal(tmp_path / "elsewhere"))
    import_(photos, tmp_path / "a.csv", from_="csv", reviewer="bob")
    assert (
        decisions_of(tmp_path / "elsewhere", "bob") == {"cat/1.png": ("keep", None)}
        and not (photos / "decisions.sqlite").exists()
    )


def test_hugging_face_progress_bars_are_off_and_the_setting_is_restored(photos, tmp_path, capfd):
    datasets = pytest.importorskip("datasets")
    datasets.enable_progress_bars()
    export(photos, to="hf", out=tmp_path / "h")
    assert "Saving" not in capfd.readouterr().err and not datasets.are_progress_bars_disabled()


def test_each_annotator_keeps_their_own_answer(texts, tmp_path, capsys):
    with open(tmp_path / "b.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "decision", "label"], [ODD[0], "relabel", ".."], [ODD[1], "keep", ""]])
    assert import_answers(capsys, texts, tmp_path / "b.csv", "csv")["new"] == 2
    assert import_answers(capsys, texts, tmp_path / "b.csv", "csv", reviewer="eve")["new"] == 2
    want = {ODD[0]: ("relabel", ".."), ODD[1]: ("keep", None)}
    assert decisions_of(texts, "bob") == decisions_of(texts, "eve") == want
    output = import_answers(capsys, texts, tmp_path / "b.csv", "csv", reviewer="eve")
    assert output["new"] == 0 and output["nothing_new"] == 2


def test_exported_decisions_are_not_answers_of_the_importing_reviewer(texts, tmp_path, capsys):
    """Bob changes one of Ann's decisions and adds one; the others stay Ann's, and other runs import them under her
    name."""
    decide(texts, (ODD[0], "relabel", ".."), (ODD[1], "keep", None), (ODD[2], "exclude", None))
    export(texts, to="csv", out=tmp_path / "t.csv.out")
    with open(tmp_path / "t.csv.out", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows[1] |= {"decision": "relabel", "label": "a/b"}
    rows[3]["decision"] = "keep"
    with open(tmp_path / "back.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    capsys.readouterr()
    output = import_answers(capsys, texts, tmp_path / "back.csv", "csv")
    assert output["new"] == 2 and output["nothing_new"] == 2 and output["reviewers"] == ["bob"]
    assert decisions_of(texts, "bob") == {ODD[1]: ("relabel", "a/b"), ODD[3]: ("keep", None)}
    other = made(tmp_path / "t.csv", tmp_path / "other")
    output = import_answers(capsys, other, tmp_path / "back.csv", "csv")
    assert decisions_of(other, "ann") == {
        ODD[0]: ("relabel", ".."),
        ODD[1]: ("relabel", "a/b"),
        ODD[2]: ("exclude", None),
    }
    assert decisions_of(other, "bob") == {ODD[3]: ("keep", None)} and output["new"] == 4


@pytest.mark.parametrize("kind", ["coco", "fiftyone"])
def test_a_file_that_nobody_changed_takes_back_nothing_decided_since(photos, tmp_path, capsys, kind):
    export(photos, to=kind, out=tmp_path / "out.x")
    decide(photos, ("cat/1.png", "relabel", "dog"))
    capsys.readouterr()
    output = import_answers(capsys, photos, tmp_path / "out.x", kind)
    assert output["new"] == 0 and output["nothing_new"] == 6 and output["conflicts"] == []
