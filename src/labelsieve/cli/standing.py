"""A run with its decisions, as several commands read it. Reading never makes a journal, and needs no training library."""

from __future__ import annotations

from pathlib import Path

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Findings


def read(run: Path) -> tuple[Findings, list[Decision]]:
    """The findings of a run folder and every row of its journal."""
    from labelsieve.adapters.postgres import POINTER
    from labelsieve.core.journal import FILE
    from labelsieve.core.run import load

    findings = load(run)
    if not (run / FILE).exists() and not (run / POINTER).exists():
        return findings, []
    journal = journal_for(run, findings)
    try:
        return findings, journal.read()[0]
    finally:
        journal.close()


def journal_for(run: Path, findings: Findings):
    """The journal of a run, the file in it or the server it remembers; made if there is none."""
    from labelsieve.adapters.postgres import journal_of

    return journal_of(run, str(findings.settings.get("data_hash", "run")))


def stands(run: Path):
    """The data set of a run as it stands after its decisions."""
    from labelsieve.decide.calibrate import calibrate
    from labelsieve.decide.versions import standing

    findings, rows = read(run)
    fold = Fold(rows)
    calibrated = calibrate(findings, fold)
    return standing(findings, fold, calibrated.p_wrong, calibrated.left)
