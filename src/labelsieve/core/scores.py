"""What a detector answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Scores:
    """One detector's answer for n examples.

    Attributes:
        suspicion: (n,) float, finite; higher always means more likely wrong. A score, not a probability.
        suggestion: (n,) int64 class the detector would give instead, or None.
        flags: (n,) bool, what the detector's own rule calls wrong, or None where the method has no rule.
        extra: further columns by name, the "why".
        n_wrong: how many labels the method itself counts as wrong, or None.
    """

    suspicion: np.ndarray
    suggestion: np.ndarray | None = None
    flags: np.ndarray | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    n_wrong: float | None = None
