"""Which row an example stands in now: by its id if the row with that id still holds the same example, else by its
content.

Two uses of one rule. `match` goes from the examples of a run to data that were read again; `Follow` goes from the
decisions of a journal to the findings, which may have been made anew after the file was sorted. Identical examples with
the same given label are interchangeable; where labels do not single one out, nothing is matched.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelsieve.core import removed_copies
from labelsieve.core.content_hash import hexed
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Findings

ABSENT = "the run has no such example any more"
OTHER = "the row of this id holds another example now, and its own is nowhere else"
RETRAINED = "its row has other probabilities now; give the probabilities or their labels ids, which tell that it is the same example"
COPY = (
    "one of several identical examples has gone or got another label since, and nothing tells whether it was this one"
)
SEVERAL = "there are several examples like it now, with other labels, and nothing tells which it was"


@dataclass(frozen=True)
class Refused:
    """An example that was decided on and is not clearly one of the rows now, with the reason; `id` is that of the
    decision."""

    id: str
    reason: str


def match(
    ids: np.ndarray,
    content: np.ndarray,
    labels: np.ndarray,
    now_ids: np.ndarray,
    now_content: np.ndarray,
    now_labels: np.ndarray,
) -> np.ndarray:
    """Where each of n examples stands among m rows.

    Args:
        ids, content, labels: (n,) id, content (0 = unknown: then the id decides) and given label (any codes) of each
            example.
        now_ids, now_content, now_labels: (m,) the same of each row, the labels in the same codes.

    Returns:
        (n,) int64 position among the rows, each at most once; -1 where the example is not there, or not clearly.
    """
    place = dict(zip(now_ids.tolist(), range(len(now_ids)), strict=True))
    by_id = np.fromiter((place.get(key, -1) for key in ids.tolist()), np.int64, len(ids))
    there = np.maximum(by_id, 0)
    same = (by_id >= 0) & (_alike(content, now_content[there]) if len(now_ids) else False)
    known = (content != 0) & (now_content[there] != 0) if len(now_ids) else same
    stays = same & (~known | (labels == now_labels[there] if len(now_ids) else False))
    at = np.where(stays, by_id, -1)
    if stays.all():
        return at
    free = np.ones(len(now_ids), bool)
    free[at[stays]] = False
    rows: dict[int, list[int]] = defaultdict(list)
    wanted: dict[int, list[int]] = defaultdict(list)
    for i in np.flatnonzero(~stays & (content != 0)).tolist():
        wanted[int(content[i])].append(i)
    for j in np.flatnonzero(free & np.isin(now_content, np.array(list(wanted), np.uint64))).tolist():
        rows[int(now_content[j])].append(j)
    for key, found in rows.items():
        olds, news = [(ids[i], labels[i]) for i in wanted[key]], [(now_ids[j], now_labels[j]) for j in found]
        for i, j in zip(wanted[key], pair(olds, news), strict=True):
            at[i] = -1 if j < 0 else found[j]
    return at


def pair(olds: Sequence[tuple[str, object]], news: Sequence[tuple[str, object]]) -> list[int]:
    """For identical examples (id, label), which of the rows (id, label) each one is, -1 where that is not clear: equal
    labels first, in order; then equal ids; what remains only if its labels leave no choice."""
    at, left = [-1] * len(olds), dict(enumerate(news))
    for part in (1, 0):
        queues: dict[object, deque[int]] = defaultdict(deque)
        for j, new in left.items():
            queues[new[part]].append(j)
        for i, old in enumerate(olds):
            if at[i] < 0 and queues[old[part]]:
                at[i] = queues[old[part]].popleft()
                del left[at[i]]
    open_ = [i for i, j in enumerate(at) if j < 0]
    if len({olds[i][1] for i in open_}) == 1 and len({label for _, label in left.values()}) == 1:
        for i, j in zip(open_, left, strict=False):
            at[i] = j
    return at


def _alike(content: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (content == other) | (content == 0) | (other == 0)


class Follow:
    """Rows of a journal -> the same rows with the ids that their examples have in the findings now.

    Calling it again with more rows of the journal, or with the same, goes on from what was matched before. A decision
    on what the findings do not have is left out and listed in `refused`. One that was carried out since (relabel to
    what is the given label now) becomes keep; any other on an example whose given label has changed is refused too.
    """

    def __init__(self, findings: Findings, place: Callable[[str], int | None] | None = None):
        """`place` gives the position of an id in the findings; None makes it of a dict."""
        self.findings = findings
        self._place = place
        self._found: dict[
            tuple[str, str | None], int | str
        ] = {}  # (id, content) -> position, or the reason why there is none
        self._claimed: set[int] = set()
        self._thinned = removed_copies.times(findings)
        self._named = findings.settings.get("named") is True
        self._other = RETRAINED if findings.settings.get("kind") == "probs" else OTHER
        self._order: np.ndarray | None = None
        self._lost = Fold()
        self._heard: set[tuple[str, str]] = set()  # (batch, id) that `_lost` has
        self._why: dict[str, str] = {}
        self.barred: set[str] = (
            set()
        )  # ids in the findings whose decision is refused because their given label has changed

    def __call__(self, rows: Iterable[Decision]) -> list[Decision]:
        rows = list(rows)
        found = iter(self.places([(row.id, row.content, row.given) for row in rows if row.id]))
        out: list[Decision] = []
        for row in rows:
            kept = self._followed(row, next(found)) if row.id else row
            if isinstance(kept, str):
                self._why[row.id] = kept
                self._lose(row)
                continue
            out.append(kept)
            if not row.id:
                self._lose(row)
            elif not row.id.isdecimal():
                self._why.pop(row.id, None)  # the example of this name was decided on anew
        return out

    def _lose(self, row: Decision) -> None:
        if (row.batch, row.id) not in self._heard:
            self._heard.add((row.batch, row.id))
            self._lost.add([row])

    @property
    def refused(self) -> list[Refused]:
        """What was decided, not taken back, and cannot be matched, in the order of the journal."""
        return [Refused(key, self._why[key]) for key in self._lost.ids() if key in self._why and self._lost.of(key)]

    def places(self, keys: Sequence[tuple[str, str | None, str | None]]) -> list[int | str]:
        """For each (id, content as hex or None, given label or None) the position in the findings, or the reason why
        there is none."""
        moved: dict[str, list[tuple[str, str | None, str | None]]] = defaultdict(list)
        seen = set()
        for key in keys:
            short = key[:2]
            if short in self._found or short in seen:
                continue
            seen.add(short)
            i = self._position(key[0])
            if key[1] is None or self.findings.content is None or (i is not None and self.findings.content[i] == 0):
                self._found[short] = ABSENT if i is None else i
            elif i is not None and self.findings.content[i] == int(key[1], 16) and key[2] in (None, self._name(i)):
                self._found[short] = i
                self._claimed.add(i)
            else:
                moved[key[1]].append(key)
        for content, group in moved.items():
            self._move(content, group)
        return [self._found[key[:2]] for key in keys]

    def _move(self, content: str, keys: list[tuple[str, str | None, str | None]]) -> None:
        """Match the examples of one content, whose ids do not lead to it, to the rows that have it. A row that another
        id led to is taken only if no other is left: one example may have been decided on under several ids, before and
        after it moved."""
        rows = self._rows(content)
        for some in ([i for i in rows if i not in self._claimed], rows):
            left = [key for key in keys if key[:2] not in self._found]
            news = [(str(self.findings.ids[i]), self._name(i)) for i in some]
            olds = [(key[0], news[0][1] if key[2] is None and news else key[2]) for key in left]
            for key, j in zip(left, pair(olds, news), strict=True):
                if j >= 0:
                    self._found[key[:2]] = some[j]
                    self._claimed.add(some[j])
        for key in keys:
            if key[:2] not in self._found:  # more than there are rows
                alike = [i for i in rows if key[2] in (None, self._name(i))] or rows
                if len({self._name(i) for i in alike}) == 1:
                    self._found[key[:2]] = alike[0]
                else:
                    self._found[key[:2]] = (
                        SEVERAL if rows else ABSENT if self._position(key[0]) is None else self._other
                    )

    def _rows(self, content: str) -> list[int]:
        assert self.findings.content is not None
        if self._order is None:
            self._order = np.argsort(self.findings.content, kind="stable")
        value = np.uint64(int(content, 16))
        first, last = (
            np.searchsorted(self.findings.content, value, side, sorter=self._order) for side in ("left", "right")
        )
        return self._order[first:last].tolist()

    def _name(self, i: int) -> str:
        return self.findings.classes[self.findings.given[i]]

    def _position(self, id: str) -> int | None:
        if self._place is None:
            self._place = dict(zip(self.findings.ids.tolist(), range(len(self.findings)), strict=True)).get
        return self._place(id)

    def _followed(self, row: Decision, found: int | str) -> Decision | str:
        """The decision under the id of now, or why it is refused."""
        if row.act == "relabel":
            done = self._carried_out(row)
            found = found if done is None else done
        if isinstance(found, str):
            return found
        if row.act == "exclude" and self._is_thinned(row) and not (self._named and self.findings.ids[found] == row.id):
            return COPY
        id, now = str(self.findings.ids[found]), self._name(found)
        row = row if row.id == id else replace(row, id=id)
        if row.given in (None, now) or row.act == "later":
            return row
        if row.act == "relabel" and row.label == now:
            return replace(row, act="keep", label=None)
        self.barred.add(id)
        return f"the given label was {row.given!r} when this was decided and is {now!r} now"

    def _carried_out(self, row: Decision) -> int | None:
        """Where one of several identical examples has got the label that was decided on; None where there is none."""
        i = self._position(row.id)
        rows = [] if i is None or row.content is None or not self._has(i, row.content) else [i]
        if not self._named:
            rows = [*rows, *self._rows(str(row.content))] if self._is_thinned(row) else []
        return next((i for i in rows if self._name(i) == row.label), None)

    def _is_thinned(self, row: Decision) -> bool:
        """Whether the decision was made before some of the examples that are identical to its own had gone, or got
        another label."""
        return row.content in self._thinned and removed_copies.is_older(row.at, self._thinned[row.content])

    def _has(self, i: int, content: str) -> bool:
        return self.findings.content is not None and self.findings.content[i] == int(content, 16)


def stamp(findings: Findings, i: int) -> dict[str, str | None]:
    """What a decision on the example at position i keeps of it: its given label and content."""
    known = findings.content is not None and findings.content[i] != 0
    content = hexed(findings.content[i]) if known else None  # pyright: ignore[reportOptionalSubscript]
    return {"given": findings.classes[findings.given[i]], "content": content}
