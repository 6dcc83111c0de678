"""The history of earlier rounds in a folder of class folders, where the folder's name can hold only the current label.

In the copy of a folder `patch.csv` has two more columns: `file`, the current path of the example, and `label_before`,
the first label that it ever had. The next round reads them and writes `label_before.csv` (id, label, label_before,
label_decision), with one row per file that any round has changed.
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


def carry_history(
    source: Path, out: Path, targets: Mapping[str, str], given: Mapping[str, str], changes: Sequence[Change]
) -> dict[str, list[str]]:
    """Write the history of the `source` and the current changes into the copy `out`; returns the columns for its patch.

    Args:
        targets: id -> path in the copy; without the examples that are left out.
        given: id -> class in the source.
    """
    earlier = _earlier_changes(source)
    first_labels = {key: earlier[key][0] if key in earlier else name for key, name in given.items()}
    new = {change.id: change for change in changes}
    if any(key in given for key in earlier):
        rows = []
        for key, target in targets.items():
            change = new.get(key)
            if change or key in earlier:
                why = _why(change.who, change.why) if change else earlier[key][1]
                rows.append((target, change.new if change else given[key], first_labels[key], why))
        write_sheet(out / HISTORY, COLUMNS, rows)
    return {
        "file": [targets.get(change.id, "") for change in changes],
        BEFORE: [first_labels[change.id] for change in changes],
    }


def _earlier_changes(source: Path) -> dict[str, tuple[str, str]]:
    """Path in the source -> (first label, latest decision), for files that earlier rounds changed."""
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
