"""Records say how they were made, and hold what the tables show."""

import json
import sys
from inspect import getmembers, isfunction, signature
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
RECORDS = sorted((BENCH / "records").glob("*.json"))
# Made before records had this form; the pages say what they are. A script that is run again writes the new form.
OLD = {"ask_again", "boxes", "kills", "large", "networks", "several_labels", "several_labels_choice"}
OLD |= {"votes", "votes_constants", "votes_large"}


@pytest.mark.parametrize("path", [path for path in RECORDS if path.stem not in OLD], ids=lambda path: path.stem)
def test_a_record_says_how_it_was_made(path):
    content = json.loads(path.read_text())
    assert set(content) == {"about", "rows"}
    about = content["about"]
    script = about["command"].split()[1]
    assert about["command"].startswith("python bench/") and (BENCH.parent / script).is_file()
    assert about["day"] and about["commit"] and "cores" in about["hardware"]
    assert {"python", "labelsieve", "numpy"} <= set(about["versions"])
    assert isinstance(about["settings"], dict)
    assert content["rows"] and all(isinstance(row, dict) and row for row in content["rows"])


def test_every_table_can_be_written_and_is_on_a_page():
    sys.path.insert(0, str(BENCH))
    try:
        import tables
    finally:
        sys.path.remove(str(BENCH))
    pages = "\n".join(page.read_text() for page in (BENCH.parent / "docs").rglob("*.md"))
    for name, function in getmembers(tables, isfunction):
        if function.__module__ != "tables" or name.startswith("_") or signature(function).parameters:
            continue
        lines = function().split("\n")
        assert len(lines) > 2 and len({line.count("|") for line in lines}) == 1, name
        assert f"<!-- table: {name} -->" in pages, f"{name} is on no page"
