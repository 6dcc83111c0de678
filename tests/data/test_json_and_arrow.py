"""Tables in JSON, Arrow and Feather files, as pandas, FiftyOne, datasets and others write them."""

import json

import numpy as np
import pytest
from PIL import Image

from labelsieve.core.errors import UserError
from labelsieve.corrections.corrected_copy import write_copy
from labelsieve.corrections.patch import Change
from labelsieve.data import load

ROWS = [{"id": f"r{i}", "text": f"text {i}", "label": "ab"[i % 2]} for i in range(6)]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


def by_id(data):
    return {key: data.classes[label] for key, label in zip(data.ids, data.labels, strict=True)}


EXPECTED = {row["id"]: row["label"] for row in ROWS}


@pytest.mark.parametrize("layout", ["records", "columns", "pandas", "split", "table", "index", "wrapped"])
def test_layouts_of_json(tmp_path, layout):
    pandas = pytest.importorskip("pandas")
    file = tmp_path / "d.json"
    frame = pandas.DataFrame(COLUMNS)
    if layout == "pandas":
        frame.to_json(file)
    elif layout in ("split", "table", "index"):
        (frame.set_index("id") if layout == "index" else frame).to_json(file, orient=layout)
    else:
        value = {"records": ROWS, "columns": COLUMNS, "wrapped": {"version": "1", "rows": ROWS}}[layout]
        file.write_text(json.dumps(value))
    data = load(file)
    assert by_id(data) == EXPECTED and data.kind == "text" and data.inputs[2] == "text 2"
    copied = write_copy(data, [Change("r1", "b", "a"), Change("r4", "a", "")], [], tmp_path / "out")
    assert "d.json" in copied.files
    assert by_id(load(tmp_path / "out/d.json")) == {**{k: v for k, v in EXPECTED.items() if k != "r4"}, "r1": "a"}
    before, after = (json.loads(path.read_text()) for path in (file, tmp_path / "out/d.json"))
    assert type(before) is type(after) and (isinstance(before, list) or before.keys() <= after.keys() | {"r4"})
    if layout not in ("records", "columns", "wrapped"):
        orient = "columns" if layout == "pandas" else layout
        again = pandas.read_json(tmp_path / "out/d.json", orient=orient)
        assert again["label"].tolist() == list("aaabb") and {"text", "label_before"} <= {*again.columns}


def test_a_dict_of_labels_stays_one(tmp_path):
    for i in range(6):
        Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "d.json").write_text(json.dumps({f"{i}.png": "ab"[i % 2] for i in range(6)}))
    data = load(tmp_path / "d.json")
    write_copy(data, [Change("1.png", "b", "a"), Change("4.png", "a", "")], [], tmp_path / "out")
    assert json.loads((tmp_path / "out/d.json").read_text()) == {
        f"{i}.png": "aaabb"[n] for n, i in enumerate([0, 1, 2, 3, 5])
    }


def test_labels_by_id_in_json(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(6))
    (tmp_path / "y.json").write_text(json.dumps(EXPECTED))
    with pytest.raises(UserError, match="6 ids that the data do not have"):
        load(tmp_path / "x.npy", labels=tmp_path / "y.json")
    (tmp_path / "f.json").write_text(json.dumps({"classes": ["u", "v"], "labels": {str(i): i % 2 for i in range(6)}}))
    assert load(tmp_path / "x.npy", labels=tmp_path / "f.json").classes == ("u", "v")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ('{"a": 1}\n{"a": 2}\n', "name it .jsonl"),
        ("[1, 2]", "is a list of int; it should be a list of records"),
        ("[]", "holds no rows"),
        ("3", "holds a single int"),
        ('{"a": [1], "b": [1, 2]}', "is a JSON object with a, b; it should be"),
        (
            '[{"id": 1, "data": {"text": "a"}, "annotations": []}]',
            "No annotation in .* answers a Choices, Taxonomy or Rating control",
        ),
    ],
)
def test_json_that_is_no_table(tmp_path, content, says):
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(UserError, match=says):
        load(tmp_path / "d.json")


@pytest.mark.parametrize("kind", ["feather", "file", "stream"])
def test_arrow_files(tmp_path, kind):
    import pyarrow as pa
    from pyarrow import feather

    table = pa.table(COLUMNS)
    file = tmp_path / ("d.feather" if kind == "feather" else "d.arrow")
    if kind == "feather":
        feather.write_feather(table, str(file))
    else:
        with (pa.ipc.new_file if kind == "file" else pa.ipc.new_stream)(str(file), table.schema) as writer:
            writer.write_table(table)
    data = load(file)
    assert by_id(data) == EXPECTED
    write_copy(data, [Change("r1", "b", "a")], [], tmp_path / "out")
    assert by_id(load(tmp_path / "out" / file.name)) == {**EXPECTED, "r1": "a"}
    file.write_bytes(b"nothing of this kind")
    with pytest.raises(UserError, match="cannot be read as a table"):
        load(file)


LABELS = ["b", "a", "c"] * 20


def copied(path, changes):
    out = path.parent / f"{path.name} corrected"
    write_copy(load(path), [Change(*change.split(",")) for change in changes], [], out)
    return out / path.name


@pytest.mark.parametrize("name", ["d.parquet", "d.feather"])
def test_categories_of_pandas_keep_their_order(tmp_path, name):
    pandas = pytest.importorskip("pandas")
    kind = pandas.CategoricalDtype(["c", "b", "a", "unused"], ordered=True)
    keys = pandas.Index([f"k{i}" for i in range(60)], name="key")
    frame = pandas.DataFrame({"x": np.arange(60) / 7, "label": pandas.Categorical(LABELS, dtype=kind)}, index=keys)
    read, write = (
        (pandas.read_parquet, frame.to_parquet)
        if name == "d.parquet"
        else (pandas.read_feather, frame.reset_index().to_feather)
    )
    write(tmp_path / name)
    ids = load(tmp_path / name).ids
    again = read(copied(tmp_path / name, [f"{ids[3]},b,c", f"{ids[5]},c,"]))
    assert again["label"].dtype == kind and again["label"].tolist()[:5] == ["b", "a", "c", "c", "a"]
    assert again["label_before"].dtype == kind and (name == "d.feather" or again.index[5] == "k6")


@pytest.mark.parametrize("name", ["d.parquet", "d.arrow"])
def test_categories_of_polars_come_back_as_they_were(tmp_path, name):
    pl = pytest.importorskip("polars")
    for kind in (pl.Categorical, pl.Enum(["unused", "c", "b", "a"])):
        frame = pl.DataFrame({"text": [f"t {i}" for i in range(60)], "label": pl.Series(LABELS, dtype=kind)})
        path = tmp_path / kind.__class__.__name__ / name
        path.parent.mkdir()
        (frame.write_parquet if name == "d.parquet" else frame.write_ipc)(path)
        read = pl.read_parquet if name == "d.parquet" else pl.read_ipc
        again = read(copied(path, ["3,b,c", "5,c,"]))
        assert again["label"].dtype == kind and again["label"].to_list()[:5] == ["b", "a", "c", "c", "a"]
        path = path.rename(path.with_name(f"e{path.suffix}"))
        again = read(copied(path, ["3,b,\u00fcber"]))
        assert again["label"][3] == "\u00fcber"
        if kind is not pl.Categorical:
            assert again["label"].dtype == pl.Enum(["unused", "c", "b", "a", "\u00fcber"])


def test_packing_and_row_groups_stay(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import feather

    table = pa.table({"text": ["t"] * 3000, "label": LABELS * 50})
    sizes = {}
    for how in ("zstd", "lz4", "uncompressed"):
        feather.write_feather(table, str(tmp_path / f"{how}.feather"), compression=how)
        sizes[how] = copied(tmp_path / f"{how}.feather", ["3,b,c"]).stat().st_size
    assert sizes["zstd"] < sizes["lz4"] < sizes["uncompressed"]
    pq.write_table(table, tmp_path / "d.parquet", compression={"text": "zstd", "label": "none"}, row_group_size=1000)
    about = pq.read_metadata(copied(tmp_path / "d.parquet", ["3,b,c"]))
    packed = [about.row_group(0).column(i).compression for i in range(2)]
    assert (packed, about.num_row_groups) == (["ZSTD", "UNCOMPRESSED"], 3)


def test_class_names_of_datasets_stay(tmp_path):
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["b", "a", "c"])
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    rows = {"text": [f"t {i}" for i in range(60)], "label": [i % 3 for i in range(60)]}
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "d.parquet")
    again = datasets.Dataset.from_parquet(
        str(copied(tmp_path / "d.parquet", ["3,b,new"])), cache_dir=str(tmp_path / "cache")
    )
    assert again.features["label"].names == ["b", "a", "c", "new"] == again.features["label_before"].names
    assert again["label"][:5] == [0, 1, 2, 3, 1] and again["label_before"][3] == 0
