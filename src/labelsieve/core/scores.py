"""The result of a detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Scores:
    """One detector's result for n examples.

    Attributes:
        suspicion: (n,) float, finite; higher always means more likely wrong. A score, not a probability.
        suggestion: (n,) int64 class the detector would give instead, or None; suggested_<detector> in the findings.
        flags: (n,) bool, what the detector's own rule calls wrong, or None if the method has no rule; flag_<detector>
            in the findings.
        extra: columns (n,) by name that explain a row; also columns of the findings.
        n_wrong: the estimated number of wrong labels (consensus), or None.
        judges: how many judges were pooled (consensus).
        model: the fitted model of the votes (votes), or None.
    """

    suspicion: np.ndarray
    suggestion: np.ndarray | None = None
    flags: np.ndarray | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    n_wrong: float | None = None
    judges: int = 1
    model: Any = field(default=None, repr=False)

    def __repr__(self) -> str:
        flagged = "" if self.flags is None else f", {int(self.flags.sum()):,} flagged"
        return f"<Scores of {len(self.suspicion):,} labels{flagged}>"
