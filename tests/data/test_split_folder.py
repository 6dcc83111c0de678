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
    with pytest.raises(UserError, match="several labels to 1 rows .* several=True"):
        load(root)
    one = load(root / "train", labels=root / "train/_classes.csv", label="cat")
    assert by_id(one) == {"a.jpg": "0", "b.jpg": "1", "c.jpg": "1"}


def test_kaggle_tables_beside_the_splits(tmp_path):
    root = tree(tmp_path, "train/a.jpg", "train/b.jpg", "train/c.jpg", "test/e.jpg", "test/f.jpg")
    (root / "train.csv").write_text("Id,breed\nc,pug\nb,boxer\na,pug\n")
    (root / "sample_submission.csv").write_text("Id,pug,boxer\ne,0.5,0.5\nf,0.5,0.5\n")
    data = load(root)
    assert by_id(data) == {"train/a.jpg": "pug", "train/b.jpg": "boxer", "train/c.jpg": "pug"}
    assert set(reasons(data)) == {"test/e.jpg", "test/f.jpg", "sample_submission.csv"}
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


def parts(root):
    """Pictures in two numbered folders, as archives are split, and two tables beside them."""
    tree(root, *(f"part_{1 + i // 4}/p{i}.jpg" for i in range(8)))
    rows = "".join(f"p{i},{('nevus', 'melanoma')[i % 2]},s{i // 2},{30 + i}\n" for i in range(8))
    (root / "metadata.csv").write_text("image_id,dx,lesion,age\n" + rows)
    return {f"part_{1 + i // 4}/p{i}.jpg": ("nevus", "melanoma")[i % 2] for i in range(8)}


def test_columns_of_a_table_beside_the_images_can_be_named(tmp_path):
    labels = parts(tmp_path)
    data = load(tmp_path, label="dx", group="lesion")
    assert by_id(data) == labels and data.groups.tolist() == [f"s{i // 2}" for i in range(8)]
    assert reasons(data) == {}
    with pytest.raises(UserError, match=r"has no column 'dy' to use as label\. Did you mean 'dx'"):
        load(tmp_path, label="dy")
    with pytest.raises(UserError, match="no table in .* names the images"):
        load(tree(tmp_path / "bare", "cat/1.jpg", "dog/2.jpg"), label="dx")


def test_numbered_parts_beside_a_table_are_not_classes(tmp_path):
    labels = parts(tmp_path)
    with pytest.raises(UserError, match="'image_id' names the images; name the one of their labels with label="):
        load(tmp_path)
    (tmp_path / "metadata.csv").rename(tmp_path / "dx.csv")
    rows = "".join(f"{key.rpartition('/')[2]},{label}\n" for key, label in labels.items())
    (tmp_path / "all.csv").write_text("file,label\n" + rows)
    data = load(tmp_path)
    assert by_id(data) == labels
    assert any("those of all.csv, not the names of the folders (part_1, part_2)" in note for note in data.notes)


def test_a_table_that_repeats_or_does_not_know_the_classes_changes_nothing(tmp_path):
    tree(tmp_path, *(f"{('cat', 'dog')[i % 2]}/p{i}.jpg" for i in range(8)))
    want = {f"{('cat', 'dog')[i % 2]}/p{i}.jpg": ("cat", "dog")[i % 2] for i in range(8)}
    rows = "".join(f"p{i},{('cat', 'dog')[i % 2]}\n" for i in range(8))
    (tmp_path / "labels.csv").write_text("file,label\n" + rows)
    assert by_id(load(tmp_path)) == want and load(tmp_path).notes == ()
    (tmp_path / "labels.csv").write_text("file,label\np1,cat\np2,dog\n")  # a few doubts, not the labels
    assert by_id(load(tmp_path)) == want
    (tmp_path / "labels.csv").write_text("file,camera\n" + rows.replace("cat", "A").replace("dog", "B"))
    (tmp_path / "labels.csv").write_text(
        (tmp_path / "labels.csv").read_text().replace("\n", ",x\n").replace(",x", ",z", 1)
    )
    data = load(tmp_path)
    assert by_id(data) == want and "The labels are the names of the folders" in data.notes[0]


def test_a_table_of_a_single_folder_gives_the_labels(tmp_path):
    tree(tmp_path, *(f"Training_Input/deep/p{i}.jpg" for i in range(6)))
    (tmp_path / "truth.csv").write_text("image;MEL;NV\n" + "".join(f"p{i};{i % 2}.0;{1 - i % 2}.0\n" for i in range(6)))
    assert by_id(load(tmp_path)) == {f"Training_Input/deep/p{i}.jpg": ("NV", "MEL")[i % 2] for i in range(6)}


def test_the_labels_of_a_submission_are_not_read(tmp_path):
    tree(tmp_path, "train/a.jpg", "train/b.jpg", "train/c.jpg", "test/e.jpg", "test/f.jpg")
    (tmp_path / "train.csv").write_text("Id,breed\nc,pug\nb,boxer\na,pug\n")
    (tmp_path / "sample_submission.csv").write_text("Id,breed\ne,pug\nf,pug\n")
    data = load(tmp_path)
    assert set(by_id(data)) == {"train/a.jpg", "train/b.jpg", "train/c.jpg"}
    assert {"test/e.jpg", "test/f.jpg"} <= set(reasons(data))
    assert any("sample_submission.csv is not read" in note for note in data.notes)
