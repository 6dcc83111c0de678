"""Folders of splits, and files of labels beside images, as Roboflow, Kaggle and others write them."""

import json

import pytest

from labelsieve.core.errors import UserError
from labelsieve.data import load


def tree(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def by_id(data):
    return {key: data.classes[label] for key, label in zip(data.ids, data.labels, strict=True)}


def reasons(data):
    return {item.id: item.reason for item in data.excluded}


def test_class_folders_in_splits_are_read_together(tmp_path):
    root = tree(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "valid/cat/1.jpg", "test/3.jpg", "README.txt")
    data = load(root)
    assert by_id(data) == {"train/cat/1.jpg": "cat", "train/dog/2.jpg": "dog", "valid/cat/1.jpg": "cat"}
    assert reasons(data)["test/3.jpg"] == "it lies outside the class folders"
    assert "train (2), valid (1)" in data.notes[0] and "test (1)" in data.notes[1]
    assert load(root / "train").ids.tolist() == ["cat/1.jpg", "dog/2.jpg"]


def test_a_corrected_copy_of_splits_keeps_them(tmp_path):
    from labelsieve.corrections.class_folders import apply_folder
    from labelsieve.corrections.patch import Change

    root = tree(tmp_path / "in", "train/cat/1.jpg", "train/dog/2.jpg", "valid/cat/1.jpg", "valid/dog/4.jpg")
    data = load(root)
    files = dict(zip(data.ids.tolist(), data.inputs.paths, strict=True))
    change = Change("valid/cat/1.jpg", "cat", "dog")
    (tmp_path / "out").mkdir()
    apply_folder(files, by_id(data), [change], tmp_path / "out")
    assert sorted(by_id(load(tmp_path / "out"))) == [
        "train/cat/1.jpg", "train/dog/2.jpg", "valid/dog/1.jpg", "valid/dog/4.jpg",
    ]  # fmt: skip


def test_roboflow_classes_csv(tmp_path):
    root = tree(tmp_path, "train/a.jpg", "train/b.jpg", "train/c.jpg", "valid/d.jpg", "test/e.jpg")
    (root / "train/_classes.csv").write_text("filename, cat, dog\nc.jpg, 0, 1\nb.jpg, 1, 0\na.jpg, 0, 0\n")
    (root / "valid/_classes.csv").write_text("filename, cat, dog\nd.jpg, 0, 1\n")
    data = load(root)
    assert by_id(data) == {"train/b.jpg": "cat", "train/c.jpg": "dog", "valid/d.jpg": "dog"}
    assert reasons(data) == {
        "train/a.jpg": "the label is missing",
        "test/e.jpg": "no file of labels beside it names it",
    }
    assert any("test (1)" in note for note in data.notes)
    (root / "train/_classes.csv").write_text("filename, cat, dog\nc.jpg, 1, 1\nb.jpg, 1, 0\na.jpg, 0, 1\n")
    (root / "valid/_classes.csv").unlink()
    with pytest.raises(UserError, match="several labels to 1 rows"):
        load(root)
    one = load(root / "train", labels=root / "train/_classes.csv", label="cat")
    assert by_id(one) == {"a.jpg": "0", "b.jpg": "1", "c.jpg": "1"}


def test_kaggle_tables_beside_the_splits(tmp_path):
    root = tree(tmp_path, "train/a.jpg", "train/b.jpg", "train/c.jpg", "test/e.jpg", "test/f.jpg")
    (root / "train.csv").write_text("Id,breed\nc,pug\nb,boxer\na,pug\n")
    (root / "sample_submission.csv").write_text("Id,pug,boxer\ne,0.5,0.5\nf,0.5,0.5\n")
    data = load(root)
    assert by_id(data) == {"train/a.jpg": "pug", "train/b.jpg": "boxer", "train/c.jpg": "pug"}
    assert set(reasons(data)) == {"test/e.jpg", "test/f.jpg", "train.csv", "sample_submission.csv"}
    (root / "train.csv").rename(root / "labels.csv")
    (root / "labels.csv").write_text(
        "path,label\ntrain/c.jpg,x\ntrain/b.jpg,x\ntrain/a.jpg,y\ntest/e.jpg,y\ntest/f.jpg,x\n"
    )
    (root / "sample_submission.csv").unlink()
    assert by_id(load(root))["test/e.jpg"] == "y"


def test_coco_beside_the_images(tmp_path):
    root = tree(tmp_path, "train/a.jpg", "train/b.jpg", "train/c.jpg", "train/d.jpg")
    coco = {
        "categories": [{"id": 0, "name": "all"}, {"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "images": [{"id": 9 - i, "file_name": f"{name}.jpg"} for i, name in enumerate("abcd")],
        "annotations": [
            {"id": i, "image_id": image, "category_id": k, "bbox": [0, 0, 1, 1]}
            for i, (image, k) in enumerate([(9, 1), (9, 1), (8, 2), (7, 1), (7, 2)])
        ],
    }
    (root / "train/_annotations.coco.json").write_text(json.dumps(coco))
    data = load(root)
    assert by_id(data) == {"train/a.jpg": "cat", "train/b.jpg": "dog"}
    assert "several labels" in reasons(data)["train/c.jpg"] and reasons(data)["train/d.jpg"] == "the label is missing"


def test_a_flat_folder_with_its_own_table(tmp_path):
    root = tree(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (root / "metadata.csv").write_text("file_name,label\nb.jpg,u\na.jpg,v\nc.jpg,v\n")
    assert by_id(load(root)) == {"a.jpg": "v", "b.jpg": "u", "c.jpg": "v"}
    (root / "metadata.csv").write_text("file_name,label\nx.jpg,u\ny.jpg,v\nz.jpg,v\n")
    with pytest.raises(UserError, match="holds 3 images but no class folders"):
        load(root)
    other = tree(tmp_path / "other", "images/a.jpg", "images/b.jpg")
    (other / "labels.json").write_text('{"a.jpg": "u", "b.jpg": "v"}')
    assert by_id(load(other)) == {"images/a.jpg": "u", "images/b.jpg": "v"}


def test_a_table_beside_images_is_corrected_in_place(tmp_path):
    from PIL import Image

    root = tmp_path / "photos"
    (root / "train").mkdir(parents=True)
    lines = ["filename,label"]
    for i in range(24):
        Image.new("RGB", (32, 32), (250, 10 * (i % 3), 5) if i % 2 else (5, 10, 250 - i)).save(root / f"train/{i}.png")
        lines.append(f"{i}.png,{'red' if i % 2 else 'blue'}")
    lines[4] = "3.png,blue"
    (root / "train/labels.csv").write_text("\n".join(lines) + "\n")
    data = load(root)
    assert by_id(data)["train/3.png"] == "blue" and data.label_column == "label"
    from labelsieve.corrections.corrected_copy import write_copy
    from labelsieve.corrections.patch import Change

    copied = write_copy(data, [Change("train/3.png", "blue", "red")], [], tmp_path / "out")
    assert copied.files == ("patch.csv", "train")
    again = load(tmp_path / "out")
    assert by_id(again)["train/3.png"] == "red" and by_id(again)["train/5.png"] == "red"
