"""CSV: one row per example with its finding and its decision.

An import reads the columns `decision` and `label`, or `label` alone if there is no column `decision`.

Sheets of other tools are read too: a CSV file from Label Studio or doccano, or JSON Lines from doccano. Their `id` is
the tool's own number. Our id, `labelsieve_id`, may be a column or an entry of a metadata column, and has priority.
Without it, the text identifies the example.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.added_columns import OPINIONS, PREFIX
from labelsieve.core.conflict import Conflict
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.data.spreadsheet import read_sheet, write_sheet
from labelsieve.exchange.answer_check import with_contents
from labelsieve.exchange.answers import LABEL, Answer, Read, Unread
from labelsieve.exchange.export_rows import CONFLICT, Row, columns

OWN, CONTENT = PREFIX + "id", PREFIX + "content"
METADATA = ("meta", "metadata", "data")  # columns that may hold a JSON object with further columns
REJECTED = ("reject", "ignore")  # cells of Prodigy's column `answer`: nobody chose the label of the row
BY = ("annotator", "annotation_id")  # columns of a tool that writes one row for each annotation


def write(rows: Sequence[Row], out: Path) -> None:
    write_sheet(out, columns(rows), (list(row.cells().values()) for row in rows))


def read(path: Path, classes: Collection[str] = (), findings: Findings | None = None) -> Read:
    """Read a sheet; rows without a decision, or with the exported decision "conflict", are not answers.

    Args:
        findings: of the run; the texts of a sheet are matched to its examples.
    """
    rows = [row for row in _rows(path) if any(row.values())]  # spreadsheets may add empty rows
    if not rows:
        return Read([])
    key = OWN if OWN in rows[0] else "id"
    label = _label_column(rows, classes, path)
    other_columns = {
        OWN,
        CONTENT,
        "id",
        label,
        "given_label",
        "suggested_label",
        "decision",
        "reviewer",
        "at",
        "note",
        "content",
        "split",
        *OPINIONS,
        *BY,
    }
    text = [None] * len(rows) if findings is None else with_contents(rows, findings, tuple(other_columns))
    answers: list[Answer] = []
    conflicts: list[Conflict] = []
    rejected: dict[str, list[str]] = {}
    for row, content in zip(rows, text, strict=True):
        if row.get("answer") in REJECTED:
            rejected.setdefault(row["answer"], []).append(row[key])
            continue
        decision = row.get("decision")
        if decision in ("", CONFLICT) or (decision is None and not row[label]):
            continue
        act = decision.strip().lower() if decision is not None else LABEL if any(name in row for name in BY) else ""
        parts = _choices(row[label], classes)
        if len(parts) > 1:
            conflicts.append(
                Conflict(row[key], f"several choices at once ({', '.join(parts)}); each example has one label")
            )
            continue
        facts = {"given": row.get("given_label") or None, "content": row.get(CONTENT) or row.get("content") or content}
        annotator, reviewer = row.get("annotator", "").strip(), row.get("reviewer", "").strip()
        exporter = reviewer if reviewer and row.get("at") else None  # an export writes both
        annotator = annotator or ("" if exporter else reviewer)
        answers.append(
            Answer(
                row[key],
                act,
                parts[0] if parts else "",
                None,
                row.get("note", ""),
                annotator,
                exporter=exporter,
                **facts,
            )
        )
    unread = [
        Unread(f"rows with the answer {word!r}, which name no class", len(ids), ids[0])
        for word, ids in rejected.items()
    ]
    return Read(answers, conflicts, unread, own=key == OWN)


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of the sheet, including the columns in its metadata.

    Raises:
        UserError: the sheet cannot be read, or has neither `labelsieve_id` nor `id`.
    """
    rows = _lines(path) if path.suffix.lower() in (".jsonl", ".ndjson") else _sheet(path)
    for row in rows:
        for name in METADATA:
            value = row.get(name)
            inner: Any = value
            if isinstance(value, str) and value.lstrip().startswith("{"):
                try:
                    inner = json.loads(value)
                except (ValueError, RecursionError):
                    continue
            if isinstance(inner, dict):
                row.update(
                    {str(k): _cell(v) for k, v in inner.items() if str(k).startswith(PREFIX) or str(k) not in row}
                )
    rows = [{name: _cell(value) for name, value in row.items()} for row in rows]
    names = dict.fromkeys(name for row in rows for name in row)
    rows = [dict.fromkeys(names, "") | row for row in rows]
    if rows and OWN not in names and "id" not in names:
        raise UserError(
            f"{path} has no column 'id'; it needs {OWN} or id, and label. Its columns are "
            f"{', '.join(list(names)[:20])}."
        )
    return rows


def _sheet(path: Path) -> list[dict[str, Any]]:
    rows = read_sheet(path, ())
    if not rows:
        read_sheet(path, ("id", "label"))  # raises an error if the header lacks a column
    return [dict(row) for row in rows]


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON Lines ({error}).") from error
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path} should hold one JSON object per line.")
    return rows


def _cell(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    return (
        ""
        if value is None or value == []
        else value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False)
    )


def _label_column(rows: Sequence[dict[str, str]], classes: Collection[str], path: Path) -> str:
    """The column of the answers: `label`, or the one control of another tool whose cells are classes.

    Raises:
        UserError: there is no such column, or more than one.
    """
    if "label" in rows[0]:
        return "label"
    known = set(classes)
    ours = {"given_label", "suggested_label", "other_label", "label_before", "label_exported", *OPINIONS}
    fits = [
        name
        for name in rows[0]
        if name not in ours and any(row[name] for row in rows) and all(row[name] in known for row in rows if row[name])
    ]
    if len(fits) != 1:
        columns = f"it could be {', '.join(fits)}" if fits else f"its columns are {', '.join(list(rows[0])[:20])}"
        raise UserError(f"{path} has no column 'label'; {columns}. Rename the column with the answers to label.")
    return fits[0]


def _choices(cell: str, classes: Collection[str]) -> list[str]:
    """The classes in a cell: one, or several as in Label Studio ({"choices": [...]}) or doccano (a#b, [...])."""
    if cell in classes:
        return [cell]
    if cell.lstrip().startswith(("{", "[")):
        try:
            choices = json.loads(cell)
        except (ValueError, RecursionError):
            return [cell]
        choices = choices.get("choices", choices) if isinstance(choices, dict) else choices
        if isinstance(choices, list) and choices and all(isinstance(value, str) for value in choices):
            return choices
    parts = cell.split("#")
    return parts if len(parts) > 1 and all(part in classes for part in parts) else [cell] if cell else []
