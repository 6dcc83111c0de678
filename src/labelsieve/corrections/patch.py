"""The patch: every label that changes, one row each, as a CSV file that can be read, shortened and applied like a diff.

Columns: id, old, new (empty: the example is left out), who, when, why, p_wrong, content (a hash of the example). A row follows its content
where rows have moved. One whose `old` is not the label that the data have now, or whose example they do not have, is a conflict: it is
listed and nothing is done.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np

from labelsieve.core.conflict import Conflict
from labelsieve.core.content_hash import of
from labelsieve.core.dataset import Dataset
from labelsieve.core.decision import Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.row_matching import OTHER, match, stamp
from labelsieve.data.spreadsheet import read_sheet, write_sheet

AUTO = "auto"


@dataclass(frozen=True)
class Change:
    """One label that changes. `new` "" leaves the example out; `when` is ISO 8601; `p_wrong` None and `content` "" where unknown."""

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


def decided(
    findings: Findings, fold: Fold, p_wrong: np.ndarray, auto: float | None = None, now: str = ""
) -> tuple[list[Change], list[Conflict]]:
    """The changes that the decisions make, in the order of the data.

    Args:
        p_wrong: (n,) float, the current probabilities.
        auto: also take the likeliest other class where p_wrong >= auto and nobody decided anything; None does not.
        now: the time to write beside what `auto` takes.
    """
    changes: list[Change] = []
    conflicts: list[Conflict] = []
    place = {key: i for i, key in enumerate(findings.ids)}
    rows = {place[key] for key in fold.ids() if key in place}
    conflicts += [
        Conflict(key, "a decision on an example that the run does not have") for key in fold.ids() if key not in place
    ]
    untouched = {row for row in rows if not fold.of(findings.ids[row])}
    taken = set() if auto is None else set(np.flatnonzero(p_wrong >= auto).tolist()) - (rows - untouched)
    for row in sorted(rows | taken):
        key, old, p = findings.ids[row], findings.classes[findings.given[row]], float(p_wrong[row])
        verdict, content = fold.verdict(key), stamp(findings, row)["content"] or ""
        if fold.conflict(key):
            said = {f"{d.reviewer}: {d.label or d.act}" for d in fold.of(key).values()}
            conflicts.append(Conflict(key, f"reviewers differ ({', '.join(sorted(said))}); the given label stays"))
        elif row in taken:
            changes.append(
                Change(key, old, findings.classes[findings.other[row]], AUTO, now, f"p_wrong >= {auto:g}", p, content)
            )
        elif verdict and (verdict.act == "exclude" or (verdict.act == "relabel" and verdict.label != old)):
            why = verdict.act + (f": {verdict.note}" if verdict.note else "")
            changes.append(Change(key, old, verdict.label or "", verdict.reviewer, verdict.at, why, p, content))
    return changes, conflicts


def followed(changes: Sequence[Change], data: Dataset) -> tuple[list[Change], list[Conflict]]:
    """The changes under the ids that their examples have in the data, and a conflict for each whose example is not there."""
    known = [change for change in changes if change.content]
    if not known:
        return list(changes), []
    now, code = of(data.inputs, data.kind, named=data.named), {name: c for c, name in enumerate(data.classes)}
    ids = np.array([change.id for change in known], object)
    content = np.array([int(change.content, 16) for change in known], np.uint64)
    labels = np.array([code.get(change.old, -1) for change in known], np.int64)
    place = dict(zip(known, match(ids, content, labels, data.ids, now, data.labels).tolist(), strict=True))
    found = [
        replace(c, id=str(data.ids[place[c]])) if place.get(c, -1) >= 0 else c for c in changes if place.get(c, 0) >= 0
    ]
    there = set(data.ids.tolist())
    why = {
        True: f"the patch was made for another example: {OTHER}",
        False: "the data have no such id, and its example under no other",
    }
    lost = [Conflict(change.id, why[change.id in there]) for change in known if place[change] < 0]
    return found, lost


def fitting(
    changes: Sequence[Change], given: Mapping[str, str], expects: str = "the patch expects the label"
) -> tuple[list[Change], list[Conflict]]:
    """The changes that fit the data, whose `given` is id -> label, and a conflict for each that does not, in words that begin with
    `expects`. One id with several different new labels fits with none of them."""
    wanted: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        wanted[change.id].append(change)
    fit: list[Change] = []
    conflicts: list[Conflict] = []
    for key, several in wanted.items():
        if key not in given:
            conflicts.append(Conflict(key, "the data have no such id"))
        elif len({(c.old, c.new) for c in several}) > 1:
            conflicts.append(Conflict(key, f"the patch names it {len(several)} times and differently"))
        elif several[0].old != given[key]:
            conflicts.append(Conflict(key, f"{expects} {several[0].old!r}, the data have {given[key]!r}"))
        elif several[0].new != several[0].old:
            fit.append(several[-1])
    return fit, conflicts


def write(path: Path, changes: Sequence[Change], more: Mapping[str, Sequence[str]] | None = None) -> None:
    """Write the changes; `more` are further columns, a cell for each change."""
    rest = more or {}
    cells = zip(*rest.values(), strict=True) if rest else [()] * len(changes)
    write_sheet(
        path, (*COLUMNS, *rest), ((*astuple(change), *cell) for change, cell in zip(changes, cells, strict=True))
    )


def read(path: Path) -> list[Change]:
    """The changes of a patch file.

    Raises:
        UserError: it cannot be read, or lacks the columns id, old, new.
    """
    changes: list[Change] = []
    for number, row in enumerate(read_sheet(path, ("id", "old", "new")), 1):
        if not any(row.values()):  # spreadsheets leave empty rows behind
            continue
        told = {name: (row.get(name) or "") for name in COLUMNS}
        if not told["id"] or not told["old"]:
            raise UserError(
                f"{path}, row {number}: {'id' if not told['id'] else 'old'} is empty; each row names an id and its old label."
            )
        try:
            p_wrong = float(told["p_wrong"].replace(",", ".")) if told["p_wrong"] else None  # some countries write 0,95
        except ValueError as error:
            raise UserError(
                f"{path}, row {number}: p_wrong is {told['p_wrong'][:40]!r}, which is no number."
            ) from error
        if told["content"] and not re.fullmatch("[0-9a-f]{16}", told["content"]):
            raise UserError(
                f"{path}, row {number}: content is {told['content'][:40]!r}, not the 16 hex digits that apply writes."
            )
        changes.append(Change(**{**told, "p_wrong": p_wrong}))  # pyright: ignore[reportArgumentType]
    return changes


def write_conflicts(path: Path, conflicts: Sequence[Conflict]) -> None:
    write_sheet(path, ("id", "reason"), (astuple(conflict) for conflict in conflicts))
