"""labelsieve evaluate: findings against true labels (oracle)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from labelsieve.cli.options import Place


def evaluate(
    run: Annotated[Place, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    truth: Annotated[
        Place, Parameter(help="True labels: a table with id,label, or one label per row in the order of the run.")
    ],
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> None:
    """Measure findings against true labels (an oracle: `find` never sees them)."""
    from labelsieve.acceptance.evaluate_run import evaluate as measure
    from labelsieve.cli.terminal import print_json, safe

    result = measure(run, truth)
    if json:
        print_json({"oracle": True, "run": str(run), **asdict(result)})
    else:
        from labelsieve.cli.evaluation_table import show

        show(result)
        for note in result.notes:
            print(safe(note, 400))
