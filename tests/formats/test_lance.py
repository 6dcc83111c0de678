"""Lance data sets through load and apply; pylance writes and reads them."""

import io
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.core.errors import UserError
from labelsieve.core.read_many import read_many

DIGITS = load_digits()
IMAGES = (DIGITS.images * 15).astype(np.uint8)
LABELS = DIGITS.target


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


@pytest.fixture
def lance():
    return pytest.importorskip("lance")


@pytest.fixture
def pictures(lance, tmp_path):
    """Three fragments, of which one has lost a row."""
    import pyarrow as pa

    columns = {"key": [f"k{i}" for i in range(100)], "picture": [png(image) for image in IMAGES[:100]]}
    names = pa.array([f"c{k}" for k in LABELS[:100]]).dictionary_encode()
    table = pa.table({**columns, "label": names, "x": np.arange(100) / 7}).replace_schema_metadata({"made": "here"})
    lance.write_dataset(table, tmp_path / "d.lance", max_rows_per_file=40).delete("key = 'k9'")
    return tmp_path / "d.lance"


def test_pictures_stay_in_the_data_set(pictures):
    data = ls.load(pictures, id="key")
    assert (len(data), data.kind, data.ids[9], data.classes[data.labels[3]]) == (99, "image", "k10", f"c{LABELS[3]}")
    rows = [50, 3, 9, 3]
    assert list(read_many(data.inputs, rows)) == [png(IMAGES[i]) for i in (51, 3, 10, 3)]
    assert data.inputs.part(np.array([1, 9])).row_bytes == 0  # no picture is in memory


def test_the_copy_keeps_the_order(lance, pictures, tmp_path):
    (tmp_path / "p.csv").write_text(f"id,old,new\nk3,c{LABELS[3]},c9\nk50,c{LABELS[50]},new\nk2,c{LABELS[2]},\n")
    done = ls.apply(pictures, id="key", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    assert (done.relabelled, done.left_out) == (2, 1)
    copy = lance.dataset(tmp_path / "clean/d.lance")
    rows = copy.to_table().to_pylist()
    assert [row["key"] for row in rows] == [f"k{i}" for i in range(100) if i not in (2, 9)]
    found = {row["key"]: (row["label"], row["label_before"]) for row in rows}
    assert found["k3"] == ("c9", f"c{LABELS[3]}") and found["k50"][0] == "new" and found["k4"][0] == f"c{LABELS[4]}"
    assert rows[2]["picture"] == png(IMAGES[3]) and copy.schema.metadata == {b"made": b"here"}
    assert str(copy.schema.field("label").type).startswith("dictionary") and len(copy.get_fragments()) == 3
    (tmp_path / "q.csv").write_text("id,old,new\nk50,new,c1\n")
    ls.apply(tmp_path / "clean/d.lance", id="key", patch=tmp_path / "q.csv", out=tmp_path / "again")
    again = {row["key"]: row for row in lance.dataset(tmp_path / "again/d.lance").to_table().to_pylist()}
    assert again["k50"]["label"] == "c1" and again["k50"]["label_before"] == f"c{LABELS[50]}"


def test_vectors_are_features(lance, tmp_path):
    import pyarrow as pa

    vectors = pa.FixedSizeListArray.from_arrays(pa.array(DIGITS.data[:60].astype(np.float32).ravel()), 64)
    lance.write_dataset(pa.table({"vector": vectors, "label": LABELS[:60]}), tmp_path / "v.lance")
    data = ls.load(tmp_path / "v.lance")
    assert data.kind == "features" and np.array_equal(data.inputs, DIGITS.data[:60])
    with pytest.raises(UserError, match="has no column 'colour' to use as label"):
        ls.load(tmp_path / "v.lance", label="colour")


def test_a_damaged_data_set_is_told(lance, tmp_path):
    (tmp_path / "d.lance/_versions").mkdir(parents=True)
    with pytest.raises(UserError, match="d.lance cannot be read as a Lance data set"):
        ls.load(tmp_path / "d.lance")


def test_the_package_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lance", None)
    (tmp_path / "d.lance/_versions").mkdir(parents=True)
    with pytest.raises(UserError, match=r"needs pylance; install it with: pip install 'labelsieve\[lance\]'"):
        ls.load(tmp_path / "d.lance")
