"""`labelsieve.add_decisions`: decisions that a program hands over, for the journal of a run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labelsieve.core.arguments import require_text
from labelsieve.core.decision import Act, Decision
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.questions import NOT
from labelsieve.core.row_matching import stamp
from labelsieve.core.sample import ACCEPT
from labelsieve.places.at_addresses import at_addresses
from labelsieve.store import sample_files
from labelsieve.store.open_run import Run, append_decisions, with_decisions_of_now
from labelsieve.store.run_copies import decide_run


@at_addresses(run=decide_run)
def add_decisions(
    run: str | Path | Run, answers: Mapping[str, str | None], *, reviewer: str, sample: str | None = None
) -> int:
    """Add what a person decided to the run's journal: one act, which one undo takes back.

    The page of `labelsieve review` shows it, and `apply`, `accept` and `report` count it, like decisions made there.

    Args:
        run: a run folder, or an open run (open it again to see the new decisions).
        answers: id -> the class that is right; the given class keeps the label, None says that no class fits (the
            example is left out of the corrected data).
        reviewer: who decided.
        sample: the name of a sample of the run, such as "accept-batch", if the ids were answered because they are in
            it, and the person saw neither the given label nor the suggestion.

    Returns: The number of decisions.

    Raises:
        UserError: there is no such run or sample, no such id in it, or no such class; nothing is written then.

    Example:
        >>> ls.add_decisions("photos.sieve", {"cat/17.jpg": "dog", "cat/20.jpg": "cat"}, reviewer="ana")
        2
    """
    if not require_text(reviewer, "The reviewer").strip():
        raise UserError("The name of the reviewer is empty; name the person with <reviewer>.", reviewer="NAME")
    if not isinstance(answers, Mapping):
        raise UserError(f"The answers should be a dict of id -> class, not {type(answers).__name__}.")
    run = with_decisions_of_now(run)
    drawn = None if sample is None else set(sample_files.load(run.path, require_text(sample, "The sample")).ids)
    row_of = {str(id): row for row, id in enumerate(run.findings.ids)}
    classes = {*run.findings.classes, *(one.label for one in run.fold.standing() if one.label)}
    several = bool(run.findings.settings.get("several"))
    for id, label in answers.items():
        if id not in row_of:
            raise UserError(f"The run has no example {id!r}.")
        if drawn is not None and id not in drawn:
            raise UserError(f"{id!r} is not in the sample {sample!r}; leave <sample> out for it.", sample=sample)
        if label is not None and label not in classes:
            raise UserError(f"{id!r}: the run has no class {label!r}; None says that no class fits.")
        if label is not None and several and label not in (asked := _asked(run.findings, row_of[id])):
            raise UserError(f"{id!r} asks about {asked[0]!r}; answer {asked[0]!r} or {asked[1]!r}.")
    frame = Decision("", "keep", None, reviewer, _now(), str(uuid.uuid4()), _pick(sample), sample is not None)
    likely = run.findings.suggested
    rows = (row_of[id] for id in answers)
    decided = zip(rows, answers.values(), strict=True)
    return append_decisions(run, [_decision(run.findings, row, int(likely[row]), one, frame) for row, one in decided])


def _asked(findings: Findings, row: int) -> tuple[str, str]:
    """The two answers to a question about an example with several labels: the class, and that it has it not."""
    name = findings.classes[int(findings.given[row]) | 1]
    return name, NOT + name


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _pick(sample: str | None) -> str:
    if sample is None:
        return "import"
    return f"accept:{sample}" if sample.startswith(ACCEPT) else "sample"


def _decision(findings: Findings, row: int, likely: int, label: str | None, frame: Decision) -> Decision:
    given, other = (findings.classes[i] for i in (int(findings.given[row]), likely))
    act: Act = "exclude" if label is None else "keep" if label == given else "relabel"
    own: dict[str, Any] = {
        "id": str(findings.ids[row]),
        "act": act,
        "label": label if act == "relabel" else None,
        "p_wrong": float(findings.p_wrong[row]),
        "suggestion": None if frame.blind or other == given else other,
    }
    return replace(frame, **own, **stamp(findings, row))
