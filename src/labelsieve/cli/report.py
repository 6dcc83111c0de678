"""labelsieve report: one self-contained HTML file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from labelsieve.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from labelsieve.core.dataset import Dataset
    from labelsieve.core.findings import Findings
    from labelsieve.reports.example import Sample

SHOWN = 40  # examples with their pictures
NAME = "report.html"


def report(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], help="The HTML file; default: report.html in the run folder.")
    ] = None,
    figures: Annotated[Path | None, Parameter(help="Write every figure as an SVG file into this folder too.")] = None,
    json: Annotated[bool, Parameter(help="Print what the report says as one JSON object.", negative="")] = False,
) -> None:
    """Write one HTML file that can be mailed: the count with its interval, what to do, the worst examples, how it was found."""
    from labelsieve.cli.terminal import print_json, safe
    from labelsieve.core.files import replacing, require_own
    from labelsieve.decide.outlook import as_now, plan, reliability
    from labelsieve.decide.reviewers import reviewers
    from labelsieve.decide.summary import summarise
    from labelsieve.reports import charts, html
    from labelsieve.store import known_items
    from labelsieve.store.open_run import open_run

    path = out or run / NAME
    if path.is_dir():
        raise UserError(f"{path} is a folder; name an HTML file with -o.")
    if out:  # what lies in the run folder under our name is ours
        require_own(out, html.BEGINS, "report")
    there = open_run(run)
    findings, fold, calibrated = there.findings, there.fold, there.calibrated
    summary = summarise(findings, top=SHOWN, calibrated=calibrated)
    seen = as_now(findings, calibrated)
    samples, trouble = _samples(run, findings, seen.order()[: len(summary.top)])
    summary = replace(summary, notes=(*summary.notes, *there.unmatched_notes, *trouble))
    people = reviewers(findings, fold, known_items.load(run, there.follow))
    outlook = {"effort": plan(calibrated), "bins": reliability(findings, fold, calibrated)}
    told = html.facts(findings, summary, calibrated, there.decisions, people=people, run=str(run), **outlook)
    drawn = html.figures(findings, calibrated, told)
    files = {path: html.page(told, drawn, samples)}
    if figures is not None:
        files |= {figures / f"{name}.svg": charts.alone(svg) for name, svg in drawn.items()}
    for name, text in files.items():
        try:
            with replacing(name) as partial:
                partial.write_bytes(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise UserError(f"{name} cannot be written ({error.strerror or error}); name another place.") from error
    if json:
        print_json({"report": str(path), **told})
    else:
        print(f"{safe(str(path), 200)}: {_size(files[path])}, opens offline, can be mailed and printed.")
        if figures is not None:
            print(f"{safe(str(figures), 200)}: {len(drawn)} figures as SVG.")


def _samples(run: Path, findings: Findings, rows: np.ndarray) -> tuple[list[Sample], list[str]]:
    """The examples at `rows`, or none; and sentences on what has changed in the data, or why they cannot be read again."""
    from labelsieve.reports.example import sample
    from labelsieve.store.reopen import reopen

    try:
        again = reopen(run, findings)
    except UserError as error:
        return [], [f"No pictures of the examples: {error.in_words()}"]
    dataset = again.aligned()
    to_rgb = _in_rgb(findings, dataset) if dataset.kind == "image" else None
    return [sample(dataset, int(row), to_rgb) for row in rows], again.notes()


def _in_rgb(findings: Findings, dataset: Dataset) -> Callable[[Image, bytes], Image]:
    """Pictures of more than 8 bits are shown by the scale by which the model saw them."""
    from labelsieve.encode.decode_image import to_rgb
    from labelsieve.encode.deep_pixels import look
    from labelsieve.encode.pixel_levels import Levels

    kept = findings.settings.get("levels")
    levels = look(dataset.inputs) if kept is None else Levels.of(kept)
    return lambda image, data: to_rgb(image, data, levels)[0]


def _size(text: str) -> str:
    n = len(text.encode("utf-8", "replace"))
    return f"{n / 1e6:.1f} MB" if n >= 1e6 else f"{max(1, round(n / 1e3))} kB"
