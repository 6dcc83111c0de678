"""Answers from another tool -> decisions for the journal. What does not fit is listed, never guessed.

All answers of one person in one file are one batch, named by their content and the person, so that a second import adds nothing.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labelsieve.core.conflict import Conflict
from labelsieve.core.decision import FINAL, Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.row_matching import stamp

SAYABLE = (*FINAL, "later")
LABEL = "label"  # an answer that is a class


@dataclass(frozen=True)
class Answer:
    """What a file says of one example.

    Attributes:
        act: as in `Decision`; or "label": a person chose this class; or "", in formats where each example has a label whether somebody
            looked at it or not: then only a label that changed is an answer.
        label: the class; "" where the act needs none.
        exported: with act "", the label that the export wrote; None if unknown, then the label as it stands takes its place.
        reviewer: who gave it, where the file says so; else "".
        given: the given label when the file was written; None where it does not say.
        content: of the example, 16 hex digits; None where the file does not say.
        exporter: who made the decision that the export wrote into this row, "" where nobody is named; None where it wrote none. A row that
            still says the same is no answer of whoever filled in the file.
    """

    id: str
    act: str
    label: str
    exported: str | None = None
    note: str = ""
    reviewer: str = ""
    given: str | None = None
    content: str | None = None
    exporter: str | None = None


@dataclass(frozen=True)
class Unread:
    """Answers that are no class of an example: to another question, or skipped.

    Attributes:
        what: what they are, such as "answers to 'stars' (rating)".
        first: the id of the first of them.
    """

    what: str
    count: int
    first: str


@dataclass(frozen=True)
class Read:
    """What a file holds: answers, what could not be taken for one (listed by its id), and what is no answer to the question. `own`: the
    ids are those that an export of ours wrote under a name of its own."""

    answers: list[Answer]
    conflicts: list[Conflict] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    own: bool = True


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        UserError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}).") from error


def decisions(
    answers: Sequence[Answer], findings: Findings, fold: Fold, reviewer: str, now: str
) -> tuple[list[Decision], list[Conflict], int]:
    """The rows for the journal, what is in conflict, and how many answers say nothing new.

    Args:
        fold: the decisions so far; what they say already is not said again.
        reviewer: who gave the answers that do not say it themselves.
        now: the time of the import, ISO 8601.

    Raises:
        UserError: nobody is named for some answers.
    """
    place = {key: i for i, key in enumerate(findings.ids.tolist())}
    answers, before = _without_exported(answers, findings, place, fold)
    nameless = sum(not (answer.reviewer or reviewer.strip()) for answer in answers)
    if nameless:
        raise UserError(
            f"{nameless:,} of the {len(answers):,} answers do not say who gave them; name the reviewer with <reviewer>.",
            reviewer="NAME",
        )
    by_name: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_name[answer.reviewer or reviewer].append(answer)
    rows: list[Decision] = []
    conflicts: dict[Conflict, None] = {}
    same = before
    for name, own in by_name.items():
        more, unfit, known = _of_one(own, findings, place, fold, name, now)
        rows += more
        conflicts |= dict.fromkeys(unfit)
        same += known
    return rows, list(conflicts), same


def _without_exported(
    answers: Sequence[Answer], findings: Findings, place: Mapping[str, int], fold: Fold
) -> tuple[list[Answer], int]:
    """The answers without those that only repeat what the export wrote, and how many these are. Where the export names a person of whom
    the journal knows nothing (it is another run's), the answer is that person's."""
    kept: list[Answer] = []
    for answer in answers:
        if answer.exporter is None or answer.id not in place:
            kept.append(answer)
            continue
        given = findings.classes[findings.given[place[answer.id]]]
        act = answer.act if answer.act != LABEL else "keep" if answer.label == given else "relabel"
        said = (act, answer.label if act == "relabel" else "")
        verdict = fold.verdict(answer.id)
        theirs = (
            [row for row, _ in fold.history(answer.id) if row.reviewer == answer.exporter]
            if answer.exporter
            else [verdict]
        )
        if not any(row and (row.act, row.label or "") == said for row in theirs):
            kept.append(answer if theirs else replace(answer, reviewer=answer.reviewer or answer.exporter))
    return kept, len(answers) - len(kept)


def _of_one(
    answers: Sequence[Answer], findings: Findings, place: Mapping[str, int], fold: Fold, reviewer: str, now: str
) -> tuple[list[Decision], list[Conflict], int]:
    """`decisions` for the answers of one reviewer, which are one batch."""
    batch = _batch(answers, reviewer)
    classes = set(findings.classes) | {d.label for d in fold.standing() if d.label}
    said: dict[str, set[tuple[str, str]]] = defaultdict(set)
    labels: dict[str, set[str]] = defaultdict(set)  # of answers that every example has, whether somebody looked or not
    notes: dict[str, str] = {}
    conflicts: list[Conflict] = []
    same = 0
    for answer in answers:
        if not answer.act:
            labels[answer.id].add(answer.label)
    for answer in answers:
        if answer.id not in place:
            conflicts.append(Conflict(answer.id, "the run has no such id"))
            continue
        if len(labels[answer.id]) > 1:
            conflicts.append(Conflict(answer.id, f"the file says {' and '.join(sorted(labels[answer.id]))}"))
            continue
        given = findings.classes[findings.given[place[answer.id]]]
        act = answer.act
        if not act:
            verdict = fold.verdict(answer.id)
            stands = (verdict and verdict.label) or given
            if answer.label == (stands if answer.exported is None else answer.exported):
                same += 1
                continue
        if act in ("", LABEL):
            act = "keep" if answer.label == given else "relabel"
        if act not in SAYABLE:
            conflicts.append(Conflict(answer.id, f"{act!r} is no decision; there are {', '.join(SAYABLE)}"))
        elif act == "relabel" and not answer.label:
            conflicts.append(Conflict(answer.id, "it is to be relabelled, but the column label is empty"))
        elif act == "relabel" and answer.label not in classes:
            conflicts.append(Conflict(answer.id, f"the run has no class {answer.label!r}"))
        else:
            said[answer.id].add((act, answer.label if act == "relabel" else ""))
            notes[answer.id] = answer.note
    rows: list[Decision] = []
    for key, several in said.items():
        if len(several) > 1:
            conflicts.append(
                Conflict(key, f"the file says {' and '.join(sorted(label or act for act, label in several))}")
            )
            continue
        ((act, label),) = several
        before = fold.of(key).get(reviewer)
        if before and (before.act, before.label or "") == (act, label):
            same += 1
            continue
        row = place[key]
        p = float(findings.p_wrong[row])
        other = findings.classes[findings.other[row]] if p > 0.5 else None  # only what is doubted has a suggestion
        known: Any = act  # checked above
        made = Decision(
            key, known, label or None, reviewer, now, batch, "import", p_wrong=p, suggestion=other, note=notes[key]
        )
        rows.append(replace(made, **stamp(findings, row)))  # pyright: ignore[reportArgumentType]
    return rows, conflicts, same


def _batch(answers: Sequence[Answer], reviewer: str) -> str:
    """The name of the batch: by its content, so that the same file has the same name again."""
    told = sorted((a.id, a.act, a.label, a.exported or "", a.note) for a in answers)
    content = "\0".join("\1".join(parts) for parts in (*told, (reviewer,)))
    return str(uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()))
