"""CSV, TSV, Parquet, JSON Lines and frames."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelsieve.core.errors import UserError
from labelsieve.data import load

TEXTS = {"body": ["a cat", "a dog", "two cats"], "topic": ["cat", "dog", "cat"], "key": ["k1", "k2", "k3"]}


def write(path, columns: dict):
    """The same columns in whatever format the suffix says."""
    table = pa.table(columns)
    name = path.name
    if name.endswith(".parquet"):
        pq.write_table(table, path)
    elif ".jsonl" in name:
        data = "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    else:
        mark = "\t" if ".tsv" in name else ","
        rows = [
            mark.join(table.column_names),
            *(mark.join("" if v is None else str(v) for v in row.values()) for row in table.to_pylist()),
        ]
        data = ("\n".join(rows) + "\n").encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def reasons(dataset) -> dict[str, str]:
    return {item.id: item.reason for item in dataset.excluded}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.tsv.gz", "t.parquet", "t.jsonl", "t.jsonl.gz"])
def test_texts_in_every_format(tmp_path, name):
    data = load(write(tmp_path / name, TEXTS), text="body", label="topic", id="key")
    assert data.kind == "text"
    assert list(data.inputs) == TEXTS["body"]
    assert data.ids.tolist() == TEXTS["key"]
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
def test_features_and_what_is_left_out(tmp_path, name):
    columns = {
        "x": [1.5, None, 3.0, 4.0],
        "n": [1, 2, 3, 4],
        "word": ["a", "b", "c", "d"],
        "label": ["u", "v", None, "v"],
    }
    data = load(write(tmp_path / name, columns))
    assert data.kind == "features"
    np.testing.assert_array_equal(data.inputs, [[1.5, 1], [4, 4]])
    assert data.ids.tolist() == ["0", "3"]
    assert reasons(data) == {"1": "a feature is missing, NaN or infinite", "2": "the label is missing"}


def test_ids_and_labels_of_a_csv_are_read_as_written(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("key,label,x\n007,NA,1\n7,true,2\n1e3,01,3\n")
    data = load(path, id="key")
    assert data.ids.tolist() == ["007", "7", "1e3"]
    assert data.classes == ("01", "NA", "true")


def test_whole_numbers_with_gaps_are_whole(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("label,x\n10.0,1\n,2\n9.0,3\n")
    data = load(path)
    assert data.classes == ("9", "10")
    assert reasons(data) == {"1": "the label is missing"}
    assert load(pa.table({"label": [10.0, None, 9.0], "x": [1, 2, 3]})).classes == ("9", "10")


def test_nan_is_a_word_among_words_and_a_gap_among_numbers(tmp_path):
    (tmp_path / "words.csv").write_text("label,x\nnan,1\nbread,2\n")
    assert load(tmp_path / "words.csv").classes == ("bread", "nan")
    (tmp_path / "numbers.csv").write_text("label,x\nnan,1\n3,2\n-7,3\n")
    data = load(tmp_path / "numbers.csv")
    assert data.classes == ("-7", "3")
    assert reasons(data) == {"0": "the label is missing"}


ODD = ['say "hi"', "two\nlines", "semi;colon,comma", "مرحبا\u202e", "x" * 4096, " padded ", "\u200b", "cr\rlf"]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
def test_odd_ids_and_texts(tmp_path, name):
    path = tmp_path / name
    columns = {"id": ODD, "text": ODD, "label": ["a", "b"] * 4}
    if name == "t.csv":
        quoted = [[value.replace('"', '""') for value in row.values()] for row in pa.table(columns).to_pylist()]
        lines = ["id,text,label", *(",".join(f'"{value}"' for value in row) for row in quoted)]
        path.write_bytes("\n".join(lines).encode())
    else:
        write(path, columns)
    data = load(path)
    assert data.ids.tolist() == ODD
    assert list(data.inputs) == ODD


def test_blank_texts_are_left_out():
    data = load(pa.table({"text": ["a", "", None, " \n\t", "b"], "label": [0, 0, 1, 1, 1]}))
    assert list(data.inputs) == ["a", "b"]
    assert reasons(data) == dict.fromkeys("123", "the text is empty")


def test_a_label_column_that_does_not_exist_names_the_near_misses(tmp_path):
    with pytest.raises(UserError, match=r"no column 'topc' .*Did you mean 'topic'\? There are: body, topic, key\."):
        load(write(tmp_path / "t.csv", TEXTS), label="topc")
    with pytest.raises(UserError, match="Did you mean 'topic'"):
        load(write(tmp_path / "t.csv", TEXTS), label="TOPIC")


@pytest.mark.parametrize("role", ["text", "image", "id", "group"])
def test_any_other_column_that_does_not_exist(tmp_path, role):
    with pytest.raises(UserError, match=f"no column 'nope' to use as {role}"):
        load(write(tmp_path / "t.parquet", TEXTS), label="topic", **{role: "nope"})


@pytest.mark.parametrize(
    ("columns", "options", "says"),
    [
        (TEXTS, {}, "No column .* is clearly the label.*body, topic, key"),
        ({**TEXTS, "label": [1, 2, 1], "target": [1, 1, 2]}, {}, "several columns that may be the label"),
        (TEXTS, {"label": "topic"}, None),
        ({"a": ["x", "y"], "b": ["x", "y"], "label": [0, 1]}, {}, "not clear which column"),
        ({"text": ["x", "y"], "image": ["x", "y"], "label": [0, 1]}, {}, "several columns that may be the input"),
        ({"text": ["x", "y"], "label": [0, 1]}, {"text": "text", "image": "text"}, "Both text="),
        ({"n": [1, 2], "label": [0, 1]}, {"text": "n"}, "holds no text"),
        ({"n": [1, 2], "label": [0, 1]}, {"image": "n"}, "neither paths nor encoded images"),
        ({"n": [1, 2], "label": [[0], [1]]}, {}, "exactly one label"),
        ({"n": [1, 2], "label": [1, 1]}, {}, "only one class"),
        ({"n": [1.0, float("nan")], "label": [1, 2]}, {}, "only one class"),
        ({"n": [None, float("inf")], "label": [1, 2]}, {}, "no usable example; all 2 were excluded"),
        ({"n": list(range(20)), "label": list(range(20))}, {}, "a different label"),
        (
            {"n": [1, 2, 3], "label": [0, 1, 1], "key": ["a", "b", "a"]},
            {"id": "key"},
            "'a' appears twice, in rows 0 and 2",
        ),
        (
            {"n": [1, 2, 3], "label": [0, 1, 1], "key": ["a", None, "c"]},
            {"id": "key"},
            r"row 1 \(from 0\) has no id in column 'key'",
        ),
    ],
)
def test_columns_in_doubt(columns, options, says):
    if says is None:
        assert load(pa.table({k: v for k, v in columns.items() if k != "key"}), **options).kind == "text"
        return
    with pytest.raises(UserError, match=says):
        load(pa.table(columns), **options)


def test_guesses_where_names_leave_no_doubt():
    assert load(pa.table({"Review": ["good", "bad"], "n": [1, 2], "label": [0, 1]})).kind == "text"
    data = load(pa.table({"id": ["p", "q"], "Unnamed: 0": [0, 1], "n": [1, 2], "Class": [0, 1]}))
    assert data.ids.tolist() == ["p", "q"]
    assert data.inputs.shape == (2, 1)
    numbered = load(pa.table({"id": [5, 5], "n": [1, 2], "label": [0, 1]}))  # no ids, and no feature either
    assert numbered.ids.tolist() == ["0", "1"]
    assert numbered.inputs.shape == (2, 1)


def test_groups_and_those_without():
    data = load(pa.table({"n": [1, 2, 3], "label": [0, 1, 0], "who": ["ann", None, "ann"]}), group="who")
    assert data.groups.tolist() == ["ann", "(no group) 1", "ann"]


def test_image_paths_start_at_the_table(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.jpg").write_bytes(b"A")
    (tmp_path / "b.jpg").write_bytes(b"B")
    path = tmp_path / "t.csv"
    path.write_text(f"image,label\npictures/a.jpg,x\n{tmp_path}/b.jpg,y\ngone.jpg,y\n,x\n")
    data = load(path)
    assert data.kind == "image"
    assert [data.inputs[i] for i in range(2)] == [b"A", b"B"]
    assert reasons(data) == {"2": f"there is no file {tmp_path}/gone.jpg", "3": "there is no image path"}


def test_encoded_images_in_a_column(tmp_path):
    plain = load(pa.table({"image": [b"A", None, b"C"], "label": [0, 0, 1]}))
    assert [plain.inputs[i] for i in range(len(plain))] == [b"A", b"C"]
    assert reasons(plain) == {"1": "there is no image"}
    (tmp_path / "d.jpg").write_bytes(b"D")
    struct = [{"bytes": b"A", "path": None}, {"bytes": None, "path": "d.jpg"}, None]
    pq.write_table(pa.table({"photo": struct, "label": ["x", "y", "y"]}), tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet")
    assert [data.inputs[i] for i in range(len(data))] == [b"A", b"D"]


def test_spreadsheet_csv(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("\ufefflabel;x;y\na;1;2\nb;3;4\n".encode())
    data = load(path)
    assert data.classes == ("a", "b")
    np.testing.assert_array_equal(data.inputs, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.csv", b"", "Empty CSV"),
        ("t.csv", b"label,x\n", "a header but no rows"),
        ("t.csv", b"label,x\na,1\nb,2,3\n", "Expected 2 columns, got 3"),
        ("t.csv", b"label,label,x\na,b,1\nb,a,2\n", "two columns called 'label'"),
        ("t.csv", "label,x\na,1\n".encode("utf-16"), "UTF-16"),
        ("t.csv.gz", b"not gzip", "cannot be read as a table"),
        ("t.parquet", b"PAR1 not really", "cannot be read as a table"),
        ("t.jsonl", b'{"label": 1}\n{"label": \n', "line 2 is not JSON"),
        ("t.jsonl", b'{"label": 1}\n[1]\n', "line 2 is not a JSON object"),
        ("t.jsonl", b"", "No column"),
        ("t.xlsx", b"", "is a spreadsheet. Your way: save the sheet"),
        ("noise", b"", "file without suffix"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=says) as caught:
        load(path)
    assert name in str(caught.value)


def test_a_word_far_down_a_numeric_column_is_reported(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("label,x\n" + "a,123456\n" * 1_900_000 + "b,oops\nb,7\n")
    data = load(path)
    assert reasons(data) == {"1900000": "the column 'x' holds 'oops', which is not a number"}
    assert len(data) == 1_900_001 and data.inputs[-1] == 7


def test_truncated_gzip(tmp_path):
    path = write(tmp_path / "t.csv.gz", {"label": ["a", "b"] * 5000, "x": list(range(10_000))})
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match="cannot be read as a table"):
        load(path)


def test_jsonl_of_mixed_kinds_missing_keys_and_half_characters(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a\\ud800b", "label": 1}\n\n{"text": "c", "label": "1b"}\n{"label": 1}\n')
    data = load(path)
    assert data.classes == ("1", "1b")
    assert list(data.inputs) == ["a?b", "c"]
    assert reasons(data) == {"2": "the text is empty"}


def test_pandas_and_polars():
    columns = {"text": ["a", "b", None], "label": ["x", "y", "y"]}
    for name in ("pandas", "polars"):
        frames = pytest.importorskip(name)
        data = load(frames.DataFrame(columns))
        assert list(data.inputs) == ["a", "b"]
        assert data.source == f"the {name} frame"
        assert reasons(data) == {"2": "the text is empty"}


def test_pandas_categories_index_and_missing_integers():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": pd.array([3, None, 12], "Int64")}, index=["p", "q", "r"])
    data = load(frame)
    assert data.inputs.shape == (2, 1)  # the index is no feature
    assert data.classes == ("3", "12")
    frame["y"] = pd.Categorical(["u", "v", None])
    assert load(frame).classes == ("u", "v")


def test_labels_as_a_series():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    assert load(frame, labels=pd.Series(["a", pd.NA, "b"])).classes == ("a", "b")


def test_a_parquet_address():
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    with system.open("/tables/t.parquet", "wb") as file:
        pq.write_table(pa.table({"image": ["a.jpg", "b.jpg"], "label": ["x", "y"]}), file)
    system.pipe("/tables/a.jpg", b"A")
    data = load("memory://tables/t.parquet")
    assert data.inputs[0] == b"A"
    with pytest.raises(OSError):
        data.inputs[1]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv"])
def test_a_table_in_latin_1(tmp_path, name):
    mark = "\t" if ".tsv" in name else ","
    rows = [
        ("label", "text", "id", "group"),
        ("café", "déjà vu", "caf\xe9.jpg", "Zürich"),
        ("thé", "plain", "b", "Bern"),
        ("café", "“so”", "c", ""),
    ]
    raw = "\n".join(mark.join(row) for row in rows).encode("cp1252")
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    data = load(tmp_path / name, text="text", group="group")
    assert data.classes == ("café", "thé") and data.labels.tolist() == [0, 1, 0]
    assert list(data.inputs) == ["déjà vu", "plain", "“so”"]
    assert data.ids.tolist() == [r"caf\xe9.jpg", "b", "c"]  # an id is kept byte for byte: it may be the name of a file
    assert any("3 of the labels" in note and "café" in note for note in data.notes)
    assert any("2 of the texts" in note for note in data.notes)
    assert len(data.fingerprint()) == 32


def test_a_header_in_latin_1(tmp_path):
    (tmp_path / "t.csv").write_bytes("catégorie;texte\ncafé;un\nthé;deux\n".encode("latin-1"))
    data = load(tmp_path / "t.csv", label="catégorie", text="texte")
    assert data.classes == ("café", "thé") and "Windows-1252" in data.notes[0]


def test_utf8_needs_no_note(tmp_path):
    (tmp_path / "t.csv").write_text("label,text\ncafé,déjà\nthé,vu\n", encoding="utf-8")
    assert load(tmp_path / "t.csv").notes == ()


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float32(), 2), pa.list_(pa.int16())]
)
def test_a_column_of_vectors_is_features(tmp_path, kind):
    vectors = pa.array([[1, 2], None, [3, 4], [5, None], [7, 8]], kind)
    pq.write_table(
        pa.table({"embedding": vectors, "year": [1, 2, 3, 4, 5], "label": list("abaab")}), tmp_path / "t.parquet"
    )
    data = load(tmp_path / "t.parquet")
    assert data.kind == "features" and data.inputs.tolist() == [[1, 2], [3, 4], [7, 8]]
    assert reasons(data) == dict.fromkeys("13", "a feature is missing, NaN or infinite")


def test_vectors_that_do_not_fit():
    with pytest.raises(UserError, match="'v' of the pyarrow frame holds lists of 1 and 2 numbers"):
        load(pa.table({"v": [[1.0], [1.0, 2.0]], "label": ["a", "b"]}))
    with pytest.raises(UserError, match=r"several columns of vectors \(v, w\)"):
        load(pa.table({"v": [[1.0], [2.0]], "w": [[1.0], [2.0]], "label": ["a", "b"]}))
    assert load(pa.table({"v": [[1.0], [2.0]], "text": ["p", "q"], "label": ["a", "b"]})).kind == "text"


def test_intervals_and_periods_of_pandas_keep_their_names():
    pd = pytest.importorskip("pandas")
    x = np.arange(40) % 7 + 0.5
    cut = load(pd.DataFrame({"x": x, "label": pd.cut(x, [0, 3, 8])}))
    assert cut.classes == ("(0, 3]", "(3, 8]") and np.bincount(cut.labels).tolist() == [(x < 3).sum(), (x > 3).sum()]
    years = pd.PeriodIndex(np.where(x < 3, "2020", "2021"), freq="Y")
    assert load(pd.DataFrame({"x": x, "label": years})).classes == ("2020", "2021")


def test_columns_of_several_kinds_of_values_do_not_stop_a_frame():
    pd = pytest.importorskip("pandas")
    x = np.arange(40) / 7
    note = [1 if i % 2 else "see below" for i in range(40)]
    data = load(pd.DataFrame({"x": x, "note": note, "label": [1 if i % 2 else "1b" for i in range(40)]}))
    assert data.classes == ("1", "1b") and "not used: note" in data.notes[0]
    dense = load(pd.DataFrame({"s": pd.arrays.SparseArray(x), "label": ["a", "b"] * 20}))
    np.testing.assert_allclose(dense.inputs[:, 0], x)
    with pytest.raises(UserError, match="'o' of the frame holds Python objects .object."):
        load(pd.DataFrame({"x": x, "o": [object()] * 40, "label": ["a", "b"] * 20}))


def test_the_most_frequent_separator_of_the_header_is_used(tmp_path):
    (tmp_path / "t.csv").write_text(
        'id;"a;b";x, in cm;label\n' + "".join(f"r{i};1;{i};{'ab'[i % 2]}\n" for i in range(12))
    )
    assert load(tmp_path / "t.csv").columns.names == ("a;b", "x, in cm")


def test_names_that_are_not_data_are_refused(tmp_path):
    (tmp_path / "t.txt").write_text("a review")
    with open(tmp_path / "t.txt") as file:
        names = (
            ("", "is empty"),
            ("a review of a film " * 300, "too long for a file name"),
            (file, "cannot be read as data"),
        )
        for name, says in names:
            with pytest.raises(UserError, match=says):
                load(name)


@pytest.mark.parametrize("kind", ["Enum", "Categorical"])
def test_categories_of_polars(tmp_path, kind):
    pl = pytest.importorskip("polars")
    labels = pl.Series(["cat", "dog", None, "cat"] * 10).cast(
        pl.Enum(["dog", "cat", "eel"]) if kind == "Enum" else pl.Categorical
    )
    frame = pl.DataFrame({"x": np.arange(40) / 7, "label": labels})
    frame.write_parquet(tmp_path / "t.parquet")
    for source in (frame, frame.lazy(), frame.slice(1), tmp_path / "t.parquet"):
        data = load(source)
        assert data.classes == ("cat", "dog") and {item.reason for item in data.excluded} == {"the label is missing"}
        assert np.bincount(data.labels).tolist() == [20 - (len(data) == 29), 10]
