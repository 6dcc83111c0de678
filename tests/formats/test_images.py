"""Labelled images of other tools through load, find and apply; `written_images/` was written by Datumaro 1.13.12 and
FiftyOne 1.22.1 with `bench/inside_images.py`, and the copies are read by both where they can be installed."""

import json
import os
import pickle
import re
import shutil
import struct
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.core.errors import UserError

WRITTEN = Path(__file__).parent / "written_images"
INSIDE = Path(__file__).parents[2] / "bench" / "inside_images.py"
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


def python_cifar(folder, keys):
    """The Python version of CIFAR as Python 2 wrote it: the opcodes of its strings and of an array of NumPy 1."""

    def text(value):
        return b"T" + struct.pack("<i", len(value)) + value

    def whole(value):
        return b"J" + struct.pack("<i", value)

    rng, n = np.random.default_rng(0), 6
    pixels = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|")
    dtype += b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R(K\x01"
    array += whole(n) + whole(3072) + b"\x86" + dtype + b"\x89" + text(pixels.tobytes()) + b"tb"
    rows = {key: b"](" + b"".join(whole((i + shift) % 2) for i in range(n)) + b"e" for shift, key in enumerate(keys)}
    rows |= {b"data": array, b"filenames": b"](" + b"".join(text(b"p%d.png" % i) for i in range(n)) + b"e"}
    whole_file = b"\x80\x02}(" + b"".join(text(key) + value for key, value in rows.items()) + b"u."
    folder.mkdir()
    meta, batch, names = ("batches.meta", "data_batch_1", b"label_names") if len(keys) == 1 else (
        "meta", "train", b"fine_label_names")  # fmt: skip
    (folder / batch).write_bytes(whole_file)
    (folder / meta).write_bytes(b"\x80\x02}(" + text(names) + b"](" + text(b"cat") + text(b"dog") + b"eu.")
    return pixels.reshape(n, 3, 32, 32).transpose(0, 2, 3, 1)


@pytest.mark.parametrize("keys", [[b"labels"], [b"coarse_labels", b"fine_labels"]])
@pytest.mark.parametrize("encoding", ["bytes", "latin1"])
def test_the_python_version_of_cifar_stays_one_of_python_2(keys, encoding, tmp_path):
    pixels = python_cifar(tmp_path / "in", keys)
    data = ls.load(tmp_path / "in")
    batch = data.ids[0].partition("/")[0]
    assert len(data) == 6 and np.array_equal(data.inputs[2], pixels[2]) and data.splits[0] == "train"
    assert data.classes[data.labels[0]] == ("cat" if len(keys) == 1 else "dog")
    first, second = (data.classes[label] for label in data.labels[:2])
    (tmp_path / "p.csv").write_text(f"id,old,new\n{batch}/0,{first},owl\n{batch}/1,{second},\n")
    ls.apply(tmp_path / "in", patch=tmp_path / "p.csv", out=tmp_path / "out")
    with open(tmp_path / "out" / batch, "rb") as file:  # as torchvision and Keras read it
        value = pickle.load(file, encoding=encoding)
    name = keys[-1] if encoding == "bytes" else keys[-1].decode()
    shift = len(keys) - 1
    assert value[name] == [2, *((i + shift) % 2 for i in range(2, 6))]
    rows = value[b"data" if encoding == "bytes" else "data"]
    kept = np.delete(pixels, 1, 0).transpose(0, 3, 1, 2).reshape(5, -1)
    assert rows.dtype == np.uint8 and np.array_equal(rows, kept)
    again = ls.load(tmp_path / "out")
    assert again.classes[again.labels[0]] == "owl" and np.array_equal(again.inputs[1], pixels[2])


def test_the_lists_of_pascal_voc_per_class(tmp_path):
    root = WRITTEN / "voc_classification"
    data = ls.load(root)
    given = {"a": "cat", "b": "dog", "c": "dog", "e": "cat", "f": "dog", "h": "cat", "i": "cat"}
    assert by_stem(data) == given and data.recipe["format"] == "voc-labels"
    assert Counter(data.splits.tolist()) == {"train": 4, "test": 3}
    reasons = {Path(one.id).stem: one.reason for one in data.excluded}
    assert reasons == {"d": "the label is missing", "g": "it has several labels: cat, dog"}
    corrected(data, tmp_path / "out", {"a": "dog", "c": "bird", "f": ""})
    again = ls.load(tmp_path / "out")
    assert by_stem(again) == {"a": "dog", "b": "dog", "c": "bird", "e": "cat", "h": "cat", "i": "cat"}
    lists = tmp_path / "out/ImageSets/Main"
    assert (lists / "cat_train.txt").read_text() == "a -1\nb -1\nc -1\ni  1\n"
    assert (lists / "bird_test.txt").read_text() == "e -1\ng -1\nh -1\n" and (
        lists / "test.txt"
    ).read_text() == "e\ng\nh\n"
    assert "bird:::\n" in (tmp_path / "out/labelmap.txt").read_text()


@pytest.mark.parametrize("name", ["bounding_box_{}", "obj_{}_data", "images_{}", "{}2017"])
def test_splits_of_tools_are_no_classes(name, tmp_path):
    names = [f"{name.format(split)}/{i}.png" for split in ("train", "test") for i in range(3)]
    with pytest.raises(UserError, match="that of a split of a data set, not of a class"):
        ls.load(pictures(tmp_path, names))


def test_a_table_without_a_header_is_told(tmp_path):
    (tmp_path / "mnist_train.csv").write_text("0,0,12,12\n1,0,9,8\n0,1,7,7\n")
    with pytest.raises(UserError, match="two columns called '0'; its first line is made of numbers"):
        ls.load(tmp_path / "mnist_train.csv")


def test_cifar_of_datumaro_and_pickles_that_ask_for_more(tmp_path):
    data = ls.load(WRITTEN / "cifar")
    assert [data.classes[c] for c in data.labels] == ["cat", "dog", "dog", "cat", "dog"]
    assert [one.id for one in data.excluded] == ["train/3"] and data.splits.tolist() == ["train"] * 3 + ["test"] * 2
    shutil.copytree(WRITTEN / "cifar", tmp_path / "in")
    (tmp_path / "in/train").write_bytes(pickle.dumps({"data": print}))
    with pytest.raises(UserError, match="asks for builtins.print"):
        ls.load(tmp_path / "in")


def test_the_binary_cifar_is_read(tmp_path):
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
    corrected(ls.load(WRITTEN / name), tmp_path / name, {"a": "dog", "c": "cat", left_out: ""})
    for file in (tmp_path / name).glob("patch.csv"):
        file.unlink()  # Datumaro knows imagenet by a folder that holds nothing but class folders
    command = [python, INSIDE, tool, "read", tmp_path / name]
    env = {**os.environ, "HOME": str(tmp_path), "FIFTYONE_DO_NOT_TRACK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    read = json.loads(done.stdout.splitlines()[-1])[name]
    want = {"a": ["dog"], "b": ["dog"], "c": ["cat"], "d": [], "e": ["cat"], "f": ["dog"]}
    assert read == {key: labels for key, labels in want.items() if key != left_out}
