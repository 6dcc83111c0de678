"""The patch: one row per changed label, in a CSV file that can be read, shortened and applied like a diff.

Columns: id, old, new (empty: the example is left out), who, when, why, p_wrong, content (a hash of the example). If
rows of the data have moved, the content tells where. A row is a conflict if `old` is not the current label, or if the
data do not have its example: conflicts are listed and not applied.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np

from labelsieve.core.conflict import Conflict
from labelsieve.core.content_hash import of_data
from labelsieve.core.dataset import Dataset
from labelsieve.core.decision import Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.row_matching import OTHER, match, stamp
from labelsieve.data.spreadsheet import read_sheet, write_sheet

AUTO = "auto"


@dataclass(frozen=True)
class Change:
    """One changed label.

    `new` "" leaves the example out; `when` is ISO 8601; `p_wrong` None and `content` "" mean unknown.
    """

    id: str
    old: str
    new: str
    who: str = ""
    when: str = ""
    why: str = ""
    p_wrong: float | None = None
    content: str = ""


COLUMNS = tuple(field.name for field in fields(Change))
FILE, CONFLICTS = "patch.csv", "conflicts.csv"


def from_decisions(
    findings: Findings,
    fold: Fold,
    p_wrong: np.ndarray,
    automatic: Mapping[int, str] | None = None,
    now: str = "",
) -> tuple[list[Change], list[Conflict]]:
    """The changes that follow from the decisions, in the order of the data.

    Args:
        p_wrong: (n,) float, the current probabilities.
        automatic: position -> why the row gets its likeliest other class, if there is no decision on it.
        now: the time to write for these changes.
    """
    changes: list[Change] = []
    conflicts: list[Conflict] = []
    row_of = {key: i for i, key in enumerate(findings.ids)}
    rows = {row_of[key] for key in fold.ids() if key in row_of}
    conflicts += [
        Conflict(key, "the run does not have the example of this decision") for key in fold.ids() if key not in row_of
    ]
    automatic = {row: why for row, why in (automatic or {}).items() if not fold.of(findings.ids[row])}
    for row in sorted(rows | set(automatic)):
        key, old, p = findings.ids[row], findings.classes[findings.given[row]], float(p_wrong[row])
        verdict, content = fold.verdict(key), stamp(findings, row)["content"] or ""
        if fold.conflict(key):
            opinions = {f"{d.reviewer}: {d.label or d.act}" for d in fold.of(key).values()}
            conflicts.append(Conflict(key, f"reviewers differ ({', '.join(sorted(opinions))}); the given label stays"))
        elif row in automatic:
            changes.append(
                Change(key, old, findings.classes[findings.other[row]], AUTO, now, automatic[row], p, content)
            )
        elif verdict and (verdict.act == "exclude" or (verdict.act == "relabel" and verdict.label != old)):
            why = verdict.act + (f": {verdict.note}" if verdict.note else "")
            changes.append(Change(key, old, verdict.label or "", verdict.reviewer, verdict.at, why, p, content))
    return changes, conflicts


def with_current_ids(changes: Sequence[Change], data: Dataset) -> tuple[list[Change], list[Conflict]]:
    """The changes with the current ids of their examples, and a conflict for each example that the data do not have."""
    with_content = [change for change in changes if change.content]
    if not with_content:
        return list(changes), []
    content_now, code = of_data(data), {name: c for c, name in enumerate(data.classes)}
    ids = np.array([change.id for change in with_content], object)
    content = np.array([int(change.content, 16) for change in with_content], np.uint64)
    labels = np.array([code.get(change.old, -1) for change in with_content], np.int64)
    row_of = dict(
        zip(with_content, match(ids, content, labels, data.ids, content_now, data.labels).tolist(), strict=True)
    )
    moved = [
        replace(c, id=str(data.ids[row_of[c]])) if row_of.get(c, -1) >= 0 else c
        for c in changes
        if row_of.get(c, 0) >= 0
    ]
    existing = set(data.ids.tolist())
    why = {
        True: f"the patch was made for another example: {OTHER}",
        False: "the data have neither this id nor this example under another id",
    }
    conflicts = [Conflict(change.id, why[change.id in existing]) for change in with_content if row_of[change] < 0]
    return moved, conflicts


def fitting(
    changes: Sequence[Change], given: Mapping[str, str], was: str = "the patch expects the label"
) -> tuple[list[Change], list[Conflict]]:
    """The changes that fit the data, and a conflict for each change that does not.

    Several different changes of one id do not fit.

    Args:
        given: id -> current label.
        was: the beginning of the reason where the old label is another one.
    """
    changes_of: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        changes_of[change.id].append(change)
    fit: list[Change] = []
    conflicts: list[Conflict] = []
    for key, several in changes_of.items():
        if key not in given:
            conflicts.append(Conflict(key, "the data have no such id"))
        elif len({(c.old, c.new) for c in several}) > 1:
            conflicts.append(Conflict(key, f"the patch has {len(several)} rows for it, which differ"))
        elif several[0].old != given[key]:
            conflicts.append(Conflict(key, f"{was} {several[0].old!r}, the data have {given[key]!r}"))
        elif several[0].new != several[0].old:
            fit.append(several[-1])
    return fit, conflicts


def write(path: Path, changes: Sequence[Change], more: Mapping[str, Sequence[str]] | None = None) -> None:
    """Write the changes; `more` are further columns, one cell per change."""
    columns = more or {}
    cells = zip(*columns.values(), strict=True) if columns else [()] * len(changes)
    write_sheet(
        path, (*COLUMNS, *columns), ((*astuple(change), *cell) for change, cell in zip(changes, cells, strict=True))
    )


def read(path: Path) -> list[Change]:
    """The changes of a patch file.

    Raises:
        UserError: it cannot be read, or lacks the columns id, old, new.
    """
    changes: list[Change] = []
    for number, row in enumerate(read_sheet(path, ("id", "old", "new")), 1):
        if not any(row.values()):  # spreadsheets may add empty rows
            continue
        cells = {name: (row.get(name) or "") for name in COLUMNS}
        if not cells["id"] or not cells["old"]:
            raise UserError(
                f"{path}, row {number}: {'id' if not cells['id'] else 'old'} is empty; each row needs an id and its "
                "old label."
            )
        try:
            p_wrong = (
                float(cells["p_wrong"].replace(",", ".")) if cells["p_wrong"] else None
            )  # some countries write 0,95
        except ValueError as error:
            raise UserError(
                f"{path}, row {number}: p_wrong is {cells['p_wrong'][:40]!r}, which is not a number."
            ) from error
        if cells["content"] and not re.fullmatch("[0-9a-f]{16}", cells["content"]):
            raise UserError(
                f"{path}, row {number}: content is {cells['content'][:40]!r}, not the 16 hex digits that apply writes."
            )
        changes.append(Change(**{**cells, "p_wrong": p_wrong}))  # pyright: ignore[reportArgumentType]
    return changes


def write_conflicts(path: Path, conflicts: Sequence[Conflict]) -> None:
    write_sheet(path, ("id", "reason"), (astuple(conflict) for conflict in conflicts))
