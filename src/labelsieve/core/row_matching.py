"""Which row an example is in now: by its id if the row with that id still holds the same example, else by its content.

Two uses of one rule. `match` maps the examples of a run to data that were read again; `Follow` maps the decisions of a
journal to the findings, which may be newer than the decisions (after the file was sorted, say). Identical examples with
the same given label are interchangeable; if the labels do not single one out, nothing is matched.
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

ABSENT = "the run no longer has this example"
OTHER = "the row with this id now holds a different example, and no other row holds the original one"
RETRAINED = (
    "its row has different probabilities now; add ids to the probabilities or to their labels, so that the example "
    "can be recognised"
)
COPY = (
    "one of several identical examples has since been removed or relabelled, and it is not clear whether it was this "
    "one"
)
SEVERAL = "several identical examples with different labels exist now, and it is not clear which of them it was"


@dataclass(frozen=True)
class Refused:
    """A decision whose example cannot be matched to a row, with the reason; `id` is that of the decision."""

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
    """The position of each of n examples among m rows.

    Args:
        ids, content, labels: (n,) id, content (0 = unknown: then the id decides) and given label (any codes) of each
            example.
        now_ids, now_content, now_labels: (m,) the same of each row, the labels in the same codes.

    Returns:
        (n,) int64 position among the rows, each at most once; -1 if the example is missing or ambiguous.
    """
    place = dict(zip(now_ids.tolist(), range(len(now_ids)), strict=True))
    by_id = np.fromiter((place.get(key, -1) for key in ids.tolist()), np.int64, len(ids))
    position = np.maximum(by_id, 0)
    same = (by_id >= 0) & (_alike(content, now_content[position]) if len(now_ids) else False)
    known = (content != 0) & (now_content[position] != 0) if len(now_ids) else same
    stays = same & (~known | (labels == now_labels[position] if len(now_ids) else False))
    at = np.where(stays, by_id, -1)
    if stays.all():
        return at
    free = np.ones(len(now_ids), bool)
    free[at[stays]] = False
    rows: dict[int, list[int]] = defaultdict(list)
    unmatched: dict[int, list[int]] = defaultdict(list)
    for i in np.flatnonzero(~stays & (content != 0)).tolist():
        unmatched[int(content[i])].append(i)
    for j in np.flatnonzero(free & np.isin(now_content, np.array(list(unmatched), np.uint64))).tolist():
        rows[int(now_content[j])].append(j)
    for key, matches in rows.items():
        olds, news = [(ids[i], labels[i]) for i in unmatched[key]], [(now_ids[j], now_labels[j]) for j in matches]
        for i, j in zip(unmatched[key], pair(olds, news), strict=True):
            at[i] = -1 if j < 0 else matches[j]
    return at


def pair(olds: Sequence[tuple[str, object]], news: Sequence[tuple[str, object]]) -> list[int]:
    """For identical examples (id, label), the position of the row (id, label) of each, -1 if ambiguous. Equal labels
    are paired first, in order, then equal ids; the rest only if its labels leave no choice."""
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
    """Rows of a journal -> the same rows with the current ids of their examples in the findings.

    A second call, with more rows of the journal or the same ones, reuses what was matched before. A decision on an
    example that the findings do not have is left out and listed in `refused`. One that has been carried out since
    (relabel to the current given label) becomes keep; any other decision on an example whose given label has changed is
    refused too.
    """

    def __init__(self, findings: Findings, place: Callable[[str], int | None] | None = None):
        """`place` gives the position of an id in the findings; None builds a dict for that."""
        self.findings = findings
        self._place = place
        self._matched: dict[
            tuple[str, str | None], int | str
        ] = {}  # (id, content) -> position, or the reason why there is none
        self._claimed: set[int] = set()
        self._thinned = removed_copies.times(findings)
        self._named = findings.settings.get("named") is True
        self._other = RETRAINED if findings.settings.get("kind") == "probs" else OTHER
        self._order: np.ndarray | None = None
        self._refused = Fold()
        self._recorded: set[tuple[str, str]] = set()  # (batch, id) already in `_refused`
        self._reasons: dict[str, str] = {}
        self.barred: set[str] = (
            set()
        )  # ids in the findings whose decision is refused because their given label has changed

    def __call__(self, rows: Iterable[Decision]) -> list[Decision]:
        rows = list(rows)
        places = iter(self.places([(row.id, row.content, row.given) for row in rows if row.id]))
        out: list[Decision] = []
        for row in rows:
            kept = self._followed(row, next(places)) if row.id else row
            if isinstance(kept, str):
                self._reasons[row.id] = kept
                self._record_refused(row)
                continue
            out.append(kept)
            if not row.id:
                self._record_refused(row)
            elif not row.id.isdecimal():
                self._reasons.pop(row.id, None)  # the example of this name has a newer decision
        return out

    def _record_refused(self, row: Decision) -> None:
        if (row.batch, row.id) not in self._recorded:
            self._recorded.add((row.batch, row.id))
            self._refused.add([row])

    @property
    def refused(self) -> list[Refused]:
        """The decisions that are in force and cannot be matched, in the order of the journal."""
        return [
            Refused(key, self._reasons[key])
            for key in self._refused.ids()
            if key in self._reasons and self._refused.of(key)
        ]

    def places(self, keys: Sequence[tuple[str, str | None, str | None]]) -> list[int | str]:
        """For each (id, content as hex or None, given label or None) the position in the findings, or why it has
        none."""
        moved: dict[str, list[tuple[str, str | None, str | None]]] = defaultdict(list)
        seen = set()
        for key in keys:
            short = key[:2]
            if short in self._matched or short in seen:
                continue
            seen.add(short)
            i = self._position(key[0])
            if key[1] is None or self.findings.content is None or (i is not None and self.findings.content[i] == 0):
                self._matched[short] = ABSENT if i is None else i
            elif i is not None and self.findings.content[i] == int(key[1], 16) and key[2] in (None, self._name(i)):
                self._matched[short] = i
                self._claimed.add(i)
            else:
                moved[key[1]].append(key)
        for content, group in moved.items():
            self._move(content, group)
        return [self._matched[key[:2]] for key in keys]

    def _move(self, content: str, keys: list[tuple[str, str | None, str | None]]) -> None:
        """Match examples of one content, whose ids point elsewhere, to the rows that have it. A row that another id
        already matched is used only if no other is left: one example may have decisions under several ids, before and
        after it moved."""
        rows = self._rows(content)
        for some in ([i for i in rows if i not in self._claimed], rows):
            left = [key for key in keys if key[:2] not in self._matched]
            news = [(str(self.findings.ids[i]), self._name(i)) for i in some]
            olds = [(key[0], news[0][1] if key[2] is None and news else key[2]) for key in left]
            for key, j in zip(left, pair(olds, news), strict=True):
                if j >= 0:
                    self._matched[key[:2]] = some[j]
                    self._claimed.add(some[j])
        for key in keys:
            if key[:2] not in self._matched:  # more examples than rows
                alike = [i for i in rows if key[2] in (None, self._name(i))] or rows
                if len({self._name(i) for i in alike}) == 1:
                    self._matched[key[:2]] = alike[0]
                else:
                    self._matched[key[:2]] = (
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

    def _followed(self, row: Decision, place: int | str) -> Decision | str:
        """The decision under the current id, or why it is refused."""
        if row.act == "relabel":
            done = self._carried_out(row)
            place = place if done is None else done
        if isinstance(place, str):
            return place
        if row.act == "exclude" and self._is_thinned(row) and not (self._named and self.findings.ids[place] == row.id):
            return COPY
        id, now = str(self.findings.ids[place]), self._name(place)
        row = row if row.id == id else replace(row, id=id)
        if row.given in (None, now) or row.act == "later":
            return row
        if row.act == "relabel" and row.label == now:
            return replace(row, act="keep", label=None)
        self.barred.add(id)
        return f"the given label was {row.given!r} when this was decided and is {now!r} now"

    def _carried_out(self, row: Decision) -> int | None:
        """The position of an identical example that already has the decided label; None if there is none."""
        i = self._position(row.id)
        rows = [] if i is None or row.content is None or not self._has(i, row.content) else [i]
        if not self._named:
            rows = [*rows, *self._rows(str(row.content))] if self._is_thinned(row) else []
        return next((i for i in rows if self._name(i) == row.label), None)

    def _is_thinned(self, row: Decision) -> bool:
        """Whether some of the examples identical to the decision's were removed or relabelled after it was made."""
        return row.content in self._thinned and removed_copies.is_older(row.at, self._thinned[row.content])

    def _has(self, i: int, content: str) -> bool:
        return self.findings.content is not None and self.findings.content[i] == int(content, 16)


def stamp(findings: Findings, i: int) -> dict[str, str | None]:
    """What a decision stores about the example at position i: its given label and content."""
    known = findings.content is not None and findings.content[i] != 0
    content = hexed(findings.content[i]) if known else None  # pyright: ignore[reportOptionalSubscript]
    return {"given": findings.classes[findings.given[i]], "content": content}
