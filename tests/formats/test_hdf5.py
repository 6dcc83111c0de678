"""HDF5 files that h5py writes, through load and apply, and read back by h5py."""

import io

import numpy as np
import pytest
from PIL import Image
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


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return np.frombuffer(file.getvalue(), np.uint8)


def test_encoded_pictures_and_an_enumerated_type(tmp_path):
    names = {"low": -1, "middle": 3, "high": 4}
    with h5py.File(tmp_path / "e.h5", "w") as file:
        pictures = file.create_dataset("images", (90,), h5py.vlen_dtype(np.uint8))
        for i in range(90):
            pictures[i] = png(IMAGES[i])
        codes = np.array([*names.values()])[LABELS[:90] % 3]
        file.create_dataset("labels", data=codes, dtype=h5py.enum_dtype(names, "i1"))
    data = ls.load(tmp_path / "e.h5")
    assert data.classes == ("low", "middle", "high") and data.labels.tolist() == (LABELS[:90] % 3).tolist()
    assert data.inputs[7] == png(IMAGES[7]).tobytes()
    old = data.classes[data.labels[3]]
    (tmp_path / "p.csv").write_text(f"id,old,new\n3,{old},high\n2,{data.classes[data.labels[2]]},\n")
    ls.apply(tmp_path / "e.h5", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    with h5py.File(tmp_path / "clean/e.h5") as file:
        assert h5py.check_enum_dtype(file["labels"].dtype) == names and file["labels"][2] == 4
        assert np.array_equal(file["images"][2], png(IMAGES[3])) and len(file["images"]) == 89
    (tmp_path / "p.csv").write_text(f"id,old,new\n3,{old},other\n")
    with pytest.raises(UserError, match="is of an enumerated type .low, middle, high., which has no 'other'"):
        ls.apply(tmp_path / "e.h5", patch=tmp_path / "p.csv", out=tmp_path / "other")


def test_filters_and_limits_stay(tmp_path):
    packed = {"chunks": (50, 64), "maxshape": (None, 64), "compression": "lzf", "fletcher32": True}
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("X", data=DIGITS.data[:200], **packed)
        file.create_dataset("y", data=LABELS[:200] + 1.0, chunks=(200,))
        file.attrs["class_names"] = [f"c{k}" for k in range(10)]  # of labels from 1, as Julia and R count
    data = ls.load(tmp_path / "f.h5")
    assert data.classes[data.labels[3]] == f"c{LABELS[3]}"
    (tmp_path / "p.csv").write_text(f"id,old,new\n3,c{LABELS[3]},c9\n2,c{LABELS[2]},\n")
    ls.apply(tmp_path / "f.h5", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    with h5py.File(tmp_path / "clean/f.h5") as file:
        array = file["X"]
        assert {key: getattr(array, key) for key in packed} == packed and file["y"][2] == 10
    with h5py.File(tmp_path / "f.h5", "r+") as file:  # nobody else has it open
        del file["X"]


def test_splits_of_other_types_are_read_as_numbers(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["x_train"], file["y_train"] = IMAGES[:60], LABELS[:60]
        file["x_test"], file["y_test"] = IMAGES[60:90] * np.uint16(200), LABELS[60:90]
    data = ls.load(tmp_path / "m.h5")
    assert data.kind == "features" and np.array_equal(data.inputs[60:], IMAGES[60:90].reshape(30, -1) * 200.0)


def test_texts(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["text"], file["label"] = [f"the word {k}" for k in LABELS[:60]], LABELS[:60]
    data = ls.load(tmp_path / "t.h5")
    assert (data.kind, data.inputs[3]) == ("text", f"the word {LABELS[3]}")


def test_what_holds_no_arrays_is_told(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["model_weights/dense/kernel"] = np.eye(3)
    with pytest.raises(UserError, match="m.h5 is a model of Keras, not data"):
        ls.load(tmp_path / "m.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["table"] = np.zeros(9, [("x", float), ("label", int)])
    with pytest.raises(UserError, match=r"Tables with fields are not read as they are: table \(x, label\)"):
        ls.load(tmp_path / "c.h5")
    with h5py.File(tmp_path / "l.h5", "w") as file:
        file["a"], file["y"] = np.eye(3), [0, 1, 1]
        file["X"] = h5py.SoftLink("/a")
    with pytest.raises(UserError, match="Links are not followed: X"):
        ls.load(tmp_path / "l.h5")


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
