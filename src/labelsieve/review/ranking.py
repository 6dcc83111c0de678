"""The order in which examples come up, and what is expected of them: p(wrong) as the decisions so far have calibrated it.

A ranking is made from the decisions up to one number of the journal, and that number is its version: the same journal gives the
same ranking in every process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelsieve.core.decision import Fold
from labelsieve.core.findings import Estimate, Findings

CUTS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1)
CATCHES = (0.5, 0.8, 0.9, 0.95)


@dataclass(frozen=True, eq=False)
class Ranking:
    """What the findings and the decisions up to number `version` of the journal say together.

    Attributes:
        version: the last number of the journal that was heard.
        p_wrong: (n,) float64.
        order: (n,) int32 positions, most suspicious first.
        wrong, left: estimated wrong labels in all, and among the examples not reviewed.
        reviewed, found: examples with an answer, and those of them whose label was wrong.
    """

    version: int
    p_wrong: np.ndarray
    order: np.ndarray
    wrong: Estimate
    left: Estimate
    reviewed: int
    found: int


def rank(findings: Findings, fold: Fold, version: int) -> Ranking:
    """The ranking now; without decisions it is that of `find`."""
    if not fold.ids():
        order = findings.order().astype(np.int32)
        return Ranking(version, findings.p_wrong, order, findings.wrong, findings.wrong, 0, 0)
    from labelsieve.decide.calibrate import calibrate

    found = calibrate(findings, fold)
    order = np.argsort(found.rank, kind="stable").astype(np.int32)
    return Ranking(version, found.p_wrong, order, found.wrong, found.left, found.reviewed, found.found)


def precision_at(ranking: Ranking, open_rows: np.ndarray) -> list[dict]:
    """For each cut: how many unreviewed examples have at least that p(wrong), and which share of them is expected to be wrong."""
    p = np.sort(ranking.p_wrong[open_rows])[::-1]
    total = np.cumsum(p)
    count = np.searchsorted(-p, -np.array(CUTS), side="right")
    return [
        {"cut": cut, "expected": float(total[rows - 1] / rows) if rows else None, "rows": int(rows)}
        for cut, rows in zip(CUTS, count, strict=True)
    ]


def plan(ranking: Ranking, open_rows: np.ndarray) -> list[dict]:
    """How many of the unreviewed to review, in the order of the ranking, to catch given shares of the wrong labels still expected."""
    total = np.cumsum(np.sort(ranking.p_wrong[open_rows])[::-1])
    if not len(total) or total[-1] <= 0:
        return []
    review = np.searchsorted(total, np.array(CATCHES) * total[-1], side="left") + 1
    return [{"review": int(min(rows, len(total))), "catch": catch} for rows, catch in zip(review, CATCHES, strict=True)]
