"""`.npz` files of MedMNIST, Keras and X/y: the corrected copy has the same arrays; the package medmnist reads it."""

import zipfile

import numpy as np
import pytest
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.core.errors import UserError

DIGITS = load_digits()
IMAGES = (DIGITS.images * 15).astype(np.uint8)
LABELS = DIGITS.target.astype(np.uint8)


def applied(path, tmp_path, rows):
    (tmp_path / "p.csv").write_text("id,old,new\n" + "".join(f"{row}\n" for row in rows))
    done = ls.apply(path, patch=tmp_path / "p.csv", out=tmp_path / "clean")
    return np.load(tmp_path / "clean" / path.name), done


@pytest.fixture
def medmnist(tmp_path):
    """As MedMNIST's files: labels (n, 1), three splits, packed."""
    parts = {"train": slice(0, 300), "val": slice(300, 350), "test": slice(350, 450)}
    arrays = {f"{name}_images": IMAGES[rows] for name, rows in parts.items()}
    arrays |= {f"{name}_labels": LABELS[rows, None] for name, rows in parts.items()}
    np.savez_compressed(tmp_path / "bloodmnist.npz", **arrays)
    return tmp_path / "bloodmnist.npz"


def test_medmnist_keeps_names_shapes_and_packing(medmnist, tmp_path):
    data = ls.load(medmnist)
    assert (len(data), data.kind, data.ids[300], data.splits[450 - 1]) == (450, "image", "val/0", "test")
    new = (LABELS[3] + 1) % 10
    copy, done = applied(medmnist, tmp_path, [f"train/3,{LABELS[3]},{new}", f"test/0,{LABELS[350]},"])
    assert (done.relabelled, done.left_out) == (1, 1)
    assert [*copy] == [*np.load(medmnist)] and copy["train_labels"].dtype == np.uint8
    assert copy["train_labels"][3, 0] == new and copy["test_images"].shape == (99, 8, 8)
    assert np.array_equal(copy["test_labels"], LABELS[351:450, None])
    kinds = {item.compress_type for item in zipfile.ZipFile(tmp_path / "clean/bloodmnist.npz").infolist()}
    assert kinds == {zipfile.ZIP_DEFLATED}


def test_the_package_reads_the_corrected_copy(medmnist, tmp_path):
    package = pytest.importorskip("medmnist")
    applied(medmnist, tmp_path, [f"train/3,{LABELS[3]},{(LABELS[3] + 1) % 10}"])
    split = package.BloodMNIST(split="train", root=str(tmp_path / "clean"), size=28)
    assert len(split.imgs) == 300 and split[3][1] == (LABELS[3] + 1) % 10  # its len() wants BloodMNIST's own number


def test_x_and_y_keep_what_stands_beside_them(tmp_path):
    """One column of 0 and 1 per class, class names, weights, and a Python object that nobody opens."""
    odd = np.array([{"made": "by hand"}], object)
    arrays = {"X": DIGITS.data[:200].astype(">f4"), "y": np.eye(10)[LABELS[:200]], "w": np.arange(200.0), "about": odd}
    np.savez(tmp_path / "d.npz", **arrays, class_names=np.array([f"c{k}" for k in range(10)]))
    data = ls.load(tmp_path / "d.npz")
    assert data.classes[3] == "c3" and np.allclose(data.inputs, DIGITS.data[:200])
    assert "Read X with y; not used: w, about." in data.notes
    copy, done = applied(tmp_path / "d.npz", tmp_path, [f"4,c{LABELS[4]},c0", f"2,c{LABELS[2]},"])
    assert any("holds Python objects, which are not opened: about." in note for note in done.notes)
    assert copy["X"].dtype == ">f4" and copy["y"].shape == (199, 10) and copy["y"][3].argmax() == 0
    assert copy["w"][:3].tolist() == [0, 1, 3] and "about" in copy


def test_keras_and_inputs_without_labels(tmp_path):
    arrays = {"x_train": IMAGES[:100], "y_train": LABELS[:100], "x_test": IMAGES[100:150]}
    np.savez(tmp_path / "mnist.npz", **arrays)
    data = ls.load(tmp_path / "mnist.npz")
    assert len(data) == 100 and "Read x_train with y_train; not used: x_test." in data.notes
    copy, _ = applied(tmp_path / "mnist.npz", tmp_path, [f"train/1,{LABELS[1]},9"])
    assert copy["y_train"][1] == 9 and np.array_equal(copy["x_test"], IMAGES[100:150])


def test_minus_one_of_deeplake_is_no_label(tmp_path):
    labels = np.where(np.arange(200) < 5, np.uint32(2**32 - 1), LABELS[:200])
    np.savez(tmp_path / "d.npz", X=DIGITS.data[:200], y=labels)
    data = ls.load(tmp_path / "d.npz")
    assert len(data) == 195 and data.classes == tuple(map(str, range(10)))
    assert data.excluded[0].reason == "the label is 4294967295, as deeplake stores -1, which stands for no label"


def test_what_cannot_be_read_is_told(tmp_path):
    np.savez(tmp_path / "d.npz", x=DIGITS.data, y=np.array([str(k) for k in LABELS], object))
    with pytest.raises(UserError, match="d.npz cannot be read as an .npz file: it holds Python objects"):
        ls.load(tmp_path / "d.npz")
    np.savez(tmp_path / "d.npz", train_images=IMAGES, train_labels=np.ones((len(IMAGES), 14)))
    with pytest.raises(UserError, match="train_labels has one column of 0 and 1 per class, but a row with several"):
        ls.load(tmp_path / "d.npz")
