"""Tables in SQLite and DuckDB files, through load and apply; their own libraries write and read them."""

import io
import sqlite3

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.core.errors import UserError

DIGITS = load_digits()
IMAGES = (DIGITS.images * 15).astype(np.uint8)
LABELS = DIGITS.target


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


@pytest.fixture(params=["sqlite3", "duckdb"])
def library(request):
    return pytest.importorskip(request.param)


@pytest.fixture
def place(library, tmp_path):
    """A database of two tables; the other is empty."""
    path = tmp_path / "data.db"
    connection = library.connect(str(path))
    connection.execute("CREATE TABLE pictures (key TEXT, picture BLOB, label TEXT)")
    connection.execute("CREATE TABLE other (x INT)")
    rows = [(f"n{i}", png(IMAGES[i]), f"c{LABELS[i]}") for i in range(200)]
    connection.executemany("INSERT INTO pictures VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return path


def test_a_table_is_read_by_its_columns(place):
    with pytest.raises(UserError, match=r"holds 2 tables \(other, pictures\); name one as .*data.db::other"):
        ls.load(place)
    data = ls.load(f"{place}::pictures", id="key")
    assert (len(data), data.kind, data.ids[7], data.classes[3]) == (200, "image", "n7", "c3")
    assert data.inputs[7] == png(IMAGES[7])
    with pytest.raises(UserError, match="no table 'picture'. Did you mean 'pictures'"):
        ls.load(f"{place}::picture")


def test_the_library_reads_the_corrected_copy(library, place, tmp_path):
    (tmp_path / "p.csv").write_text(f"id,old,new\nn3,c{LABELS[3]},c9\nn5,c{LABELS[5]},unknown\nn2,c{LABELS[2]},\n")
    applied = ls.apply(f"{place}::pictures", id="key", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    assert (applied.relabelled, applied.left_out) == (2, 1)
    connection = library.connect(str(tmp_path / "clean/data.db"))
    found = dict(connection.execute("SELECT key, label FROM pictures").fetchall())
    assert len(found) == 199 and (found["n3"], found["n5"], found["n4"]) == ("c9", "unknown", f"c{LABELS[4]}")
    assert connection.execute("SELECT count(*) FROM other").fetchone() == (0,)
    connection.close()


def test_numbers_are_features_and_a_view_cannot_be_changed(tmp_path):
    connection = sqlite3.connect(tmp_path / "n.sqlite")
    connection.execute("CREATE TABLE t (a REAL, b REAL, label INT)")
    rows = [(float(row[20]), float(row[30]), int(label)) for row, label in zip(DIGITS.data, LABELS, strict=True)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.execute("CREATE VIEW v AS SELECT * FROM t")
    connection.commit()
    connection.close()
    data = ls.load(f"{tmp_path}/n.sqlite::t")
    assert data.columns.names == ("a", "b") and data.labels.tolist() == LABELS.tolist()
    (tmp_path / "p.csv").write_text(f"id,old,new\n3,{LABELS[3]},nine\n")
    with pytest.raises(UserError, match="are whole numbers, so 'nine' cannot be one of them"):
        ls.apply(f"{tmp_path}/n.sqlite::t", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    (tmp_path / "p.csv").write_text(f"id,old,new\n3,{LABELS[3]},9\n")
    with pytest.raises(UserError, match="v in .* is a view or has no row ids"):
        ls.apply(f"{tmp_path}/n.sqlite::v", patch=tmp_path / "p.csv", out=tmp_path / "clean")


def test_another_file_is_told(tmp_path):
    (tmp_path / "a.db").write_bytes(b"no database at all")
    with pytest.raises(UserError, match="is neither a SQLite nor a DuckDB file"):
        ls.load(tmp_path / "a.db")
