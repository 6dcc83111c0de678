"""What the decisions say of rows of the findings: right or wrong, and whether chance or suspicion brought the row up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelsieve.core.decision import Fold
from labelsieve.core.findings import Findings

DRAWN = "sample"  # the pick of a row that came from a random sample


@dataclass(frozen=True)
class Answers:
    """Answers on m rows, in the order of the first decision: position, 1 = called wrong, whether a random sample brought the row up."""

    row: np.ndarray
    wrong: np.ndarray
    drawn: np.ndarray
    unknown: tuple[str, ...]


def answers(findings: Findings, fold: Fold) -> Answers:
    """The answers on which the reviewers of each example agree."""
    ids = fold.ids()
    wanted = set(ids)
    place = {id: i for i, id in enumerate(findings.ids if wanted else ()) if id in wanted}
    rows = []
    for id in ids:
        verdict = fold.verdict(id)
        if id in place and verdict is not None and verdict.act != "ambiguous":
            drawn = any(stands and row.pick == DRAWN for row, stands in fold.history(id))
            rows.append((place[id], verdict.act != "keep", drawn))
    row, wrong, drawn = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 3
    return Answers(row.astype(np.int64), wrong.astype(np.float64), drawn.astype(bool), tuple(id for id in ids if id not in place))
