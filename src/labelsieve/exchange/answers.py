"""Converts answers from another tool to decisions for the journal. Answers that do not fit are listed, never guessed.

All answers of one person in one file are one batch. Its name depends on their content and the person, so a second
import adds nothing.
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

ALLOWED = (*FINAL, "later")
LABEL = "label"  # an answer that is a class


@dataclass(frozen=True)
class Answer:
    """The answer of a file about one example.

    Attributes:
        act: as in `Decision`; or "label": a person chose this class; or "" in formats where every example has a label,
            reviewed or not: then only a changed label is an answer.
        label: the class; "" if the act needs none.
        exported: with act "", the label that the export wrote; None if unknown, then the current label replaces it.
        reviewer: who gave the answer; "" if the file does not say.
        given: the given label when the file was written; None if the file does not say.
        content: content of the example, 16 hex digits; None if the file does not say.
        exporter: who made the decision that the export wrote into this row, "" if nobody is named; None if it wrote no
            decision. A row that still has this decision is not an answer of the person who filled in the file.
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
    """Answers that do not name a class: answers to another question, or skipped.

    Attributes:
        what: the kind of answers, such as "answers to 'stars' (rating)".
        first: the id of the first one.
    """

    what: str
    count: int
    first: str


@dataclass(frozen=True)
class Read:
    """The contents of a file.

    Attributes:
        answers: the answers.
        conflicts: entries that could not be read as an answer, by id.
        unread: entries that do not answer the question.
        own: whether the ids come from the column or key that only our exports write.
    """

    answers: list[Answer]
    conflicts: list[Conflict] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    own: bool = True


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        UserError: the file cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}).") from error


def decisions(
    answers: Sequence[Answer], findings: Findings, fold: Fold, reviewer: str, now: str
) -> tuple[list[Decision], list[Conflict], int]:
    """The rows for the journal, the conflicts, and the number of answers that are not new.

    Args:
        fold: the decisions so far; answers that repeat them are left out.
        reviewer: who gave the answers that name nobody.
        now: the time of the import, ISO 8601.

    Raises:
        UserError: some answers have no reviewer.
    """
    row_of = {key: i for i, key in enumerate(findings.ids.tolist())}
    answers, repeated = _without_exported(answers, findings, row_of, fold)
    nameless = sum(not (answer.reviewer or reviewer.strip()) for answer in answers)
    if nameless:
        raise UserError(
            f"{nameless:,} of the {len(answers):,} answers do not say who gave them; name the reviewer with "
            "<reviewer>.",
            reviewer="NAME",
        )
    by_name: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_name[answer.reviewer or reviewer].append(answer)
    rows: list[Decision] = []
    conflicts: dict[Conflict, None] = {}
    same = repeated
    for name, own in by_name.items():
        more, unfit, unchanged = _of_one_reviewer(own, findings, row_of, fold, name, now)
        rows += more
        conflicts |= dict.fromkeys(unfit)
        same += unchanged
    return rows, list(conflicts), same


def _without_exported(
    answers: Sequence[Answer], findings: Findings, row_of: Mapping[str, int], fold: Fold
) -> tuple[list[Answer], int]:
    """The answers without those that only repeat the exported decision, and the number of these.

    If the export names a person without entries in the journal (it comes from a different run), the answer belongs to
    that person.
    """
    kept: list[Answer] = []
    for answer in answers:
        if answer.exporter is None or answer.id not in row_of:
            kept.append(answer)
            continue
        given = findings.classes[findings.given[row_of[answer.id]]]
        act = answer.act if answer.act != LABEL else "keep" if answer.label == given else "relabel"
        answered = (act, answer.label if act == "relabel" else "")
        verdict = fold.verdict(answer.id)
        recorded = (
            [row for row, _ in fold.history(answer.id) if row.reviewer == answer.exporter]
            if answer.exporter
            else [verdict]
        )
        if not any(row and (row.act, row.label or "") == answered for row in recorded):
            kept.append(answer if recorded else replace(answer, reviewer=answer.reviewer or answer.exporter))
    return kept, len(answers) - len(kept)


def _of_one_reviewer(
    answers: Sequence[Answer], findings: Findings, row_of: Mapping[str, int], fold: Fold, reviewer: str, now: str
) -> tuple[list[Decision], list[Conflict], int]:
    """As `decisions`, for the answers of one reviewer, which form one batch."""
    batch = _batch_name(answers, reviewer)
    classes = set(findings.classes) | {d.label for d in fold.standing() if d.label}
    answers_of: dict[str, set[tuple[str, str]]] = defaultdict(set)
    labels: dict[str, set[str]] = defaultdict(set)  # in formats where every example has a label, reviewed or not
    notes: dict[str, str] = {}
    conflicts: list[Conflict] = []
    same = 0
    for answer in answers:
        if not answer.act:
            labels[answer.id].add(answer.label)
    for answer in answers:
        if answer.id not in row_of:
            conflicts.append(Conflict(answer.id, "the run has no such id"))
            continue
        if len(labels[answer.id]) > 1:
            conflicts.append(
                Conflict(answer.id, f"the file has several answers: {' and '.join(sorted(labels[answer.id]))}")
            )
            continue
        given = findings.classes[findings.given[row_of[answer.id]]]
        act = answer.act
        if not act:
            verdict = fold.verdict(answer.id)
            current = (verdict and verdict.label) or given
            if answer.label == (current if answer.exported is None else answer.exported):
                same += 1
                continue
        if act in ("", LABEL):
            act = "keep" if answer.label == given else "relabel"
        if act not in ALLOWED:
            conflicts.append(Conflict(answer.id, f"{act!r} is not a decision; the decisions are {', '.join(ALLOWED)}"))
        elif act == "relabel" and not answer.label:
            conflicts.append(Conflict(answer.id, "the decision is relabel, but the column label is empty"))
        elif answer.act == "relabel" and answer.label == given:
            conflicts.append(
                Conflict(answer.id, f"the decision is relabel, but the label is still {given!r}; write the right class")
            )
        elif act == "relabel" and answer.label not in classes:
            conflicts.append(Conflict(answer.id, f"the run has no class {answer.label!r}"))
        else:
            answers_of[answer.id].add((act, answer.label if act == "relabel" else ""))
            notes[answer.id] = answer.note
    likely = findings.suggested
    rows: list[Decision] = []
    for key, several in answers_of.items():
        if len(several) > 1:
            conflicts.append(
                Conflict(
                    key, f"the file has several answers: {' and '.join(sorted(label or act for act, label in several))}"
                )
            )
            continue
        ((act, label),) = several
        previous = fold.of(key).get(reviewer)
        if previous and (previous.act, previous.label or "") == (act, label):
            same += 1
            continue
        row = row_of[key]
        p = float(findings.p_wrong[row])
        other = None if likely[row] == findings.given[row] else findings.classes[likely[row]]
        checked: Any = act  # checked above
        decision = Decision(
            key, checked, label or None, reviewer, now, batch, "import", p_wrong=p, suggestion=other, note=notes[key]
        )
        rows.append(replace(decision, **stamp(findings, row)))  # pyright: ignore[reportArgumentType]
    return rows, conflicts, same


def _batch_name(answers: Sequence[Answer], reviewer: str) -> str:
    """The name of the batch, from its content, so that the same file always gets the same name."""
    parts_of_answers = sorted((a.id, a.act, a.label, a.exported or "", a.note) for a in answers)
    content = "\0".join("\1".join(parts) for parts in (*parts_of_answers, (reviewer,)))
    return str(uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()))
