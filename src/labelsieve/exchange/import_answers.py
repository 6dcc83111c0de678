"""`labelsieve.import_decisions`: decisions that were made in another tool, into the journal of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from labelsieve.core.arguments import require_path, require_text
from labelsieve.core.conflict import Conflict
from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.exchange.answer_check import belonging
from labelsieve.exchange.answers import Answer, Unread, decisions
from labelsieve.exchange.formats import Tool, module_of
from labelsieve.store.open_run import Run, journal_for, with_decisions_of_now


@dataclass(frozen=True)
class Imported:
    """What `import_decisions` read.

    Attributes:
        read: answers in the file.
        new: decisions that were added to the journal.
        nothing_new: answers that the journal had already, or that repeat what the export said.
        reviewers: who gave the answers.
        conflicts: answers on which nothing was done, and why.
        not_read: answers that are no class of an example, such as those to another question.
    """

    read: int
    new: int
    nothing_new: int
    reviewers: tuple[str, ...]
    conflicts: tuple[Conflict, ...] = field(repr=False)
    not_read: tuple[Unread, ...] = field(repr=False)


def import_decisions(run: str | Path | Run, file: str | Path, *, from_: Tool, reviewer: str | None = None) -> Imported:
    """Take decisions from another tool into the journal of the run; a second import of the same file adds nothing.

    Args:
        run: a run folder, or a run that is open (open it again to see the new decisions).
        file: the file or folder that the tool wrote.
        from_: its format: "label-studio", "fiftyone", "coco", "csv" or "hf".
        reviewer: who decided, where the file does not say so.

    Returns:
        How many decisions are new, and the conflicts.

    Raises:
        UserError: no such run, file or format, the file is damaged, or nobody is named for some answers.

    Example:
        >>> ls.import_decisions("photos.sieve", "labels.csv", from_="csv", reviewer="ana")
        Imported(read=40, new=38, nothing_new=2, reviewers=('ana',))
    """
    tool, file = module_of(from_), require_path(file, "The file of answers")
    if reviewer is not None and not require_text(reviewer, "The reviewer").strip():
        raise UserError("The reviewer has no name; say who decided with <reviewer>.", reviewer="NAME")
    if not file.exists():
        raise UserError(f"There is no file or folder {file}.")
    run = with_decisions_of_now(run)
    classes = {*run.findings.classes, *(d.label for d in run.fold.standing() if d.label)}
    found = tool.read(file, classes, run.findings) if from_ == "csv" else tool.read(file, classes)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    answers, strange = belonging(found.answers, run.findings, run.follow, found.own)
    rows, conflicts, same = decisions(answers, run.findings, run.fold, reviewer or "", now)
    new = _kept(run, rows)
    return Imported(
        len(found.answers),
        new,
        same + len(rows) - new,
        _reviewers(found.answers, rows, reviewer or ""),
        (*found.conflicts, *strange, *conflicts),
        tuple(found.unread),
    )


def _kept(run: Run, rows: list[Decision]) -> int:
    journal = journal_for(run)
    try:
        return journal.append(rows)
    finally:
        journal.close()


def _reviewers(answers: list[Answer], rows: list[Decision], reviewer: str) -> tuple[str, ...]:
    named = (answer.reviewer or ("" if answer.exporter else reviewer) for answer in answers)
    return tuple(dict.fromkeys(name for name in (*named, *(row.reviewer for row in rows)) if name))
