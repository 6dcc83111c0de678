"""A column that is too large for the memory stays in its Parquet file, and is the same data."""

import os
import pickle
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import labelsieve as ls
from labelsieve.core.input_parts import groups, part
from labelsieve.places import parquet_column
from labelsieve.places.parquet_column import ParquetColumn

N = 700


def texts() -> list[str | None]:
    some: list[str | None] = [f"question {i} about " + "cards " * (i % 7) for i in range(N)]
    some[3], some[300], some[699] = "", None, "  \t"
    return some


def pictures() -> list[bytes | None]:
    some: list[bytes | None] = [bytes([137, 80, 78, 71, i % 256, i // 256]) * 9 for i in range(N)]
    some[5] = None
    return some


def labels() -> list[str | None]:
    return [None if i == 11 else "ab"[i % 2] for i in range(N)]


@pytest.fixture(params=[64, 1000], ids=["small row groups", "one row group"])
def write(request, tmp_path):
    def write(kind: str, values, **more):
        path = tmp_path / "table.parquet"
        pq.write_table(pa.table({kind: values, "label": labels(), **more}), path, row_group_size=request.param)
        return str(path)

    return write


@pytest.fixture
def large(monkeypatch):
    """Every column is large, and read a few rows at a time."""
    monkeypatch.setattr(parquet_column, "LARGE", 0)
    monkeypatch.setattr(parquet_column, "_AT_ONCE", 500)


def column_of(data) -> ParquetColumn:
    return getattr(data.inputs, "_inputs", data.inputs)


@pytest.mark.parametrize("kind", ["text", "image"])
def test_it_is_the_same_data(kind, write, monkeypatch):
    path = write(kind, texts() if kind == "text" else pictures(), id=[f"k{i}" for i in range(N)])
    whole = ls.load(path)
    monkeypatch.setattr(parquet_column, "LARGE", 0)
    lazy = ls.load(path)
    assert isinstance(column_of(lazy), ParquetColumn) and not isinstance(column_of(whole), ParquetColumn)
    if kind == "image":  # a picture that is missing is found when it is read
        assert lazy.inputs[lazy.ids.tolist().index("k5")] is None
        lazy = lazy.pick(np.flatnonzero(lazy.ids != "k5"))
    else:
        assert lazy.excluded == whole.excluded and len(lazy.excluded) == 4
    assert lazy.ids.tolist() == whole.ids.tolist() and np.array_equal(lazy.labels, whole.labels)
    assert [lazy.inputs[i] for i in range(len(lazy))] == [whole.inputs[i] for i in range(len(whole))]


def test_any_order_and_several_threads(write, large):
    data = ls.load(write("text", texts()))
    expected = [text for i, text in enumerate(texts()) if i not in (3, 11, 300, 699)]
    rng = np.random.default_rng(0)
    for i in rng.integers(0, len(data), 60).tolist():
        assert data.inputs[i] == expected[i]
    got = {}

    def read(start: int) -> None:
        for i in range(start, len(data), 4):
            got[i] = data.inputs[i]

    threads = [threading.Thread(target=read, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[i] for i in range(len(data))] == expected


def test_a_part_travels_as_numbers_of_rows(write, large):
    data = ls.load(write("image", pictures()))
    _ = data.inputs[0]
    rows = np.array([650, 3, 64, 65])
    some = part(data.inputs, rows)
    sent = pickle.dumps(some)
    assert len(sent) < 2000
    assert list(pickle.loads(sent)) == [data.inputs[int(i)] for i in rows]
    at = groups(data.inputs)
    if len(column_of(data).starts) > 2:
        assert at is not None and at[:3].tolist() == [0, 0, 0] and at[-1] == 10 and (np.diff(at) >= 0).all()


def test_each_row_group_is_read_once_in_order(write, large, monkeypatch):
    data, opened = ls.load(write("image", pictures())), []
    real = parquet_column._Reader.of_group

    def of_group(self, group):
        opened.append(group)
        return real(self, group)

    monkeypatch.setattr(parquet_column._Reader, "of_group", of_group)
    assert len(list(data.inputs)) == N - 1
    assert opened == list(range(len(column_of(data).starts) - 1))


def test_texts_that_are_not_utf_8_are_repaired_as_in_memory(write, monkeypatch):
    raw = [f"caf\u00e9 {i}".encode("latin-1") for i in range(N)]
    path = write("text", pa.array(raw, pa.binary()).view(pa.string()))
    whole = ls.load(path)
    monkeypatch.setattr(parquet_column, "LARGE", 0)
    lazy = ls.load(path)
    assert [lazy.inputs[i] for i in range(5)] == [whole.inputs[i] for i in range(5)] and lazy.notes == whole.notes


def test_hugging_face_records_and_paths_beside_the_table(write, large, tmp_path):
    (tmp_path / "one.png").write_bytes(b"\x89PNG one")
    records = [{"bytes": None, "path": "one.png"} if i == 2 else {"bytes": b"\x89PNG", "path": None} for i in range(N)]
    data = ls.load(write("image", pa.array(records, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))))
    assert isinstance(column_of(data), ParquetColumn)
    assert data.inputs[2] == b"\x89PNG one" and data.inputs[3] == b"\x89PNG"


def test_paths_of_pictures_are_read_as_ever(write, large, tmp_path):
    for i in range(N):
        (tmp_path / f"{i}.png").touch()
    data = ls.load(write("image", [f"{i}.png" for i in range(N)]))
    assert data.inputs.paths[0] == str(tmp_path / "0.png")


def test_a_file_that_vanished_is_a_reason_not_a_crash(write, large):
    path = write("image", pictures())
    data = ls.load(path)
    os.unlink(path)
    with pytest.raises(OSError):
        _ = data.inputs[0]
