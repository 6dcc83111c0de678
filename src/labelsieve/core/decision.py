"""Decisions of people on examples. The current labels follow from all decisions; nothing is ever changed or deleted.

An act is one batch of rows with the same `batch`: one example or many, and one undo. An undo is one more row, which
names the batch that it takes back; so is a redo. Each reviewer has one current decision per example: the last that was
not undone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Act = Literal["keep", "relabel", "exclude", "ambiguous", "later", "undo", "redo"]
ACTS: tuple[str, ...] = get_args(Act)
FINAL = ("keep", "relabel", "exclude", "ambiguous")  # acts that count as an answer
SETTLE = "settle"  # a decision with this `pick` overrules earlier decisions of others


@dataclass(frozen=True)
class Decision:
    """One act of one person on one example, or the undo of a batch.

    Attributes:
        id: the example; "" for undo and redo.
        act: keep the given label, relabel, exclude (no class fits), ambiguous (several fit), later; undo, redo.
        label: the new class for relabel, else None.
        reviewer: who.
        at: when, ISO 8601 in UTC.
        batch: shared by the rows of one act; chosen by the sender, so that an act sent twice is recognised.
        pick: how the example was chosen for the reviewer: "ranked" (most suspicious first), "view" (a filter, a cell),
            "similar", "sample" (a stratified random sample), "settle" (a conflict), "planted", "accept:NAME", "auto",
            "import".
        blind: given label and suggestion were hidden.
        p_wrong: the p(wrong) shown at that time, or None.
        suggestion: the class that was suggested, or None.
        target: the batch to undo or redo.
        note: free text.
        given: the given label when the decision was made; None where an older version wrote it.
        content: the hash of the example at that time, 16 hex digits (`core.content_hash`); None if unknown.
    """

    id: str
    act: Act
    label: str | None = None
    reviewer: str = ""
    at: str = ""
    batch: str = ""
    pick: str = "ranked"
    blind: bool = False
    p_wrong: float | None = None
    suggestion: str | None = None
    target: str | None = None
    note: str = ""
    given: str | None = None
    content: str | None = None


class Fold:
    """The current state after a sequence of decisions; `add` may be called again as more rows arrive."""

    def __init__(self, rows: Iterable[Decision] = ()):
        self._decisions: dict[str, list[Decision]] = {}  # id -> all decisions on it, in order
        self._ids: dict[str, list[str]] = {}  # batch -> the ids it touched
        self._undone: set[str] = set()
        self._undoable: dict[str, list[str]] = {}  # reviewer -> batches that can be undone, last at the end
        self._redoable: dict[str, list[str]] = {}  # reviewer -> batches that can be redone
        self.add(rows)

    def add(self, rows: Iterable[Decision]) -> set[str]:
        """Add more rows, in the order of the journal; returns the ids whose state may have changed."""
        changed: set[str] = set()
        for row in rows:
            if row.act in ("undo", "redo"):
                changed.update(self._take_back(row))
            else:
                self._decisions.setdefault(row.id, []).append(row)
                changed.add(row.id)
                if row.batch not in self._ids:
                    self._undoable.setdefault(row.reviewer, []).append(row.batch)
                    self._redoable[row.reviewer] = []
                self._ids.setdefault(row.batch, []).append(row.id)
        return changed

    def _take_back(self, row: Decision) -> list[str]:
        batch = row.target or ""
        if batch not in self._ids or (batch in self._undone) == (row.act == "undo"):
            return []
        reviewer = next(d.reviewer for d in self._decisions[self._ids[batch][0]] if d.batch == batch)
        undoable, redoable = self._undoable.setdefault(reviewer, []), self._redoable.setdefault(reviewer, [])
        (self._undone.add if row.act == "undo" else self._undone.discard)(batch)
        source, goal = (undoable, redoable) if row.act == "undo" else (redoable, undoable)
        if batch in source:
            source.remove(batch)
        goal.append(batch)
        return self._ids[batch]

    def last(self, reviewer: str, act: Literal["undo", "redo"] = "undo") -> str | None:
        """The batch that an undo (or redo) of this reviewer would name now."""
        stack = (self._undoable if act == "undo" else self._redoable).get(reviewer)
        return stack[-1] if stack else None

    def touched(self, batch: str) -> list[str]:
        """The ids of a batch."""
        return list(self._ids.get(batch, ()))

    def history(self, id: str) -> list[tuple[Decision, bool]]:
        """All decisions on an example in order, each with whether it is still in force."""
        return [(row, row.batch not in self._undone) for row in self._decisions.get(id, ())]

    def of(self, id: str) -> dict[str, Decision]:
        """Reviewer -> current decision. A decision that settles a conflict clears the earlier ones."""
        current: dict[str, Decision] = {}
        for row in self._decisions.get(id, ()):
            if row.batch in self._undone:
                continue
            if row.pick == SETTLE:
                current.clear()
            current[row.reviewer] = row
        return current

    def verdict(self, id: str) -> Decision | None:
        """The latest answer, if all reviewers who answered agree; None if there is none or they differ."""
        answers = [row for row in self.of(id).values() if row.act in FINAL]
        return (
            max(answers, key=lambda row: row.at) if answers and len({(a.act, a.label) for a in answers}) == 1 else None
        )

    def conflict(self, id: str) -> bool:
        """Whether reviewers gave different answers that nobody has settled."""
        return len({(row.act, row.label) for row in self.of(id).values() if row.act in FINAL}) > 1

    def ids(self) -> list[str]:
        """Every example that has a decision, in order of the first one."""
        return list(self._decisions)

    def standing(self) -> list[Decision]:
        """All current decisions of all reviewers."""
        return [row for id in self._decisions for row in self.of(id).values()]
