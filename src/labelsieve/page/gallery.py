"""Typical examples of a class: those with the lowest p(wrong), one per group of duplicates."""

from __future__ import annotations

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.page.desk import CODE, OPEN, Desk
from labelsieve.page.item import Items
from labelsieve.page.query import Query

MOST_EACH, MOST_CLASSES = 48, 50


class Gallery:
    """The typical examples of one desk."""

    def __init__(self, desk: Desk, items: Items):
        self.desk, self.items = desk, items
        self._count = np.bincount(desk.findings.given, minlength=len(desk.findings.classes))

    def answer(self, query: Query, reviewer: str, label: str, at: int, n: int, each: int) -> dict:
        """{total, items: [{label, n, examples}]}: of the class `label` only, or of `n` classes from position `at` on.

        Raises:
            UserError: no such class, or blind mode, because the label of every picture here is known.
        """
        if query.blind:
            raise UserError("Typical examples reveal their labels, so they are not shown in blind mode.")
        desk = self.desk
        if label and label not in desk.classes:
            raise UserError(f"There is no class {label[:200]!r} in these findings.")
        names = desk.findings.classes
        at, n = max(0, at), min(max(1, n), MOST_CLASSES)
        chosen = [desk.classes[label]] if label else list(range(at, min(at + n, len(names))))
        each = min(max(1, each), MOST_EACH)
        examples = [
            {
                "label": names[c],
                "n": int(self._count[c]),
                "examples": self.items.window(self._typical(c, each), reviewer, query),
            }
            for c in chosen
        ]
        return {"total": len(names), "items": examples}

    def _typical(self, c: int, most: int) -> np.ndarray:
        """(m,) positions of the class with a kept or unreviewed label, lowest p(wrong) first."""
        findings, state, p = self.desk.findings, self.desk.state, self.desk.ranking.p_wrong
        rows = np.flatnonzero((findings.given == c) & ((state == OPEN) | (state == CODE["keep"])))
        sure = findings.extra.get("p_given")
        rows = rows[np.lexsort((rows, np.zeros(len(rows)) if sure is None else -sure[rows], p[rows]))]
        group = findings.extra.get("duplicate_group")
        if group is not None:
            some = rows[: 4 * most]
            alone = np.where(group[some] < 0, -1 - some, group[some])
            rows = some[np.sort(np.unique(alone, return_index=True)[1])]
        return rows[p[rows] <= 0.5][:most]
