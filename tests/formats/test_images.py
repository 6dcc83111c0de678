"""Labelled images of other tools through load, find and apply; `written_images/` was written by Datumaro 1.13.12 and
FiftyOne 1.22.1 with the script in it, and the copies are read by both where they can be installed."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.core.errors import UserError

WRITTEN = Path(__file__).parent / "written_images"
GIVEN = {"a": "cat", "b": "dog", "c": "dog", "e": "cat", "f": "dog"}
FORMATS = {
    "datumaro": "datumaro",
    "imagenet_txt": "image-list",
    "cvat": "cvat-tags",
    "coco_labels": "coco-labels",
    "fiftyone": "fiftyone-labels",
    "fiftyone_attributes": "fiftyone-labels",
}
TREES = ["imagenet", "imagenet_with_subset_dirs", "fiftyone_tree"]


def by_stem(data):
    return {Path(key).stem: data.classes[c] for key, c in zip(data.ids, data.labels, strict=True)}


def corrected(data, out, changes):
    """A corrected copy; `changes` are new labels by the stems of the ids, "" for an image that is left out."""
    ids = {Path(key).stem: key for key in data.ids}
    given = by_stem(data)
    lines = [f"{ids[key]},{given[key]},{new}" for key, new in changes.items()]
    (out.parent / "changes.csv").write_text("\n".join(["id,old,new", *lines]) + "\n")
    return ls.apply(data.source, patch=out.parent / "changes.csv", out=out)


@pytest.mark.parametrize("name", [*FORMATS, *TREES])
def test_what_real_tools_write_is_read_and_written_again(name, tmp_path):
    data = ls.load(WRITTEN / name)
    assert by_stem(data) == GIVEN and data.classes == ("cat", "dog")
    assert (data.recipe or {}).get("format") == FORMATS.get(name)
    (unlabelled,) = data.excluded
    assert Path(unlabelled.id).stem == "d"
    corrected(data, tmp_path / "out", {"a": "dog", "c": "bird", "f": ""})
    again = ls.load(tmp_path / "out")
    assert by_stem(again) == {"a": "dog", "b": "dog", "c": "bird", "e": "cat"}
    assert (tmp_path / "out" / unlabelled.id).read_bytes() == (WRITTEN / name / unlabelled.id).read_bytes()
    assert not list((tmp_path / "out").rglob("f.png"))


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_labels_keep_their_bytes_where_nothing_changed(name, tmp_path):
    shutil.copytree(WRITTEN / name, tmp_path / "in")
    data = ls.load(tmp_path / "in")
    corrected(data, tmp_path / "out", {"e": "dog"})
    changed = [
        file.name for file in (tmp_path / "in").rglob("*")
        if file.is_file() and file.read_bytes() != (tmp_path / "out" / file.relative_to(tmp_path / "in")).read_bytes()
    ]  # fmt: skip
    assert len(changed) == 1 and changed[0].endswith((".json", ".xml", ".txt"))


def test_a_label_keeps_its_form_and_its_attributes(tmp_path):
    data = ls.load(WRITTEN / "fiftyone_attributes")
    corrected(data, tmp_path / "out", {"a": "dog", "b": "bird"})
    value = json.loads((tmp_path / "out/labels.json").read_text())
    assert value["classes"] == ["cat", "dog", "bird"]
    assert value["labels"]["a"] == {"label": 1, "attributes": {"seen": "train"}} and value["labels"]["b"]["label"] == 2


def test_a_single_file_is_a_place_too(tmp_path):
    assert by_stem(ls.load(WRITTEN / "datumaro/annotations/test.json")) == {"e": "cat", "f": "dog"}
    assert by_stem(ls.load(WRITTEN / "imagenet_txt/train.txt")) == {"a": "cat", "b": "dog", "c": "dog"}


def test_idx_of_datumaro_has_class_names(tmp_path):
    data = ls.load(WRITTEN / "mnist")
    assert [data.classes[c] for c in data.labels] == ["cat", "dog", "dog", "cat", "dog"] and data.ids[3] == "t10k/0"
    (tmp_path / "p.csv").write_text("id,old,new\ntrain/1,dog,bird\nt10k/1,dog,\n")
    ls.apply(WRITTEN / "mnist", patch=tmp_path / "p.csv", out=tmp_path / "out")
    again = ls.load(tmp_path / "out")
    assert again.classes == ("cat", "dog", "bird") and [again.classes[c] for c in again.labels] == [
        "cat", "bird", "dog", "cat",
    ]  # fmt: skip


def test_pickles_are_refused_and_the_binary_cifar_is_read(tmp_path):
    with pytest.raises(UserError, match="as pickles, which run code"):
        ls.load(WRITTEN / "cifar")
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (20, 3073), dtype=np.uint8)
    rows[:, 0] = np.arange(20) % 2
    (tmp_path / "in").mkdir()
    (tmp_path / "in/data_batch_1.bin").write_bytes(rows[:15].tobytes())
    (tmp_path / "in/test_batch.bin").write_bytes(rows[15:].tobytes())
    (tmp_path / "in/batches.meta.txt").write_text("cat\ndog\n\n")
    data = ls.load(tmp_path / "in")
    assert data.ids[0] == "data_batch_1/0" and data.ids[15] == "test_batch/0" and data.inputs[0].shape == (32, 32, 3)
    assert data.inputs[0][0, 1, 2] == rows[0, 1 + 2048 + 1]
    (tmp_path / "p.csv").write_text("id,old,new\ndata_batch_1/1,dog,cat\ntest_batch/0,dog,\n")
    ls.apply(tmp_path / "in", patch=tmp_path / "p.csv", out=tmp_path / "out")
    again = ls.load(tmp_path / "out")
    assert len(again) == 19 and again.labels[1] == 0 and np.array_equal(again.inputs[15], data.inputs[16])
    (tmp_path / "p.csv").write_text("id,old,new\ndata_batch_1/1,dog,owl\n")
    with pytest.raises(UserError, match="'owl' cannot be one"):
        ls.apply(tmp_path / "in", patch=tmp_path / "p.csv", out=tmp_path / "other")


def pictures(folder, names):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (20 * i, 255 - 20 * i, 90)).save(folder / name)
    return folder


def test_the_label_may_be_an_attribute(tmp_path):
    root = pictures(tmp_path / "in", ["images/a.png", "images/b.png", "images/c.png"])
    (root / "annotations").mkdir()
    coco = {
        "images": [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate("abc")],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "attributes": {"species": kind, "blurred": False}}
            for i, kind in enumerate(["cat", "dog", "dog"])
        ],
        "categories": [{"id": 1, "name": "animal"}],
    }
    (root / "annotations/instances_default.json").write_text(json.dumps(coco))
    data = ls.load(root)
    assert by_stem(data) == {"a": "cat", "b": "dog", "c": "dog"} and "attribute 'species'" in data.notes[0]
    corrected(data, tmp_path / "out", {"b": "cat"})
    assert by_stem(ls.load(tmp_path / "out")) == {"a": "cat", "b": "cat", "c": "dog"}


def test_lists_with_names_for_labels_and_several_labels(tmp_path):
    root = pictures(tmp_path / "in", ["0/a b.jpg", "0/c,1.jpg", "1/d.jpg", "1/e.jpg"])
    (root / "list.txt").write_text("0/a b.jpg 3\n0/c,1.jpg 5\n1/d.jpg 3 5\n1/e.jpg 5\n")
    data = ls.load(root / "list.txt")
    assert by_stem(data) == {"a b": "3", "c,1": "5", "e": "5"} and "several labels" in data.excluded[0].reason
    corrected(data, tmp_path / "out", {"a b": "5", "e": ""})
    assert (tmp_path / "out/list.txt").read_text() == "0/a b.jpg 5\n0/c,1.jpg 5\n1/d.jpg 3 5\n"
    (root / "list.txt").write_text("0/a b.jpg Persian cat\n0/c,1.jpg dog\n1/d.jpg dog\n1/e.jpg dog\n")
    assert by_stem(ls.load(root / "list.txt"))["a b"] == "Persian cat"


def test_tables_beside_images_are_written_in_place(tmp_path):
    root = pictures(tmp_path / "in", ["train/a.png", "train/b.png", "train/c.png", "valid/d.png", "test/e.png"])
    (root / "train/_classes.csv").write_text("filename, cat, dog\nc.png, 0, 1\nb.png, 1, 0\na.png, 0, 1\n")
    (root / "valid/_classes.csv").write_text("filename, cat, dog\nd.png, 0, 1\n")
    data = ls.load(root)
    corrected(data, tmp_path / "out", {"a": "cat", "c": "bird"})
    assert (tmp_path / "out/train/_classes.csv").read_text() == (
        "filename, cat, dog, bird\nc.png, 0, 0, 1\nb.png, 1, 0, 0\na.png, 1, 0, 0\n"
    )
    assert (tmp_path / "out/valid/_classes.csv").read_text() == "filename, cat, dog, bird\nd.png, 0, 1, 0\n"
    assert (tmp_path / "out/test/e.png").exists()
    assert by_stem(ls.load(tmp_path / "out")) == {"a": "cat", "b": "cat", "c": "bird", "d": "dog"}


def test_what_is_wrong_in_a_file_is_told(tmp_path):
    for name, old, new, message in (
        ("datumaro/annotations/train.json", '"label_id":1', '"label_id":7', "the label 7, but names 2 classes"),
        ("coco_labels/annotations/labels_train.json", '"file_name"', '"filename"', "images needs id and file_name"),
        ("imagenet_txt/train.txt", "b.png 1", "b.png 9", "label 9, but only 2 classes"),
        ("fiftyone_attributes/labels.json", '"label": 1', '"label": 5', "label 5, but its list of classes has 2"),
        ("cvat/train.xml", "</annotations>", "", "not well-formed XML"),
    ):
        root = tmp_path / name.partition("/")[0]
        shutil.copytree(WRITTEN / root.name, root)
        file = tmp_path / name
        file.write_text(file.read_text().replace(old, new))
        with pytest.raises(UserError, match=message):
            ls.load(root)
    for name in ("coco-labels", "fiftyone-labels", "datumaro", "cvat-tags", "image-list"):
        with pytest.raises(UserError, match=re.escape(str(tmp_path))):
            ls.load(pictures(tmp_path / "none", ["x.png"]), format=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FORMATS, *TREES])
def test_the_real_tool_reads_the_copy(name, tmp_path):
    tool = "fiftyone" if name.startswith("fiftyone") else "datumaro"
    python = os.environ.get(f"LABELSIEVE_{tool.upper()}")
    if not python:
        pytest.skip(f"LABELSIEVE_{tool.upper()} names no Python that has {tool}")
    # Datumaro wants each class in each split
    left_out = "b" if name == "imagenet_with_subset_dirs" else "f"
    corrected(ls.load(WRITTEN / name), tmp_path / "out", {"a": "dog", "c": "cat", left_out: ""})
    for file in (tmp_path / "out").glob("patch.csv"):
        file.unlink()  # Datumaro knows imagenet by a folder that holds nothing but class folders
    command = [python, WRITTEN / "write.py", tool, tmp_path / "out", name]
    env = {**os.environ, "HOME": str(tmp_path), "FIFTYONE_DO_NOT_TRACK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    read = json.loads(done.stdout.splitlines()[-1])
    want = {"a": ["dog"], "b": ["dog"], "c": ["cat"], "d": [], "e": ["cat"], "f": ["dog"]}
    assert read == {key: labels for key, labels in want.items() if key != left_out}
