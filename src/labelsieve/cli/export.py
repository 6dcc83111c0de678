"""labelsieve export: findings and decisions in the formats of other tools."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from labelsieve.cli.options import Place
from labelsieve.exchange.formats import Tool


def export(
    run: Annotated[Place, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    to: Annotated[Tool, Parameter(help="The format.")],
    out: Annotated[
        Place,
        Parameter(name=["--out", "-o"], help="The new file (label-studio, csv) or new folder (fiftyone, coco, hf)."),
    ],
    json: Annotated[bool, Parameter(help="Print what was written as one JSON object.", negative="")] = False,
) -> None:
    """Write examples, findings and decisions for Label Studio, FiftyOne, COCO, a spreadsheet or Hugging Face."""
    from labelsieve.cli.terminal import print_json, safe
    from labelsieve.exchange import export_run

    done = export_run.export(run, to=to, out=out)
    if json:
        print_json(asdict(done))
        return
    files = ", ".join(safe(str(name), 200) for name in done.files)
    print(f"{done.examples:,} examples, {done.decided:,} with a decision: {files}")
    for note in done.notes:
        print(safe(note, 400))
