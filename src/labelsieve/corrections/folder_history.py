"""What a folder of class folders remembers of earlier rounds, since its label is a folder's name and has no room for more.

In the copy of a folder `patch.csv` has two columns more: `file`, where the example lies now, and `label_before`, the first label that it
was ever given. A later round reads them, and from then on `label_before.csv` (id, label, label_before, label_decision) holds one row for
each file that any round has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from labelsieve.core.added_columns import BEFORE, DECISION, is_own_file
from labelsieve.corrections import patch
from labelsieve.corrections.patch import Change
from labelsieve.data.spreadsheet import read_sheet, write_sheet

HISTORY = "label_before.csv"
COLUMNS = ("id", "label", BEFORE, DECISION)


def carry(
    source: Path, out: Path, goals: Mapping[str, str], given: Mapping[str, str], changes: Sequence[Change]
) -> dict[str, list[str]]:
    """Write what the `source` remembers and what changes now into the copy `out`; returns the columns for its patch.

    Args:
        goals: id -> place in the copy; what is left out is not there.
        given: id -> class in the source.
    """
    past = _past(source)
    before = {key: past[key][0] if key in past else name for key, name in given.items()}
    new = {change.id: change for change in changes}
    if any(key in given for key in past):
        rows = []
        for key, goal in goals.items():
            change = new.get(key)
            if change or key in past:
                why = _why(change.who, change.why) if change else past[key][1]
                rows.append((goal, change.new if change else given[key], before[key], why))
        write_sheet(out / HISTORY, COLUMNS, rows)
    return {"file": [goals.get(change.id, "") for change in changes], BEFORE: [before[change.id] for change in changes]}


def _past(source: Path) -> dict[str, tuple[str, str]]:
    """Place in the source -> the first label and the latest decision, of files that earlier rounds changed."""
    if _is_own(source / HISTORY):
        return {row["id"]: (row[BEFORE], row[DECISION]) for row in read_sheet(source / HISTORY, COLUMNS)}
    if not _is_own(source / patch.FILE):
        return {}
    rows = read_sheet(source / patch.FILE, ())
    return {
        row["file"]: (row[BEFORE], _why(row["who"], row["why"])) for row in rows if row.get("file") and row.get(BEFORE)
    }


def _is_own(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, encoding="utf-8", errors="replace") as file:
        return is_own_file(path.name, file.readline(1000))


def _why(who: str, why: str) -> str:
    return " ".join(part for part in (who, why) if part) or "patch"
