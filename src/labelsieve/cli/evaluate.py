"""labelsieve evaluate: findings against labels held to be true (oracle)."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def evaluate(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    truth: Annotated[Path, Parameter(help="True labels: a table with id,label, or one label a row in order.")],
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Measure findings against true labels (oracle: truth never reaches `find`)."""
    from labelsieve.core.run import load
    from labelsieve.decide import evaluate as oracle

    findings = load(run)
    result = oracle.evaluate(findings, oracle.read_truth(truth, findings))
    if json:
        print(json_format.dumps(asdict(result)))
    else:
        from labelsieve.cli.scores import show

        show(result)
    return 0
