"""CSV files that people open in a spreadsheet: no cell is a formula. A cell that begins with = + - @ (or a tab or a return) and is no
number gets an apostrophe in front, as OWASP advises (https://owasp.org/www-community/attacks/CSV_Injection); reading takes it off
again. So what is written comes back as it was, whether the apostrophe was the file's or the data's own.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def write_sheet(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file; None is an empty cell."""
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_inert(cell) for cell in row] for row in rows)


def read_sheet(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header that holds the columns `needed`.

    Raises:
        UserError: it cannot be read, or a column is missing, or a row is longer or shorter than the header.
    """
    before = csv.field_size_limit(1 << 30)
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.DictReader(file, restkey="", restval=None)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{path} has no column {missing[0]!r}; it needs {', '.join(needed)}.")
            rows = list(reader)
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    finally:
        csv.field_size_limit(before)
    crooked = next((i for i, row in enumerate(rows, 1) if "" in row or None in row.values()), None)
    if crooked is not None:
        raise UserError(f"{path}, row {crooked} does not have as many cells as the header; mend it, or quote what holds a comma.")
    return [{name: _meant(cell) for name, cell in row.items()} for row in rows]


def _inert(cell: Any) -> Any:
    return "" if cell is None else "'" + cell if isinstance(cell, str) and _acts(cell) else cell


def _meant(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _acts(cell) else cell


def _acts(cell: str) -> bool:
    """Whether a spreadsheet would run it, or would but for apostrophes in front."""
    if not _FORMULA.match(cell):
        return False
    try:
        float(cell)
        return False
    except ValueError:
        return True
