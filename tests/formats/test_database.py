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


def by_key(data):
    return {key: data.classes[label] for key, label in zip(data.ids, data.labels, strict=True)}


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (key TEXT PRIMARY KEY, x REAL, label TEXT) WITHOUT ROWID",
        "CREATE TABLE t (key TEXT, rowid TEXT DEFAULT 'same', x REAL, label TEXT)",
    ],
    ids=["without row ids", "a column called rowid"],
)
def test_rows_of_sqlite_are_told_apart(tmp_path, sql):
    connection = sqlite3.connect(tmp_path / "n.db")
    connection.execute(sql)
    rows = [(f"k{i:03}", float(DIGITS.data[i, 20]), f"c{LABELS[i]}") for i in range(200)]
    connection.executemany("INSERT INTO t (key, x, label) VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    before = by_key(ls.load(tmp_path / "n.db", id="key"))
    (tmp_path / "p.csv").write_text(f"id,old,new\nk003,c{LABELS[3]},c9\nk002,c{LABELS[2]},\n")
    ls.apply(tmp_path / "n.db", id="key", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    del before["k002"]
    assert by_key(ls.load(tmp_path / "clean/n.db", id="key")) == {**before, "k003": "c9"}


@pytest.mark.parametrize(
    ("sql", "label"),
    [
        ("CREATE TABLE t AS SELECT i::DOUBLE AS x, ['c' || (i % 3)] AS label FROM range(200) r(i)", ["c2"]),
        (
            "CREATE TABLE t (x DOUBLE PRIMARY KEY, label VARCHAR); CREATE INDEX of_label ON t (label); "
            "INSERT INTO t SELECT i, 'c' || (i % 3) FROM range(200) r(i)",
            "c2",
        ),
    ],
    ids=["lists", "an index"],
)
def test_duckdb_keeps_the_order_of_the_rows(tmp_path, sql, label):
    """It moves a row to the end whose label is a list or has an index."""
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute(sql)
    (tmp_path / "p.csv").write_text("id,old,new\n3,c0,c2\n5,c2,\n")
    ls.apply(tmp_path / "d.duckdb", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    with duckdb.connect(str(tmp_path / "clean/d.duckdb")) as connection:
        rows = connection.execute("SELECT x, label FROM t").fetchall()
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (1,)
    assert [x for x, _ in rows] == [*map(float, range(5)), *map(float, range(6, 200))] and rows[3][1] == label


def test_a_type_of_names_and_another_schema(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad'); CREATE SCHEMA survey")
        select = "SELECT i::DOUBLE AS x, (['sad', 'ok', 'glad'])[1 + i % 3]::mood AS label FROM range(99) r(i)"
        connection.execute(f"CREATE TABLE survey.answers AS {select}")
    assert ls.load(f"{tmp_path}/d.duckdb::survey.answers").classes == ("glad", "ok", "sad")
    (tmp_path / "p.csv").write_text("id,old,new\n3,sad,furious\n")
    with pytest.raises(UserError, match="does not take the new labels: .*furious"):
        ls.apply(tmp_path / "d.duckdb", patch=tmp_path / "p.csv", out=tmp_path / "clean")


def test_another_file_is_told(tmp_path):
    (tmp_path / "a.db").write_bytes(b"no database at all")
    with pytest.raises(UserError, match="is neither a SQLite nor a DuckDB file"):
        ls.load(tmp_path / "a.db")
