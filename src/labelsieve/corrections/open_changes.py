"""The changes that are still to be made in the data: what people decided on a run and no data hold yet, or the rows of a patch."""

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
from labelsieve.corrections import patch as patches
from labelsieve.corrections.corrected_copy import given_labels
from labelsieve.corrections.patch import Change
from labelsieve.store.open_run import Run
from labelsieve.store.reopen import Reopened, reopen

LISTED = 5  # ids in a message


@dataclass(frozen=True, eq=False)
class OpenChanges:
    """
    Attributes:
        data: as they are now.
        changes: that fit them, each under the id that its example has now.
        conflicts: on which nothing is done, and why.
        notes: what has changed in the data, and what is carried out already.
    """

    data: Dataset
    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    notes: tuple[str, ...]


def of_patch(data: Dataset, file: Path) -> OpenChanges:
    """The rows of a patch file that fit the data."""
    changes, conflicts = patches.followed(patches.read(file), data)
    changes, unfit = patches.fitting(changes, given_labels(data))
    return OpenChanges(data, tuple(changes), (*conflicts, *unfit), ())


def of_patch_on_run(run: Run, file: Path) -> OpenChanges:
    """The same for the data of a run, whose examples may have other ids now."""
    again = reopen(run.path, run.findings, thorough=True)
    data = _usable(again)
    changes, doubtful = _sure(patches.read(file), again)
    changes, conflicts = patches.followed(changes, data)
    changes, unfit = patches.fitting(changes, given_labels(data))
    return OpenChanges(data, tuple(changes), (*doubtful, *conflicts, *unfit), tuple(again.notes()))


def of_decisions(run: Run, auto: float | None) -> OpenChanges:
    """What people decided on a run and, where `auto` is a probability, the suggestions from it on that nobody decided on.

    Raises:
        UserError: an example that was decided on is not in the data any more, or has changed.
    """
    again = reopen(run.path, run.findings, thorough=True)
    data = _usable(again)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    p_wrong = run.findings.p_wrong if auto is None and not run.decisions else run.p_wrong
    changes, conflicts = patches.decided(run.findings, run.fold, p_wrong, auto, now)
    barred = run.follow.barred  # somebody decided on these, so no suggestion is taken for them
    changes = [change for change in changes if change.who != patches.AUTO or change.id not in barred]
    changes = _under_ids_of_now(changes, again, run.path)
    refused = [Conflict(item.id, f"decided for another example: {item.reason}") for item in run.unmatched]
    given = given_labels(data)
    changes, done = _without_done(changes, given)
    changes, unfit = patches.fitting(changes, given, "this was decided when the given label was")
    return OpenChanges(data, tuple(changes), (*refused, *conflicts, *unfit), (*again.notes(), *done))


def _without_done(changes: list[Change], given: dict[str, str]) -> tuple[list[Change], list[str]]:
    """The decisions that are not yet carried out in the data, and a note of those that are."""
    done = [c for c in changes if c.new and c.new != c.old and given.get(c.id) == c.new]
    if not done:
        return changes, []
    those = f"{len(done):,} examples have" if len(done) > 1 else "1 example has"
    note = f"{those} the label that was decided on in the data already; the first is {done[0].id!r}."
    left = set(changes) - set(done)
    return [change for change in changes if change in left], [note]


def _sure(changes: list[Change], again: Reopened) -> tuple[list[Change], list[Conflict]]:
    """The changes without those that name by its id alone, without content, an example that had, or has now, another id."""
    reused = is_reused(again.findings)
    gone = set(again.findings.ids[again.moved | (again.at < 0)].tolist())
    doubtful = {change.id for change in changes if not change.content and (change.id in gone or reused(change.id))}
    return [c for c in changes if c.content or c.id not in doubtful], [Conflict(key, WHY) for key in sorted(doubtful)]


def _usable(again: Reopened) -> Dataset:
    """The data of now without what `find` could not decode."""
    found, data = again.findings, again.data
    unread = {item.id for item in found.excluded} - set(data.ids[again.at[again.at >= 0]].tolist())
    keep = np.array([key not in unread for key in data.ids.tolist()], bool)
    excluded = {item.id: item for item in (*found.excluded, *data.excluded)}
    return replace(data.take(keep), excluded=tuple(excluded.values()))


def _under_ids_of_now(changes: Sequence[Change], again: Reopened, run: Path) -> list[Change]:
    """The changes, each with the id that its example has in the data now.

    Raises:
        UserError: an example is not there any more, or has changed; then nothing is written.
    """
    if changes and again.findings.content is None and again.relabelled.any():
        first = again.findings.ids[np.flatnonzero(again.relabelled)[0]]
        raise UserError(
            f"The run {run} was made by an older version, which kept no hash of the examples, and {int(again.relabelled.sum())} given "
            f"labels are not those of the run (the first is that of {first!r}), so its rows may have moved. Run find on the data again "
            "with <out>.",
            out=str(run),
        )
    place = {key: i for i, key in enumerate(again.findings.ids.tolist())}
    rows = [place[change.id] for change in changes]
    lost = [f"{change.id!r} ({again.why(i)})" for change, i in zip(changes, rows, strict=True) if again.at[i] < 0]
    lost += [
        f"{change.id!r} (one of several identical examples, of which some have gone)"
        for change, i in zip(changes, rows, strict=True)
        if again.at[i] >= 0 and not change.new and again.copies_gone(i)
    ]
    if lost:
        first = ", ".join(lost[:LISTED]) + (", ..." if len(lost) > LISTED else "")
        raise UserError(
            f"{len(lost)} of the {len(changes)} changes cannot be made, because {again.data.source} no longer holds their examples as "
            f"`find` saw them: {first}. Nothing was written; run find on the data again with <out>, which keeps the decisions that "
            "still fit.",
            out=str(run),
        )
    ids = again.data.ids[again.at[rows]].tolist() if rows else []
    return [replace(change, id=key) for change, key in zip(changes, ids, strict=True)]
