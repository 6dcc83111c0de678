"""Croissant files beside a table, as mlcroissant writes and reads them."""

import json
import shutil
from pathlib import Path

import pytest

import labelsieve as ls
from labelsieve.core.errors import UserError

FILES = Path(__file__).parents[1] / "formats/files/croissant"  # mlcroissant 1.1.1 wrote the description


@pytest.fixture
def described(tmp_path):
    """A table whose names of columns say nothing, and its description."""
    for name in ("data.csv", "croissant.json"):
        shutil.copyfile(FILES / name, tmp_path / name)
    return tmp_path / "croissant.json"


def test_the_columns_are_what_the_file_says(described):
    for place in (described, described.parent):
        data = ls.load(place)
        assert (data.kind, data.classes, data.ids[4], data.splits[25]) == ("text", ("a", "b", "c"), "k4", "test")
        assert data.inputs[4] == "the text 4"
        assert any("croissant.json describes data.csv: label c2, id c0, text c1." in note for note in data.notes)
    assert ls.load(described, label="split", text="c1").classes == ("test", "train")


def test_the_copy_is_described_too(described, tmp_path):
    (tmp_path / "p.csv").write_text("id,old,new\nk3,a,c\nk5,c,\n")
    ls.apply(described, patch=tmp_path / "p.csv", out=tmp_path / "clean")
    data = ls.load(tmp_path / "clean")
    assert len(data) == 29 and data.classes[data.labels[3]] == "c"
    package = pytest.importorskip("mlcroissant")
    rows = [*package.Dataset(tmp_path / "clean/croissant.json").records("rows")]  # it checks the hash
    assert [row["rows/y"] for row in rows[:5]] == [b"a", b"b", b"c", b"c", b"b"] and len(rows) == 29


def test_what_is_not_in_a_table_is_told(described):
    about = json.loads(described.read_text())
    about["distribution"][0]["contentUrl"] = "https://example.org/there.csv"
    about["distribution"][0]["name"] = "there.csv"
    described.write_text(json.dumps(about))
    with pytest.raises(UserError, match="describes https://example.org/there.csv, which is not beside it; download it"):
        ls.load(described)
    about["recordSet"][0]["field"][2]["dataType"] = "sc:Text"
    described.write_text(json.dumps(about))
    with pytest.raises(UserError, match="No field of .*croissant.json is a label"):
        ls.load(described)
    about["distribution"] = [{"@type": "cr:FileSet", "@id": "data.csv", "includes": "*/*.parquet"}]
    about["recordSet"][0]["field"][2]["name"] = "label"
    described.write_text(json.dumps(about))
    with pytest.raises(UserError, match=r"in a set of files \(\*/\*.parquet\), not in one table"):
        ls.load(described)
