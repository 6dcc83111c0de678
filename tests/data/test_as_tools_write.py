"""Columns and labels as tools write them: names of images, class names in metadata, labels that are none or several."""

import json

import numpy as np
import pytest

from labelsieve.corrections.corrected_copy import write_copy
from labelsieve.corrections.patch import Change
from labelsieve.data import load


def by_id(data):
    return {key: data.classes[label] for key, label in zip(data.ids, data.labels, strict=True)}


def reasons(data):
    return {item.id: item.reason for item in data.excluded}


@pytest.mark.parametrize("name", ["image_id", "Id", "img_name", "photo", "url", "id"])
def test_names_of_images_are_images_whatever_the_column_is_called(tmp_path, name):
    for i in range(4):
        (tmp_path / f"{i}.JPG").write_bytes(b"a picture")
    (tmp_path / "t.csv").write_text(f"{name},label\n" + "".join(f"{i}.JPG,{'ab'[i % 2]}\n" for i in range(4)))
    data = load(tmp_path / "t.csv")
    assert data.kind == "image" and data.inputs[2] == b"a picture" and data.classes == ("a", "b")
    assert data.ids[0] == ("0.JPG" if name == "id" else "0")


def test_addresses_of_images_and_texts_that_mention_one(tmp_path):
    rows = "".join(f"https://a.b/{i}.jpg?size=2,{'ab'[i % 2]}\n" for i in range(4))
    (tmp_path / "u.csv").write_text("link,label\n" + rows)
    assert load(tmp_path / "u.csv").kind == "image"
    (tmp_path / "t.csv").write_text("note,label\nsee a.jpg,a\nno picture,b\nnor here,b\n")
    assert load(tmp_path / "t.csv").kind == "text"
    (tmp_path / "b.csv").write_text("text,photo,label\nfine,a.jpg,a\nbad,b.jpg,b\n")
    assert load(tmp_path / "b.csv").kind == "text"


def test_features_of_pictures_that_are_not_there_stay_features(tmp_path):
    (tmp_path / "f.csv").write_text("image_id,f0,f1,label\na.jpg,1,2,x\nb.jpg,2,3,y\nc.jpg,4,3,y\n")
    assert load(tmp_path / "f.csv").kind == "features"
    for name in "abc":
        (tmp_path / f"{name}.jpg").touch()
    assert load(tmp_path / "f.csv").kind == "image"


def test_class_names_of_a_parquet_file_of_the_hub(tmp_path):
    datasets = pytest.importorskip("datasets")
    names = ["zebra", "ant", "bee", "never"]
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
    rows = {"text": [f"text {i}" for i in range(7)], "label": [0, 1, 2, 0, 1, 2, -1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "d.parquet")
    data = load(tmp_path / "d.parquet")
    assert data.classes == tuple(names) and by_id(data)["0"] == "zebra" and by_id(data)["2"] == "bee"
    assert reasons(data) == {"6": "the label is missing"}
    changes = [Change("0", "zebra", "never"), Change("1", "ant", "wasp")]
    write_copy(data, changes, [], tmp_path / "out")
    again = load(tmp_path / "out/d.parquet")
    assert by_id(again)["0"] == "never" and by_id(again)["1"] == "wasp" and by_id(again)["2"] == "bee"
    read = datasets.Dataset.from_parquet(str(tmp_path / "out/d.parquet"), cache_dir=str(tmp_path / "cache"))
    assert read.features["label"].names == [*names, "wasp"] and read["label"][:3] == [3, 4, 2]


def test_an_arrow_file_of_datasets_keeps_its_class_names(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["b", "a"])})
    rows = {"text": [f"text {i}" for i in range(4)], "label": [0, 1, 0, 1]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "d")
    (file,) = (tmp_path / "d").glob("*.arrow")
    assert load(file).classes == ("b", "a") and by_id(load(file))["1"] == "a"


@pytest.mark.parametrize("word", ["_unlabeled", "no_label", "[]"])
def test_a_word_for_no_label_is_no_class(tmp_path, word):
    for label in ("cat", "dog", word):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.jpg").touch()
    data = load(tmp_path)
    assert data.classes == ("cat", "dog") and f"{word!r}, that stands for no label" in reasons(data)[f"{word}/a.jpg"]
    assert any(f"1 example has a label that stands for no label ({word})" in note for note in data.notes)
    given = ["cat", "dog", word, word]
    data = load(np.eye(4), labels=given)
    assert data.classes == ("cat", "dog") and set(reasons(data)) == {"2", "3"}


def test_several_labels_in_one_cell_are_told():
    two = json.dumps({"choices": ["cat", "dog"]})
    data = load(np.eye(6), labels=["cat", "dog", "cat#dog", two, "C#", '["dog"]'])
    assert data.classes == ("C#", "cat", "dog") and by_id(data)["5"] == "dog"
    assert any("2 examples have several labels each" in note for note in data.notes)
    assert "'cat#dog', that stands for several labels" in reasons(data)["2"]


def test_lists_of_one_label_as_doccano_writes_them(tmp_path):
    rows = [
        {"id": i, "text": f"text {i}", "label": label} for i, label in enumerate([["a"], ["b"], [], ["a", "b"], ["b"]])
    ]
    file = tmp_path / "admin.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = load(file)
    assert by_id(data) == {"0": "a", "1": "b", "4": "b"} and set(reasons(data)) == {"2", "3"}
    write_copy(data, [Change("1", "b", "a")], [], tmp_path / "out")
    assert json.loads((tmp_path / "out/admin.jsonl").read_text().splitlines()[1])["label"] == ["a"]


def test_byte_255_beside_classes_from_0_on_is_no_label():
    labels = np.array([0, 1, 2, 255, 0, 1], np.uint8)
    data = load(np.eye(6), labels=labels)
    assert data.classes == ("0", "1", "2") and "255" in reasons(data)["3"]
    assert load(np.eye(6), labels=labels.astype(int)).classes == ("0", "1", "2", "255")
    assert load(np.eye(6), labels=np.array([0, 9, 2, 255, 0, 9], np.uint8)).classes == ("0", "2", "9", "255")
