"""Bytes in a column, columns without end, JSON too deep, archives inside addresses, members of an archive that are no
arrays."""

import io
import json
import resource
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelsieve.core.errors import UserError
from labelsieve.data import load

N = 12
LABELS = ["a", "b"] * 6
DIGESTS = [bytes(np.random.default_rng(i).integers(0, 256, 32, dtype=np.uint8)) for i in range(N)]


def picture(i: int, form: str = "PNG") -> bytes:
    image, file = pytest.importorskip("PIL.Image"), io.BytesIO()
    image.new("RGB", (8, 8), (i, 0, 0)).save(file, form)
    return file.getvalue()


@pytest.fixture(params=["frame", "parquet"])
def read(request, tmp_path):
    def read(columns, **named):
        table = pa.table(columns)
        if request.param == "frame":
            return load(table, **named)
        pq.write_table(table, tmp_path / "t.parquet")
        return load(tmp_path / "t.parquet", **named)

    return read


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(32)])
def test_bytes_that_are_not_pictures_are_not_read_as_pictures(read, kind):
    digest = pa.array(DIGESTS, kind)
    features = read({"digest": digest, "x": range(N), "label": LABELS})
    assert features.kind == "features" and features.columns.unused == {"digest": "bytes that are not pictures"}
    assert read({"digest": digest, "note": [f"note {i}" for i in range(N)], "label": LABELS}).kind == "text"
    with pytest.raises(UserError, match="It is not clear which column"):
        read({"digest": digest, "label": LABELS})
    with pytest.raises(UserError, match="'digest' .* neither paths nor encoded images"):
        read({"digest": digest, "label": LABELS}, image="digest")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_bytes_that_are_pictures_are(read, form):
    data = read({"scan": [picture(i, form) for i in range(N)], "x": range(N), "label": LABELS})
    assert data.kind == "image" and data.inputs[3] == picture(3, form)


@pytest.mark.parametrize("kind", [pa.binary(), pa.binary_view()])
def test_texts_that_were_written_as_bytes_are_texts(read, kind):
    body = pa.array([f"caf\u00e9 {i}".encode() for i in range(N)], kind)
    data = read({"body": body, "label": LABELS})
    assert data.kind == "text" and data.inputs[2] == "caf\u00e9 2"
    ids = pa.array([f"k{i}".encode() for i in range(N)], kind)
    keyed = read({"id": ids, "x": range(N), "label": pa.array([label.encode() for label in LABELS], kind)})
    assert keyed.ids[1] == "k1" and keyed.classes == ("a", "b") and keyed.inputs.shape == (N, 1)


def test_sounds_are_not_read_as_pictures(read):
    sounds = [{"bytes": b"RIFF\0\0\0\0WAVEfmt ", "path": None}] * N
    assert read({"audio": sounds, "x": range(N), "label": LABELS}).kind == "features"


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_digits_are_text_where_the_user_says_so(tmp_path, suffix):
    mark = "," if suffix == "csv" else "\t"
    path = tmp_path / f"t.{suffix}"
    path.write_text(f"code{mark}label\n" + "".join(f"{i:04}{mark}{label}\n" for i, label in enumerate(LABELS)))
    data = load(path, text="code")
    assert data.kind == "text" and list(data.inputs)[:3] == ["0000", "0001", "0002"]
    assert load(path).kind == "features"


def test_numbers_in_a_frame_are_not_text(read):
    with pytest.raises(UserError, match="holds no text.*store them as text"):
        read({"code": range(N), "label": LABELS}, text="code")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_too_many_columns_are_refused_before_they_fill_the_memory(tmp_path, name):
    names = [*(f"g{i}" for i in range(100_001)), "label"]
    path = tmp_path / name
    if name.endswith("sv"):
        mark = "," if name == "t.csv" else "\t"
        path.write_text("\n".join([mark.join(names), *(mark.join(["1"] * 100_001 + [label]) for label in "ab")]))
    else:
        path.write_text("".join(json.dumps(dict.fromkeys(names, 1)) + "\n" for _ in range(2)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=f"{name} has 100,002 columns, but at most 100,000 can be read"):
        load(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert name not in ("t.csv", "t.tsv") or grown < 200_000  # kB


def test_some_thousand_columns_are_read_quickly(tmp_path):
    names = [*(f"g{i}" for i in range(3_000)), "label"]
    rows = [",".join(map(str, [*range(i, 3_000 + i), label])) for i, label in enumerate(LABELS)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(names), *rows]))
    assert load(tmp_path / "t.csv").inputs.shape == (N, 3_000)


@pytest.mark.parametrize("mark", ["[]", "{}"])
def test_json_that_is_nested_too_deep(tmp_path, mark):
    for depth in (300, 5_000, 100_000):
        deep = '{"a":' * depth + "1" + "}" * depth if mark == "{}" else "[" * depth + "]" * depth
        (tmp_path / "t.jsonl").write_text(f'{{"text": "p", "label": 0}}\n{{"text": "q", "label": 1, "more": {deep}}}\n')
        with pytest.raises(UserError, match=r"t\.jsonl, line 2 is nested more than 200 levels deep"):
            load(tmp_path / "t.jsonl")
    flat = "[" + "[1]," * 400 + "[1]]"
    (tmp_path / "t.jsonl").write_text(f'{{"text": "p", "label": 0}}\n{{"text": "q", "label": 1, "more": {flat}}}\n')
    assert load(tmp_path / "t.jsonl").kind == "text"


def test_archives_inside_addresses(tmp_path):
    pytest.importorskip("fsspec")
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name in ("photos/cat/a.png", "photos/dog/b.png", "tables/a.png", "tables/b.png"):
            archive.writestr(name, picture(1))
        archive.writestr("tables/t.csv", "image,label\na.png,x\nb.png,y\n")
    folder = load(f"zip://photos::{tmp_path / 'd.zip'}")
    assert folder.ids.tolist() == ["cat/a.png", "dog/b.png"] and folder.inputs[1] == picture(1)
    table = load(f"zip://tables/t.csv::file://{tmp_path / 'd.zip'}")
    assert table.classes == ("x", "y") and table.inputs[0] == picture(1)
    (tmp_path / "t.csv").write_text("x,label\n1,a\n2,b\n")
    assert load(f"simplecache::file://{tmp_path / 't.csv'}").inputs.shape == (2, 1)


@pytest.mark.parametrize(
    "address",
    [
        "zip://t.csv::/nowhere/d.zip",
        "zip://",
        "tar://x::y",
        "reference://a",
        "generic://a.csv",
        "data://x",
        "ftp://127.0.0.1:1/x.csv",
        "http://127.0.0.1:1/x.csv",
        "a::b://c.csv",
        "simplecache::nowhere.csv",
        "nosuch://x.csv",
        "zip://a.csv::nosuch://b.zip",
        "://x.csv",
    ],
)
def test_addresses_that_cannot_be_used_are_refused(address):
    pytest.importorskip("fsspec")
    with pytest.raises(UserError) as caught:
        load(address)
    assert address in str(caught.value)


def test_members_of_an_archive_that_are_not_arrays(tmp_path):
    np.savez(tmp_path / "d.npz", features=np.eye(4), labels=[0, 1, 0, 1])
    with zipfile.ZipFile(tmp_path / "d.npz", "a") as archive:
        archive.writestr("readme.txt", "about")
    assert len(load(tmp_path / "d.npz")) == 4
    for name in ("features", "features.npy", "labels"):
        with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
            archive.writestr(name, "no array")
        with pytest.raises(UserError, match=r"e\.npz cannot be read as an \.npz file: .*is not an array"):
            load(tmp_path / "e.npz")
    header = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 9999), }"
    with zipfile.ZipFile(tmp_path / "h.npz", "w") as archive:
        archive.writestr("features.npy", header.ljust(127) + b"\n")
    (tmp_path / "h.npy").write_bytes(header.ljust(127) + b"\n")
    for name in ("h.npz", "h.npy"):
        with pytest.raises(UserError, match=f"{name} cannot be read"):
            load(tmp_path / name, labels=[0, 1])
