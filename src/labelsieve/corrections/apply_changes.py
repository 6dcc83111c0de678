"""`labelsieve.apply`: the corrected data set, in the layout of the source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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
from labelsieve.places import paths
from labelsieve.places.at_addresses import at_addresses, read_from, written_to_address
from labelsieve.store.open_run import Run, with_decisions_of_now
from labelsieve.store.run_copies import read_run
from labelsieve.store.run_reader import require_manifest


@dataclass(frozen=True)
class Applied:
    """The changes that `apply` made, or would make.

    Attributes:
        source: name of the data.
        out: the new folder; None for a dry run.
        files: the names in it.
        examples: number of examples in the data.
        relabelled: number of examples with a new label.
        left_out: number of examples that are not in the copy.
        automatic: number of changes that nobody decided on, but `auto` applied.
        changes: every change.
        conflicts: changes that were not applied, with the reason.
        renamed: files with a new name, because the folder already has a file of their name.
        not_read: examples that the run could not use, with the reason.
        notes: notes for the user about the data and the copy.
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


@contextmanager
def _run_of(address: str) -> Iterator[str | Path]:
    """The run at the address; the address itself if it holds data, which `load` reads."""
    if not paths.is_file(paths.join(address, MANIFEST)):
        yield address
        return
    with read_run(address) as folder:
        yield folder


@at_addresses(source=_run_of, out=written_to_address, patch=read_from)
def apply(
    source: str | Path | Run,
    *,
    out: str | Path | None = None,
    auto: float | str | bool | None = None,
    max_wrong: float | str | None = None,
    dry_run: bool = False,
    patch: str | Path | None = None,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    id: str | None = None,
    labels: str | None = None,
) -> Applied:
    """Write a corrected copy of the data with a patch that lists the changes. The source is only read.

    There are many parameters because each is an option of the command `apply`.

    Args:
        source: a run folder, or an open run; with `patch` also the name of the data themselves.
        out: the new folder of the corrected copy.
        auto: also apply suggestions where p_wrong is at least this, 0.95 or "95%"; or True with `max_wrong`.
        max_wrong: with `auto` True: apply as many suggestions as possible while at most this share of them, 0.05 or
            "5%", is wrong on average (`decide.sure_fixes`). It rests on the reviewed part of a random sample.
        dry_run: write nothing; only return what would change.
        patch: apply this patch file instead of the run's decisions.
        image, text, label, id: columns, where the source is data.
        labels: file of given labels, where the source is data.

    Returns:
        The pending and the conflicts.

    Raises:
        UserError: there is no such run, data or patch, `out` exists, or a changed example is not in the data any more.

    Example:
        >>> ls.apply("photos.sieve", out="clean")
        Applied(source='photos', out=PosixPath('clean'), files=('A', 'B', 'patch.csv'), examples=1208, relabelled=30,
        ...)
    """
    if out is None and not dry_run:
        raise UserError(
            "Name the new folder with <out>, or use <dry_run> to see what would change.", out="", dry_run=True
        )
    folder = None if out is None or dry_run else require_path(out, "The name of the new folder")
    columns = {"image": image, "text": text, "label": label, "id": id, "labels": labels}
    pending = _open_changes(
        source, patch, *_checked_auto(auto, max_wrong, patch), {name: value for name, value in columns.items() if value}
    )
    copied = Copied() if folder is None else write_copy(pending.data, pending.changes, pending.conflicts, folder)
    left_out = sum(not change.new for change in pending.changes)
    return Applied(
        pending.data.source,
        folder,
        copied.files,
        len(pending.data),
        len(pending.changes) - left_out,
        left_out,
        sum(change.who == AUTO for change in pending.changes),
        pending.changes,
        pending.conflicts,
        copied.renamed,
        pending.data.excluded,
        (*pending.notes, *copied.notes),
    )


def _checked_auto(
    auto: float | str | bool | None, max_wrong: float | str | None, patch: str | Path | None
) -> tuple[float | None, float | None]:
    """The least p_wrong, and the greatest share of wrong fixes."""
    wanted = auto is not None and auto is not False
    if wanted and patch is not None:
        raise UserError("<patch> already lists the changes; leave out <auto>.", patch="", auto="")
    if max_wrong is not None:
        most = share(max_wrong, "max_wrong")
        if auto is not True:
            raise UserError(
                "<max_wrong> chooses the suggestions that <auto> applies; give both, and no p_wrong.",
                max_wrong=float(f"{most:g}"),
                auto=True,
            )
        if not 0 < most < 1:
            raise UserError("<max_wrong>: give a share above 0 and below 1, such as 5%.", max_wrong=float(f"{most:g}"))
        return None, most
    if not wanted:
        return None, None
    if auto is True:
        raise UserError(
            "<auto> needs the share of wrong fixes that you accept, <max_wrong>, or instead the least p_wrong, such as "
            "98%.",
            auto=True,
            max_wrong=0.05,
        )
    least = share(auto, "auto")
    if least < 0.5:
        shown = float(f"{least:g}")
        raise UserError("<auto>: below 0.5 a label is more likely right than wrong; give 0.5 to 1.", auto=shown)
    return least, None


def _open_changes(
    source: str | Path | Run,
    patch: str | Path | None,
    auto: float | None,
    max_wrong: float | None,
    columns: dict[str, str],
) -> OpenChanges:
    file = None if patch is None else require_path(patch, "The name of the patch")
    if not isinstance(source, Run):
        require_path(source, "The run folder")
        if not os.path.exists(os.path.join(source, MANIFEST)):
            require_manifest(Path(source))
            if file is None:
                raise UserError(
                    f"{source} is not a run folder of Labelsieve; name a run folder, or give the changes with <patch>.",
                    patch="FILE",
                )
            return of_patch(load(os.fspath(source), background="auto", **columns), file)
    if columns:
        name = next(iter(columns))
        raise UserError(f"A run stores its columns and labels; leave out <{name}>.", **{name: ""})
    run = with_decisions_of_now(source)
    return of_decisions(run, auto, max_wrong) if file is None else of_patch_on_run(run, file)
