"""Which columns of a table become features, the reasons for the others, and cells that are not numbers."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from labelsieve.core.errors import UserError
from labelsieve.data import load, load_inputs, load_probabilities

N = 60
LABELS = ["u", "v", "w"] * (N // 3)
NUMBERS = np.random.default_rng(0).normal(size=N).round(3).tolist()


def saved(tmp_path, name, columns):
    """A table in the format that the suffix says, or a frame."""
    frame = pd.DataFrame({**columns, "label": LABELS[: len(next(iter(columns.values())))]})
    if name == "pandas":
        return frame
    if name == "polars":
        return pl.DataFrame(frame.to_dict("list"), strict=False)
    path = tmp_path / name
    write = {"csv": frame.to_csv, "tsv": frame.to_csv, "parquet": frame.to_parquet, "jsonl": frame.to_json}[
        name.partition(".")[2]
    ]
    mark = "\t" if name.endswith("tsv") else ","
    write(
        path,
        **(
            {"orient": "records", "lines": True}
            if name == "t.jsonl"
            else {}
            if "parquet" in name
            else {"index": False, "sep": mark}
        ),
    )
    return path


def with_a_slip(values, at, cell):
    return [cell if i == at else str(value) for i, value in enumerate(values)]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet", "t.jsonl", "pandas", "polars"])
def test_which_columns_are_features(tmp_path, name):
    columns = {
        "f0": NUMBERS,
        "f1": with_a_slip(NUMBERS, 3, "oops"),
        "colour": ["red", "blue"] * (N // 2),
        "weight": [f"{value:.3f}".replace(".", ",") for value in NUMBERS],
        "half": [str(i) if i % 3 else "none yet" for i in range(N)],
        "void": [None] * N,
    }
    data = load(saved(tmp_path, name, columns))
    assert data.columns is not None and data.columns.names == ("f0", "f1")
    kept = np.delete(np.arange(N), 3)
    np.testing.assert_array_equal(data.inputs, np.stack([NUMBERS, NUMBERS], 1)[kept])
    assert [(item.id, item.reason) for item in data.excluded] == [
        ("3", "the column 'f1' holds 'oops', which is not a number")
    ]
    note = data.notes[0]
    assert note.startswith("Features: f0, f1; not used: ")
    comma = columns["weight"][0]
    for reason in (
        "colour (text)",
        f"weight (decimal commas, as in '{comma}')",
        "half (row 0 holds 'none yet')",
        "void (empty)",
    ):
        assert reason in note


def test_dates_categories_and_row_numbers():
    frame = pd.DataFrame(
        {"x": NUMBERS, "when": pd.Timestamp("2024-01-01"), "kind": pd.Categorical(LABELS), "label": LABELS}
    )
    table = (
        pa.table(frame)
        .append_column("Unnamed: 0", pa.array(range(N)))
        .append_column("ok", pa.array([True, False] * (N // 2)))
    )
    data = load(table)
    assert data.columns is not None and data.columns.names == ("x", "ok")
    assert data.columns.unused == {"when": "dates or times", "kind": "text", "Unnamed: 0": "row numbers"}


@pytest.mark.parametrize("gap", ["", "NA", "n/a", "?", "nan", "NULL"])
def test_words_for_a_missing_value_are_not_typos(tmp_path, gap):
    path = tmp_path / "t.csv"
    path.write_text("x,y,label\n" + "".join(f"{gap if i == 5 else i},+{i}.5,{'ab'[i % 2]}\n" for i in range(30)))
    data = load(path)
    assert [(item.id, item.reason) for item in data.excluded] == [("5", "a feature is missing, NaN or infinite")]
    assert data.inputs[3].tolist() == [3, 3.5]


def test_many_columns_stay_short(tmp_path):
    columns = {f"f{i}": NUMBERS for i in range(500)} | {f"t{i}": ["one", "two"] * (N // 2) for i in range(20)}
    (note,) = load(saved(tmp_path, "t.csv", columns)).notes
    assert (
        note.startswith("Features: f0 to f499 (500 columns); not used: t0 (text)")
        and note.endswith("and 14 more.")
        and len(note) < 200
    )


def test_a_table_without_numeric_columns_is_refused_with_reasons(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\tlabel\n" + "1,5\t2,5\tu\n2,25\t3,5\tv\n" * 10)
    with pytest.raises(
        UserError, match=r"No column .* holds numbers .*a \(decimal commas, as in '1,5'\), b \(decimal commas"
    ):
        load(path)


def test_columns_that_reveal_the_label_or_look_like_ids_are_noted(tmp_path):
    columns = {
        "x": NUMBERS,
        "patient": list(range(1000, 1000 + N)),
        "code": [3, 1, 2] * (N // 3),
        "age": [20 + i % 50 for i in range(N)],
    }
    path = saved(tmp_path, "t.csv", columns)
    _, *checks = load(path).notes
    assert [note.partition(" has ")[0] for note in checks] == ["To check: code", "To check: patient"]
    assert "as if it were the label" in checks[0] and "name it as the id" in checks[1]
    data = load(path, id="patient")
    assert data.ids[0] == "1000" and not any("patient" in note for note in data.notes)
    assert load_inputs(path).columns == load_inputs(path, label="label").columns


def test_arrays_and_texts_have_no_columns():
    assert load(np.eye(4), labels=list("abab")).columns is None
    assert load(pa.table({"text": ["a", "b"], "n": [1, 2], "label": [0, 1]})).columns is None
    assert load(pa.table({"v": [[1.0, 2.0], [3.0, 4.0]], "label": [0, 1]})).columns is None


def test_a_word_among_probabilities_is_reported(tmp_path):
    (tmp_path / "p.csv").write_text("u,v,w\n" + "0.2,0.5,0.3\n" * 1_500_000 + "0.2,oops,0.3\n")
    with pytest.raises(UserError, match=r"the column 'v' holds 'oops' in row 1500000 \(from 0\)"):
        load_probabilities(tmp_path / "p.csv", LABELS)


@pytest.mark.parametrize("series", [pd.Series, pl.Series])
def test_a_series_is_a_list_of_texts(series):
    data = load(series(["a cat", "a dog", None, "two cats"]), labels=series(["cat", "dog", "dog", "cat"]))
    assert (
        data.kind == "text" and list(data.inputs) == ["a cat", "a dog", "two cats"] and data.classes == ("cat", "dog")
    )
    assert [item.reason for item in data.excluded] == ["the text is empty"]
    with pytest.raises(UserError, match="A Series has no columns"):
        load(series(["a cat", "a dog"]), label="topic")


def test_measurements_are_refused_as_labels():
    x = np.random.default_rng(0).normal(size=(300, 2))
    with pytest.raises(UserError, match="decimal numbers, .*measurements, not classes"):
        load(x, labels=x[:, 0].round(2))
    assert len(load(x, labels=(x[:, 0].round(1))).classes) > 40  # grades in tenths, most of them often
    assert len(load(x, labels=[i // 2 for i in range(300)]).classes) == 150  # whole numbers name things
