"""CSV files for people: nothing in them is a formula, and what was written comes back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsieve.cli import main
from labelsieve.core.errors import UserError
from labelsieve.data.spreadsheet import read_sheet, write_sheet

CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["=1+1", "'=1+1", "''@x", "-1", "+1", "-rf", "'", "\t=", "1e5", "-inf"]
)


def raw(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_written_cells_are_read_back_unchanged_and_none_is_a_formula(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("sheet") / "a.csv"
    write_sheet(path, ("id", "label"), rows)
    assert [(row["id"], row["label"]) for row in read_sheet(path, ("id",))] == rows
    for cell in sum(raw(path)[1:], []):
        assert not cell or cell[0] not in "=@\t\r" and (cell[0] not in "+-" or float(cell) is not None)


def test_numbers_and_plain_words_stay_as_they_are(tmp_path):
    write_sheet(tmp_path / "a.csv", ("id", "p"), [("-1", 0.5), ("cat's", None), ("=cmd|' /C calc'!A0", -0.5)])
    assert raw(tmp_path / "a.csv")[1:] == [["-1", "0.5"], ["cat's", ""], ["'=cmd|' /C calc'!A0", "-0.5"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n"])
def test_sheets_are_read_as_spreadsheets_save_them(tmp_path, encoding, mark, first):
    rows = [["note", "id", "label"], ["ça, va; bien", "'=1+1", "gré"], ["", "", ""], ["a\tb", "r1", 'quo"te']]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=mark).writerows(rows)
    (tmp_path / "a.csv").write_bytes((first.format(mark) + text.getvalue()).encode(encoding))
    rows_read = read_sheet(tmp_path / "a.csv", ("id", "label"))
    assert [(row["id"], row["label"], row["note"]) for row in rows_read] == [
        ("=1+1", "gré", "ça, va; bien"),
        ("", "", ""),
        ("r1", 'quo"te', "a\tb"),
    ]


def test_a_sheet_without_a_column_says_which_it_has(tmp_path):
    (tmp_path / "a.csv").write_text("key;label\n1;2\n")
    with pytest.raises(UserError, match="no column 'id'; it needs id, label, and has key, label"):
        read_sheet(tmp_path / "a.csv", ("id", "label"))


@pytest.mark.parametrize("mark", [";", "\t"])
def test_decisions_and_patches_from_another_country(tmp_path, capsys, mark):
    (tmp_path / "t.csv").write_text("id,said,label\n" + "".join(f"k{i},text {i},{'ab'[i % 2]}\n" for i in range(8)))
    text = "id,old,new,who,when,why,p_wrong\nk1,b,a,ann,,seen,0DOT95\n,,,,,,\n".replace(",", mark).replace("DOT", ",")
    (tmp_path / "p.csv").write_bytes(text.encode("utf-16"))
    assert (
        main(
            [
                "apply",
                str(tmp_path / "t.csv"),
                "--text",
                "said",
                "--patch",
                str(tmp_path / "p.csv"),
                "-o",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    assert "k1,text 1,a,b,ann seen" in (tmp_path / "out/t.csv").read_text()


def test_an_empty_sheet(tmp_path):
    for text in ("", "\n", "\ufeff", "\n\n"):
        (tmp_path / "a.csv").write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match="has no column 'id'; it needs id, label, and has no columns"):
            read_sheet(tmp_path / "a.csv", ("id", "label"))


def test_ids_that_a_spreadsheet_has_rewritten(tmp_path, capsys):
    rows = "".join(f"{i:04d},text {i} on {'ab'[i % 2]},{'ab'[i % 2]}\n" for i in range(30))
    (tmp_path / "t.csv").write_text("id,text,label\n" + rows)
    run = str(tmp_path / "r")
    assert main(["find", str(tmp_path / "t.csv"), "-o", run, "--detectors", "consensus", "--json"]) == 0
    assert main(["export", run, "--to", "csv", "-o", str(tmp_path / "s.csv")]) == 0
    capsys.readouterr()
    rows = read_sheet(tmp_path / "s.csv", ("id", "content"))
    for names in (("id", "decision", "label", "content"), ("id", "decision", "label")):
        cells = [[str(int(row["id"])), "keep", "", row["content"]][: len(names)] for row in rows[5:9]]
        write_sheet(tmp_path / "b.csv", names, cells)
        code = main(["import", run, str(tmp_path / "b.csv"), "--from", "csv", "--reviewer", "bob"])
        out, err = capsys.readouterr()
        assert (
            ("4 new decisions" in out)
            if "content" in names
            else (code == 2 and "a spreadsheet seems to have rewritten them" in err)
        )
