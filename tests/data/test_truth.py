import numpy as np
import pytest

from labelsieve.core.errors import UserError
from labelsieve.data.truth import read_truth, read_truth_with_notes

IDS, CLASSES = np.array(["a", "b", "c"], object), ("cat", "dog")


@pytest.fixture
def file(tmp_path):
    def write(text, name="truth.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_matched_by_id_in_any_order_with_gaps_and_more(file):
    path = file("id,label\nz,dog\nc,dog\na,cat\n")
    assert read_truth(path, IDS, CLASSES) == ["cat", None, "dog"]


def test_in_order_from_each_kind_of_file(file, tmp_path):
    want = ["dog", "cat", "dog"]
    assert read_truth(file("label\ndog\ncat\ndog\n"), IDS, CLASSES) == want
    assert read_truth(file("dog\ncat\ndog\n", "truth.txt"), IDS, CLASSES) == want
    np.save(tmp_path / "truth.npy", [1, 0, 1])
    assert read_truth(tmp_path / "truth.npy", IDS, CLASSES) == want


def test_numbers_are_names_where_the_classes_are_numbers(tmp_path):
    np.save(tmp_path / "truth.npy", [1.0, 2.0, 0.0])
    assert read_truth(tmp_path / "truth.npy", IDS, ("1", "2")) == ["1", "2", "0"]


def test_a_class_that_the_run_does_not_know_stays(file):
    assert read_truth(file("id,label\na,cat\nb,fox\nc,dog\n"), IDS, CLASSES) == ["cat", "fox", "dog"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label\ncat\ndog\n", "2 labels for the 3 examples.*id,label"),
        ("id,label\nx,cat\ny,dog\n", "no label for any of the 3 examples.*'x'.*'a'"),
        ("id,label\na,cart\nb,cart\nc,dig\n", "'cart'.*'cat'"),
        ("id,label\na,cat\na,dog\n", "'a' appears twice"),
        ("id,label\na,\nb,\n", "holds no label"),
    ],
)
def test_mistakes(file, text, message):
    with pytest.raises(UserError, match=message):
        read_truth(file(text), IDS, CLASSES)


def test_no_such_file(tmp_path):
    with pytest.raises(UserError, match="truth.csv"):
        read_truth(tmp_path / "truth.csv", IDS, CLASSES)


def test_unknown_ids_and_a_match_by_order_are_noted(file):
    labels, notes = read_truth_with_notes(
        file("id,label\na,cat\nb,dog\nx,cat\ny,dog\nout,cat\n"), IDS, CLASSES, {"out"}
    )
    assert labels == ["cat", "dog", None] and "2 of its 5 ids are not in the run ('x', 'y')" in notes[0]
    labels, notes = read_truth_with_notes(file("label\ndog\ncat\ndog\n"), IDS, CLASSES)
    assert labels == ["dog", "cat", "dog"] and "by order: the first, 'dog', to 'a'" in notes[0]


def test_the_column_labelsieve_id_is_preferred(file):
    table = "id,labelsieve_id,label\n1,b,dog\n2,a,cat\n"
    assert read_truth(file(table), IDS, CLASSES) == ["cat", "dog", None]


@pytest.mark.parametrize(("last", "fine"), [(0, True), (1, True), (2, False), (3, False), (-1, True)])
def test_positions_end_with_the_last_class(tmp_path, last, fine):
    np.save(tmp_path / "truth.npy", [0, 1, last])
    if fine:
        assert read_truth(tmp_path / "truth.npy", IDS, CLASSES) == ["cat", "dog", None if last < 0 else CLASSES[last]]
        return
    with pytest.raises(
        UserError,
        match=r"labels such as '0', none of which is a class of the run\. There are: cat, "
        r"dog\.",
    ):
        read_truth(tmp_path / "truth.npy", IDS, CLASSES)


def test_a_position_past_the_classes_is_refused(file):
    assert read_truth(file("id,label\na,1\nb,0\n"), IDS, CLASSES) == ["dog", "cat", None]
    with pytest.raises(UserError, match="none of which is a class of the run"):
        read_truth(file("id,label\na,1\nb,2\n"), IDS, CLASSES)
