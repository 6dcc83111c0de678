"""Other labels in place of those of the source: labels=."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsieve.core.errors import UserError
from labelsieve.data import load

X = np.arange(8.0).reshape(4, 2)


def test_a_sequence_in_order():
    for labels in (
        ["b", "a", "b", "a"],
        np.array(["b", "a", "b", "a"]),
        np.array([b"b", b"a", b"b", b"a"]),
        ("b", "a", "b", "a"),
    ):
        data = load(X, labels=labels)
        assert data.classes == ("a", "b")
        assert data.labels.tolist() == [1, 0, 1, 0]


def test_numbers_sort_as_numbers_and_gaps_are_listed():
    data = load(X, labels=[100.0, 9, float("nan"), None])
    assert data.classes == ("9", "100")
    assert [item.id for item in data.excluded] == ["2", "3"]
    assert load(X, labels=np.array([300, -5, 300, 7], np.int16)).classes == ("-5", "7", "300")


@given(st.lists(st.one_of(st.none(), st.integers(-3, 3), st.text("ab 1", max_size=3)), min_size=12, max_size=12))
def test_each_label_is_its_class_or_a_listed_gap(labels):
    try:
        data = load(np.ones((12, 1)), labels=labels)
    except UserError:
        present = {str(value) for value in labels if value is not None and str(value).strip()}
        assert len(present) < 2 or len(present) >= 10
        return
    out = {int(item.id) for item in data.excluded}
    assert sorted([*out, *map(int, data.ids)]) == list(range(12))
    for key, label in zip(data.ids, data.labels, strict=True):
        assert str(labels[int(key)]) == data.classes[label]


def test_files_in_order(tmp_path):
    np.save(tmp_path / "y.npy", np.array([2, 7, 2, 7]))
    (tmp_path / "y.txt").write_bytes(b"2\r\n7\r\n2\r\n7\r\n")
    (tmp_path / "one.csv").write_text("whatever\n2\n7\n2\n7\n")
    (tmp_path / "y.csv").write_text("label,note\n2,a\n7,b\n2,c\n7,d\n")
    for name in ("y.npy", "y.txt", "one.csv", "y.csv"):
        data = load(X, labels=tmp_path / name)
        assert (data.classes, data.labels.tolist()) == (("2", "7"), [0, 1, 0, 1])


def test_a_blank_line_is_a_missing_label(tmp_path):
    (tmp_path / "y.txt").write_text("2\n\n2\n7")
    data = load(X, labels=tmp_path / "y.txt")
    assert [(item.id, item.reason) for item in data.excluded] == [("1", f"{tmp_path / 'y.txt'} gives it no label")]


def test_matched_by_id(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("key,label,x\nk1,a,1\nk2,a,2\nk3,b,3\nk4,b,4\n")
    other = tmp_path / "y.csv"
    other.write_text("id,label\nk3,c\nk1,a\nk2,c\n")
    data = load(table, id="key", labels=other)
    assert dict(zip(data.ids, (data.classes[i] for i in data.labels), strict=True)) == {"k1": "a", "k2": "c", "k3": "c"}
    assert [(item.id, item.reason) for item in data.excluded] == [("k4", f"{other} gives it no label")]
    assert data.inputs.shape == (3, 1)  # the column of old labels is no feature


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "y.csv",
            "id,label\n0,a\n9,b\n8,b\n",
            "has 2 ids that the data do not have: '9', '8'; the ids of the data look like '0'",
        ),
        ("y.csv", "id,label\n0,a\n1,b\n0,b\n", "the id '0' appears twice, in rows 0 and 2"),
        ("y.csv", "id,lable,note\n0,a,b\n", "no column 'label' to use as label. Did you mean 'lable'"),
        ("y.csv", "label\na\nb\n", "2 labels for 4 examples"),
        ("y.txt", "a\nb\n", "2 labels for 4 examples"),
        ("y.npy", "no array", "cannot be read as an array"),
        ("y.doc", "", "is not a file of labels"),
    ],
)
def test_files_that_do_not_fit(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as caught:
        load(X, labels=tmp_path / name)
    assert says in str(caught.value) and name in str(caught.value)


def test_mistakes_in_the_call(tmp_path):
    with pytest.raises(UserError, match="no file of labels"):
        load(X, labels=tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="There are 3 labels for the 4 examples"):
        load(X, labels=[1, 2, 3])
    with pytest.raises(UserError, match="argmax"):
        load(X, labels=np.eye(4))
    with pytest.raises(UserError, match="has no labels; pass them"):
        load(X)
    np.save(tmp_path / "o.npy", np.array(["a", None], object), allow_pickle=True)
    with pytest.raises(UserError, match="Python objects"):
        load(X, labels=tmp_path / "o.npy")


WEAK = [0, -1, 1, 2, 0, -1, 1, 2]


@pytest.mark.parametrize(
    "name",
    ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.npz", "frame", "array", "list", "text", "l.csv", "l.txt", "l.npy"],
)
def test_minus_one_of_weak_labels_is_not_a_class(tmp_path, name):
    x = np.arange(16.0).reshape(8, 2)
    table = pa.table({"x": x[:, 0], "y2": x[:, 1], "label": WEAK})
    path = tmp_path / name
    mark = "\t" if name.endswith("tsv") else ","
    if name[0] == "t" and name.endswith("sv"):
        path.write_text(
            "\n".join(
                mark.join(map(str, row)) for row in [table.column_names, *zip(*table.to_pydict().values(), strict=True)]
            )
        )
    elif name.endswith("jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    elif name.endswith("parquet"):
        pq.write_table(table, path)
    elif name.endswith("npz"):
        np.savez(path, features=x, labels=WEAK)
    elif name.endswith("npy"):
        np.save(path, np.array(WEAK))
    elif name == "l.csv":
        path.write_text("id,label\n" + "".join(f"{i},{c}\n" for i, c in enumerate(WEAK)))
    elif name == "l.txt":
        path.write_text("\n".join(map(str, WEAK)))
    given = {"array": np.array(WEAK, np.int8), "list": [float(c) for c in WEAK], "text": [str(c) for c in WEAK]}.get(
        name, path
    )
    data = (
        load(table) if name == "frame" else load(path) if name[0] == "t" and name != "text" else load(x, labels=given)
    )
    assert data.classes == ("0", "1", "2") and data.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert {item.id: item.reason for item in data.excluded} == dict.fromkeys(
        "15", "the label is -1, which stands for no label"
    )
    assert any("2 examples have the label -1 and are left out" in note for note in data.notes)


def test_minus_one_is_a_class_where_it_must_be():
    assert load(X, labels=[-1, 1, -1, 1]).classes == ("-1", "1")
    assert load(X, labels=["-1", "a", "b", "a"]).classes == ("-1", "a", "b")
    assert load(X, labels=[-1, -2, 0, 1]).classes == ("-2", "-1", "0", "1")


@pytest.mark.parametrize("gap", ["NA", "n/a", "#N/A", "NaN", "None", "NULL", "nil", " null ", "?"])
def test_a_word_for_a_missing_value_is_a_class_with_a_note(gap):
    data = load(X, labels=["a", gap, "b", "a"])
    assert gap in data.classes and not data.excluded
    [note] = [note for note in data.notes if "may stand for a missing label" in note]
    assert f"{gap!r} (1)" in note and "Leave the label empty" in note


@pytest.mark.parametrize("name", ["nano", "none of these", "nancy", "-", "n.a.", "0", "unknown"])
def test_other_words_are_not_missing_values(name):
    data = load(X, labels=["a", name, "b", "a"])
    assert name in data.classes and not any("missing label" in note for note in data.notes)


@pytest.mark.parametrize("gap", ["nan", "NaN", "NAN"])
def test_nan_among_numbers_is_a_missing_label_and_nothing_else_is(gap):
    data = load(X, labels=["1", gap, "2.0", "1"])
    assert data.classes == ("1", "2.0") and [item.id for item in data.excluded] == ["1"]
    data = load(X, labels=["1", "null", "2", "1"])
    assert data.classes == ("1", "2", "null") and any("'null' (1)" in note for note in data.notes)


@pytest.mark.parametrize("gap", ["", " ", "\t\n", None, float("nan"), np.float64("nan")])
def test_empty_values_are_missing_labels(gap):
    assert [item.id for item in load(X, labels=["a", gap, "b", "a"]).excluded] == ["1"]


def test_nan_among_words_is_a_class():
    data = load(X, labels=["1", "nan", "b", "1"])
    assert data.classes == ("1", "b", "nan") and not data.excluded and any("'nan' (1)" in note for note in data.notes)


def pictures(root, names):
    """Files that are images by their names; nobody decodes them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not decoded here")
    return root


def by_id(data):
    return {key: data.classes[label] for key, label in zip(data.ids, data.labels, strict=True)}


@pytest.mark.parametrize(
    ("header", "written", "how"),
    [
        ("filename,label", "{}.jpg", "the ids"),
        ("image_id,breed", "{}", "without folder and suffix"),
        ("id,breed", "{}", "without folder and suffix"),
        ("path,species", "train/{}.jpg", "base names"),
    ],
)
def test_labels_find_the_images_that_they_name(tmp_path, header, written, how):
    root = pictures(tmp_path / "flat", [f"{name}.jpg" for name in "abcd"])
    file = tmp_path / "labels.csv"
    file.write_text("\n".join([header, *(f"{written.format(name)},{'xy'[name < 'c']}" for name in "dbac")]) + "\n")
    data = load(root, labels=file)
    assert by_id(data) == {"a.jpg": "y", "b.jpg": "y", "c.jpg": "x", "d.jpg": "x"}
    assert any(how in note for note in data.notes) or header == "filename,label"


def test_labels_by_order_are_told_with_the_first_pair(tmp_path):
    root = pictures(tmp_path / "flat", [f"{name}.jpg" for name in "abcd"])
    (tmp_path / "y.txt").write_text("u\nv\nu\nv\n")
    (tmp_path / "y.csv").write_text("number,label\n7,u\n8,v\n9,u\n10,v\n")
    for name in ("y.txt", "y.csv"):
        data = load(root, labels=tmp_path / name)
        assert by_id(data) == {"a.jpg": "u", "b.jpg": "v", "c.jpg": "u", "d.jpg": "v"}
        assert any("by order" in note and "'a.jpg' has the label 'u'" in note for note in data.notes)


def test_named_columns_hold_for_the_file_of_labels(tmp_path):
    root = pictures(tmp_path / "flat", [f"{name}.jpg" for name in "abcd"])
    file = tmp_path / "labels.csv"
    file.write_text("first,key,old,new\na,d.jpg,o,u\nb,c.jpg,p,v\nc,b.jpg,o,u\nd,a.jpg,p,v\n")
    assert by_id(load(root, labels=file, label="new", id="key"))["a.jpg"] == "v"
    assert by_id(load(root, labels=file, label="old", id="first"))["a.jpg"] == "o"
    with pytest.raises(UserError, match="no column 'nwe' to use as label"):
        load(root, labels=file, label="nwe", id="key")
    with pytest.raises(UserError, match="no column 'nokey' to use as id"):
        load(root, labels=file, label="new", id="nokey")
    (tmp_path / "y.txt").write_text("u\nv\nu\nv\n")
    with pytest.raises(UserError, match="has no columns"):
        load(root, labels=tmp_path / "y.txt", label="new")


def test_a_name_of_several_images_is_refused_and_rows_of_no_image_are_told(tmp_path):
    root = pictures(tmp_path / "deep", ["cat/1.jpg", "dog/1.jpg", "dog/2.jpg"])
    file = tmp_path / "labels.csv"
    file.write_text("filename,label\n1.jpg,cat\n2.jpg,dog\n")
    with pytest.raises(UserError, match="'1.jpg', but several examples.*cat/1.jpg, dog/1.jpg"):
        load(root, labels=file)
    file.write_text("filename,label\ncat/1.jpg,dog\ndog/1.jpg,cat\ndog/2.jpg,dog\ndog/9.jpg,dog\n")
    data = load(root, labels=file)
    assert by_id(data)["cat/1.jpg"] == "dog"
    assert any("1 row names no example of the data: 'dog/9.jpg'" in note for note in data.notes)


def test_a_table_of_images_without_ids_is_matched_by_its_paths(tmp_path):
    pictures(tmp_path, [f"img/{name}.jpg" for name in "abcd"])
    table, file = tmp_path / "t.csv", tmp_path / "y.csv"
    table.write_text("path\n" + "".join(f"img/{name}.jpg\n" for name in "abcd"))
    file.write_text("name,label\nd.jpg,u\nc.jpg,v\nb.jpg,v\na.jpg,u\n")
    assert [by_id(load(table, labels=file))[str(row)] for row in range(4)] == ["u", "v", "v", "u"]


def test_corrections_reach_the_rows_that_were_matched_by_name(tmp_path):
    root = pictures(tmp_path / "flat", [f"{name}.jpg" for name in "abcd"])
    file = tmp_path / "labels.csv"
    file.write_text("filename,species\nd.jpg,x\nc.jpg,x\nb.jpg,y\na.jpg,y\n")
    data = load(root, labels=file)
    from labelsieve.data.label_file import reload_labels

    assert reload_labels(data.recipe, data, ())[:2] == (["d.jpg", "c.jpg", "b.jpg", "a.jpg"], ["x", "x", "y", "y"])
