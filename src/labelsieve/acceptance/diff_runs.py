"""`diff`: what changed between two versions of a data set, each after its decisions."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

from labelsieve.core.errors import UserError
from labelsieve.decide.diff import Difference, difference
from labelsieve.places.at_addresses import at_addresses
from labelsieve.store.open_run import Run, with_decisions_of_now
from labelsieve.store.run_copies import read_run


@at_addresses(old=read_run, new=read_run)
def diff(old: str | PathLike[str] | Run, new: str | PathLike[str] | Run) -> Difference:
    """Compare two runs after their decisions: added, removed and relabelled examples, class sizes, labels still wrong.

    Args:
        old: the run folder of the old version, or a `Run`.
        new: the run folder of the new version, or a `Run`.

    Raises:
        UserError: a run does not exist, or the two have no example in common.

    >>> ls.diff("last.sieve", "photos.sieve")  # doctest: +SKIP
    Difference(12 added, 3 removed, 40 relabelled)
    """
    old_run, new_run = with_decisions_of_now(old), with_decisions_of_now(new)
    changes = difference(old_run.now, new_run.now)
    if not changes.common:
        raise UserError(
            f"{old_run.path} and {new_run.path} have no example in common, so they are not two versions of one data "
            "set."
        )
    return replace(changes, notes=(*old_run.unmatched_notes, *new_run.unmatched_notes))
