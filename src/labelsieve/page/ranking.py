"""The order in which examples come up: p(wrong) as the decisions so far have calibrated it. A row that is decided keeps the place that its
scores give it, so that whoever stood there goes on with the next one.

A ranking is made from the decisions up to one number of the journal, and that number is its version: the same journal gives the
same ranking in every process.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Findings
from labelsieve.decide.calibrate import Calibrated, calibrate


@dataclass(frozen=True, eq=False)
class Ranking:
    """What the findings and the decisions up to number `version` of the journal say together.

    Attributes:
        version: the last number of the journal that was heard.
        said: the calibration.
        order: (n,) int32 positions, most suspicious first.
        seconds: what it cost.
    """

    version: int
    said: Calibrated
    order: np.ndarray
    seconds: float

    @property
    def p_wrong(self) -> np.ndarray:
        """(n,) float64, without the row's own answer."""
        return self.said.p_model


def rank(findings: Findings, rows: list[Decision], version: int) -> Ranking:
    """The ranking after these decisions; before any it is that of `find`."""
    start = time.perf_counter()
    said = calibrate(findings, Fold(rows))
    order = np.lexsort((findings.rank, -said.p_model)).astype(np.int32)
    return Ranking(version, said, order, time.perf_counter() - start)
