"""`labelsieve.report`: one self-contained HTML file on a run and what was decided since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.arguments import require_path
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, require_own
from labelsieve.decide.outlook import as_now, plan, reliability
from labelsieve.decide.reviewers import reviewers
from labelsieve.decide.summary import summarise
from labelsieve.encode.small_example import Sample, sample
from labelsieve.reports import charts, html
from labelsieve.store import known_items
from labelsieve.store.open_run import Run, with_decisions_of_now
from labelsieve.store.reopen import reopen

if TYPE_CHECKING:
    from PIL.Image import Image

    from labelsieve.core.dataset import Dataset
    from labelsieve.core.findings import Findings

SHOWN = 40  # examples with their pictures
NAME = "report.html"


@dataclass(frozen=True)
class Report:
    """What `report` wrote.

    Attributes:
        file: the HTML file.
        bytes: its size.
        figures: an SVG file for each figure, where a folder was named for them.
        facts: what the report says, as plain values.
    """

    file: Path
    bytes: int
    figures: tuple[Path, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict, repr=False)


def report(run: str | Path | Run, *, out: str | Path | None = None, figures: str | Path | None = None) -> Report:
    """Write one HTML file that can be mailed: the count with its interval, what to do, the worst examples, how it was found.

    Args:
        run: a run folder, or a run that is open.
        out: the HTML file; None is report.html in the run folder.
        figures: a folder to write every figure into as an SVG file, too.

    Returns:
        The file, and what it says.

    Raises:
        UserError: no such run, or the file cannot be written or is not a report.

    Example:
        >>> ls.report("photos.sieve").file
        PosixPath('photos.sieve/report.html')
    """
    run = with_decisions_of_now(run)
    path = run.path / NAME if out is None else require_path(out, "The name of the report")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name an HTML file with <out>.", out="")
    if out is not None:  # what lies in the run folder under our name is ours
        require_own(path, html.BEGINS, "report")
    facts, drawn, samples = _contents(run)
    page = html.page(facts, drawn, samples)
    files = {path: page}
    folder = None if figures is None else require_path(figures, "The folder of the figures")
    if folder is not None:
        files |= {folder / f"{name}.svg": charts.alone(svg) for name, svg in drawn.items()}
    for name, text in files.items():
        _write(name, text)
    return Report(path, len(_encoded(page)), tuple(files)[1:], facts)


def _contents(run: Run) -> tuple[dict[str, Any], dict[str, str], list[Sample]]:
    """What the report says, its figures, and the worst examples."""
    findings, fold, calibrated = run.findings, run.fold, run.calibrated
    summary = summarise(findings, top=SHOWN, calibrated=calibrated)
    worst = as_now(findings, calibrated).order()[: len(summary.top)]
    samples, trouble = _samples(run, worst)
    summary = replace(summary, notes=(*summary.notes, *run.unmatched_notes, *trouble))
    facts = html.facts(
        findings,
        summary,
        calibrated,
        run.decisions,
        people=reviewers(findings, fold, known_items.load(run.path, run.follow)),
        run=str(run.path),
        effort=plan(calibrated),
        bins=reliability(findings, fold, calibrated),
    )
    return facts, html.figures(findings, calibrated, facts), samples


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path) as partial:
            partial.write_bytes(_encoded(text))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}); name another place.") from error


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _samples(run: Run, rows: np.ndarray) -> tuple[list[Sample], list[str]]:
    """The examples at `rows`, or none; and sentences on what has changed in the data, or why they cannot be read again."""
    try:
        again = reopen(run.path, run.findings)
    except UserError as error:
        return [], [f"No pictures of the examples: {error.in_words()}"]
    dataset = again.aligned()
    to_rgb = _in_rgb(run.findings, dataset) if dataset.kind == "image" else None
    return [sample(dataset, int(row), to_rgb) for row in rows], again.notes()


def _in_rgb(findings: Findings, dataset: Dataset) -> Callable[[Image, bytes], Image]:
    """Pictures of more than 8 bits are shown by the scale by which the model saw them."""
    from labelsieve.encode.decode_image import to_rgb
    from labelsieve.encode.deep_pixels import look
    from labelsieve.encode.pixel_levels import Levels

    kept = findings.settings.get("levels")
    levels = look(dataset.inputs) if kept is None else Levels.of(kept)
    return lambda image, data: to_rgb(image, data, levels)[0]
