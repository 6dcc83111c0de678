"""Groups of duplicates side by side. One label at most can be right in each, so a group gets one decision."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np

from labelsieve.core.decision import FINAL
from labelsieve.page import api
from labelsieve.page.desk import CONFLICT, OPEN, Desk
from labelsieve.page.item import Items
from labelsieve.page.query import Query

SHOWN = 24  # members of one group
MOST = 50  # groups in one answer
KEPT = 64  # orders


class DuplicateGroups:
    """The groups of one desk, those with different labels first."""

    def __init__(self, desk: Desk, items: Items):
        self.desk, self.items = desk, items
        group = desk.findings.extra.get("duplicate_group", np.full(len(desk.findings), -1))
        order = np.argsort(group, kind="stable")
        order = order[group[order] >= 0]
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        self._members = np.split(order, starts[1:]) if len(order) else []
        leaks = desk.findings.leaks
        crossing = set() if leaks is None else set(group[leaks.rows].tolist())
        self._leaks = [int(group[members[0]]) in crossing for members in self._members]
        self._frozen: OrderedDict[tuple[str, str], list[int]] = OrderedDict()
        self._lock = Lock()

    def answer(self, query: Query, reviewer: str, at: int, n: int) -> api.Groups:
        """`n` groups from position `at` on. With `query.duplicates` "disagree" only the groups whose current labels
        differ, with "leak" only those in several splits. The order is frozen for each `query.fresh`, as in other views.
        In blind mode the order is that of the data, and `disagree` is None."""
        chosen = self._chosen(query)
        at, n = max(0, at), min(max(1, n), MOST)
        items: list[api.Group] = [
            {
                "disagree": None if query.blind else self._disagrees(self._members[g]),
                "leaks": self._leaks[g],
                "members": self.items.window(self._members[g][:SHOWN], reviewer, query),
                "rows": self._members[g].tolist(),
            }
            for g in chosen[at : at + n]
        ]
        count = None if query.blind else sum(map(self._disagrees, self._members))
        total, leaks = len(self._members), sum(self._leaks)
        return {"total": len(chosen), "all": total, "disagree": count, "leaks": leaks, "items": items}

    def _chosen(self, query: Query) -> list[int]:
        """The groups of the query in their order."""
        if query.blind:
            return list(range(len(self._members)))
        key = (query.fresh, query.duplicates)
        with self._lock:
            order = self._frozen.get(key) if query.fresh else None
            if order is None:
                disagree = [self._disagrees(members) for members in self._members]
                worst = [float(self.desk.ranking.p_wrong[members].max()) for members in self._members]
                order = [g for g in range(len(disagree)) if disagree[g] or query.duplicates != "disagree"]
                order = [g for g in order if self._leaks[g] or query.duplicates != "leak"]
                order.sort(key=lambda g: (not disagree[g], -worst[g]))
                self._frozen[key] = order
                while len(self._frozen) > KEPT:
                    self._frozen.popitem(last=False)
            return order

    def _disagrees(self, members: np.ndarray) -> bool:
        """Whether the current labels of the members differ. Excluded members have none; a conflict counts as a
        difference."""
        findings, state = self.desk.findings, self.desk.state
        if not (state[members] != OPEN).any():
            return len(np.unique(findings.given[members])) > 1
        labels = set()
        for i in members.tolist():
            if state[i] == CONFLICT:
                return True
            verdict = self.desk.fold.verdict(str(findings.ids[i]))
            if verdict is None or verdict.act not in FINAL or verdict.act in ("keep", "ambiguous"):
                labels.add(findings.classes[findings.given[i]])
            elif verdict.act == "relabel":
                labels.add(str(verdict.label))
        return len(labels) > 1
