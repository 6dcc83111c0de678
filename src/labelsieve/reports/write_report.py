"""`labelsieve.report`: one self-contained HTML file about a run and its decisions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.arguments import require_path
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, require_own
from labelsieve.decide.outlook import as_now, plan, reliability
from labelsieve.decide.reviewers import reviewers
from labelsieve.decide.summary import summarise
from labelsieve.encode.deep_pixels import look
from labelsieve.encode.pixel_levels import Levels
from labelsieve.encode.small_example import Sample, sample
from labelsieve.places.at_addresses import at_addresses, written_to_address
from labelsieve.places.working_copy import address_in
from labelsieve.reports import charts, html
from labelsieve.store import known_items
from labelsieve.store.open_run import Run, with_decisions_of_now
from labelsieve.store.reopen import reopen
from labelsieve.store.run_copies import report_run

SHOWN = 40  # examples with their pictures
NAME = "report.html"


@dataclass(frozen=True)
class Report:
    """The report that was written.

    Attributes:
        file: path of the HTML file.
        bytes: its size.
        figures: paths of the SVG files, one per figure; empty without a folder for them.
        facts: the contents of the report, as plain values.
    """

    file: Path
    bytes: int
    figures: tuple[Path, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict, repr=False)


@at_addresses(run=report_run, out=written_to_address, figures=written_to_address)
def report(run: str | Path | Run, *, out: str | Path | None = None, figures: str | Path | None = None) -> Report:
    """Write one HTML file that can be mailed: the count with its range, what to do, the worst examples, the method.

    Args:
        run: a run folder, or an open run.
        out: path of the HTML file; None is report.html in the run folder.
        figures: a folder that also gets every figure as an SVG file.

    Returns:
        The path of the file, and its contents.

    Raises:
        UserError: there is no such run, the file cannot be written, or it exists and is not a report.

    Example:
        >>> ls.report("photos.sieve").file
        PosixPath('photos.sieve/report.html')
    """
    run = with_decisions_of_now(run)
    path = run.path / NAME if out is None else require_path(out, "The name of the report")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name an HTML file with <out>.", out="")
    if out is not None:  # report.html in the run folder is always ours
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
    """The contents of the report, its figures, and the worst examples."""
    findings, fold, calibrated = run.findings, run.fold, run.calibrated
    summary = summarise(findings, top=SHOWN, calibrated=calibrated)
    worst = as_now(findings, calibrated).order()[: len(summary.top)]
    samples, more_notes = _samples(run, worst)
    summary = replace(summary, notes=(*summary.notes, *run.unmatched_notes, *more_notes))
    facts = html.facts(
        findings,
        summary,
        calibrated,
        run.decisions,
        people=reviewers(findings, fold, known_items.load(run.path, run.follow)),
        run=address_in(run) or str(run.path),
        effort=plan(calibrated),
        bins=reliability(findings, fold, calibrated),
    )
    return facts, html.figures(findings, calibrated, facts), samples


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path) as partial:
            partial.write_bytes(_encoded(text))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}); choose another path.") from error


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _samples(run: Run, rows: np.ndarray) -> tuple[list[Sample], list[str]]:
    """The examples at `rows`, or none; and notes on changes in the data, or why the data cannot be read again."""
    try:
        reopened = reopen(run.path, run.findings)
    except UserError as error:
        return [], [f"No pictures of the examples: {error.in_words()}"]
    dataset = reopened.aligned()
    stored = run.findings.settings.get("levels")  # the scale that the encoder used
    levels = look(dataset.inputs) if stored is None and dataset.kind == "image" else Levels.of(stored)
    return [sample(dataset, int(row), levels) for row in rows], reopened.notes()
