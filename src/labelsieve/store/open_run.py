"""A run with its decisions, as every command and Python verb reads it. Reading never creates a journal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.annotators import Annotators
from labelsieve.core.arguments import require_path
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings, require_pandas
from labelsieve.core.most_suspicious import Finding, Top, notebook
from labelsieve.core.row_matching import Follow, Refused
from labelsieve.encode.small_example import Examples
from labelsieve.places.working_copy import address_in
from labelsieve.store.annotator_files import with_votes
from labelsieve.store.run_copies import read_run

if TYPE_CHECKING:
    import pyarrow as pa

    from labelsieve.core.dataset import Dataset
    from labelsieve.decide.calibrate import Calibrated
    from labelsieve.decide.diff import DatasetVersion
    from labelsieve.store.journal import Store

NAMED = 3  # ids that a message lists
LARGEST = 50_000_000  # bytes of a file that is read again only to show examples


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder that `find` wrote, with what people decided since.

    Decisions are read when they are first used, and kept: open the run again to see later ones.

    Attributes:
        path: the run folder.
        findings: what `find` wrote, before any decision.
    """

    path: Path
    findings: Findings

    def __repr__(self) -> str:
        return f"<Run {str(self.path)!r}: {self._in_words}>"

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        """Every row, the most suspicious first, as `top`."""
        return iter(self._ranked_now)

    def top(self, n: int = 20) -> Top:
        """The `n` most suspicious examples, as `Findings.top`, with p_wrong and rank as they are after the decisions.

        Raises:
            UserError: n is not a whole number, or is below 0.
        """
        return self._ranked_now.top(n)

    def _repr_html_(self) -> str:
        return notebook(self._ranked_now, f"Run {str(self.path)!r}: {self._in_words}")

    @property
    def _in_words(self) -> str:
        now = self.calibrated
        return self._ranked_now.in_words(measured=now.measured, unreviewed=len(self) - now.reviewed)

    def to_pandas(self) -> Any:
        """The table of `table` as a pandas frame.

        Raises:
            UserError: pandas is not installed.
        """
        require_pandas("run")
        return self.table().to_pandas()

    @cached_property
    def _ranked_now(self) -> Findings:
        """The findings with the probabilities, the ranking and the count of wrong labels after the decisions."""
        now = self.calibrated
        return replace(self.findings, p_wrong=now.p_wrong, rank=now.rank, wrong=now.wrong, notes=self.notes)

    @cached_property
    def follow(self) -> Follow:
        """Matches ids of the journal to the examples of the findings."""
        return Follow(self.findings)

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """Every row of the journal, in order, under the current id of its example; the rest is in `unmatched`.

        Raises:
            UserError: the journal is damaged, or its server cannot be reached.
        """
        from labelsieve.store.journal import FILE
        from labelsieve.store.postgres import POINTER

        if not (self.path / FILE).exists() and not (self.path / POINTER).exists():
            return ()
        journal = journal_for(self)
        try:
            return tuple(self.follow(journal.read()[0]))
        finally:
            journal.close()

    @cached_property
    def unmatched(self) -> tuple[Refused, ...]:
        """The examples whose decisions are not counted, each with its id and the reason."""
        _ = self.decisions
        return tuple(self.follow.refused)

    @cached_property
    def fold(self) -> Fold:
        """The state after all decisions: the current answers on each example."""
        return Fold(self.decisions)

    @cached_property
    def calibrated(self) -> Calibrated:
        """What the decisions imply for every example, decided or not."""
        from labelsieve.decide.calibrate import calibrate

        return calibrate(self.findings, self.fold)

    @cached_property
    def annotators(self) -> Annotators | None:
        """What the votes of several annotators say about them, with the votes; None without votes.

        Raises:
            UserError: the file of the votes is damaged.
        """
        found = self.findings.annotators
        return None if found is None else with_votes(found, self.path, self.findings)

    @property
    def p_wrong(self) -> np.ndarray:
        """(n,) float64, the probability that each given label is wrong, calibrated by the decisions; in the order of
        the data."""
        return self.calibrated.p_wrong

    @property
    def left(self) -> Estimate:
        """How many wrong labels are left among the undecided examples."""
        return self.calibrated.left

    @cached_property
    def now(self) -> DatasetVersion:
        """The data set after the decisions: the current labels, what is excluded, what is reviewed."""
        from labelsieve.decide.diff import dataset_version

        return dataset_version(self.findings, self.fold, self.p_wrong, self.left, measured=self.calibrated.measured)

    @property
    def unmatched_notes(self) -> list[str]:
        """A sentence that counts and lists the unmatched decisions, or none."""
        if not self.unmatched:
            return []
        n = len(self.unmatched)
        first = "; ".join(f"{item.id!r}: {item.reason}" for item in self.unmatched[:NAMED])
        more = "; ..." if n > NAMED else ""
        return [f"Decisions on {n:,} {'example' if n == 1 else 'examples'} are not counted ({first}{more})."]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the user should read: the notes of `find`, and one on decisions that are not counted."""
        return (*self.findings.notes, *self.unmatched_notes)

    def table(self) -> pa.Table:
        """The findings with their decisions as an Arrow table, most suspicious first: the columns of `Findings.table`
        with the calibrated p_wrong and its rank, then `label` (the label now; None where the example is excluded) and
        `decision` (keep, relabel, exclude, ambiguous, later, "conflict" where reviewers differ, None where nobody
        decided)."""
        import pyarrow as pa

        findings, rank = self.findings, self.calibrated.rank
        table = findings.table(ranked=False)
        table = table.set_column(table.column_names.index("p_wrong"), "p_wrong", pa.array(self.p_wrong, pa.float64()))
        table = table.set_column(table.column_names.index("rank"), "rank", pa.array(rank, pa.int64()))
        kept = zip(self.now.labels.tolist(), self.now.kept.tolist(), strict=True)
        labels = pa.array([self.now.names[label] if keep else None for label, keep in kept], pa.string())
        decided = {key: self._decision(key) for key in self.fold.ids()}
        acts = pa.array([decided.get(key) for key in findings.ids.tolist()], pa.string())
        table = table.append_column("label", labels).append_column("decision", acts)
        return table.take(pa.array(np.argsort(rank, kind="stable")))

    def _decision(self, key: str) -> str | None:
        if self.fold.conflict(key):
            return "conflict"
        answers = list(self.fold.of(key).values())
        verdict = self.fold.verdict(key)
        return verdict.act if verdict else answers[-1].act if answers else None


def open_run(run: str | PathLike[str] | Run) -> Run:
    """Open a run folder, with its decisions.

    Args:
        run: the folder that `find` wrote; a run that is open already is returned as it is.

    Returns:
        The run. Its findings are read and checked now, its decisions when they are first used.

    Raises:
        UserError: the argument is not a path, the folder is not a run or has not finished, or a file is damaged.

    Example:
        >>> run = ls.open_run("photos.sieve")
        >>> run.findings.top(20)
        >>> run.left                      # wrong labels among those that nobody decided
    """
    if isinstance(run, Run):
        return run
    address = address_in(run)
    if address is not None:
        with read_run(address) as folder:
            return _opened(folder)
    return _opened(require_path(run, "The run folder"))


def _opened(path: Path) -> Run:
    from labelsieve.store.run import load

    findings = load(path)
    examples = Examples(partial(_data_of, path, findings), findings.settings.get("levels"))
    return Run(path, replace(findings, examples=examples))


def _data_of(path: Path, findings: Findings) -> Dataset | None:
    """The data of a run in the order of its findings; None if they cannot be read, or only by reading a large file."""
    from labelsieve.store.reopen import located, reopen

    if findings.settings.get("recipe") is None:
        return None
    try:
        here = located(findings, path)
        source = str(here.get("source", here.get("probs", "")))
        if not os.path.isdir(source) and not (os.path.isfile(source) and os.path.getsize(source) <= LARGEST):
            return None
        return reopen(path, findings).aligned()
    except (UserError, OSError):
        return None


def with_decisions_of_now(run: str | PathLike[str] | Run) -> Run:
    """The run with every decision up to now, even if it was opened earlier."""
    opened = open_run(run)
    return Run(opened.path, opened.findings)


def journal_for(run: Run) -> Store:
    """The journal of a run: the file in it, or the server that it remembers; created if there is none."""
    from labelsieve.store.postgres import journal_of

    return journal_of(run.path, str(run.findings.settings.get("data_hash", "run")))


def append_decisions(run: Run, rows: list[Decision]) -> int:
    """Append rows to the journal of a run; returns how many were new."""
    journal = journal_for(run)
    try:
        return journal.append(rows)
    finally:
        journal.close()


def compared(run: Run) -> list[str]:
    """Notes on what has changed in the data since `find`; none if the data cannot be read."""
    from labelsieve.store.reopen import reopen

    if run.findings.settings.get("recipe") is None:
        return []
    try:
        return reopen(run.path, run.findings, thorough=True).notes()
    except UserError as error:
        return [f"Not compared with the data: {error.in_words()}"]


def require_current(run: Run) -> list[str]:
    """Notes on a run before a verdict: decisions that are not counted, and what has changed in its data since `find`.

    Raises:
        UserError: the data have changed, so that the run no longer describes them.
    """
    from labelsieve.store.reopen import reopen

    notes = run.unmatched_notes
    if run.findings.settings.get("recipe") is None:
        return notes
    try:
        reopened = reopen(run.path, run.findings, thorough=True)
    except UserError as error:
        return [*notes, f"Not compared with the data: {error.in_words()}"]
    stale = reopened.stale(run.now)
    if stale:
        raise UserError(f"The data of {run.path} have changed since find: {' '.join(stale)} Run find on them again.")
    return [*notes, *reopened.notes()]
