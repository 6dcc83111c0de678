"""Examples as the page shows them: in short, and one with all its evidence. In blind mode the given label, the
suggestion and everything that reveals them (the id, which may contain the class folder; neighbours; scores) stay on the
server."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.core.printable import visible
from labelsieve.decide.summary import reason, reasons
from labelsieve.page.api import Item
from labelsieve.page.desk import OPEN, STATES, Desk
from labelsieve.page.query import Query
from labelsieve.page.table_row import TableRows
from labelsieve.store.reopen import located

SNIPPET, TEXT, ID = 280, 100_000, 200  # characters
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)  # control characters, and those that turn the writing direction
NEIGHBOURS = 9  # as many as vote in kNN vote, so that the page shows the neighbours that the reason counts
DUPLICATES, TWINS, TOP = 60, 8, 10
CURVES = 2000  # examples per class that its curve is computed from


class Items:
    """Reads the examples of one desk; caches the curves of some classes."""

    def __init__(self, desk: Desk):
        self.desk = desk
        self._neighbours = desk.neighbours
        self._loss = None if desk.record is None else desk.record.loss
        self._curves: OrderedDict[int, dict[str, list[float | None]]] = OrderedDict()
        self._table = TableRows(desk)

    def window(self, rows: Iterable[int], reviewer: str, query: Query) -> list[Item]:
        """These examples in short."""
        with self.desk.lock:
            return [cast(Item, self._short(int(i), reviewer, query)) for i in rows]

    def _short(self, i: int, reviewer: str, query: Query) -> dict:
        findings, desk = self.desk.findings, self.desk
        concealed = desk.conceals(findings.ids[i], reviewer)
        current = desk.fold.of(findings.ids[i]) if desk.state[i] != OPEN and not concealed else {}
        mine = current.get(reviewer)
        if query.blind:
            counts = mine is not None and (not query.accepting or mine.blind or mine.pick == query.pick)
            return self._hidden(i, mine if counts else None)
        verdict = desk.fold.verdict(findings.ids[i]) if current else None
        return {
            "i": i,
            "id": visible(str(findings.ids[i]), ID),
            "given": findings.classes[findings.given[i]],
            "other": findings.classes[findings.other[i]],
            "p": _number(desk.calibrated.p_wrong[i]),
            "doubted": desk.doubts(i, concealed=concealed),
            "flagged": bool(findings.flagged[i]),
            "state": STATES[OPEN if concealed else desk.state[i]],
            "decision": None
            if verdict is None
            else {"act": verdict.act, "label": verdict.label, "reviewer": verdict.reviewer},
            "mine": _choice(mine),
            "split": None if findings.splits is None else visible(findings.splits[i], ID),
            "asked": desk.asked(i),
            **self._content(i),
        }

    def _content(self, i: int, blind: bool = False) -> dict:
        """The content of an example in short: a text, or the first values of a row."""
        return {"text": self._text(i, SNIPPET), "values": self._table.first_values(i, blind)}

    def _hidden(self, i: int, mine: Decision | None) -> dict:
        """What blind mode shows of an example: its content, and this reviewer's own choice."""
        choice = _choice(mine)
        if choice and choice["act"] == "keep":
            choice = {"act": "relabel", "label": self.desk.findings.classes[self.desk.findings.given[i]]}
        state = "open" if mine is None else "later" if mine.act == "later" else "decided"
        nothing = dict.fromkeys(("given", "other", "p", "doubted", "flagged", "decision", "split"))
        shown = {"state": state, "mine": choice, "asked": self.desk.asked(i), **self._content(i, blind=True)}
        return {"i": i, "id": f"#{i}", **nothing, **shown}

    def whole(self, i: int, reviewer: str, query: Query) -> dict:
        """One example with its evidence.

        Raises:
            UserError: no such example.
        """
        if not 0 <= i < len(self.desk.findings):
            raise UserError(f"There is no example {i}; the findings have {len(self.desk.findings)}.")
        out: dict[str, Any] = {**self.window([i], reviewer, query)[0]}
        out["note"] = self._note(i, reviewer)
        out |= {"text": self._text(i, TEXT), **self._table.features(i, query.blind)}
        if query.blind:  # other columns may reveal the label
            nothing: dict[str, Any] = dict.fromkeys(("rank", "reason", "curve", "top"))
            lists: dict[str, Any] = dict.fromkeys(
                ("reasons", "scores", "neighbours", "duplicates", "twins", "history", "columns", "votes"), []
            )
            return out | nothing | lists
        findings = self.desk.findings
        return out | {
            "rank": int(findings.rank[i]),
            "reason": reason(findings, i),
            "reasons": reasons(findings, i),
            "columns": self._table.other_columns(i),
            "scores": [self._score(name, i) for name in findings.scores],
            "curve": self._curve(i),
            "top": self._top(i),
            "neighbours": self._neighbour_list(i),
            "duplicates": self._duplicates(i),
            "twins": self.window(self._duplicates(i)[:TWINS], reviewer, query),
            "votes": self._votes(i),
            "history": [] if self.desk.conceals(findings.ids[i], reviewer) else self._history(i),
        }

    def _votes(self, i: int) -> list[dict]:
        """The votes of the annotators, those that agree with the consensus first."""
        found, findings = self.desk.annotators, self.desk.findings
        if found is None or found.votes is None or found.p_right is None:
            return []
        votes, consensus = found.votes, int(findings.suggestions["votes"][i])
        said = [
            {
                "annotator": visible(votes.annotators[votes.annotator[j]], ID),
                "who": int(votes.annotator[j]),
                "label": findings.classes[votes.label[j]],
                "agrees": int(votes.label[j]) == consensus,
                "p": float(found.p_right[j]),
            }
            for j in votes.of(i)
        ]
        return sorted(said, key=lambda vote: not vote["agrees"])

    def _score(self, name: str, i: int) -> dict:
        """One detector's score, flag and suggested class; None if it has no rule for flags, or suggests no class."""
        findings = self.desk.findings
        score, flag, other = findings.scores[name], findings.flags.get(name), findings.suggestions.get(name)
        return {
            "name": name,
            "value": _number(score[i]),
            "percentile": float(np.mean(score < score[i])),
            "flagged": None if flag is None else bool(flag[i]),
            "suggested": None if other is None else findings.classes[other[i]],
        }

    def _note(self, i: int, reviewer: str) -> str:
        """The comment with this reviewer's current decision."""
        with self.desk.lock:
            mine = self.desk.fold.of(self.desk.findings.ids[i]).get(reviewer)
        return "" if mine is None else mine.note

    def similar(self, i: int, n: int) -> np.ndarray:
        """(m,) positions similar to `i`: its neighbours, then their neighbours, by the product of the cosines."""
        if self._neighbours is None:
            return np.empty(0, np.int64)
        valid = self._neighbours.index[i] >= 0
        first = self._neighbours.index[i][valid].astype(np.int64)
        near = np.asarray(self._neighbours.similarity[i][valid])
        second = self._neighbours.index[first].astype(np.int64).ravel()
        far = (near[:, None] * self._neighbours.similarity[first]).ravel()
        rows = np.concatenate([first, second])
        similarity = np.concatenate([near + 1, far])  # + 1: neighbours come before their neighbours
        order = np.argsort(-similarity, kind="stable")
        rows = rows[order]
        _, unique = np.unique(rows, return_index=True)
        rows = rows[np.sort(unique)]
        return rows[(rows != i) & (rows >= 0)][:n]

    def _neighbour_list(self, i: int) -> list[dict]:
        if self._neighbours is None:
            return []
        findings = self.desk.findings
        pairs = zip(
            self._neighbours.index[i, :NEIGHBOURS].tolist(),
            self._neighbours.similarity[i, :NEIGHBOURS].tolist(),
            strict=True,
        )
        return [
            {
                "i": j,
                "id": visible(str(findings.ids[j]), ID),
                "given": findings.classes[findings.given[j]],
                "similarity": _number(similarity),
                "state": STATES[self.desk.state[j]],
                **self._content(j),
            }
            for j, similarity in pairs
            if j >= 0  # there may be fewer outside its own group and duplicates
        ]

    def _duplicates(self, i: int) -> list[int]:
        group = self.desk.findings.extra.get("duplicate_group")
        if group is None or group[i] < 0:
            return []
        return [int(j) for j in np.flatnonzero(group == group[i])[: DUPLICATES + 1] if j != i]

    def _history(self, i: int) -> list[dict]:
        with self.desk.lock:
            entries = self.desk.fold.history(self.desk.findings.ids[i])
        keys = ("act", "label", "reviewer", "at", "pick", "blind", "note")
        return [{**{key: getattr(row, key) for key in keys}, "stands": stands} for row, stands in entries]

    def _top(self, i: int) -> list[dict] | None:
        """The likeliest classes with their probabilities: TOP of the user's own, and always the given and the likely
        class."""
        findings = self.desk.findings
        pair = (int(findings.given[i]), int(findings.other[i]))
        own = self._own_probabilities()
        if own is not None:
            row = np.asarray(own[i], np.float64)
            known = {c: float(row[c]) for c in (*np.argsort(-row, kind="stable")[:TOP].tolist(), *pair)}
        elif {"p_given", "p_other"} <= findings.extra.keys():
            known = {pair[1]: findings.extra["p_other"][i], pair[0]: findings.extra["p_given"][i]}
        else:
            return None
        classes = [{"label": findings.classes[c], "p": _number(p)} for c, p in known.items()]
        return sorted(classes, key=lambda one: -(one["p"] or 0))

    def _own_probabilities(self) -> np.ndarray | None:
        """(n, K) the user's own, as the data or with them; None if there are none or they cannot be read."""
        if self.desk.data_error() is not None or self.desk.several:
            return None
        if self.desk.findings.settings.get("kind") == "probs":
            return np.asarray(self.desk.data().inputs)
        return self.desk.data().probs if "probs" in located(self.desk.findings, self.desk.folder) else None

    def _curve(self, i: int) -> dict[str, list[float | None]] | None:
        """The loss of the example per epoch, with the median and the middle 80 % of its class."""
        if self._loss is None:
            return None
        label = int(self.desk.findings.given[i])
        if label not in self._curves:
            rows = np.flatnonzero(self.desk.findings.given == label)
            rows = rows[:: max(1, len(rows) // CURVES)]
            low, median, high = np.nanquantile(self._loss[:, rows], (0.1, 0.5, 0.9), axis=1)
            self._curves[label] = {"median": _numbers(median), "low": _numbers(low), "high": _numbers(high)}
            while len(self._curves) > 64:
                self._curves.popitem(last=False)
        return {"loss": _numbers(self._loss[:, i]), **self._curves[label]}

    def _text(self, i: int, length: int) -> str | None:
        if self.desk.findings.settings.get("kind") != "text" or self.desk.data_error():
            return None
        missing = self.desk.missing(i)
        if missing:
            return f"[No text: {missing}]"
        text = str(self.desk.data().inputs[i])
        shown = _UNSEEN.sub(lambda match: visible(match[0]), text[:length].replace("\r\n", "\n"))
        if len(text) <= length:
            return shown
        return shown[:-1] + ("…" if length < TEXT else f"…\n\n[{len(text):,} characters; the first {TEXT:,} are shown]")


def _choice(row: Decision | None) -> dict[str, Any] | None:
    return None if row is None else {"act": row.act, "label": row.label}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values]
