"""HDF5 files that h5py writes, through load and apply, and read back by h5py."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.core.errors import UserError
from labelsieve.core.read_many import read_many

h5py = pytest.importorskip("h5py")
DIGITS = load_digits()
IMAGES = (DIGITS.images * 15).astype(np.uint8)
COLOUR = np.repeat(IMAGES[..., None], 3, axis=3)
LABELS = DIGITS.target


@pytest.fixture
def splits(tmp_path):
    """Two splits of packed colour images with their classes' names in an attribute."""
    path = tmp_path / "digits.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("train/images", data=COLOUR[:500], chunks=(50, 8, 8, 3), compression="gzip")
        file["train/labels"] = LABELS[:500, None].astype(np.uint8)
        file["test/images"] = COLOUR[500:600]
        file["test/labels"] = LABELS[500:600, None].astype(np.uint8)
        file.attrs["class_names"] = [f"digit {k}" for k in range(10)]
    return path


def test_splits_class_names_and_images_are_read_and_stay_in_the_file(splits):
    data = ls.load(splits)
    assert (len(data), data.kind, data.classes[3]) == (600, "image", "digit 3")
    assert data.ids[0] == "train/0" and data.ids[500] == "test/0"
    rows = [550, 3, 499, 500, 3]
    assert np.array_equal(list(read_many(data.inputs, rows)), COLOUR[rows])
    some = data.inputs.part(np.array([7, 520]))
    assert np.array_equal(some[1], COLOUR[520]) and not isinstance(data.inputs, np.ndarray)


def test_apply_keeps_arrays_packing_and_attributes(splits, tmp_path):
    old, new = f"digit {LABELS[3]}", "a new class"
    (tmp_path / "p.csv").write_text(f"id,old,new\ntrain/3,{old},{new}\ntest/2,digit {LABELS[502]},\n")
    applied = ls.apply(splits, patch=tmp_path / "p.csv", out=tmp_path / "clean")
    assert (applied.relabelled, applied.left_out) == (1, 1)
    with h5py.File(tmp_path / "clean/digits.h5") as file:
        assert file["train/labels"][3, 0] == 10 and list(file.attrs["class_names"])[10] == new
        assert file["train/images"].compression == "gzip" and file["test/labels"].dtype == np.uint8
        assert np.array_equal(file["test/images"][2], COLOUR[503]) and len(file["test/labels"]) == 99
    assert len(ls.load(tmp_path / "clean/digits.h5")) == 599


def test_features_are_mapped_and_texts_are_labels(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["X"] = DIGITS.data.astype(np.float32)
        file["y"] = np.array([f"c{label}" for label in LABELS], dtype="S2")
        file["when"] = np.arange(len(LABELS))
    data = ls.load(tmp_path / "f.h5")
    assert isinstance(data.inputs, np.memmap) and np.array_equal(data.inputs, DIGITS.data)
    (tmp_path / "p.csv").write_text(f"id,old,new\n3,c{LABELS[3]},longer\n2,c{LABELS[2]},\n")
    ls.apply(tmp_path / "f.h5", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    with h5py.File(tmp_path / "clean/f.h5") as file:
        assert file["y"][2] == b"longer" and file["when"][:4].tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": (3,)}, "no arrays that are called like inputs and labels"),
        ({"X": (4, 2), "images": (4, 8, 8), "y": (4,)}, r"several arrays that may be the inputs \(X, images\)"),
        ({"X": (4, 2), "y": (5,)}, r"5 labels in y, but X has the shape \(4, 2\)"),
    ],
)
def test_what_is_not_clear_is_told(tmp_path, arrays, message):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name, shape in arrays.items():
            file[name] = np.zeros(shape)
    with pytest.raises(UserError, match=message):
        ls.load(tmp_path / "f.h5")


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "f.h5").write_bytes(b"not HDF5")
    with pytest.raises(UserError, match=r"f.h5 cannot be read as an HDF5 file"):
        ls.load(tmp_path / "f.h5")
