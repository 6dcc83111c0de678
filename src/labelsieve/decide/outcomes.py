"""What the decisions say about rows of the findings: right or wrong, and whether the row was drawn or picked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelsieve.core.decision import Fold
from labelsieve.core.findings import Findings

DRAWN = "sample"  # the pick of a row that came from a random sample


@dataclass(frozen=True)
class Answers:
    """Answers "right" or "wrong" on m rows, in the order of the first decision.

    Attributes:
        row: (m,) int64 positions.
        wrong: (m,) float64, 1 = called wrong (relabel, exclude), 0 = right (keep).
        drawn: (m,) bool, the row came from a random sample.
        aside: (a,) int64 positions of rows decided as ambiguous, which is neither right nor wrong.
        unknown: ids with decisions that the findings do not have.
    """

    row: np.ndarray
    wrong: np.ndarray
    drawn: np.ndarray
    aside: np.ndarray
    unknown: tuple[str, ...]


def answers(findings: Findings, fold: Fold) -> Answers:
    """The answers on which the reviewers of each example agree."""
    ids = fold.ids()
    decided = set(ids)
    place = {id: i for i, id in enumerate(findings.ids if decided else ()) if id in decided}
    rows, aside = [], []
    for id in ids:
        verdict = fold.verdict(id)
        if id not in place or verdict is None:
            continue
        if verdict.act == "ambiguous":
            aside.append(place[id])
        else:
            drawn = any(stands and row.pick == DRAWN for row, stands in fold.history(id))
            rows.append((place[id], verdict.act != "keep", drawn))
    row, wrong, drawn = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 3
    unknown = tuple(id for id in ids if id not in place)
    return Answers(
        row.astype(np.int64), wrong.astype(np.float64), drawn.astype(bool), np.array(aside, np.int64), unknown
    )
