"""`labelsieve.apply`: the corrected data set, in the layout it came in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from labelsieve.core.arguments import require_path
from labelsieve.core.conflict import Conflict
from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.run_files import MANIFEST
from labelsieve.core.shares import share
from labelsieve.corrections.corrected_copy import Copied, Renamed, write_copy
from labelsieve.corrections.open_changes import OpenChanges, of_decisions, of_patch, of_patch_on_run
from labelsieve.corrections.patch import AUTO, Change
from labelsieve.data import load
from labelsieve.store.open_run import Run, with_decisions_of_now
from labelsieve.store.run_reader import require_manifest


@dataclass(frozen=True)
class Applied:
    """What `apply` changed, or would change.

    Attributes:
        source: the data.
        out: the new folder; None for a dry run.
        files: the names in it.
        examples: in the data.
        relabelled: examples with another label.
        left_out: examples that are not in the copy.
        automatic: changes that nobody decided on, but `auto` took.
        changes: every change.
        conflicts: on which nothing was done, and why.
        renamed: files under another name, because the folder had one of theirs.
        not_read: examples that could not be read, and why.
        notes: what should be known of the data and the copy.
    """

    source: str
    out: Path | None
    files: tuple[str, ...]
    examples: int
    relabelled: int
    left_out: int
    automatic: int
    changes: tuple[Change, ...] = field(repr=False)
    conflicts: tuple[Conflict, ...] = field(repr=False)
    renamed: tuple[Renamed, ...] = field(repr=False)
    not_read: tuple[Exclusion, ...] = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)


def apply(
    source: str | Path | Run,
    *,
    out: str | Path | None = None,
    auto: float | str | None = None,
    dry_run: bool = False,
    patch: str | Path | None = None,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    id: str | None = None,
    labels: str | None = None,
) -> Applied:
    """Write a corrected copy of the data with a patch of what changed. The source is only read.

    Args:
        source: a run folder, or a run that is open; with `patch`, the name of the data themselves will do.
        out: the new folder of the corrected copy.
        auto: also take the suggestion where p_wrong is at least this, 0.95 or "95%".
        dry_run: write nothing, and say what would change.
        patch: apply this patch file, not the decisions of the run.
        image, text, label, id: columns, where the source is data.
        labels: file of given labels, where the source is data.

    Returns:
        What changed, and what is in conflict.

    Raises:
        UserError: no such run, data or patch, `out` is taken, or an example that changes is not in the data any more.

    Example:
        >>> ls.apply("photos.sieve", out="clean")
        Applied(source='photos', out=PosixPath('clean'), files=('A', 'B', 'patch.csv'), examples=1208, relabelled=30, ...)
    """
    if out is None and not dry_run:
        raise UserError(
            "Name the new folder with <out>, or say <dry_run> to see what would change.", out="", dry_run=True
        )
    place = None if out is None or dry_run else require_path(out, "The name of the new folder")
    named = {"image": image, "text": text, "label": label, "id": id, "labels": labels}
    wanted = _wanted(source, patch, _checked(auto, patch), {name: value for name, value in named.items() if value})
    done = Copied() if place is None else write_copy(wanted.data, wanted.changes, wanted.conflicts, place)
    gone = sum(not change.new for change in wanted.changes)
    return Applied(
        wanted.data.source,
        place,
        done.files,
        len(wanted.data),
        len(wanted.changes) - gone,
        gone,
        sum(change.who == AUTO for change in wanted.changes),
        wanted.changes,
        wanted.conflicts,
        done.renamed,
        wanted.data.excluded,
        (*wanted.notes, *done.notes),
    )


def _checked(auto: float | str | None, patch: str | Path | None) -> float | None:
    if auto is None:
        return None
    if patch is not None:
        raise UserError("<patch> names its changes itself; leave out <auto>.", patch="", auto="")
    least = share(auto, "auto")
    if least < 0.5:
        shown = float(f"{least:g}")
        raise UserError("<auto>: a label has a suggestion only where p_wrong is above 0.5; give 0.5 to 1.", auto=shown)
    return least


def _wanted(
    source: str | Path | Run, patch: str | Path | None, auto: float | None, named: dict[str, str]
) -> OpenChanges:
    file = None if patch is None else require_path(patch, "The name of the patch")
    if not isinstance(source, Run):
        require_path(source, "The run folder")
        if not os.path.exists(os.path.join(source, MANIFEST)):
            require_manifest(Path(source))
            if file is None:
                raise UserError(
                    f"{source} is not a run folder of Labelsieve; name one, or give the changes with <patch>.",
                    patch="FILE",
                )
            return of_patch(load(os.fspath(source), **named), file)
    if named:
        name = next(iter(named))
        raise UserError(f"A run knows its columns and labels; leave out <{name}>.", **{name: ""})
    run = with_decisions_of_now(source)
    return of_decisions(run, auto) if file is None else of_patch_on_run(run, file)
