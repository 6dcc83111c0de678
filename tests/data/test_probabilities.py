"""Probabilities of somebody's own model."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from labelsieve.core.errors import UserError
from labelsieve.data import load_probabilities
from labelsieve.pipeline import find

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.4, 0.3, 0.3]])


def some(n: int, k: int, seed: int = 0) -> np.ndarray:
    p = np.random.default_rng(seed).random((n, k), np.float32) + 0.1
    return p / p.sum(axis=1, keepdims=True)


def test_arrays_with_positions():
    data = load_probabilities(P, [0, 2, 2, 1])
    assert (data.kind, data.classes, data.labels.tolist()) == ("probs", ("0", "1", "2"), [0, 2, 2, 1])
    assert data.ids.tolist() == list("0123")
    np.testing.assert_array_equal(data.inputs, P)


def test_a_class_without_labels_keeps_its_column():
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
def test_rounded_probabilities_are_accepted(dtype):
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
        (P[:, :2] / P[:, :2].sum(1, keepdims=True), [-1, 0, -1, 0], "run from -1 to 0"),
        (P, [-1, 1, 0, 0], "run from -1 to 1, .*leave it empty; if it is a class, name the columns"),
        (P, None, "nothing .None. was given"),
        (None, [0, 1], "The probabilities are None"),
        (P, (y for y in [0, 1, 2, 0]), "a generator was given"),
        (P[:, 0], [0, 1, 1, 0], "pass both: np.column_stack"),
        (
            pa.table({"a": P[:, 0], "b": P[:, 1], "c": P[:, 2], "fold": [0, 1, 2, 1]}),
            ["a", "b", "c", "a"],
            "Without the column 'fold'",
        ),
        (pa.table({"p1": P[:, 0], "p2": P[:, 1], "p3": P[:, 2]}), [1, 2, 3, 1], "no column for the label '1'"),
        (P, ["a", "b", "a", "b"], "2 different labels and 3 columns"),
        (P, ["a", "b", "c", "d"], "4 different labels and 3 columns"),
        (P, [0, 0, 0, 0], "only one class"),
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
def test_values_that_are_not_probabilities_are_refused(probs, labels, says):
    with pytest.raises(UserError, match=says):
        load_probabilities(probs, labels)


def test_files_that_do_not_fit(tmp_path):
    with pytest.raises(UserError, match="no file of probabilities"):
        load_probabilities(tmp_path / "p.npy", [0, 1])
    np.savez(tmp_path / "p.npz", a=P, b=P)
    with pytest.raises(UserError, match="no key 'probs'; its keys are: a, b"):
        load_probabilities(tmp_path / "p.npz", [0, 1, 2, 0])
    (tmp_path / "p.txt").write_text("0.5 0.5")
    with pytest.raises(UserError, match="is not a file of probabilities"):
        load_probabilities(tmp_path / "p.txt", [0, 1])
    (tmp_path / "p.csv").write_text("name,cat,dog\nx,0.5,0.5\nx,0.4,0.6\n")
    with pytest.raises(UserError, match="column 'name' .* holds 'x', not numbers"):
        load_probabilities(tmp_path / "p.csv", ["cat", "dog"])
    (tmp_path / "p.csv").write_text("name,cat,dog\nx,0.5,0.5\ny,0.4,0.6\n")
    named = load_probabilities(tmp_path / "p.csv", ["cat", "dog"], id="name")
    assert named.ids.tolist() == ["x", "y"]
    with pytest.raises(UserError, match="no column for the label 'dgo'. Did you mean 'dog'"):
        load_probabilities(tmp_path / "p.csv", ["cat", "dgo"], id="name")
    (tmp_path / "y.csv").write_text("id,label\nx,cat\nz,dog\n")
    (tmp_path / "q.csv").write_text("id,cat,dog\nx,0.5,0.5\ny,0.4,0.6\n")
    with pytest.raises(UserError, match="has 1 ids that the data do not have: 'z'"):
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
        (tmp_path / "l.csv").write_text(
            "id,label\n" + "".join(f"{key},{c}\n" for key, c in zip(ids, [0, 1, 2, 0], strict=True))
        )
        return load_probabilities(tmp_path / "p.npy", tmp_path / "l.csv")

    assert read("0", "1", "2", "3").notes == ()
    data = read("x", "y", "z", "7")
    assert data.ids.tolist() == ["x", "y", "z", "7"]
    assert "by order" in data.notes[0] and "'x'" in data.notes[0]
    with pytest.raises(UserError, match="not in that order"):
        read("3", "2", "1", "0")


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integer_one_hot_rows_are_refused(dtype):
    with pytest.raises(UserError, match="predict_proba"):
        load_probabilities(np.eye(3, dtype=dtype)[[0, 1, 2, 0]], [0, 1, 2, 0])


def made(n=600, k=12, noise=0.04, seed=0):
    """Probabilities of a good model (n, k) in numeric order, given labels, and which of them are wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    wrong = rng.random(n) < noise
    given = np.where(wrong, (true + rng.integers(1, k, n)) % k, true)
    p = np.exp(rng.normal(size=(n, k)) + 4 * np.eye(k)[true])
    return p / p.sum(1, keepdims=True), given, wrong


def stated(data) -> int:
    return int(find(data).flagged.sum())


NAMES = np.array(["eel", "dog", "cat", "ant", "fox", "bee", "cow", "owl", "rat", "pig", "hen", "yak"])


@pytest.mark.parametrize("of", ["pandas", "polars", "pyarrow", "lazy"])
def test_named_columns_of_a_frame_are_used_as_those_of_a_csv_are(tmp_path, of):
    p, y, _ = made()
    columns = {name: p[:, j] for j, name in enumerate(NAMES)}
    frame = pa.table(columns)
    if of != "pyarrow":
        frame = pytest.importorskip("polars" if of == "lazy" else of).DataFrame(columns)
    frame = frame.lazy() if of == "lazy" else frame
    data = load_probabilities(frame, NAMES[y])
    assert data.classes == tuple(NAMES) and (data.labels == y).all() and data.notes == ()
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    assert (load_probabilities(tmp_path / "p.parquet", NAMES[y]).labels == y).all()
    ordered = sorted(range(12), key=str)
    by_number = pa.table({str(j): p[:, j] for j in ordered})
    data = load_probabilities(by_number, y)
    assert (
        data.classes[:4] == ("0", "1", "10", "11")
        and [data.classes[c] for c in data.labels] == list(map(str, y))
        and data.notes == ()
    )


def test_the_index_of_a_frame_of_probabilities_names_its_rows():
    pd = pytest.importorskip("pandas")
    p, y, _ = made(60, 3)
    frame = pd.DataFrame(p, columns=["a", "b", "c"]).sample(frac=1, random_state=0)
    labels = pd.Series(np.array(list("abc"))[y])
    matched = load_probabilities(frame.iloc[5:], labels.iloc[frame.index[5:]].sort_index())
    assert matched.ids.tolist() == list(map(str, frame.index[5:]))
    assert [matched.classes[c] for c in matched.labels] == labels.iloc[frame.index[5:]].tolist()
    unnamed = load_probabilities(pd.DataFrame(p), y)
    assert unnamed.classes == ("0", "1", "2") and unnamed.notes == ()
    array = load_probabilities(frame.to_numpy()[5:], labels.iloc[frame.index[5:]])
    assert array.ids.tolist() == list(map(str, frame.index[5:]))
    with pytest.raises(UserError, match="'a' in rows 0 and 1"):
        load_probabilities(frame.set_index(pd.Index(["a", "a", *map(str, range(58))])), y)
    repeated = load_probabilities(pd.DataFrame(p, columns=list("abc")).assign(id=[7, 7, *range(58)]), labels)
    assert repeated.ids[:2].tolist() == ["0", "1"] and "'7' in rows 0, 1 and 9" in repeated.notes[0]


@pytest.mark.parametrize("kind", [int, str])
def test_classes_that_a_model_sorted_as_text_are_recognised_and_named(kind):
    p, y, wrong = made()
    ordered = sorted(range(12), key=str)
    plain, text = load_probabilities(p, y.astype(kind)), load_probabilities(p[:, ordered], y.astype(kind))
    assert plain.notes == () and plain.classes == tuple(map(str, range(12)))
    assert [text.classes[c] for c in text.labels] == list(map(str, y))
    (note,) = text.notes
    assert "order of text (0, 1, 10, 11, 2, ...), not in numeric order" in note and "Subtract" not in note
    assert stated(plain) == stated(text) <= 2 * wrong.sum()


def test_subtract_1_is_advised_only_if_labels_then_agree():
    p, y, wrong = made()
    with pytest.raises(UserError, match="Subtract 1"):
        load_probabilities(p, y + 1)
    by_text = load_probabilities(p[:, sorted(range(12), key=lambda c: str(c + 1))], y + 1)
    assert [by_text.classes[c] for c in by_text.labels] == list(
        map(str, y + 1)
    ) and "order of text (1, 10," in by_text.notes[0]
    with pytest.raises(UserError, match="Counted from 1 they do not agree") as caught:
        load_probabilities(p[:, np.random.default_rng(1).permutation(12)], y + 1)
    assert "Subtract" not in str(caught.value)


def test_names_in_the_order_of_their_first_appearance():
    p, y, wrong = made()
    first = list(dict.fromkeys(y))
    data = load_probabilities(p[:, first], NAMES[y])
    assert [data.classes[c] for c in data.labels] == NAMES[y].tolist()
    assert "first appear" in data.notes[0] and stated(data) <= 2 * wrong.sum()
    by_text = load_probabilities(p[:, np.argsort(NAMES)], NAMES[y])
    assert by_text.notes == (
        "The columns have no class names and were read as the classes in the order of text (ant, bee, cat, cow, "
        "dog, ...).",
    )


def test_if_two_orders_agree_equally_the_note_names_the_one_used():
    _, y, _ = made()
    p = np.random.default_rng(0).dirichlet(np.ones(12), 600)
    data = load_probabilities(p, y)
    assert data.classes[2] == "2"
    (note,) = data.notes
    assert "numeric order" in note and "order of text" in note and "name the columns" in note


def test_an_unusual_order_of_columns_causes_a_warning():
    p, y, _ = made()
    moved = load_probabilities(
        pa.table({name: p[:, c] for name, c in zip(NAMES, np.random.default_rng(3).permutation(12), strict=True)}),
        NAMES[y],
    )
    assert any("a different order from the classes" in note and "looks like column" in note for note in moved.notes)
    assert not any("another order" in note for note in load_probabilities(p, y).notes)


@pytest.mark.parametrize("sure", [False, True])
def test_a_class_whose_column_is_zero_is_named_and_not_called_wrong_as_a_whole(sure):
    p, y, wrong = made(900, 6)
    p[:, 3] = 0
    p /= p.sum(1, keepdims=True)
    if sure:
        p = 0.99 * np.eye(6)[p.argmax(1)] + 0.01 * p
    data = load_probabilities(p, y)
    (note,) = data.notes
    assert f"'3' ({(y == 3).sum()} labels)" in note and "zero throughout" in note
    findings = find(data)
    assert len(findings) == 900 and not findings.flagged[y == 3].any()
    assert findings.wrong.count < 2.5 * wrong.sum() + 0.2 * (y == 3).sum()


def test_rounded_rows_pass_and_are_brought_to_one():
    p, y, wrong = made()
    data = load_probabilities(np.round(p, 2), y)
    np.testing.assert_allclose(data.inputs.sum(1), 1, atol=3e-3)
    (note,) = data.notes
    assert "rows add up to 0.97 to 1.03 instead of 1" in note
    assert abs(stated(data) - stated(load_probabilities(p, y))) <= 3
    third = load_probabilities(
        np.array([[0.33, 0.33, 0.33], [0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]), [0, 1, 2, 0]
    )
    np.testing.assert_allclose(third.inputs[0], 1 / 3)
    assert "1 row adds up to 0.99" in third.notes[-1]
    for row in (
        [0.3, 0.3, 0.3],
        [0.331, 0.33, 0.32],
        [0.35, 0.35, 0.35],
        [0.9, 0.2, 0.0],
        [33, 33, 33],
        [0.0, 0.0, 0.0],
    ):
        with pytest.raises(UserError, match="1 of the 4 rows"):
            load_probabilities(np.array([row, *P[1:].tolist()]), [0, 1, 2, 0])


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("kind", [int, float, str])
def test_minus_one_means_no_label_and_is_counted(kind, named):
    p, y, wrong = made()
    none = np.arange(len(y)) % 10 == 0
    probs = pa.table({name: p[:, c] for c, name in enumerate(NAMES)}) if named else p
    data = load_probabilities(probs, np.where(none, -1, y).astype(kind))
    assert len(data) == (~none).sum() and [int(c) for c in data.labels] == y[~none].tolist()
    assert {item.reason for item in data.excluded} == {"the label is -1, which stands for no label"}
    assert f"{none.sum()} examples have the label -1" in data.notes[0]


@pytest.mark.parametrize("make", ["pandas", "unused", "polars", "arrow"])
def test_the_order_of_categories_is_tried_and_named(make):
    p, y, wrong = made(900, 3)
    order = ["low", "mid", "high"]
    if make == "arrow":
        labels = pa.DictionaryArray.from_arrays(pa.array(y), order)
    elif make == "polars":
        pl = pytest.importorskip("polars")
        labels = pl.Series([order[c] for c in y], dtype=pl.Enum(order))
    else:
        pd = pytest.importorskip("pandas")
        labels = pd.Series(pd.Categorical.from_codes(y, [*order, "never"][: 3 + (make == "unused")], ordered=True))
    data = load_probabilities(p, labels)
    assert data.classes == tuple(order)
    (note,) = data.notes
    assert "categories (low, mid, high), not in the order of text (high, low, mid)" in note
    assert stated(data) == stated(load_probabilities(p, y))


@pytest.mark.parametrize("least", [1e-9, 1e-5, 1e-4])
def test_a_class_that_the_model_never_learnt_is_named_and_not_called_wrong_as_a_whole(least):
    p, y, wrong = made(900, 6)
    p[:, 3] = 0
    p = np.maximum(p / p.sum(1, keepdims=True), least)
    data = load_probabilities(p, y)
    (note,) = data.notes
    assert f"'3' ({(y == 3).sum()} labels)" in note and "get the overall rate" in note
    assert not find(data).flagged[y == 3].any()


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
@pytest.mark.parametrize("key", ["id", "sample"])
@pytest.mark.parametrize("other", ["id", "case"])
def test_ids_are_used_whatever_their_columns_are_called(tmp_path, name, key, other):
    p, y, wrong = made(300, 3)
    ids = np.array([f"s{i}" for i in range(300)])
    moved = np.random.default_rng(0).permutation(300)
    table = pa.table({key: ids[moved], **{c: p[moved, i] for i, c in enumerate("abc")}})
    pacsv.write_csv(table, tmp_path / name) if name == "p.csv" else pq.write_table(table, tmp_path / name)
    pacsv.write_csv(pa.table({other: ids, "label": np.array(list("abc"))[y]}), tmp_path / "y.csv")
    data = load_probabilities(tmp_path / name, tmp_path / "y.csv")
    given = dict(zip(data.ids.tolist(), data.labels.tolist(), strict=True))
    assert given == dict(zip(ids.tolist(), y.tolist(), strict=True))
    assert any(repr(key) in note for note in data.notes) == (key != "id")
    assert any(repr(other) in note for note in data.notes) == (other != "id")


def test_labels_without_any_ids_are_matched_by_order_with_a_note(tmp_path):
    pq.write_table(
        pa.table({"id": ["s1", "s0", "s2", "s3"], "a": P[:, 0], "b": P[:, 1], "c": P[:, 2]}), tmp_path / "p.parquet"
    )
    (tmp_path / "y.csv").write_text("label\na\nb\nc\na\n")
    data = load_probabilities(tmp_path / "p.parquet", tmp_path / "y.csv")
    assert data.ids.tolist() == ["s1", "s0", "s2", "s3"] and "has no ids" in data.notes[0] and "'s1'" in data.notes[0]
