"""`diff`: what changed between two versions of a data set, each as it stands after its decisions."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

from labelsieve.core.errors import UserError
from labelsieve.decide.diff import Difference, difference
from labelsieve.store.open_run import Run, with_decisions_of_now


def diff(old: str | PathLike[str] | Run, new: str | PathLike[str] | Run) -> Difference:
    """Compare two runs as they stand after their decisions: examples added, removed, relabelled, class sizes, labels still wrong.

    Args:
        old: the run folder of the old version, or a `Run`.
        new: that of the new version.

    Raises:
        UserError: no such run, or the two have no example in common.

    >>> ls.diff("last.sieve", "photos.sieve")  # doctest: +SKIP
    Difference(12 added, 3 removed, 40 relabelled)
    """
    before, after = with_decisions_of_now(old), with_decisions_of_now(new)
    found = difference(before.now, after.now)
    if not found.common:
        raise UserError(
            f"{before.path} and {after.path} have no example in common, so they are not two versions of one data set; ids are compared."
        )
    return replace(found, notes=(*before.unmatched_notes, *after.unmatched_notes))
