"""IDX files through load, find and apply; the files are also read by torchvision's rules: big-endian, C order."""

import gzip
import struct

import numpy as np
import pytest
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.core.errors import UserError

DIGITS = load_digits()
IMAGES = (DIGITS.images * 15).astype(np.uint8)
WRONG = 7


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    labels = DIGITS.target.astype(np.uint8)
    labels[WRONG] = (labels[WRONG] + 1) % 10
    place = tmp_path / "mnist"
    place.mkdir()
    for split, rows in (("train", slice(0, 600)), ("t10k", slice(600, 700))):
        (place / f"{split}-images-idx3-ubyte").write_bytes(idx(IMAGES[rows]))
        (place / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels[rows])))
    return place


def test_both_splits_are_read_and_keep_their_names(folder):
    data = ls.load(folder)
    assert (len(data), data.kind, data.classes) == (700, "image", tuple("0123456789"))
    assert data.ids[0] == "train/0" and data.ids[600] == "t10k/0"
    assert np.array_equal(data.inputs[650], IMAGES[650])
    one = ls.load(folder / "t10k-images-idx3-ubyte")
    assert len(one) == 100 and one.ids[0] == "0"


def test_apply_writes_the_same_files_with_the_new_label(folder, tmp_path):
    (tmp_path / "patch.csv").write_text("id,old,new\ntrain/7,8,7\nt10k/3,,\n".replace(",,", f",{DIGITS.target[603]},"))
    applied = ls.apply(folder, patch=tmp_path / "patch.csv", out=tmp_path / "clean")
    assert (applied.relabelled, applied.left_out) == (1, 1)
    again = ls.load(tmp_path / "clean")
    assert len(again) == 699 and again.classes[again.labels[7]] == "7"
    assert (tmp_path / "clean/train-images-idx3-ubyte").read_bytes() == (
        folder / "train-images-idx3-ubyte"
    ).read_bytes()
    assert np.array_equal(again.inputs[603], IMAGES[604])


def test_a_label_of_all_ones_is_no_label(folder):
    labels = DIGITS.target[600:700].astype(np.uint8)
    labels[5] = 255
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    data = ls.load(folder)
    assert len(data) == 699 and data.excluded[0].id == "t10k/5"


def test_a_cut_file_and_an_unknown_format_are_told(folder):
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="t10k-images-idx3-ubyte is damaged"):
        ls.load(folder)
    with pytest.raises(UserError, match="no format 'idxx'. Did you mean 'idx'"):
        ls.load(folder, format="idxx")
