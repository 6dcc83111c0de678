"""Tensors, masked arrays, long doubles and labels in odd wrappings, through the doors that take them."""

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.core.errors import UserError

X = np.random.default_rng(0).normal(size=(12, 3))
Y = [0, 1, 2] * 4
P = np.random.default_rng(1).dirichlet(np.ones(3), 12)


def test_tensors_that_require_grad_or_are_bfloat16():
    torch = pytest.importorskip("torch")
    grad, short = torch.tensor(X, requires_grad=True), torch.tensor(X).bfloat16()
    np.testing.assert_array_equal(ls.load(grad, labels=Y).inputs, X)
    np.testing.assert_allclose(ls.load(short, labels=Y).inputs, X, rtol=0.01)
    np.testing.assert_array_equal(ls.load(list(grad), labels=Y).inputs, X)
    for labels in (torch.tensor(Y), list(torch.tensor(Y)), torch.tensor(Y, dtype=torch.float32, requires_grad=True)):
        data = ls.load(X, labels=labels)
        assert (data.classes, data.labels.tolist()) == (("0", "1", "2"), Y)
        assert ls.load_probabilities(P, labels).labels.tolist() == Y
    probs = torch.tensor(P, requires_grad=True)
    np.testing.assert_array_equal(ls.load_probabilities(probs, Y).inputs, P)
    assert ls.load_probabilities(probs.bfloat16(), Y).inputs.dtype == np.float32
    np.testing.assert_array_equal(ls.flags(probs, torch.tensor(Y)), ls.flags(P, Y))


def test_a_list_of_scalar_tensors_is_numbered_as_numbers():
    torch = pytest.importorskip("torch")
    labels = list(torch.arange(12).repeat(3))
    data = ls.load(np.ones((36, 1)), labels=labels)
    assert data.classes == tuple(map(str, range(12))) and data.labels.tolist() == list(range(12)) * 3
    scalars = [np.array(c) for c in range(12)] * 3
    assert ls.load(np.ones((36, 1)), labels=scalars).classes == data.classes


@pytest.mark.parametrize(
    "labels",
    [
        [["a"], ["b"]] * 6,
        [{"a": 1}, {"b": 2}] * 6,
        [["a"], "b"] * 6,
        [np.ones(2), np.ones(2)] * 6,
        [1j, 2] * 6,
    ],
)
def test_nested_labels_are_refused_with_their_row(labels):
    for read in (lambda: ls.load(X, labels=labels), lambda: ls.load_probabilities(P, labels)):
        with pytest.raises(UserError, match=r"(row 0 .*one plain label per row|has shape)"):
            read()
    with pytest.raises(UserError, match="a dict was given"):
        ls.load(X, labels={"a": 1})


def test_lists_of_which_some_have_several_names_are_several_labels():
    data = ls.load(X, labels=[("a", "c"), ("b",), ()] * 4)
    assert data.questions is not None and data.questions.names == ("a", "b", "c")
    assert data.questions.given[:3].tolist() == [[True, False, True], [False, True, False], [False, False, False]]


def test_masked_values_are_missing():
    masked = np.ma.masked_array(X, mask=np.arange(36).reshape(12, 3) == 4)
    assert [item.id for item in ls.load(masked, labels=Y).excluded] == ["1"]
    data = ls.load(X, labels=np.ma.masked_array(Y, mask=[i == 2 for i in range(12)]))
    assert [(item.id, item.reason) for item in data.excluded] == [("2", "the label is missing")]


def test_long_doubles(tmp_path):
    np.savez(tmp_path / "d.npz", features=X.astype(np.longdouble), labels=np.array(Y, np.longdouble))
    data = ls.load(tmp_path / "d.npz")
    assert data.inputs.dtype == np.float64 and data.classes == ("0", "1", "2")
    assert len(ls.find(data, detectors=["knn_vote"])) == 12
    assert ls.load_probabilities(P.astype(np.longdouble), Y).inputs.dtype == np.float64
    assert ls.load(X.astype(">f4"), labels=Y).inputs.dtype == np.dtype("=f4")


@pytest.mark.parametrize(
    ("probs", "labels", "says"),
    [
        (P, ["a", "b", "c"] * 4, "names, such as 'a'.*0 to 2"),
        (P, [0, 1, 5] * 4, r"holds 5 in row 2 .* 4 rows in all"),
        (P, [0, 1, -1] * 4, r"holds -1 in row 2"),
        (P, [0.0, 1.0, 2.0] * 4, "float64 numbers"),
        (P, [0.5, 1.0, np.nan] * 4, "float64 numbers"),
        (P, None, "labels is None"),
        (None, Y, "probs is None"),
        (P, Y[:-1], "do not fit 11 labels"),
        (P[:, 0], Y, "expected"),
        (P * 100, Y, "percentages"),
        (np.log(P), Y, "not probabilities"),
        (np.where(np.arange(12)[:, None] == 3, np.nan, P), Y, r"Row 3 .*NaN"),
        (P.tolist()[:-1] + [[1.0]], Y, "cannot be read as an array"),
    ],
)
def test_flags_refuse_what_they_cannot_judge(probs, labels, says):
    with pytest.raises(UserError, match=says):
        ls.flags(probs, labels)


def test_flags_take_lists_and_frames():
    expected = ls.flags(P, np.array(Y))
    np.testing.assert_array_equal(ls.flags(P.tolist(), Y), expected)
    np.testing.assert_array_equal(ls.flags(pytest.importorskip("pandas").DataFrame(P), Y), expected)


@pytest.mark.parametrize(
    "estimator", [ls.LabelErrorDetector, pytest.param(lambda: ls.RobustClassifier("standard"), id="robust")]
)
def test_none_instead_of_data_is_refused(estimator):
    for x, y, says in (
        (None, Y, "X is None"),
        (X, None, "requires y"),
        (X, ["a", None] * 6, "no label in 6 of its 12 rows, the first is row 1"),
        (X, np.array([1.0, np.nan] * 6, object), "the first is row 1"),
    ):
        with pytest.raises(ValueError, match=says):
            estimator().fit(x, y)


def test_column_names_that_are_not_names_are_refused():
    frame = {"text": ["a", "b"], "label": [0, 1]}
    pa = pytest.importorskip("pyarrow")
    for role in ("label", "text", "image", "id", "group"):
        with pytest.raises(UserError, match=f"column for {role}= is empty"):
            ls.load(pa.table(frame), **{role: ""})
        with pytest.raises(UserError, match=f"{role}= is a list"):
            ls.load(pa.table(frame), **{role: ["a"]})
    with pytest.raises(UserError, match="file of labels is empty"):
        ls.load(X, labels="")
    numbered = pytest.importorskip("pandas").DataFrame({0: [1.5, 2, 3, 4], 1: list("abab")})
    assert ls.load(numbered, label=1).classes == ("a", "b")


def test_names_of_columns_of_probabilities_and_arrays_of_texts():
    for role in ("label", "id"):
        with pytest.raises(UserError, match=f"column for {role}= is empty"):
            ls.load_probabilities(P, Y, **{role: ""})
    for kind in (str, object):
        assert list(ls.load(np.array(["a b", "c d"], kind), labels=[0, 1]).inputs) == ["a b", "c d"]
