"""How fast each reviewer decides: seconds per example, from the times of the last decisions in the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from labelsieve.core.decision import Decision

LAST = 60  # batches that the pace is computed from
BREAK = 120.0  # seconds; a longer gap is a pause and does not count
LEAST = 5  # gaps that are needed for a pace
MACHINE = ("auto", "import")  # picks that are not made by a person


class Paces:
    """The times of the last batches of each reviewer."""

    def __init__(self) -> None:
        self._batches: dict[str, deque[list]] = {}  # reviewer -> [batch, time in seconds, examples]

    def add(self, rows: Iterable[Decision]) -> None:
        """Add rows of the journal, in order."""
        for row in rows:
            if row.pick in MACHINE or row.act in ("undo", "redo"):
                continue
            batches = self._batches.setdefault(row.reviewer, deque(maxlen=LAST))
            if batches and batches[-1][0] == row.batch:
                batches[-1][2] += 1
                continue
            try:
                batches.append([row.batch, datetime.fromisoformat(row.at).timestamp(), 1])
            except ValueError:
                continue  # an imported row without a time

    def of(self, reviewer: str) -> float | None:
        """Seconds per example; None before there are a few decisions in a row."""
        batches = list(self._batches.get(reviewer, ()))
        gaps = [(b[1] - a[1], b[2]) for a, b in zip(batches, batches[1:], strict=False) if 0 < b[1] - a[1] <= BREAK]
        if len(gaps) < LEAST:
            return None
        return sum(gap for gap, _ in gaps) / sum(many for _, many in gaps)
