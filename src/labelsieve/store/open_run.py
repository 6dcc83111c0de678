"""A run with its decisions, as several commands read it. Reading never makes a journal, and needs no training library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Findings
from labelsieve.core.row_matching import Follow

NAMED = 3  # ids that a sentence lists


@dataclass(frozen=True, eq=False)
class Opened:
    """A run folder: its findings, and every row of its journal under the id that its example has now. What cannot be matched is in
    `follow.refused`."""

    findings: Findings
    rows: list[Decision]
    follow: Follow

    def notes(self) -> list[str]:
        """A sentence that counts and names the refused decisions, or none."""
        refused = self.follow.refused
        if not refused:
            return []
        first = "; ".join(f"{item.id!r}: {item.reason}" for item in refused[:NAMED]) + (
            "; ..." if len(refused) > NAMED else ""
        )
        return [
            f"Decisions on {len(refused):,} {'example' if len(refused) == 1 else 'examples'} are not counted ({first})."
        ]


def read(run: Path) -> Opened:
    """The run and what was decided."""
    from labelsieve.store.journal import FILE
    from labelsieve.store.postgres import POINTER
    from labelsieve.store.run import load

    findings = load(run)
    if not (run / FILE).exists() and not (run / POINTER).exists():
        return Opened(findings, [], Follow(findings))
    journal = journal_for(run, findings)
    follow = Follow(findings)
    try:
        return Opened(findings, follow(journal.read()[0]), follow)
    finally:
        journal.close()


def journal_for(run: Path, findings: Findings):
    """The journal of a run, the file in it or the server it remembers; made if there is none."""
    from labelsieve.store.postgres import journal_of

    return journal_of(run, str(findings.settings.get("data_hash", "run")))


def compared(run: Path, findings: Findings) -> list[str]:
    """Notes of what has changed in the data since `find`; none where they cannot be read again."""
    from labelsieve.core.errors import UserError
    from labelsieve.store.reopen import reopen

    if findings.settings.get("recipe") is None:
        return []
    try:
        return reopen(run, findings, thorough=True).notes()
    except UserError as error:
        return [f"Not compared with the data: {error.in_words()}"]


def stands(run: Path):
    """The data set of a run as it stands after its decisions."""
    return stands_with_notes(run)[0]


def stands_with_notes(run: Path, *, current: bool = False):
    """The data set of a run as it stands after its decisions, and notes.

    Args:
        current: refuse a run whose data have changed since.

    Raises:
        UserError: they have, and the run no longer speaks of them.
    """
    from labelsieve.core.errors import UserError
    from labelsieve.decide.calibrate import calibrate
    from labelsieve.decide.diff import standing

    there = read(run)
    findings, fold = there.findings, Fold(there.rows)
    calibrated = calibrate(findings, fold)
    stands = standing(findings, fold, calibrated.p_wrong, calibrated.left)
    notes = there.notes()
    if not current or findings.settings.get("recipe") is None:
        return stands, notes
    from labelsieve.store.reopen import reopen

    try:
        again = reopen(run, findings, thorough=True)
    except UserError as error:
        return stands, [*notes, f"Not compared with the data: {error.in_words()}"]
    stale = again.stale(stands)
    if stale:
        raise UserError(
            f"The data of {run} are no longer those that it speaks of: {' '.join(stale)} Run find on them again."
        )
    return stands, [*notes, *again.notes()]
