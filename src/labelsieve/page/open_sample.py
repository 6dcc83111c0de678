"""Draws a random sample from the undecided examples. The decided ones are known; the sample represents the others."""

from __future__ import annotations

from labelsieve.core.errors import UserError
from labelsieve.decide.random_sample import draw
from labelsieve.page.desk import DECIDED, Desk
from labelsieve.store import sample_files
from labelsieve.store.sample_files import Sample


def draw_open(desk: Desk, name: str, size: int) -> Sample:
    """Draw the sample and save it in the run folder.

    Raises:
        UserError: every example is decided, or the name or the size is invalid.
        PermissionError: the run folder is read-only.
    """
    sample_files.require_name(name)
    if desk.readonly:
        raise PermissionError(f"{desk.folder} is read-only; no sample can be saved there.")
    with desk.lock:
        decided = desk.findings.ids[DECIDED[desk.state]].tolist()
    if len(decided) == len(desk.findings):
        raise UserError("Every example is decided, so there is nothing to draw a sample from.")
    drawn = draw(desk.findings, size, name=name, without=decided)
    sample_files.save(desk.folder, drawn)
    return drawn
