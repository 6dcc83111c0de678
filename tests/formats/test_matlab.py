"""MATLAB files as SciPy writes them and, of version 7.3, in the layout of MATLAB, through load and apply."""

import numpy as np
import pytest
import scipy.io
from scipy.sparse import csc_matrix
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.core.errors import UserError

DIGITS = load_digits()
IMAGES = (DIGITS.images * 15).astype(np.uint8)
LABELS = DIGITS.target


def patch(folder, *lines):
    (folder / "p.csv").write_text("\n".join(["id,old,new", *lines]) + "\n")
    return folder / "p.csv"


def test_svhn_has_its_examples_on_the_last_axis(tmp_path):
    path = tmp_path / "train_32x32.mat"
    colour = np.repeat(IMAGES[:300, :, :, None], 3, axis=3).transpose(1, 2, 3, 0)
    tens = np.where(LABELS[:300] == 0, 10, LABELS[:300])
    scipy.io.savemat(path, {"X": colour, "y": tens[:, None].astype(np.uint8)}, do_compression=True)
    data = ls.load(path)
    assert (len(data), data.kind, data.classes[-1]) == (300, "image", "10")
    assert np.array_equal(data.inputs[7][..., 0], IMAGES[7])
    ls.apply(path, patch=patch(tmp_path, f"3,{tens[3]},10", f"2,{tens[2]},"), out=tmp_path / "clean")
    again = scipy.io.loadmat(tmp_path / "clean/train_32x32.mat")
    assert again["X"].shape == (8, 8, 3, 299) and again["y"].shape == (299, 1) and again["y"][2, 0] == 10
    assert again["y"].dtype == np.uint8 and np.array_equal(again["X"][..., 2], colour[..., 3])


def test_fields_of_structs_and_cells_of_names(tmp_path):
    def part(rows):
        return {"images": IMAGES[rows].reshape(-1, 64), "labels": LABELS[rows, None] + 1.0}

    names = np.array([f"n{k}" for k in range(10)], object)
    whole = {"dataset": {"train": part(slice(0, 400)), "test": part(slice(400, 500)), "classes": names}}
    scipy.io.savemat(tmp_path / "e.mat", whole)
    data = ls.load(tmp_path / "e.mat")
    assert data.ids[400] == "test/0" and data.classes[data.labels[3]] == f"n{LABELS[3]}"
    lines = f"train/3,n{LABELS[3]},another", f"test/2,n{LABELS[402]},"
    ls.apply(tmp_path / "e.mat", patch=patch(tmp_path, *lines), out=tmp_path / "clean")
    again = scipy.io.loadmat(tmp_path / "clean/e.mat", simplify_cells=True)["dataset"]
    assert again["train"]["labels"][3] == 11 and again["classes"][10] == "another"
    assert len(again["test"]["images"]) == 99


def test_sparse_features_and_cells_of_labels(tmp_path):
    texts = np.array([f"c{label}" for label in LABELS[:200]], object)
    scipy.io.savemat(tmp_path / "s.mat", {"fea": csc_matrix(DIGITS.data[:200]), "gnd": texts[:, None]})
    data = ls.load(tmp_path / "s.mat")
    assert np.array_equal(data.inputs, DIGITS.data[:200]) and data.classes[0] == "c0"
    lines = f"3,c{LABELS[3]},c9", f"2,c{LABELS[2]},"
    ls.apply(tmp_path / "s.mat", patch=patch(tmp_path, *lines), out=tmp_path / "clean")
    again = scipy.io.loadmat(tmp_path / "clean/s.mat", simplify_cells=True)
    assert again["gnd"][2] == "c9" and again["fea"].shape == (199, 64)


def test_version_7_3_is_hdf5_with_reversed_axes(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "v73.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["X"] = IMAGES[:300].reshape(300, -1).astype(float).T
        file["Y"] = LABELS[None, :300] + 1.0
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .")
    data = ls.load(path)
    assert np.array_equal(data.inputs[5], IMAGES[5].ravel()) and data.classes[-1] == "10"
    lines = f"3,{LABELS[3] + 1},9", f"2,{LABELS[2] + 1},"
    ls.apply(path, patch=patch(tmp_path, *lines), out=tmp_path / "clean")
    with h5py.File(tmp_path / "clean/v73.mat") as file:
        assert file["X"].shape == (64, 299) and file["Y"].shape == (1, 299) and file["Y"][0, 2] == 9


def test_cells_of_labels_in_version_7_3(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "v73.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = IMAGES[:90].transpose(0, 2, 1)
        cells = np.empty((1, 90), h5py.ref_dtype)
        for i in range(90):
            cell = file.create_dataset(f"#refs#/r{i}", data=np.array([[ord(c)] for c in f"c{LABELS[i] % 3}"], "u2"))
            cells[0, i] = cell.ref
        file.create_dataset("labels", data=cells).attrs["MATLAB_class"] = np.bytes_("cell")
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .")
    before = ls.load(path)
    assert before.classes == ("c0", "c1", "c2") and np.array_equal(before.inputs[4], IMAGES[4])
    lines = f"3,c{LABELS[3] % 3},c2", f"2,c{LABELS[2] % 3},"
    ls.apply(path, patch=patch(tmp_path, *lines), out=tmp_path / "clean")
    after = ls.load(tmp_path / "clean/v73.mat")
    assert after.labels.tolist() == [*before.labels[:2], 2, *before.labels[4:]]
    with pytest.raises(UserError, match="has no class 'c7', and its labels are cells"):
        ls.apply(path, patch=patch(tmp_path, f"3,c{LABELS[3] % 3},c7"), out=tmp_path / "other")


def test_char_matrices_missing_labels_and_version_4(tmp_path):
    names = [("one", "three")[k % 2] for k in LABELS[:90]]
    for version in "45":
        scipy.io.savemat(tmp_path / "c.mat", {"X": DIGITS.data[:90], "y": np.array(names)}, format=version)
        assert ls.load(tmp_path / "c.mat").classes == ("one", "three")
        out = tmp_path / version
        ls.apply(tmp_path / "c.mat", patch=patch(tmp_path, f"3,{names[3]},one", f"2,{names[2]},"), out=out)
        again = scipy.io.loadmat(out / "c.mat")["y"]
        assert [text.rstrip() for text in again[:4]] == [*names[:2], "one", names[4]]
    codes = np.where(np.arange(90) == 7, np.nan, LABELS[:90] + 1.0)
    classes = np.array([f"n{k}" for k in range(10)], object)
    scipy.io.savemat(tmp_path / "n.mat", {"X": DIGITS.data[:90], "y": codes[:, None], "classes": classes})
    data = ls.load(tmp_path / "n.mat")
    assert [item.id for item in data.excluded] == ["7"] and data.classes[data.labels[3]] == f"n{LABELS[3]}"


def test_an_array_of_structs_is_told(tmp_path):
    rows = np.array([(1.0, "a"), (2.0, "b")], [("x", object), ("label", object)])
    scipy.io.savemat(tmp_path / "s.mat", {"s": rows})
    with pytest.raises(UserError, match="arrays of structs are not read: s. In MATLAB save cellstr"):
        ls.load(tmp_path / "s.mat")


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "f.mat").write_bytes(b"nothing of MATLAB")
    with pytest.raises(UserError, match="f.mat cannot be read as a MATLAB file"):
        ls.load(tmp_path / "f.mat")
