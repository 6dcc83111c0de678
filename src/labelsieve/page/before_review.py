"""What a review may begin with: a random sample, known examples planted in the queue, and what the classes mean."""

from __future__ import annotations

from os import fspath
from pathlib import Path

from labelsieve.core.errors import UserError
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
        UserError: the name is no good, or its file is damaged.
    """
    if name in sample_files.names(run) or name.startswith("accept-"):
        sample_files.load(run, name)
    sample_files.require_name(name)


def draw_sample(desk: Desk, name: str) -> str:
    """Draw the sample `name` from what is not decided, unless the run has it; returns a sentence that says so, or "".

    Raises:
        UserError: nothing is left to draw from, or the sample cannot be written.
    """
    if name in sample_files.names(desk.folder):
        return ""
    try:
        drawn = draw_open(desk, name, SIZE)
    except OSError as error:
        raise UserError(f"The sample {name!r} cannot be kept ({error.strerror or error}).") from error
    return f"{len(drawn.ids):,} examples were drawn at random as the sample {name!r}, to be judged blind."


def keep_known(run: Run, file: str | Path) -> tuple[str, ...]:
    """Keep the examples of known class in the run, from a table with id,label; returns notes on how it was read.

    Raises:
        UserError: the file cannot be read, or does not fit the run.
    """
    found = run.findings
    unread = {item.id for item in found.excluded}
    labels, notes = read_truth_with_notes(Path(file), found.ids, found.classes, unread, found)
    known = {key: label for key, label in zip(found.ids.tolist(), labels, strict=True) if label is not None}
    known_items.save(run.path, known, found)
    return (*notes, *contradiction(labels, found))


def keep_classes(run: Run, file: str | Path) -> tuple[str, ...]:
    """Keep what the classes mean in the run, from a table with class,name,guideline,example; returns notes on how it was read.

    Raises:
        UserError: the file cannot be read, or does not fit the run.
    """
    meanings, notes = read_class_table(fspath(file), run.findings.classes, run.findings.ids)
    class_guide.save(run.path, meanings, run.findings)
    return tuple(notes)
