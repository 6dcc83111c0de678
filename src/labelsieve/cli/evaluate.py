"""labelsieve evaluate: findings against labels held to be true (oracle)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def evaluate(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    truth: Annotated[
        Path, Parameter(help="True labels: a table with id,label, or one label per row in the order of the run.")
    ],
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> None:
    """Measure findings against true labels (oracle: they never reach `find`)."""
    from labelsieve.cli.terminal import print_json, safe
    from labelsieve.data.truth import contradiction, read_truth_with_notes
    from labelsieve.decide import evaluate as oracle
    from labelsieve.store.open_run import open_run

    findings = open_run(run).findings
    labels, notes = read_truth_with_notes(
        truth, findings.ids, findings.classes, {item.id for item in findings.excluded}, findings
    )
    notes = [*notes, *contradiction(labels, findings)]
    result = oracle.evaluate(findings, labels)
    if json:
        print_json({"oracle": True, "run": str(run), **asdict(result), "notes": notes})
    else:
        from labelsieve.cli.evaluation_table import show

        show(result)
        for note in notes:
            print(safe(note, 400))
