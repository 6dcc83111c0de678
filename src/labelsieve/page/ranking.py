"""The order of the examples: by p(wrong), calibrated with the decisions so far. A decided row keeps the position that
its scores give it, so that a reviewer continues with the next row.

A ranking uses the decisions up to one row of the journal. The number of that row is its version, so the same journal
gives the same ranking in every process.
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
    """The order after the decisions up to row `version` of the journal.

    Attributes:
        version: the last row of the journal that is used.
        calibration: the calibrated probabilities and estimates.
        order: (n,) int32 positions, most suspicious first.
        seconds: the time it took.
    """

    version: int
    calibration: Calibrated
    order: np.ndarray
    seconds: float

    @property
    def p_wrong(self) -> np.ndarray:
        """(n,) float64, without the row's own answer."""
        return self.calibration.p_model


def rank(findings: Findings, rows: list[Decision], version: int) -> Ranking:
    """The ranking after these decisions; without any it is that of `find`."""
    start = time.perf_counter()
    calibration = calibrate(findings, Fold(rows))
    order = np.lexsort((findings.rank, -calibration.p_model)).astype(np.int32)
    return Ranking(version, calibration, order, time.perf_counter() - start)
