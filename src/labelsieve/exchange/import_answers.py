"""`labelsieve.import_decisions`: decisions from another tool for the journal of a run."""

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
from labelsieve.places.at_addresses import at_addresses, read_from
from labelsieve.store.open_run import Run, append_decisions, with_decisions_of_now
from labelsieve.store.run_copies import decide_run


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        read: number of answers in the file.
        new: number of decisions that were added to the journal.
        nothing_new: number of answers that the journal had already, or that repeat the exported decision.
        reviewers: names of the people who gave the answers.
        conflicts: answers that were not imported, with the reason.
        not_read: answers that do not name a class, such as answers to another question.
    """

    read: int
    new: int
    nothing_new: int
    reviewers: tuple[str, ...]
    conflicts: tuple[Conflict, ...] = field(repr=False)
    not_read: tuple[Unread, ...] = field(repr=False)


@at_addresses(run=decide_run, file=read_from)
def import_decisions(run: str | Path | Run, file: str | Path, *, from_: Tool, reviewer: str | None = None) -> Imported:
    """Import decisions from another tool into the run's journal; importing the same file twice adds nothing.

    Args:
        run: a run folder, or an open run (open it again to see the new decisions).
        file: the file or folder that the other tool wrote.
        from_: its format: "label-studio", "fiftyone", "coco", "csv" or "hf".
        reviewer: who decided, for answers that name nobody.

    Returns:
        The number of new decisions, and the conflicts.

    Raises:
        UserError: there is no such run, file or format, the file is damaged, or some answers have no reviewer.

    Example:
        >>> ls.import_decisions("photos.sieve", "labels.csv", from_="csv", reviewer="ana")
        Imported(read=40, new=38, nothing_new=2, reviewers=('ana',))
    """
    tool, file = module_of(from_), require_path(file, "The file of answers")
    if reviewer is not None and not require_text(reviewer, "The reviewer").strip():
        raise UserError("The name of the reviewer is empty; name the person with <reviewer>.", reviewer="NAME")
    if not file.exists():
        raise UserError(f"There is no file or folder {file}.")
    run = with_decisions_of_now(run)
    classes = {*run.findings.classes, *(d.label for d in run.fold.standing() if d.label)}
    answer_file = tool.read(file, classes, run.findings)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    answers, unmatched = belonging(answer_file.answers, run.findings, run.follow, answer_file.own)
    rows, conflicts, unchanged = decisions(answers, run.findings, run.fold, reviewer or "", now)
    new = append_decisions(run, rows)
    return Imported(
        len(answer_file.answers),
        new,
        unchanged + len(rows) - new,
        _reviewers(answer_file.answers, rows, reviewer or ""),
        (*answer_file.conflicts, *unmatched, *conflicts),
        tuple(answer_file.unread),
    )


def _reviewers(answers: list[Answer], rows: list[Decision], reviewer: str) -> tuple[str, ...]:
    named = (answer.reviewer or ("" if answer.exporter else reviewer) for answer in answers)
    return tuple(dict.fromkeys(name for name in (*named, *(row.reviewer for row in rows)) if name))
