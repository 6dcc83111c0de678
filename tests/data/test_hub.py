"""Hugging Face `datasets`, from folders and in memory; nothing here touches the network."""

import builtins
import os

import pytest

from labelsieve.core.errors import UserError
from labelsieve.corrections.apply_changes import apply
from labelsieve.data import load


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path_factory):
    if "HF_HUB_OFFLINE" not in os.environ:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    module = pytest.importorskip("datasets")
    monkeypatch.setattr(module.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(module.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    module.disable_progress_bars()
    return module


@pytest.fixture
def texts(offline):
    features = offline.Features(
        {"text": offline.Value("string"), "topic": offline.ClassLabel(names=["world", "sport", "1"])}
    )
    rows = {"text": ["war", "goal", "vote", "", "x"], "topic": [0, 1, 0, 1, -1]}
    return offline.Dataset.from_dict(rows, features=features)


def test_a_saved_data_set_with_class_names(texts, tmp_path):
    texts.save_to_disk(tmp_path / "ds")
    data = load(f"hf:{tmp_path / 'ds'}")
    assert (data.kind, data.classes) == ("text", ("world", "sport", "1"))
    assert list(data.inputs) == ["war", "goal", "vote"]
    assert data.labels.tolist() == [0, 1, 0]
    assert {item.id: item.reason for item in data.excluded} == {"3": "the text is empty", "4": "the label is missing"}
    with pytest.raises(UserError, match="name it hf:"):
        load(tmp_path / "ds")


def test_files_that_number_their_classes_differently_are_refused(offline, tmp_path):
    for name, order in {"a": ["cat", "dog"], "b": ["dog", "cat"]}.items():
        features = offline.Features({"text": offline.Value("string"), "label": offline.ClassLabel(names=order)})
        rows = {"text": [f"{name}1", f"{name}2", f"{name}3"], "label": ["cat", "cat", "dog"]}
        (tmp_path / "two").mkdir(exist_ok=True)
        offline.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "two" / f"{name}.parquet")
    swapped = offline.load_dataset("parquet", data_dir=str(tmp_path / "two"), split="train")
    assert [swapped.features["label"].names[i] for i in swapped["label"]] == ["cat", "cat", "dog", "dog", "dog", "cat"]
    with pytest.raises(UserError, match="b.parquet numbers the classes .*'label' differently .*one file at a time"):
        load(f"hf:{tmp_path / 'two'}", label="label")
    alone = load(tmp_path / "two" / "b.parquet", text="text", label="label")
    assert [alone.classes[i] for i in alone.labels] == ["cat", "cat", "dog"]


def test_missing_labels_beside_class_names(offline):
    features = offline.Features({"text": offline.Value("string"), "y": offline.ClassLabel(names=["1", "0"])})
    data = load(offline.Dataset.from_dict({"text": ["a", "b", "c"], "y": [0, 1, None]}, features=features))
    assert (data.classes, data.labels.tolist()) == (("1", "0"), [0, 1])
    assert [item.id for item in data.excluded] == ["2"]


def test_splits(offline, texts, tmp_path):
    offline.DatasetDict({"train": texts, "test": texts.select([0, 1, 2])}).save_to_disk(tmp_path / "ds")
    assert load(f"hf:{tmp_path / 'ds'}").source == f"hf:{tmp_path / 'ds'}:train"
    assert load(f"hf:{tmp_path / 'ds'}:test").ids.tolist() == ["0", "1", "2"]
    with pytest.raises(UserError, match="no split 'tset'. Did you mean 'test'"):
        load(f"hf:{tmp_path / 'ds'}:tset")
    offline.DatasetDict({"valid": texts}).save_to_disk(tmp_path / "one")
    assert load(f"hf:{tmp_path / 'one'}").source.endswith(":valid")
    offline.DatasetDict({"valid": texts, "test": texts}).save_to_disk(tmp_path / "two")
    with pytest.raises(UserError, match="no split 'train'.*There are: valid, test"):
        load(f"hf:{tmp_path / 'two'}")


def test_rows_picked_and_shuffled_in_memory(texts):
    data = load(texts.select([2, 1, 0]), text="text", label="topic")
    assert list(data.inputs) == ["vote", "goal", "war"]


def test_images_stay_encoded(offline, tmp_path):
    features = offline.Features({"image": offline.Image(), "label": offline.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [{"bytes": b"A", "path": None}, {"bytes": b"B", "path": "b.jpg"}, None], "label": [0, 1, 1]}
    offline.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "ds")
    data = load(f"hf:{tmp_path / 'ds'}")
    assert (data.kind, [data.inputs[i] for i in range(2)]) == ("image", [b"A", b"B"])
    assert [(item.id, item.reason) for item in data.excluded] == [("2", "there is no image")]


def test_a_data_folder_of_images(offline, tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in ("cat/a.png", "dog/b.png"):
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        image.new("RGB", (4, 4)).save(tmp_path / "folder" / name)
    data = load(f"hf:{tmp_path / 'folder'}")
    assert (data.kind, data.classes) == ("image", ("cat", "dog"))
    assert data.inputs[0].startswith(b"\x89PNG")


def pictures(root, *names):
    image = pytest.importorskip("PIL.Image")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image.new("RGB", (4, 4)).save(root / name)
    return f"hf:{root}"


CLASSES = ("cat/a.png", "cat/b.png", "dog/c.png", "dog/d.png")


def test_the_splits_of_a_folder_are_named_with_the_one_that_was_read(tmp_path):
    names = [f"{split}/{name}" for split in ("train", "test") for name in CLASSES]
    data = load(pictures(tmp_path / "f", *names))
    assert len(data) == 4
    (note,) = data.notes
    assert "train (4), test (4); only train was read" in note and ":SPLIT" in note
    assert len(load(pictures(tmp_path / "f") + ":test")) == 4


def test_the_splits_of_a_saved_data_set_are_named_too(offline, texts, tmp_path):
    offline.DatasetDict({"train": texts, "test": texts.select([0, 1, 2])}).save_to_disk(tmp_path / "ds")
    (note,) = load(f"hf:{tmp_path / 'ds'}").notes
    assert "train (5), test (3); only train was read" in note
    assert load(texts).notes == ()


@pytest.mark.parametrize(
    ("names", "there", "read", "lost"),
    [
        ([f"train/{name}" for name in CLASSES] + ["extra/cat/x.png", "cat/y.png"], 6, 4, "cat/y.png, extra/cat/x.png"),
        ([*CLASSES, "cat/.h.png", ".hidden/cat/z.png", "__x/cat/q.png"], 7, 4, "cat/.h.png"),
    ],
)
def test_pictures_that_are_not_read_are_counted_and_named(tmp_path, names, there, read, lost):
    data = load(pictures(tmp_path / "f", *names))
    assert len(data) == read
    (note,) = data.notes
    assert (
        f"holds {there} images, and `datasets` reads {read} of them" in note
        and lost in note
        and "leave out hf:" in note
    )


def test_a_test_folder_next_to_class_folders_is_reported(tmp_path):
    with pytest.raises(
        UserError, match=r"No column .* holds 6 images, and `datasets` reads 2 of them.*2 in cat, 2 in dog"
    ):
        load(pictures(tmp_path / "f", *CLASSES, "test/x.png", "test/y.png"))
    with pytest.raises(UserError, match="makes `datasets` drop all labels"):
        load(pictures(tmp_path / "g", *CLASSES, "stray.png"))


def test_pictures_without_a_row_are_counted(tmp_path):
    address = pictures(tmp_path / "f", *(f"{i}.png" for i in range(6)))
    (tmp_path / "f/metadata.csv").write_text(
        "file_name,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(4))
    )
    data = load(address)
    assert len(data) == 4 and "2 of the 6 images" in data.notes[0]


def test_tables_that_are_not_read_are_named(tmp_path):
    (tmp_path / "f").mkdir()
    for name in ("train.csv", "other.csv"):
        (tmp_path / "f" / name).write_text("text,label\na,x\nb,y\n")
    (tmp_path / "f/README.md").write_text("# About")
    (note,) = load(f"hf:{tmp_path / 'f'}").notes
    assert "holds 2 files, and `datasets` reads 1 of them" in note and "other.csv" in note


def test_a_data_folder_of_tables(offline, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/train.csv").write_text("text,label\na,x\nb,y\n")
    assert load(f"hf:{tmp_path / 'folder'}").classes == ("x", "y")


def test_data_sets_that_cannot_be_loaded(offline, texts, tmp_path):
    with pytest.raises(UserError, match="hf:no-such/data-set cannot be loaded"):
        load("hf:no-such/data-set")
    with pytest.raises(UserError, match="no column 'nope'"):
        load(texts, label="nope")
    with pytest.raises(UserError, match="one split"):
        load(offline.DatasetDict({"train": texts}))
    many = offline.Dataset.from_dict({"text": ["a", "b"], "label": [[0, 1], [1]]})
    with pytest.raises(UserError, match="exactly one label"):
        load(many)


def test_the_install_hint(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match="pip install"):
        load("hf:imdb")


def test_a_split_that_a_saved_data_set_does_not_have_is_refused(offline, texts, tmp_path):
    texts.save_to_disk(str(tmp_path / "d"))
    assert len(load(f"hf:{tmp_path}/d:train")) == len(load(f"hf:{tmp_path}/d"))
    with pytest.raises(UserError, match="there is no 'test'"):
        load(f"hf:{tmp_path}/d:test")
    for name in ("hf:", "hf::train"):
        with pytest.raises(UserError, match="names no data set"):
            load(name)
    with pytest.raises(UserError, match=r"such as data\['fit'\]"):
        load(__import__("datasets").DatasetDict({"fit": texts}))


def test_the_copy_has_all_splits_with_the_same_features(offline, tmp_path):
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["b", "a", "c"])
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    splits = {
        name: datasets.Dataset.from_dict(
            {"text": [f"{name} {i}" for i in range(30)], "label": [i % 3 for i in range(30)]}, features
        )
        for name in ("train", "test")
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    (tmp_path / "hub/data").mkdir(parents=True)
    for name, split in splits.items():
        split.to_parquet(tmp_path / f"hub/data/{name}-00000-of-00001.parquet")
    (tmp_path / "p.csv").write_text("id,old,new\n3,b,new\n5,c,\n")
    for place in ("saved", "hub"):
        out = tmp_path / f"{place} clean"
        done = apply(f"hf:{tmp_path / place}", patch=tmp_path / "p.csv", out=out)
        assert "The copy has all splits; only train was read, so test stayed as it was." in done.notes
        copy = datasets.load_from_disk(str(out / "data"))
        assert {name: len(split) for name, split in copy.items()} == {"train": 29, "test": 30}
        assert copy["train"].features == copy["test"].features
        assert copy["test"].features["label"].names == ["b", "a", "c", "new"]
        assert copy["train"]["label"][:6] == [0, 1, 2, 3, 1, 0] and copy["test"]["label"][:3] == [0, 1, 2]
    with pytest.raises(UserError, match="hub holds tables; name one, such as .*parquet, or all of them as hf:"):
        load(tmp_path / "hub")


def test_sounds_are_told(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "sounds" / "train" / name).mkdir(parents=True)
        (tmp_path / "sounds" / "train" / name / "1.wav").write_bytes(b"RIFF")
    for place in (tmp_path / "sounds", tmp_path / "sounds/train"):
        with pytest.raises(UserError, match="are sounds. Your way: compute features"):
            load(place)


def test_a_table_of_paths_without_the_pictures_is_told(offline, tmp_path):
    rows = {"image": [{"bytes": None, "path": f"{tmp_path}/{i}.png"} for i in range(4)], "label": [0, 1, 0, 1]}
    features = offline.Features({"image": offline.Image(), "label": offline.ClassLabel(names=["a", "b"])})
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(b"\x89PNG")
    offline.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "p.parquet")
    for i in range(4):
        (tmp_path / f"{i}.png").unlink()
    with pytest.raises(UserError, match=r"p.parquet holds paths of images and no pixels, and there is no file .*0.png"):
        load(tmp_path / "p.parquet")
    for i in (0, 1, 3):
        (tmp_path / f"{i}.png").write_bytes(b"\x89PNG")
    assert [item.reason for item in load(tmp_path / "p.parquet").excluded] == [f"there is no file {tmp_path}/2.png"]
