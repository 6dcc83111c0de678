"""labelsieve report: one self-contained HTML file."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from labelsieve.cli.options import Place


def report(
    run: Annotated[Place, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    out: Annotated[
        Place | None, Parameter(name=["--out", "-o"], help="The HTML file; default: report.html in the run folder.")
    ] = None,
    figures: Annotated[Place | None, Parameter(help="Also write every figure as an SVG file into this folder.")] = None,
    json: Annotated[bool, Parameter(help="Print the contents of the report as one JSON object.", negative="")] = False,
) -> None:
    """Write one HTML file that can be mailed: the count with its range, advice, the worst examples, the method."""
    from labelsieve.cli.terminal import print_json, safe
    from labelsieve.reports import write_report

    done = write_report.report(run, out=out, figures=figures)
    if json:
        print_json({"report": done.file, **done.facts})
        return
    print(f"{safe(str(done.file), 200)}: {_size(done.bytes)}, opens offline, can be mailed and printed.")
    if figures is not None:
        print(f"{safe(str(figures), 200)}: {len(done.figures)} figures as SVG.")


def _size(n: int) -> str:
    return f"{n / 1e6:.1f} MB" if n >= 1e6 else f"{max(1, round(n / 1e3))} kB"
