"""A view: the query of the page's URL -> positions in the findings, filtered and in order.

Filters are masks over NumPy columns, orders are permutations that are computed once. A view over a million rows takes
some ten milliseconds and is then kept, frozen, under its query. So a decision does not change the order of the next
examples.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock

import numpy as np

from labelsieve.acceptance.verdict import made_for
from labelsieve.decide.calibrate import Calibrated
from labelsieve.decide.outlook import Stop, stop
from labelsieve.decide.reviewers import plant
from labelsieve.page.api import Cell
from labelsieve.page.desk import CODE, CONFLICT, DECIDED, LATER, OPEN, STATES, Desk, state_of
from labelsieve.page.map import Map
from labelsieve.page.query import Query

BARS = 50  # of the histogram of p(wrong)
CELLS = 400
KEPT_BYTES = 128 << 20  # of frozen views
KEPT_ORDERS = 6


class Views:
    """The views of one desk; the last used ones are kept."""

    def __init__(self, desk: Desk, map: Map):
        self.desk, self.map = desk, map
        self._frozen: OrderedDict[Hashable, Future[np.ndarray]] = OrderedDict()
        self._made: OrderedDict[Hashable, np.ndarray] = OrderedDict()  # orders and text masks
        self._lock = Lock()
        findings = desk.findings
        self._cells, inverse = np.unique(findings.given * len(findings.classes) + findings.other, return_inverse=True)
        self._cell = inverse.astype(np.int32)

    def rows(self, query: Query, reviewer: str) -> np.ndarray:
        """(m,) positions in the order of the view, frozen at the first request with this query."""
        who = reviewer if query.mine or query.accepting or (query.plain and self.desk.known) else ""
        key = (replace(query, blind=False), who, 0 if query.fresh else self.desk.ranking.version)
        with self._lock:
            future, first = self._frozen.get(key), False
            if future is None:
                future = self._frozen[key] = Future()
                first = True
            self._frozen.move_to_end(key)
        if first:
            try:
                future.set_result(self._build(query, reviewer))
            except BaseException as error:
                with self._lock:
                    self._frozen.pop(key, None)
                future.set_exception(error)
            self._forget()
        return future.result()

    def at(self, query: Query, reviewer: str, i: int) -> int:
        """The position of example `i` in the view; -1 if it is not in it."""
        at = np.flatnonzero(self.rows(query, reviewer) == i)
        return int(at[0]) if len(at) else -1

    def after(self, query: Query, reviewer: str, i: int) -> int:
        """The position of the first example of the view after example `i` in its order, ignoring filters; 0 if there is
        none."""
        if not 0 <= i < len(self.desk.findings):
            return 0
        order = self._order_of(query)
        turn = np.full(len(self.desk.findings), -1, np.int64)
        turn[order] = np.arange(len(order))
        rows = self.rows(query, reviewer)
        later = np.flatnonzero(turn[rows] >= turn[i])
        return int(later[0]) if turn[i] >= 0 and len(later) else 0

    def _forget(self) -> None:
        with self._lock:
            size = sum(f.result().nbytes for f in self._frozen.values() if f.done() and not f.exception())
            while len(self._frozen) > 1 and (size > KEPT_BYTES or len(self._frozen) > 4096):
                _, old = self._frozen.popitem(last=False)
                size -= old.result().nbytes if old.done() and not old.exception() else 0

    def _build(self, query: Query, reviewer: str) -> np.ndarray:
        mask = self._base(query, reviewer) & self._in_state(query, reviewer)
        order = self._order_of(query)
        rows = order[mask[order]]
        return self._planted(rows, reviewer) if query.plain and self.desk.known else rows

    def _planted(self, rows: np.ndarray, reviewer: str) -> np.ndarray:
        """The queue with the known examples that this reviewer has not answered."""
        desk = self.desk
        with desk.lock:
            known = [desk.positions.of(id) for id in desk.known if desk.conceals(id, reviewer)]
        left = np.array(sorted(i for i in known if i is not None), rows.dtype)
        return plant(rows, left, seed=zlib.crc32(reviewer.encode("utf-8", "surrogatepass")))

    def _base(self, query: Query, reviewer: str) -> np.ndarray:
        """(n,) bool, all filters of the query except the state."""
        findings, p = self.desk.findings, self.desk.calibrated.p_wrong
        mask = np.ones(len(findings), bool)
        if query.given is not None:
            mask &= findings.given == query.given
        if query.other is not None:
            mask &= findings.other == query.other
        if query.pmin > 0:
            mask &= p >= query.pmin
        if query.pmax < 1:
            mask &= p <= query.pmax
        if query.duplicates:
            mask &= self._duplicates(query.duplicates)
        if query.split and findings.splits is not None:
            mask &= findings.splits == query.split
        if query.q:
            mask &= self._cached(("q", query.q), lambda: self._containing(query.q))
        if query.lasso:
            mask &= self._cached(("lasso", query.lasso), lambda: self.map.within(np.array(query.lasso)))
        if query.sample:
            drawn = np.zeros(len(findings), bool)
            drawn[self._sample(query.sample)] = True
            mask &= drawn
        if query.mine:
            mask &= ~self.desk.decided_by(reviewer)
        return mask

    def _duplicates(self, which: str) -> np.ndarray | bool:
        extra, leaks = self.desk.findings.extra, self.desk.findings.leaks
        if "duplicate_group" not in extra or (which == "leak" and leaks is None):
            return False
        if leaks is not None and which == "leak":
            return np.isin(np.arange(len(self.desk.findings)), leaks.rows)
        return extra["duplicate_conflict"] if which == "disagree" else extra["duplicate_group"] >= 0

    def _state(self, query: Query) -> np.ndarray:
        """(n,) uint8 states; in an acceptance sample only decisions for it count."""
        if not query.accepting:
            return self.desk.state
        state = np.zeros(len(self.desk.findings), np.uint8)
        with self.desk.lock:
            for i in self._sample(query.sample):
                state[i] = state_of(made_for(self.desk.fold, str(self.desk.findings.ids[i]), query.sample))
        return state

    def _in_state(self, query: Query, reviewer: str) -> np.ndarray:
        state = self._state(query)
        if query.state == "all":
            return np.ones(len(state), bool)
        if query.state == "flagged":
            return self.desk.findings.flagged
        if query.state == "doubted":
            return self.desk.now().doubted
        if query.state in ("decided", "undecided"):
            return DECIDED[state] == (query.state == "decided")
        return state == CODE[query.state]

    def remaining(self, query: Query, reviewer: str) -> np.ndarray:
        """The positions of the frozen view that still have the query's state."""
        rows = self.rows(query, reviewer)
        return rows[self._in_state(query, reviewer)[rows]]

    def counts(self, query: Query, reviewer: str) -> dict:
        """The current number of examples by state, for every state, and the confusion cells of the view."""
        findings, mask = self.desk.findings, self._base(query, reviewer)
        state = self._state(query)
        by_state = np.bincount(state[mask], minlength=len(STATES)).tolist()
        counts = {
            "open": by_state[OPEN],
            "decided": sum(by_state[OPEN + 1 : LATER]),
            "later": by_state[LATER],
            "conflict": by_state[CONFLICT],
            "flagged": None if query.blind else int((findings.flagged & mask).sum()),
            "all": int(mask.sum()),
        }
        doubted = None if query.blind else int((self.desk.now().doubted & mask).sum())
        return {"counts": counts, "doubted": doubted, "cells": [] if query.blind else self.cells(mask)}

    def outlook(self, query: Query, reviewer: str) -> dict:
        """The rest of the frozen view: examples still in its state, those with a suggestion, and where the yield
        becomes low."""
        rows, now = self.rows(query, reviewer), self.desk.now()
        standing = int(self._in_state(query, reviewer)[rows].sum())
        if query.blind:
            return {"standing": standing, "suggested": None, "stop": None}
        suggested = int((now.doubted & self._in_state(query, reviewer))[rows].sum())
        return {"standing": standing, "suggested": suggested, "stop": self._stop(query, rows, now)}

    def _stop(self, query: Query, rows: np.ndarray, now: Calibrated) -> dict | None:
        """The position in the view where the yield becomes low; only if the most suspicious come first."""
        if query.sample or query.state not in ("open", "undecided") or query.by in ("id", "random"):
            return None
        left = np.flatnonzero(~now.reviewed_rows[rows])
        point: Stop | None = stop(now.p_model[rows[left]])
        if point is None:
            return None
        return {
            "at": int(left[point.before]),
            "before": point.before,
            "rest": point.rest,
            "wrong": point.wrong,
            "one_in": point.one_in,
        }

    def contains(self, query: Query, reviewer: str) -> np.ndarray:
        """(n,) bool, the examples in the view with their current states."""
        return self._base(query, reviewer) & self._in_state(query, reviewer)

    def histogram(self, query: Query, reviewer: str) -> dict:
        """The number of examples per bin of p(wrong), in BARS bins, without the query's filter on p. Empty in blind
        mode."""
        if query.blind:
            return {"left": [], "reviewed": []}
        mask = self._base(replace(query, pmin=0.0, pmax=1.0), reviewer)
        if query.state != "all":
            mask &= self._in_state(query, reviewer)
        bar = np.minimum((self.desk.calibrated.p_wrong * BARS).astype(np.int64), BARS - 1)
        done = DECIDED[self.desk.state]
        count = [np.bincount(bar[mask & which], minlength=BARS).tolist() for which in (~done, done)]
        return {"left": count[0], "reviewed": count[1]}

    def cells(self, mask: np.ndarray | None = None) -> list[Cell]:
        """The confusion cells of the examples in the mask, most expected wrong labels first, at most CELLS."""
        expected = self.desk.now().expected
        still = ~DECIDED[self.desk.state]
        where, open_ = (self._cell, self._cell[still]) if mask is None else (self._cell[mask], self._cell[mask & still])
        size = len(self._cells)
        count, left = np.bincount(where, minlength=size), np.bincount(open_, minlength=size)
        wrong = np.bincount(where, expected if mask is None else expected[mask], minlength=size)
        top = np.argsort(-wrong, kind="stable")[:CELLS]
        given, other = np.divmod(self._cells, len(self.desk.findings.classes))
        names = self.desk.findings.classes
        return [
            {
                "given": names[given[c]],
                "other": names[other[c]],
                "count": int(count[c]),
                "expected": float(wrong[c]),
                "open": int(left[c]),
            }
            for c in top
            if count[c]
        ]

    def _sample(self, name: str) -> np.ndarray:
        return np.array(self.desk.sample(name)[0], np.int64)

    def _containing(self, q: str) -> np.ndarray:
        """(n,) bool, where the id or the text contains `q`; upper and lower case are equal."""
        ids = self.desk.findings.ids
        mask = np.fromiter((q in id.casefold() for id in ids), bool, len(ids))
        if self.desk.findings.settings.get("kind") == "text" and self.desk.data_error() is None:
            data = self.desk.data()
            mask |= np.fromiter(
                (not self.desk.missing(i) and q in data.inputs[i].casefold() for i in range(len(ids))), bool, len(ids)
            )
        return mask

    def _order_of(self, query: Query) -> np.ndarray:
        drawn = query.sample and query.by in (
            "",
            "random",
        )  # in the order of the draw, so that its first half is a random sample too
        return self._sample(query.sample) if drawn else self._order(query.by or "p")

    def _order(self, by: str) -> np.ndarray:
        """(n,) positions in an order that does not depend on the filters."""
        findings, ranking = self.desk.findings, self.desk.ranking
        if by == "p":
            return ranking.order
        if by == "random":
            return self._cached(by, lambda: np.random.default_rng(0).permutation(len(findings)).astype(np.int32))
        if by == "id":
            return self._cached(
                by, lambda: np.array(sorted(range(len(findings)), key=findings.ids.__getitem__), np.int32)
            )
        return self._cached(("score", by), lambda: np.argsort(-findings.scores[by], kind="stable").astype(np.int32))

    def _cached(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        made = self._made.get(key)
        if made is None:
            made = make()
            with self._lock:
                self._made[key] = made
                while len(self._made) > KEPT_ORDERS:
                    self._made.popitem(last=False)
        return made
