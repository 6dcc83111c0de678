"""Probabilities of somebody's own model."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelsieve.core.errors import UserError
from labelsieve.data import load_probabilities

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.4, 0.3, 0.3]])


def some(n: int, k: int, seed: int = 0) -> np.ndarray:
    p = np.random.default_rng(seed).random((n, k), np.float32) + 0.1
    return p / p.sum(axis=1, keepdims=True)


def test_arrays_with_positions():
    data = load_probabilities(P, [0, 2, 2, 1])
    assert (data.kind, data.classes, data.labels.tolist()) == ("probs", ("0", "1", "2"), [0, 2, 2, 1])
    assert data.ids.tolist() == list("0123")
    np.testing.assert_array_equal(data.inputs, P)


def test_a_class_that_no_label_names_keeps_its_column():
    data = load_probabilities(P, np.array([0, 2, 2, 0]))
    assert (len(data.classes), data.labels.tolist()) == (3, [0, 2, 2, 0])


def test_names_in_sorted_order_when_they_are_as_many_as_columns():
    data = load_probabilities(P, ["dog", "cat", "eel", "cat"])
    assert (data.classes, data.labels.tolist()) == (("cat", "dog", "eel"), [1, 0, 2, 0])


def test_npy_stays_on_disk_and_labels_come_from_a_file(tmp_path):
    np.save(tmp_path / "p.npy", P)
    (tmp_path / "y.csv").write_text("id,label\na,0\nb,1\nc,2\nd,0\n")
    data = load_probabilities(tmp_path / "p.npy", tmp_path / "y.csv")
    assert isinstance(data.inputs, np.memmap)
    assert (data.ids.tolist(), data.labels.tolist()) == (list("abcd"), [0, 1, 2, 0])
    (tmp_path / "z.csv").write_text("key,truth\na,0\nb,1\nc,2\nd,0\n")
    renamed = load_probabilities(tmp_path / "p.npy", tmp_path / "z.csv", label="truth", id="key")
    assert renamed.ids.tolist() == list("abcd")
    np.save(tmp_path / "y.npy", np.array([0, 1, 2, 0], np.uint8))
    assert load_probabilities(tmp_path / "p.npy", tmp_path / "y.npy").labels.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_a_table_with_named_columns_is_matched_by_id(tmp_path, name):
    columns = {"id": ["a", "b", "c", "d"], "eel": P[:, 0], "cat": P[:, 1], "dog": P[:, 2]}
    if name == "p.csv":
        rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        (tmp_path / name).write_text("\n".join(rows))
    else:
        pq.write_table(pa.table(columns), tmp_path / name)
    (tmp_path / "y.csv").write_text("id,label\nd,cat\nb,eel\na,dog\n")
    data = load_probabilities(tmp_path / name, tmp_path / "y.csv")
    assert data.classes == ("eel", "cat", "dog")
    assert dict(zip(data.ids, data.labels, strict=True)) == {"a": 2, "b": 0, "d": 1}
    np.testing.assert_array_equal(data.inputs, P[[0, 1, 3]])
    assert [item.id for item in data.excluded] == ["c"]
    by_order = load_probabilities(tmp_path / name, ["eel", "cat", "dog", "eel"])
    assert (by_order.ids.tolist(), by_order.labels.tolist()) == (list("abcd"), [0, 1, 2, 0])


def test_named_columns_that_are_numbers(tmp_path):
    (tmp_path / "p.csv").write_text("5,3,1\n" + "\n".join(",".join(map(str, row)) for row in P))
    data = load_probabilities(tmp_path / "p.csv", [1, 3, 5, 5])
    assert (data.classes, data.labels.tolist()) == (("5", "3", "1"), [2, 1, 0, 0])


def test_a_csv_without_header(tmp_path):
    np.savetxt(tmp_path / "p.csv", P, delimiter=",")
    data = load_probabilities(tmp_path / "p.csv", [0, 1, 2, 0])
    np.testing.assert_allclose(data.inputs, P)
    (tmp_path / "two.csv").write_text("0,1\n0.5,0.5\n0.9,0.1\n")
    assert len(load_probabilities(tmp_path / "two.csv", [0, 1])) == 2


def test_npz_with_names(tmp_path):
    np.savez(tmp_path / "p.npz", probs=P, classes=["x", "y", "z"], ids=["a", "b", "c", "d"])
    data = load_probabilities(tmp_path / "p.npz", ["z", "z", "x", "x"])
    assert (data.classes, data.labels.tolist(), data.ids.tolist()) == (("x", "y", "z"), [2, 2, 0, 0], list("abcd"))
    assert load_probabilities(tmp_path / "p.npz", [2, 2, 0, 0]).labels.tolist() == [2, 2, 0, 0]


def test_rows_with_nan_and_rows_without_label_are_listed():
    p = P.copy()
    p[1, 2], p[3, 0] = np.nan, np.inf
    data = load_probabilities(np.vstack([p, P]), ["0", "1", "2", "0", None, "1", "2", "0"])
    assert [(item.id, item.reason) for item in data.excluded] == [
        ("1", "its probabilities hold NaN or infinity"),
        ("3", "its probabilities hold NaN or infinity"),
        ("4", "the label is missing"),
    ]
    assert data.ids.tolist() == ["0", "2", "5", "6", "7"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rounding_is_forgiven(dtype):
    assert len(load_probabilities(some(300, 200).astype(dtype), np.arange(300) % 200)) == 300
    assert len(load_probabilities(np.round(P, 2), [0, 1, 2, 0])) == 4


@pytest.mark.parametrize(
    ("probs", "labels", "says"),
    [
        (P, [0, 1, 2], "has 4 rows, but there are 3 labels"),
        (P.T, [0, 1, 2, 0], "It has 4 columns: is it transposed"),
        (some(3, 4), [0, 1, 2], "4 classes .* but 3 examples .*transposed"),
        (P, [0, 1, 3, 0], "The labels run from 0 to 3, but the 3 columns .* are 0 to 2"),
        (P, [1, 2, 3, 1], "Subtract 1"),
        (P, [-1, 2, 0, 1], "run from -1 to 2"),
        (P, ["a", "b", "a", "b"], "2 different labels and 3 columns"),
        (P, ["a", "b", "c", "d"], "4 different labels and 3 columns"),
        (P, [0, 0, 0, 0], "one class only"),
        (P * 0.5, [0, 1, 2, 0], "4 of the 4 rows .* the first is '0' .* sums to 0.5"),
        (np.vstack([P, P[:1] * 0.9]), [0, 1, 2, 0, 1], "1 of the 5 rows .* the first is '4' .* sums to 0.9"),
        (np.log(P / (1 - P)), [0, 1, 2, 0], "logits; apply softmax"),
        (np.log(P), [0, 1, 2, 0], "log-probabilities"),
        (P * 100, [0, 1, 2, 0], "percentages"),
        (P * 7, [0, 1, 2, 0], "counts"),
        (np.array([[1.5, -0.5], [0.5, 0.5]]), [0, 1], "logits"),
        (P.argmax(axis=1), [0, 1, 2, 0], "floats of shape"),
        (P[:, :1], [0, 0, 0, 0], "floats of shape"),
        (P.astype(int), [0, 1, 2, 0], "floats of shape"),
        (P * np.nan, [0, 1, 2, 0], "all 4 were excluded"),
    ],
)
def test_what_is_no_probabilities(probs, labels, says):
    with pytest.raises(UserError, match=says):
        load_probabilities(probs, labels)


def test_files_that_do_not_fit(tmp_path):
    with pytest.raises(UserError, match="no file of probabilities"):
        load_probabilities(tmp_path / "p.npy", [0, 1])
    np.savez(tmp_path / "p.npz", a=P, b=P)
    with pytest.raises(UserError, match="no key 'probs'; its keys are: a, b"):
        load_probabilities(tmp_path / "p.npz", [0, 1, 2, 0])
    (tmp_path / "p.txt").write_text("0.5 0.5")
    with pytest.raises(UserError, match="is no file of probabilities"):
        load_probabilities(tmp_path / "p.txt", [0, 1])
    (tmp_path / "p.csv").write_text("name,cat,dog\nx,0.5,0.5\ny,0.4,0.6\n")
    with pytest.raises(UserError, match="column 'name' .* holds no numbers"):
        load_probabilities(tmp_path / "p.csv", ["cat", "dog"])
    named = load_probabilities(tmp_path / "p.csv", ["cat", "dog"], id="name")
    assert named.ids.tolist() == ["x", "y"]
    with pytest.raises(UserError, match="no column for the label 'dgo'. Did you mean 'dog'"):
        load_probabilities(tmp_path / "p.csv", ["cat", "dgo"], id="name")
    (tmp_path / "y.csv").write_text("id,label\nx,cat\nz,dog\n")
    (tmp_path / "q.csv").write_text("id,cat,dog\nx,0.5,0.5\ny,0.4,0.6\n")
    with pytest.raises(UserError, match="names 1 ids that the data do not have: 'z'"):
        load_probabilities(tmp_path / "q.csv", tmp_path / "y.csv")


def test_a_large_memory_map_is_scanned_in_little_memory(tmp_path):
    p = np.lib.format.open_memmap(tmp_path / "p.npy", "w+", np.float32, (50_000, 1_000))
    p[:] = 0.001
    p[49_999] = 0.002
    p.flush()
    labels = np.arange(50_000) % 1_000
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="1 of the 50000 rows .* '49999'"):
            load_probabilities(tmp_path / "p.npy", labels)
        assert tracemalloc.get_traced_memory()[1] < 40e6  # the matrix takes 200e6
    finally:
        tracemalloc.stop()


def test_labels_with_ids_for_rows_without(tmp_path):
    np.save(tmp_path / "p.npy", P)

    def read(*ids):
        (tmp_path / "l.csv").write_text("id,label\n" + "".join(f"{key},{c}\n" for key, c in zip(ids, [0, 1, 2, 0], strict=True)))
        return load_probabilities(tmp_path / "p.npy", tmp_path / "l.csv")

    assert read("0", "1", "2", "3").notes == ()
    data = read("x", "y", "z", "7")
    assert data.ids.tolist() == ["x", "y", "z", "7"]
    assert "by order" in data.notes[0] and "'x'" in data.notes[0]
    with pytest.raises(UserError, match="not in that order"):
        read("3", "2", "1", "0")


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_whole_one_hot_rows_are_told_from_probabilities(dtype):
    with pytest.raises(UserError, match="predict_proba"):
        load_probabilities(np.eye(3, dtype=dtype)[[0, 1, 2, 0]], [0, 1, 2, 0])
