"""CSV files for people: nothing in them is a formula, and what was written comes back."""

import csv

from hypothesis import given
from hypothesis import strategies as st

from labelsieve.export.sheet import read_sheet, write_sheet

CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["=1+1", "'=1+1", "''@x", "-1", "+1", "-rf", "'", "\t=", "1e5", "-inf"]
)


def raw(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_what_was_written_comes_back_and_no_cell_is_a_formula(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("sheet") / "a.csv"
    write_sheet(path, ("id", "label"), rows)
    assert [(row["id"], row["label"]) for row in read_sheet(path, ("id",))] == rows
    for cell in sum(raw(path)[1:], []):
        assert not cell or cell[0] not in "=@\t\r" and (cell[0] not in "+-" or float(cell) is not None)


def test_numbers_and_plain_words_stay_as_they_are(tmp_path):
    write_sheet(tmp_path / "a.csv", ("id", "p"), [("-1", 0.5), ("cat's", None), ("=cmd|' /C calc'!A0", -0.5)])
    assert raw(tmp_path / "a.csv")[1:] == [["-1", "0.5"], ["cat's", ""], ["'=cmd|' /C calc'!A0", "-0.5"]]
