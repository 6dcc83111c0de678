"""Arrays in files and in memory."""

import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.data import load

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.array([3, 9, 3, 9])


def test_npz_of_features(tmp_path):
    np.savez(
        tmp_path / "f.npz", features=X, labels=Y, ids=np.array(["p", "q", "r", "s"]), groups=np.array([1, 1, 2, 2])
    )
    data = load(tmp_path / "f.npz")
    assert (data.kind, data.classes) == ("features", ("3", "9"))
    assert data.ids.tolist() == ["p", "q", "r", "s"]
    assert data.groups.tolist() == ["1", "1", "2", "2"]
    np.testing.assert_array_equal(data.inputs, X)
    assert data.inputs.dtype == np.float32


def test_integers_are_positions_in_named_classes(tmp_path):
    np.savez(tmp_path / "f.npz", features=X, labels=[1, 0, -1, 1], classes=["7", "1"])
    data = load(tmp_path / "f.npz")
    assert data.classes == ("7", "1")
    assert data.labels.tolist() == [1, 0, 1]
    assert [item.reason for item in data.excluded] == ["the label is missing"]
    np.savez(tmp_path / "f.npz", features=X, labels=["b", "a", "b", "b"], classes=["b", "a", "unused"])
    named = load(tmp_path / "f.npz")
    assert (named.classes, named.labels.tolist()) == (("b", "a", "unused"), [0, 1, 0, 0])
    assert load(tmp_path / "f.npz", labels=["a", "b", "a", "b"]).labels.tolist() == [1, 0, 1, 0]
    assert load(tmp_path / "f.npz", labels=[0, 1, 0, 2]).labels.tolist() == [0, 1, 0, 2]
    assert load(tmp_path / "f.npz", labels=["a", "new", "a", "b"]).classes == ("a", "b", "new")


@pytest.mark.parametrize("shape", [(3, 5, 4), (3, 5, 4, 1), (3, 5, 4, 3), (3, 5, 4, 4)])
def test_images(tmp_path, shape):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.savez_compressed(tmp_path / "i.npz", images=images, labels=["a", "b", "a"])
    data = load(tmp_path / "i.npz")
    assert data.kind == "image"
    np.testing.assert_array_equal(data.inputs[1], images[1].squeeze())
    np.testing.assert_array_equal(load(images, labels=[0, 1, 1]).inputs[2], images[2].squeeze())


def test_npy_stays_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", X.astype(np.float16))
    data = load(tmp_path / "x.npy", labels=Y)
    assert isinstance(data.inputs, np.memmap)
    assert data.inputs.dtype == np.float16


def test_rows_that_are_not_finite_are_listed():
    x = np.ones((9, 2_000_000), np.float32)  # more than one block
    x[3, 5], x[8, -1] = np.nan, -np.inf
    data = load(x, labels=np.arange(9) % 2)
    assert [(item.id, item.reason) for item in data.excluded] == [
        (i, "a feature is missing, NaN or infinite") for i in "38"
    ]
    assert data.ids.tolist() == list("0124567")


def test_integers_become_floats():
    assert load(np.eye(4, dtype=np.uint8), labels=Y).inputs.dtype == np.float32
    assert load(np.eye(4, dtype=np.int64), labels=Y).inputs.dtype == np.float64
    assert load([[1, 2], [3, 4], [5, 6]], labels=[0, 1, 1]).inputs.shape == (3, 2)


def test_a_list_of_texts():
    data = load(["a", "b", " "], labels=[0, 1, 1])
    assert (data.kind, list(data.inputs)) == ("text", ["a", "b"])
    assert data.excluded[0].reason == "the text is empty"


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"labels": Y}, "neither features nor images"),
        ({"features": X, "images": X, "labels": Y}, "both features and images"),
        ({"features": X}, "has no labels"),
        ({"features": X, "labels": Y[:3]}, "3 labels for the 4 examples"),
        ({"features": X, "labels": Y, "ids": ["a", "b", "a", "c"]}, "'a' appears twice, in rows 0 and 2"),
        ({"features": X, "labels": Y, "ids": ["a"]}, "1 ids for the 4 examples"),
        ({"features": X, "labels": Y, "groups": ["a"]}, "1 groups for the 4 examples"),
        ({"features": X, "labels": Y, "classes": ["a", "b"]}, "has the label 3, which is outside its 2 classes"),
        ({"features": X, "labels": ["a", "b", "c", "a"], "classes": ["a", "b"]}, "has the label c"),
        ({"features": X, "labels": [0, 1, 0, 1], "classes": ["a", "a"]}, "class 'a' twice"),
        ({"features": X, "labels": [0, 1, 0, 1], "classes": list("abcde")}, "5 classes but 4 examples"),
        ({"features": X[:, 0], "labels": Y}, r"shape \(4,\)"),
        ({"features": X[:, :0], "labels": Y}, r"shape \(4, 0\)"),
        ({"images": X, "labels": Y}, r"should be uint8"),
        ({"images": np.zeros((4, 3, 8, 8), np.uint8), "labels": Y}, "channels last"),
        ({"features": X, "labels": np.array(["a", 1, "b", 2], object)}, "Python objects"),
        ({"features": X, "labels": np.eye(4)}, "argmax"),
    ],
)
def test_npz_files_that_are_not_data_sets_are_refused(tmp_path, arrays, says):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=says) as caught:
        load(tmp_path / "bad.npz")
    assert "bad.npz" in str(caught.value)


def test_damaged_files(tmp_path):
    np.savez(tmp_path / "f.npz", features=X, labels=Y)
    whole = (tmp_path / "f.npz").read_bytes()
    for i, content in enumerate((whole[: len(whole) // 2], b"", b"hello")):
        (tmp_path / f"{i}.npz").write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as an .npz file"):
            load(tmp_path / f"{i}.npz")
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(UserError, match="single array"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize("source", [{"a": 1}, 3, None, ["a", 1], [[1], [1, 2]], np.array([object()]), np.zeros(3)])
def test_values_that_are_not_data_are_refused(source):
    with pytest.raises(UserError):
        load(source, labels=[0, 1, 1])


def test_an_npz_address():
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://arrays/f.npz", "wb") as file:
        np.savez(file, features=X, labels=Y)
    np.testing.assert_array_equal(load("memory://arrays/f.npz").inputs, X)


@pytest.mark.parametrize("name", ["d.npz", "d.npy"])
def test_a_text_file_under_a_numpy_suffix(tmp_path, name):
    (tmp_path / name).write_text("label,x\na,1\nb,2\n")
    with pytest.raises(UserError, match=r"is a text file that begins 'label,x'.*\.csv"):
        load(tmp_path / name, labels=Y)
    (tmp_path / name).write_bytes(bytes(range(256)))
    with pytest.raises(UserError, match="not a NumPy file"):
        load(tmp_path / name, labels=Y)
