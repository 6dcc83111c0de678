"""CSV: one row an example with its finding and its decision. Coming back, the columns `decision` and `label` are read, or, where there
is no column `decision`, `label` alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from labelsieve.export.answers import Answer, Read
from labelsieve.export.rows import CONFLICT, Row
from labelsieve.export.sheet import read_sheet, write_sheet


def write(rows: Sequence[Row], out: Path) -> None:
    write_sheet(out, [field.name for field in fields(Row)], (astuple(row) for row in rows))


def read(path: Path, classes: Collection[str] = ()) -> Read:
    """An empty decision says nothing, nor does "conflict", which the export writes where reviewers differ."""
    found = [row for row in read_sheet(path, ("id", "label")) if any(row.values())]  # spreadsheets leave empty rows behind
    if found and "decision" not in found[0]:
        return Read([Answer(row["id"], "", row["label"]) for row in found if row["label"]])
    said = (row for row in found if row["decision"] not in ("", CONFLICT))
    return Read([Answer(row["id"], row["decision"].strip().lower(), row["label"], note=row.get("note", "")) for row in said])
