"""The tables of the page on annotators are those of the records."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_shows_the_records():
    spec = importlib.util.spec_from_file_location("vote_rows", ROOT / "bench" / "vote_rows.py")
    rows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rows)
    page = (ROOT / "docs" / "annotators.md").read_text()
    for table in rows.tables():
        assert len(table) > 2
        assert "\n\n" + "\n".join(table) + "\n\n" in page + "\n"
