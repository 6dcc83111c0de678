"""A hash of an example: the same wherever it stands, another for another example."""

import sqlite3

import numpy as np
import pytest

from labelsieve.core import content_hash
from labelsieve.core.decision import Decision
from labelsieve.store.journal import Journal


def test_rows_of_numbers_are_the_same_in_another_order_and_as_another_type():
    rows = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    wide = rows.astype(np.float64)
    turned = np.random.default_rng(1).permutation(50)
    assert (content_hash.of_rows(rows) == content_hash.of_rows(wide)).all()
    assert (content_hash.of_rows(wide)[turned] == content_hash.of_rows(np.asfortranarray(wide[turned]))).all()
    assert len(set(content_hash.of_rows(rows).tolist())) == 50


def test_the_last_bit_of_a_number_does_not_count_and_a_millionth_does():
    row = np.random.default_rng(0).normal(size=(1, 30))
    assert content_hash.of_rows(np.nextafter(row, 9)) == content_hash.of_rows(row)
    other = row.copy()
    other[0, 3] *= 1 + 1e-6
    assert content_hash.of_rows(other) != content_hash.of_rows(row)
    assert content_hash.of_rows(np.array([[-0.0, np.nan, np.inf, 1e300]])) == content_hash.of_rows(
        np.array([[0.0, -np.nan, np.inf, 1e300]])
    )


def test_texts_differ_by_a_space_and_pictures_by_a_pixel():
    assert len(set(content_hash.of_inputs(["a b", "a  b", "A b", "a b "]).tolist())) == 4
    pictures = np.zeros((2, 4, 4), np.uint8)
    pictures[1, 0, 0] = 1
    assert len(set(content_hash.of(pictures, "image").tolist())) == 2
    assert content_hash.of_inputs([b"abc", None]).tolist()[1] == 0


def test_a_journal_of_an_older_version_gets_the_new_columns(tmp_path):
    old = sqlite3.connect(tmp_path / "decisions.sqlite")
    old.execute(
        """CREATE TABLE decisions (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, act TEXT NOT NULL,
        label TEXT, reviewer TEXT NOT NULL, at TEXT NOT NULL, batch TEXT NOT NULL, pick TEXT NOT NULL,
        blind INTEGER NOT NULL, p_wrong REAL,
        suggestion TEXT, target TEXT, note TEXT NOT NULL, UNIQUE (batch, id))"""
    )
    old.execute(
        "INSERT INTO decisions VALUES (1, 'a', 'keep', NULL, 'ann', 'now', 'one', 'ranked', 0, 0.5, 'x', NULL, '')"
    )
    old.commit()
    old.close()
    new = Decision("b", "relabel", "x", "ann", "now", "two", given="y", content="00000000000000ff")
    with_columns = Journal(tmp_path)
    with_columns.append([new])
    with_columns.close()
    again = Journal(tmp_path)
    rows, _ = again.read()
    again.close()
    assert [(row.id, row.given, row.content) for row in rows] == [("a", None, None), ("b", "y", "00000000000000ff")]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_whole_numbers_are_the_same_in_every_type(dtype):
    assert content_hash.of_rows(np.array([[1, 2, 3]], dtype)) == content_hash.of_rows(np.array([[1.0, 2.0, 3.0]]))
