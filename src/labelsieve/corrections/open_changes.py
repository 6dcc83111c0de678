"""The changes that the data do not have yet: decisions on a run, or the rows of a patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from labelsieve.core.conflict import Conflict
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.reused_ids import WHY, is_reused
from labelsieve.core.wording import shell_command
from labelsieve.corrections import patch as patches
from labelsieve.corrections.corrected_copy import given_labels
from labelsieve.corrections.patch import Change
from labelsieve.corrections.several_cells import answering
from labelsieve.decide.next_steps import SAMPLE
from labelsieve.decide.sure_fixes import sure_fixes
from labelsieve.store.open_run import Run
from labelsieve.store.reopen import Reopened, reopen

LISTED = 5  # ids in a message


@dataclass(frozen=True, eq=False)
class OpenChanges:
    """Changes for the current data.

    Attributes:
        data: the current data.
        changes: changes that fit the data, each with the current id of its example.
        conflicts: changes that are not made, with the reason.
        notes: notes on changes in the data, and on decisions that the data have already.
    """

    data: Dataset
    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    notes: tuple[str, ...]


def of_patch(data: Dataset, file: Path) -> OpenChanges:
    """The rows of a patch file that fit the data."""
    changes, conflicts = patches.with_current_ids(patches.read(file), data)
    changes, unfit = _fitting(changes, data)
    return OpenChanges(data, tuple(changes), (*conflicts, *unfit), ())


def of_patch_on_run(run: Run, file: Path) -> OpenChanges:
    """The rows of a patch file that fit the data of a run, whose examples may have new ids now."""
    reopened = reopen(run.path, run.findings, thorough=True)
    data = _usable(reopened)
    changes, doubtful = _without_doubtful(patches.read(file), reopened)
    changes, conflicts = patches.with_current_ids(changes, data)
    changes, unfit = _fitting(changes, data)
    return OpenChanges(data, tuple(changes), (*doubtful, *conflicts, *unfit), tuple(reopened.notes()))


def of_decisions(run: Run, auto: float | None = None, max_wrong: float | None = None) -> OpenChanges:
    """The decisions on a run, and suggestions for examples without one.

    Args:
        auto: take those whose p_wrong is at least this; None takes none.
        max_wrong: take those of which at most this share is wrong (`decide.sure_fixes`); None takes none.

    Raises:
        UserError: an example with a decision is not in the data any more, or has changed; or `max_wrong` is given and
            no random sample was reviewed.
    """
    reopened = reopen(run.path, run.findings, thorough=True)
    data = _usable(reopened)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    p_wrong = run.p_wrong if run.decisions else run.findings.p_wrong
    automatic, told = _automatic(run, p_wrong, auto, max_wrong)
    changes, conflicts = patches.from_decisions(run.findings, run.fold, p_wrong, automatic, now)
    barred = run.follow.barred  # these have decisions, so their suggestions are not applied
    changes = [change for change in changes if change.who != patches.AUTO or change.id not in barred]
    changes = _with_current_ids(changes, reopened, run.path)
    unmatched = [Conflict(item.id, f"decided for another example: {item.reason}") for item in run.unmatched]
    given = given_labels(data)
    changes, finished = _without_finished(changes, given)
    changes, unfit = _fitting(changes, data, "this was decided when the given label was")
    return OpenChanges(data, tuple(changes), (*unmatched, *conflicts, *unfit), (*reopened.notes(), *finished, *told))


def _fitting(
    changes: Sequence[Change], data: Dataset, was: str = "the patch expects the label"
) -> tuple[list[Change], list[Conflict]]:
    """The changes that fit the data, and a conflict for each that does not."""
    changes, unfit = patches.fitting(changes, given_labels(data), was)
    changes, astray = answering(data, changes)
    return changes, [*unfit, *astray]


def _automatic(
    run: Run, p_wrong: np.ndarray, auto: float | None, max_wrong: float | None
) -> tuple[dict[int, str], list[str]]:
    """Position -> why its suggestion is taken, and notes."""
    if auto is not None:
        return dict.fromkeys(np.flatnonzero(p_wrong >= auto).tolist(), f"p_wrong >= {auto:g}"), []
    if max_wrong is None:
        return {}, []
    fixes, at = sure_fixes(run.findings, run.fold, max_wrong), f"{100 * max_wrong:g} %"
    if not fixes.sampled:
        raise UserError(
            "<max_wrong> needs a reviewed random sample, which says how often suggestions are wrong; this run has "
            f"none. Review one first: {shell_command('review', run.path, sample=SAMPLE)}",
            max_wrong="",
        )
    rests = f"{fixes.sampled:,} reviewed examples of the random sample"
    if len(fixes.rows):
        many = f"{len(fixes.rows):,} labels are" if len(fixes.rows) > 1 else "1 label is"
        note = (
            f"{many} fixed without a look. On average over random samples at most {at} of such fixes are "
            f"wrong, with one sample it can be more; this rests on {rests}."
        )
    elif fixes.more:
        note = (
            f"Nothing is fixed without a look: {rests} are too few for at most {at} of wrong fixes. At "
            f"least {fixes.more:,} more are needed."
        )
    else:
        note = (
            f"Nothing is fixed without a look: after {rests}, no suggestion is sure enough for at most {at} of wrong "
            "fixes, and more of the sample would not change that. Review the most suspicious examples instead."
        )
    return {row: f"at most {at} wrong, p_wrong {p_wrong[row]:.3f}" for row in fixes.rows.tolist()}, [note]


def _without_finished(changes: list[Change], given: dict[str, str]) -> tuple[list[Change], list[str]]:
    """The decisions that the data do not have yet, and a note on those that they have."""
    finished = [c for c in changes if c.new and c.new != c.old and given.get(c.id) == c.new]
    if not finished:
        return changes, []
    which = f"{len(finished):,} examples have" if len(finished) > 1 else "1 example has"
    note = f"In the data, {which} the decided label already; the first is {finished[0].id!r}."
    remaining = set(changes) - set(finished)
    return [change for change in changes if change in remaining], [note]


def _without_doubtful(changes: list[Change], reopened: Reopened) -> tuple[list[Change], list[Conflict]]:
    """The changes without those that have no content although the id of their example has changed."""
    reused = is_reused(reopened.findings)
    gone = set(reopened.findings.ids[reopened.moved | (reopened.at < 0)].tolist())
    doubtful = {change.id for change in changes if not change.content and (change.id in gone or reused(change.id))}
    return [c for c in changes if c.content or c.id not in doubtful], [Conflict(key, WHY) for key in sorted(doubtful)]


def _usable(reopened: Reopened) -> Dataset:
    """The current data without the examples that `find` could not decode."""
    findings, data = reopened.findings, reopened.data
    unread = {item.id for item in findings.excluded} - set(data.ids[reopened.at[reopened.at >= 0]].tolist())
    keep = np.array([key not in unread for key in data.ids.tolist()], bool)
    excluded = {item.id: item for item in (*findings.excluded, *data.excluded)}
    return replace(data.take(keep), excluded=tuple(excluded.values()))


def _with_current_ids(changes: Sequence[Change], reopened: Reopened, run: Path) -> list[Change]:
    """The changes, each with the current id of its example.

    Raises:
        UserError: an example is not in the data any more, or has changed; then nothing is written.
    """
    if changes and reopened.findings.content is None and reopened.relabelled.any():
        first = reopened.findings.ids[np.flatnonzero(reopened.relabelled)[0]]
        raise UserError(
            f"The run {run} was made by an older version, which stored no hash of the examples. Now "
            f"{int(reopened.relabelled.sum())} given labels differ from those of the run (the first is that of "
            f"{first!r}), so its rows may have moved. Run find on the data again with <out>.",
            out=str(run),
        )
    row_of = {key: i for i, key in enumerate(reopened.findings.ids.tolist())}
    rows = [row_of[change.id] for change in changes]
    impossible = [
        f"{change.id!r} ({reopened.why(i)})" for change, i in zip(changes, rows, strict=True) if reopened.at[i] < 0
    ]
    impossible += [
        f"{change.id!r} (one of several identical examples, some of which are gone)"
        for change, i in zip(changes, rows, strict=True)
        if reopened.at[i] >= 0 and not change.new and reopened.copies_gone(i)
    ]
    if impossible:
        first = ", ".join(impossible[:LISTED]) + (", ..." if len(impossible) > LISTED else "")
        raise UserError(
            f"{len(impossible)} of the {len(changes)} changes cannot be made, because {reopened.data.source} no "
            f"longer has their examples as `find` read them: {first}. Nothing was written. Run find on the data again "
            "with <out>, which keeps the decisions that still fit.",
            out=str(run),
        )
    ids = reopened.data.ids[reopened.at[rows]].tolist() if rows else []
    return [replace(change, id=key) for change, key in zip(changes, ids, strict=True)]
