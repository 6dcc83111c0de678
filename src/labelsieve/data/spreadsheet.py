"""CSV files that people open in a spreadsheet: no cell is a formula. A cell that begins with = + - @ (or a tab or a
return) and is not a number gets an apostrophe in front, as OWASP advises
(https://owasp.org/www-community/attacks/CSV_Injection); reading removes it. So cells are read back unchanged, even if
the data contain such an apostrophe.
"""

from __future__ import annotations

import csv
import io
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
    """The rows of a file with a header that holds the columns `needed`. Cells may be separated by commas, semicolons or
    tabs, as spreadsheets of different countries save them; the text is UTF-8, UTF-16 with its mark (Excel's "Unicode
    text"), or Windows-1252.

    Raises:
        UserError: it cannot be read, or a column is missing, or a row is longer or shorter than the header.
    """
    old_limit = csv.field_size_limit(1 << 30)
    try:
        text = _decoded(path.read_bytes())
        header, comma = _header(text, needed)
        missing = [name for name in needed if name not in header]
        if missing:
            present = ", ".join(header[:20]) or "no columns"
            raise UserError(f"{path} has no column {missing[0]!r}; it needs {', '.join(needed)}, and has {present}.")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=comma))[1:]
    except (OSError, UnicodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    finally:
        csv.field_size_limit(old_limit)
    for number, row in enumerate(rows, 1):
        if any(row) and len(row) != len(header):
            raise UserError(
                f"{path}, row {number} does not have as many cells as the header; fix it, or quote the cells that "
                f"contain the separator {comma!r}."
            )
    whole = (row if any(row) else [""] * len(header) for row in rows if row)
    return [{name: _meant(cell) for name, cell in zip(header, row, strict=True)} for row in whole]


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = raw.decode("utf-16")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:  # spreadsheets call it ANSI
            text = raw.decode("cp1252", "surrogateescape")
    first, _, rest = text.partition("\n")
    return (
        rest if first.strip().lower() in ("sep=,", "sep=;", "sep=\t", "sep=") else text
    )  # a line that only Excel uses


def _header(text: str, needed: Sequence[str]) -> tuple[list[str], str]:
    """The header and its separator: the first that yields all needed columns, else the one that yields most columns."""
    headers = {mark: next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), []) for mark in ",;\t"}
    fits = [mark for mark, header in headers.items() if needed and set(needed) <= set(header)]
    best = fits[0] if fits else max(headers, key=lambda mark: len(headers[mark]))
    return headers[best], best


def _inert(cell: Any) -> Any:
    return "" if cell is None else "'" + cell if isinstance(cell, str) and _acts(cell) else cell


def _meant(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _acts(cell) else cell


def _acts(cell: str) -> bool:
    """Whether a spreadsheet would run the cell, with or without the apostrophes in front."""
    if not _FORMULA.match(cell):
        return False
    try:
        float(cell)
        return False
    except ValueError:
        return True
