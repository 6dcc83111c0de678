"""Draws a random sample from what is not decided: what was decided before is known, and the sample speaks for the rest."""

from __future__ import annotations

from labelsieve.core.errors import UserError
from labelsieve.core.sample import Sample
from labelsieve.decide.random_sample import draw
from labelsieve.page.desk import DECIDED, Desk
from labelsieve.store import sample_files


def draw_open(desk: Desk, name: str, size: int) -> Sample:
    """The sample, kept in the run folder.

    Raises:
        UserError: nothing is left to draw from, or the name or the size is no good.
        PermissionError: the run folder is read-only.
    """
    sample_files.require_name(name)
    if desk.readonly:
        raise PermissionError(f"{desk.folder} is read-only; no sample can be kept there.")
    with desk.lock:
        decided = desk.findings.ids[DECIDED[desk.state]].tolist()
    if len(decided) == len(desk.findings):
        raise UserError("Every example is decided; there is nothing left to draw a sample from.")
    drawn = draw(desk.findings, size, name=name, without=decided)
    sample_files.save(desk.folder, drawn)
    return drawn
