"""labelsieve report: one self-contained HTML file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from labelsieve.core.errors import UserError

if TYPE_CHECKING:
    from labelsieve.core.findings import Findings
    from labelsieve.report.samples import Sample

SHOWN = 40  # examples with their pictures
NAME = "report.html"


def report(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="The HTML file; default: report.html in the run folder.")] = None,
    figures: Annotated[Path | None, Parameter(help="Write every figure as an SVG file into this folder too.")] = None,
    json: Annotated[bool, Parameter(help="Print what the report says as one JSON object.", negative="")] = False,
) -> None:
    """Write one HTML file that can be mailed: the count with its interval, what to do, the worst examples, how it was found."""
    from labelsieve.cli.screen import print_json, safe
    from labelsieve.cli.standing import read
    from labelsieve.core import known
    from labelsieve.core.decision import Fold
    from labelsieve.core.files import replacing, require_own
    from labelsieve.decide.calibrate import calibrate
    from labelsieve.decide.reviewers import reviewers
    from labelsieve.decide.summary import summarise
    from labelsieve.report import build, charts

    path = out or run / NAME
    if path.is_dir():
        raise UserError(f"{path} is a folder; name an HTML file with -o.")
    if out:  # what lies in the run folder under our name is ours
        require_own(out, build.BEGINS, "report")
    findings, rows = read(run)
    fold = Fold(rows)
    calibrated = calibrate(findings, fold)
    seen = _open_first(findings, fold, calibrated)
    summary = summarise(seen, top=SHOWN)
    samples, trouble = _samples(run, findings, seen.order()[: len(summary.top)])
    if trouble:
        summary = replace(summary, notes=(*summary.notes, trouble))
    people = reviewers(findings, fold, known.load(run))
    told = build.facts(findings, summary, calibrated, rows, people=people, run=str(run))
    drawn = build.figures(findings, calibrated, told)
    files = {path: build.page(told, drawn, samples)}
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
        print(
            f"{safe(str(path), 200)}: {len(files[path].encode('utf-8', 'replace')) / 1e6:.1f} MB, opens offline, can be mailed and printed."
        )
        if figures is not None:
            print(f"{safe(str(figures), 200)}: {len(drawn)} figures as SVG.")


def _open_first(findings: Findings, fold, calibrated) -> Findings:
    """The findings with the calibrated probabilities, ranked so that what has an answer already comes last."""
    answered = {key for key in fold.ids() if fold.verdict(key) is not None}
    done = np.fromiter(map(answered.__contains__, findings.ids), bool, len(findings)) if answered else np.zeros(len(findings), bool)
    rank = np.empty(len(findings), np.int64)
    rank[np.lexsort((calibrated.rank, done))] = np.arange(1, len(findings) + 1)
    p = calibrated.p_wrong
    return replace(findings, p_wrong=p, rank=rank, flagged=p > 0.5, wrong=calibrated.wrong)


def _samples(run: Path, findings: Findings, rows: np.ndarray) -> tuple[list[Sample], str]:
    """The examples at `rows`, or none and a sentence why the data cannot be read again."""
    from labelsieve.reopen import reopen
    from labelsieve.report.samples import sample

    try:
        dataset = reopen(run, findings)
    except UserError as error:
        return [], f"No pictures of the examples: {error}"
    return [sample(dataset, int(row)) for row in rows], ""
