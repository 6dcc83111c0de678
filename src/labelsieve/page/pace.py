"""How fast each reviewer decides: seconds an example, from the times of the last decisions in the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from labelsieve.core.decision import Decision

LAST = 60  # acts that the pace is taken from
BREAK = 120.0  # seconds; a longer gap is a pause and does not count
LEAST = 5  # gaps, before a pace is stated
MACHINE = ("auto", "import")  # picks that no person made by hand


class Paces:
    """The times of the last acts of each reviewer."""

    def __init__(self) -> None:
        self._acts: dict[str, deque[list]] = {}  # reviewer -> [batch, time in seconds, examples]

    def hear(self, rows: Iterable[Decision]) -> None:
        """Take rows of the journal, in order."""
        for row in rows:
            if row.pick in MACHINE or row.act in ("undo", "redo"):
                continue
            acts = self._acts.setdefault(row.reviewer, deque(maxlen=LAST))
            if acts and acts[-1][0] == row.batch:
                acts[-1][2] += 1
                continue
            try:
                acts.append([row.batch, datetime.fromisoformat(row.at).timestamp(), 1])
            except ValueError:
                continue  # a row from elsewhere without a time

    def of(self, reviewer: str) -> float | None:
        """Seconds an example; None before there are a few decisions in a row."""
        acts = list(self._acts.get(reviewer, ()))
        gaps = [(b[1] - a[1], b[2]) for a, b in zip(acts, acts[1:], strict=False) if 0 < b[1] - a[1] <= BREAK]
        if len(gaps) < LEAST:
            return None
        return sum(gap for gap, _ in gaps) / sum(many for _, many in gaps)
