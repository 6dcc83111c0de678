"""Writes the tables of measurements into the pages, from the records in bench/records.

    python docs/write_benchmarks.py

In every page of this folder it replaces what stands between `<!-- table: NAME -->` and `<!-- end -->` by the table of
that name, a function in `bench/tables.py`. `tests/test_docs.py` fails when a page is not what this script would write.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "bench"))
import tables  # noqa: E402


def with_tables(text: str) -> str:
    """`text`, a page, with every table written anew."""
    return re.sub(
        r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}\n{getattr(tables, match[2])()}\n\n{match[3]}",
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    for page in sorted(HERE.rglob("*.md")):
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
