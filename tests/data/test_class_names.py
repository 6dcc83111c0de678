"""Bytes that are no text, and class names that look alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsieve.data import load
from labelsieve.data.class_names import label_notes, readable, word


@given(st.binary())
def test_every_bytes_become_text_that_can_be_stored(raw):
    assert word(raw).encode().decode() == word(raw)
    assert len(word(raw)) <= len(raw)


@given(st.text())
def test_utf8_is_read_as_written(text):
    assert word(text.encode()) == text


@given(st.text(st.characters(exclude_categories=())))
def test_every_name_becomes_text_that_can_be_stored(name):
    shown = readable(name)
    assert shown.encode().decode() == shown
    assert readable(shown) == shown


@pytest.mark.parametrize(
    ("raw", "text"),
    [("caf\u00e9".encode(), "caf\u00e9"), (b"caf\xe9", "caf\u00e9"), (b"\x80 5", "\u20ac 5"), (b"\x81", "\x81")],
)
def test_words(raw, text):
    assert word(raw) == text


def test_readable_names():
    assert readable("caf\u00e9") == "caf\u00e9"
    assert readable("caf\udce9") == r"caf\xe9"
    assert readable("half \ud83d") == r"half \ud83d"


def test_variants_of_a_label_are_named_with_counts_and_not_merged():
    given = ["Cat", "cat ", " cat", "cat", "cat", "dog", "caf\u00e9", "cafe\u0301"]
    data = load(np.eye(8), labels=given)
    assert len(data.classes) == 7
    (note,) = data.notes
    for listed in ("'Cat' (1)", "'cat ' (1)", "' cat' (1)", "'cat' (2)", "'caf\u00e9' (1)"):
        assert listed in note
    assert "dog" not in note


@pytest.mark.parametrize("gap", ["NA", "nan", "None", "null", "?", "N/A", " na "])
def test_a_word_that_may_mean_a_missing_label_is_noted(gap):
    data = load(np.eye(4), labels=["a", "b", gap, gap])
    assert data.classes == tuple(sorted(["a", "b", gap]))
    (note,) = data.notes
    assert f"{gap!r} (2)" in note and "missing" in note


def test_classes_that_do_not_occur_and_ordinary_names_need_no_note():
    assert label_notes(("Cat", "cat", "NA", "b"), np.array([1, 1, 3])) == ()
    assert load(np.eye(4), labels=["a", "b", "Nathan", "bananas"]).notes == ()


def test_labels_as_bytes(tmp_path):
    np.savez(tmp_path / "d.npz", features=np.eye(3), labels=np.array([b"caf\xe9", b"tea", b"tea"]))
    data = load(tmp_path / "d.npz")
    assert data.classes == ("caf\u00e9", "tea") and "1 of the labels" in data.notes[0]
    (tmp_path / "l.txt").write_bytes(b"th\xe9\ntea\ntea\n")
    assert load(np.eye(3), labels=tmp_path / "l.txt").classes == ("tea", "th\u00e9")


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("1", "1.0"), "one number"),
        (("1", "01"), "one number"),
        (("1", "\uff11"), "one number"),
        (("2", "+2", "2e0"), "one number"),
        (("-3", "\u22123"), "one number"),
        (("cat", "c\u0430t"), "look alike"),
        (("CAT", "\u0421AT"), "look alike"),
        (("x", "\u03c7"), "look alike"),
        (("cat", "cat\u200b"), "look alike"),
        (("cat", "c\u00adat"), "look alike"),
        (("cat", "\uff43\uff41\uff54"), "look alike"),
        (("t-shirt", "t\u2013shirt", "t\u2011shirt"), "look alike"),
        (("don't", "don\u2019t"), "look alike"),
        (("cat", "Cat", "c\u0430t"), "look alike"),
    ],
)
def test_names_that_look_alike_are_noted_with_counts(names, what):
    data = load(np.eye(3 * len(names) + 2), labels=[*names * 3, "dog", "dog"])
    assert len(data.classes) == len(names) + 1
    (note,) = [note for note in data.notes if what in note]
    for name in names:
        assert f"{name!r} (3" in note
    assert "dog" not in note


def test_names_that_only_seem_to_be_alike_need_no_note():
    for names in (
        ["A", "A+", "A-"],
        ["0", "O"],
        ["1", "l", "I"],
        ["\u0434\u0430", "\u043d\u0435\u0442"],
        ["-1", "1"],
        ["v1", "v1.0"],
    ):
        assert load(np.eye(2 * len(names)), labels=names * 2).notes == ()


def test_one_number_in_digits_of_several_scripts():
    (note,) = label_notes(["1", "\u0661", "2"], np.array([0, 1, 2, 2]))
    assert "one number in several ways" in note and "'1' (1), '\u0661' (1)" in note
