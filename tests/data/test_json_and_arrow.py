"""Tables in JSON, Arrow and Feather files, as pandas, FiftyOne, datasets and others write them."""

import json

import numpy as np
import pytest

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
            "No annotation in .* answers a Choices or Taxonomy control",
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
