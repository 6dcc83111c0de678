"""Polars categories, torch data sets made of others, a column of datasets, .npz files of MedMNIST and Keras."""

import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.corrections.corrected_copy import write_copy
from labelsieve.corrections.patch import Change
from labelsieve.data import load


def by_id(data):
    return {key: data.classes[label] for key, label in zip(data.ids, data.labels, strict=True)}


def test_polars_categories(tmp_path):
    pl = pytest.importorskip("polars")
    for kind in (pl.Categorical, pl.Enum(["zebra", "ant", "bee"])):
        label = pl.Series(["zebra", "ant", None] * 2, dtype=kind)
        frame = pl.DataFrame({"text": [f"text {i}" for i in range(6)], "label": label})
        frame.write_parquet(tmp_path / "d.parquet")
        frame.write_ipc(tmp_path / "d.arrow")
        for source in (frame, frame.lazy(), tmp_path / "d.parquet", tmp_path / "d.arrow"):
            assert by_id(load(source)) == {"0": "zebra", "1": "ant", "3": "zebra", "4": "ant"}
        assert by_id(load(frame["text"], labels=frame["label"]))["0"] == "zebra"


def test_torch_data_sets_made_of_others():
    torch = pytest.importorskip("torch")
    from torch.utils.data import ConcatDataset, Dataset, Subset, random_split

    class Picture(torch.Tensor):
        """As torchvision's tv_tensors.Image: a tensor of another class and module."""

    Picture.__module__ = "torchvision.tv_tensors"

    class Pictures(Dataset):
        read = 0

        def __init__(self, classes):
            self.classes, self.targets = classes, [0, 1, 2, 0, 1, 2]

        def __len__(self):
            return 6

        def __getitem__(self, i):
            Pictures.read += 1
            return torch.full((3, 4, 5), i, dtype=torch.uint8).as_subclass(Picture), self.targets[i]

    base = Pictures(["u", "v", "w"])
    assert load(base).inputs[3].shape == (4, 5, 3)
    assert by_id(load(Subset(base, [5, 3, 1]))) == {"0": "w", "1": "u", "2": "v"}
    part = random_split(base, [4, 2], generator=torch.Generator().manual_seed(1))[0]
    assert list(by_id(load(part)).values()) == [base.classes[base.targets[i]] for i in part.indices]
    assert list(by_id(load(ConcatDataset([base, Subset(base, [2])]))).values()) == [*"uvwuvw", "w"]
    other = ConcatDataset([base, Pictures(["w", "u", "x"])])
    assert list(by_id(load(other)).values()) == [*"uvwuvw", *"wuxwux"]
    assert Pictures.read == 6  # the first item of each, to see what it is, and the one that the test looks at


def test_a_column_of_datasets():
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_dict({"text": ["a cat", "a dog", "two cats"], "y": [0, 1, 0]})
    data = load(whole["text"], labels=whole["y"])
    assert data.kind == "text" and data.inputs[2] == "two cats" and data.labels.tolist() == [0, 1, 0]


IMAGES = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
Y = np.array([[0], [1], [2], [0], [1], [2]], np.uint8)


def test_npz_of_medmnist_and_keras(tmp_path):
    medmnist = {"train_images": IMAGES[:3], "train_labels": Y[:3], "val_images": IMAGES[3:4], "val_labels": Y[3:4]}
    medmnist |= {"test_images": IMAGES[4:], "test_labels": Y[4:]}
    keras = {"x_train": IMAGES[:3], "y_train": Y[:3, 0], "x_test": IMAGES[3:], "y_test": Y[3:, 0]}
    for arrays, last in ((medmnist, "test/1"), (keras, "test/2")):
        np.savez(tmp_path / "d.npz", **arrays)
        data = load(tmp_path / "d.npz")
        assert (data.kind, data.ids[0], data.ids[-1]) == ("image", "train/0", last)
        assert data.labels.tolist() == [0, 1, 2, 0, 1, 2] and np.array_equal(data.inputs[5], IMAGES[5])
        assert any("Read together: " in note and "such as train" in note for note in data.notes)
        out = tmp_path / last.replace("/", "")
        write_copy(data, [Change("train/1", "1", "2")], [], out)
        assert by_id(load(out / "d.npz"))["train/1"] == "2"


def test_npz_of_x_and_y(tmp_path):
    np.savez(tmp_path / "d.npz", X=np.eye(6), y=Y)
    data = load(tmp_path / "d.npz")
    assert data.kind == "features" and data.labels.tolist() == [0, 1, 2, 0, 1, 2] and data.ids[5] == "5"
    assert load(np.eye(6), labels=Y).labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_an_archive_is_told(tmp_path):
    (tmp_path / "d.tar").write_bytes(b"x")
    with pytest.raises(UserError, match="is an archive without samples of WebDataset. Your way: unpack it"):
        load(tmp_path / "d.tar")


def test_a_list_of_paths_and_labels(tmp_path):
    for name in "abcd":
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{name} 1.jpg").touch()
    lines = [f"images/{name} 1.jpg {int(name > 'b')}\n" for name in "dbca"]
    (tmp_path / "train.txt").write_text("".join(lines))
    data = load(tmp_path / "images", labels=tmp_path / "train.txt")
    assert by_id(data) == {"a 1.jpg": "0", "b 1.jpg": "0", "c 1.jpg": "1", "d 1.jpg": "1"}
    assert by_id(load(tmp_path / "train.txt")) == {f"images/{key}": label for key, label in by_id(data).items()}
    (tmp_path / "train.txt").write_text("x.jpg 0\ny.jpg 1\n")
    with pytest.raises(UserError, match="no example of the data has such a name"):
        load(tmp_path / "images", labels=tmp_path / "train.txt")
