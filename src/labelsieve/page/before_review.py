"""Preparation of a review: a random sample, known examples planted in the queue, and the meaning of the classes."""

from __future__ import annotations

from os import fspath
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.core.sample import ACCEPT
from labelsieve.data.class_table import read_class_table
from labelsieve.data.truth import contradiction, read_truth_with_notes
from labelsieve.decide.next_steps import SIZE
from labelsieve.page.desk import Desk
from labelsieve.page.open_sample import draw_open
from labelsieve.store import class_guide, known_items, sample_files
from labelsieve.store.open_run import Run


def require_sample(run: Path, name: str) -> None:
    """Refuse a sample that can neither be opened nor drawn, before anything starts.

    Raises:
        UserError: the name is not allowed, or the file of the sample is damaged.
    """
    if name in sample_files.names(run) or name.startswith(ACCEPT):
        sample_files.load(run, name)
    sample_files.require_name(name)


def draw_sample(desk: Desk, name: str) -> str:
    """Draw the sample `name` from the examples without a decision, unless it exists; returns a note, or "".

    Raises:
        UserError: nothing is left to draw from, or the sample cannot be written.
    """
    if name in sample_files.names(desk.folder):
        return ""
    try:
        drawn = draw_open(desk, name, SIZE)
    except OSError as error:
        raise UserError(f"The sample {name!r} cannot be saved ({error.strerror or error}).") from error
    return f"{len(drawn.ids):,} examples were drawn at random as the sample {name!r}, for blind review."


def save_known_items(run: Run, file: str | Path) -> tuple[str, ...]:
    """Save the examples of known class in the run, from a table with id,label; returns notes on how it was read.

    Raises:
        UserError: the file cannot be read, or does not fit the run.
    """
    findings = run.findings
    unread = {item.id for item in findings.excluded}
    labels, notes = read_truth_with_notes(Path(file), findings.ids, findings.classes, unread, findings)
    known = {key: label for key, label in zip(findings.ids.tolist(), labels, strict=True) if label is not None}
    known_items.save(run.path, known, findings)
    return (*notes, *contradiction(labels, findings))


def save_class_meanings(run: Run, file: str | Path) -> tuple[str, ...]:
    """Save the meaning of the classes in the run, from a table class,name,guideline,example; returns notes on it.

    Raises:
        UserError: the file cannot be read, or does not fit the run.
    """
    meanings, notes = read_class_table(fspath(file), run.findings.classes, run.findings.ids)
    class_guide.save(run.path, meanings, run.findings)
    return tuple(notes)
