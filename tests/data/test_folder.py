"""A folder with one folder of images a class."""

import os
import sys
from pathlib import Path

import pytest

from labelsieve.core.errors import UserError
from labelsieve.data import load


def tree(root: Path, *names: str) -> str:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return str(root)


def reasons(dataset) -> dict[str, str]:
    return {item.id: item.reason for item in dataset.excluded}


def test_ids_labels_and_lazy_bytes(tmp_path):
    data = load(tree(tmp_path, "cat/b.jpg", "cat/a.PNG", "dog/a.webp"))
    assert data.ids.tolist() == ["cat/a.PNG", "cat/b.jpg", "dog/a.webp"]
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1]
    assert (data.kind, data.source, data.excluded) == ("image", str(tmp_path), ())
    (tmp_path / "cat/b.jpg").write_bytes(b"changed after loading")
    assert data.inputs[1] == b"changed after loading"
    (tmp_path / "cat/b.jpg").unlink()
    with pytest.raises(OSError):
        data.inputs[1]


def test_a_path_object_and_a_trailing_slash(tmp_path):
    root = tree(tmp_path, "1/a.jpg", "10/a.jpg", "9/a.jpg")
    assert load(tmp_path).classes == load(root + "/").classes == ("1", "9", "10")


def test_files_that_are_not_images_are_listed_except_desktop_files(tmp_path):
    root = tree(
        tmp_path,
        "cat/a.jpg",
        "cat/notes.txt",
        "cat/.hidden.jpg",
        "cat/Thumbs.db",
        "cat/.DS_Store",
        "dog/b.jpg",
        "readme.md",
        "stray.jpg",
    )
    tree(tmp_path, ".git/x.jpg", "__MACOSX/y.jpg", "dog/old/c.jpg")
    (tmp_path / "empty").mkdir()
    data = load(root)
    assert data.ids.tolist() == ["cat/a.jpg", "dog/b.jpg"]
    assert data.classes == ("cat", "dog")
    assert reasons(data) == {
        "cat/notes.txt": "not an image file",
        "dog/old/c.jpg": "it lies in a folder inside a class folder",
        "empty/": "the class folder holds no image",
        "readme.md": "not an image file",
        "stray.jpg": "it lies outside the class folders",
    }


def test_a_dangling_link_is_listed(tmp_path):
    root = tree(tmp_path, "cat/a.jpg", "dog/b.jpg")
    os.symlink(tmp_path / "gone.jpg", tmp_path / "cat/z.jpg")
    assert "dangling" in reasons(load(root))["cat/z.jpg"]


@pytest.mark.parametrize("name", ["loop", "cat/loop", "cat/loop.jpg"])
def test_a_link_to_itself_or_to_nothing_is_listed_and_the_rest_is_read(tmp_path, name):
    root = tree(tmp_path, "cat/a.jpg", "dog/b.jpg")
    os.symlink(f"{root}/{name}", f"{root}/{name}")
    os.symlink(tmp_path / "gone", f"{root}/gone")
    data = load(root)
    assert data.ids.tolist() == ["cat/a.jpg", "dog/b.jpg"]
    assert "link to itself" in reasons(data)[name] and "dangling" in reasons(data)["gone"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_class_folders_and_left_out_files_whose_names_are_not_utf8(tmp_path):
    root = tree(tmp_path, "dog/b.jpg")
    os.mkdir(os.path.join(os.fsencode(root), b"cha\xeene"))
    for name in (b"a.jpg", b"n\xf6tes.txt"):
        with open(os.path.join(os.fsencode(root), b"cha\xeene", name), "wb") as file:
            file.write(b"bytes")
    data = load(root)
    assert data.classes == (r"cha\xeene", "dog") and data.ids.tolist() == [r"cha\xeene/a.jpg", "dog/b.jpg"]
    assert data.inputs[0] == b"bytes"
    assert reasons(data) == {r"cha\xeene/n\xf6tes.txt": "not an image file"}
    (tmp_path / "labels.csv").write_bytes(b"id,label\ncha\xeene/a.jpg,dog\ndog/b.jpg,cat\n")
    assert load(root, labels=tmp_path / "labels.csv").classes == ("cat", "dog")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_file_name_that_is_not_utf8(tmp_path):
    root = tree(tmp_path, "cat/a.jpg", "dog/b.jpg")
    with open(os.path.join(os.fsencode(root), b"cat", b"caf\xe9.jpg"), "wb") as file:
        file.write(b"bytes")
    data = load(root)
    assert data.ids.tolist() == ["cat/a.jpg", r"cat/caf\xe9.jpg", "dog/b.jpg"]
    assert data.inputs[1] == b"bytes"
    assert len(data.fingerprint()) == 32


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((), "is empty"),
        (("a.jpg", "b.jpg"), "2 images but no class folders"),
        (("a.jpg", "cat/x.txt"), "1 images but no class folder with images"),
        (("cat/x.txt", "dog/y.txt"), "are texts. Your way: a table"),
        (("notes.txt",), "no images and no class folders"),
        (("one/cat/a.jpg", "one/dog/b.jpg", "two/cat/c.jpg"), "labels are read from the folder directly below"),
        (("cat/a.jpg", "cat/b.jpg"), "only one class"),
        (("state.json", "data.arrow"), "name it hf:"),
    ],
)
def test_folders_that_are_not_data_sets_are_refused(tmp_path, names, says):
    with pytest.raises(UserError, match=says) as caught:
        load(tree(tmp_path, *names))
    assert str(tmp_path) in str(caught.value)


def test_split_folders_are_named_in_the_advice(tmp_path):
    with pytest.raises(UserError) as caught:
        load(tree(tmp_path, "train/cat/a.jpg", "test/cat/c.jpg"))
    assert str(tmp_path / "test") in str(caught.value) and str(tmp_path / "train") in str(caught.value)


def test_column_arguments_are_refused_for_a_folder(tmp_path):
    with pytest.raises(UserError, match="label='x'"):
        load(tree(tmp_path, "cat/a.jpg", "dog/b.jpg"), label="x")


def test_a_path_that_does_not_exist_names_the_near_misses(tmp_path):
    tree(tmp_path, "photos/cat/a.jpg", "photos/dog/a.jpg")
    with pytest.raises(UserError, match="Did you mean .*photos"):
        load(tmp_path / "fotos")


def test_a_flat_folder_with_labels_from_a_file(tmp_path):
    tree(tmp_path, "flat/a.jpg", "flat/b.jpg", "flat/c.jpg", "flat/notes.txt")
    (tmp_path / "labels.csv").write_text("id,label\nb.jpg,dog\na.jpg,cat\n")
    data = load(tmp_path / "flat", labels=tmp_path / "labels.csv")
    assert data.ids.tolist() == ["a.jpg", "b.jpg"]
    assert [data.classes[i] for i in data.labels] == ["cat", "dog"]
    assert reasons(data)["notes.txt"] == "not an image file"
    assert "gives it no label" in reasons(data)["c.jpg"]


def test_two_thousand_classes(tmp_path):
    for name in range(2_000):
        (tmp_path / f"k{name:05}").mkdir()
        (tmp_path / f"k{name:05}" / "a.jpg").touch()
    (tmp_path / "k00000" / "b.jpg").touch()
    assert len(load(tmp_path).classes) == 2_000


def test_an_address_in_memory():
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for name in ("cat/a.jpg", "dog/b.jpg", "dog/x.txt"):
        system.pipe(f"/photos/{name}", name.encode())
    data = load("memory://photos")
    assert data.ids.tolist() == ["cat/a.jpg", "dog/b.jpg"]
    assert data.inputs[1] == b"dog/b.jpg"
    assert reasons(data) == {"dog/x.txt": "not an image file"}
    system.rm("/photos/dog/b.jpg")
    with pytest.raises(OSError):
        data.inputs[1]
    with pytest.raises(UserError, match="memory://nowhere"):
        load("memory://nowhere")


def test_a_local_address(tmp_path):
    pytest.importorskip("fsspec")
    root = tree(tmp_path, "cat/a.jpg", "dog/b.jpg")
    assert load(f"file://{root}").inputs[0] == b"cat/a.jpg"


def test_an_unknown_protocol():
    pytest.importorskip("fsspec")
    with pytest.raises(UserError, match="cannot be opened"):
        load("nosuch://bucket/photos")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ("train/a.jpg", "train/b.jpg", "test/c.jpg"),
            r"test and .*train hold images directly.*not of a class.*labels='FILE'",
        ),
        (("Train/a.jpg", "VAL/b.jpg"), "not of a class"),
        (("train2017/a.jpg", "val2017/b.jpg", "test_set/c.jpg"), "not of a class"),
        (("training/a.jpg", "validation/b.jpg"), "not of a class"),
        (("train/a.jpg",), "holds images directly"),
    ],
)
def test_splits_are_not_classes(tmp_path, names, says):
    with pytest.raises(UserError, match=says):
        load(tree(tmp_path, *names))


def test_splits_beside_classes_are_left_out_with_a_note(tmp_path):
    data = load(tree(tmp_path, "cat/a.jpg", "dog/b.jpg", "test/c.jpg", "test/d.jpg", "val/e.jpg"))
    assert data.classes == ("cat", "dog") and data.ids.tolist() == ["cat/a.jpg", "dog/b.jpg"]
    assert set(reasons(data)) == {"test/c.jpg", "test/d.jpg", "val/e.jpg"} and "split" in reasons(data)["val/e.jpg"]
    assert "test (2 images), val (1 images)" in data.notes[0]


def test_one_class_with_the_name_of_a_split_is_read_with_a_note(tmp_path):
    data = load(tree(tmp_path, "car/a.jpg", "ship/b.jpg", "train/c.jpg"))
    assert data.classes == ("car", "ship", "train") and "'train' (1 images) is read as a class" in data.notes[0]
    assert load(tree(tmp_path / "trial", "control/a.jpg", "treatment/b.jpg", "trained/c.jpg")).notes == ()


def test_splits_with_labels_from_a_file(tmp_path):
    tree(tmp_path, "d/train/a.jpg", "d/test/b.jpg")
    (tmp_path / "labels.csv").write_text("id,label\ntrain/a.jpg,cat\ntest/b.jpg,dog\n")
    assert load(tmp_path / "d", labels=tmp_path / "labels.csv").classes == ("cat", "dog")


def test_folders_of_folders_beside_classes_are_named(tmp_path):
    tree(tmp_path, "cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "eel/young/1.png")
    (note,) = load(tmp_path).notes
    assert "eel (1 images)" in note and "are not classes" in note
    for name in ("dog/1.png", "dog/2.png"):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match="not classes: eel .1 images.. Name the folder"):
        load(tmp_path)


def test_folders_that_differ_only_in_case_are_two_classes_with_a_note(tmp_path):
    try:
        root = tree(tmp_path, "Cat/1.jpg", "cat/1.jpg", "cat/2.jpg", "dog/1.jpg")
    finally:
        if len(list(tmp_path.iterdir())) < 3:
            pytest.skip("this file system takes the two for one")
    data = load(root)
    assert data.classes == ("Cat", "cat", "dog") and data.ids.tolist() == [
        "Cat/1.jpg",
        "cat/1.jpg",
        "cat/2.jpg",
        "dog/1.jpg",
    ]
    assert [data.inputs[i] for i in range(4)] == [name.encode() for name in data.ids]
    [note] = [note for note in data.notes if "differ only in case" in note]
    assert "'Cat' (1), 'cat' (2)" in note
