"""What reviewers do: decide, undo, redo. Every act is committed to the journal before it is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.core.printable import visible
from labelsieve.core.row_matching import stamp
from labelsieve.decide.calibrate import Calibrated
from labelsieve.decide.reviewers import PLANTED
from labelsieve.page.desk import Desk
from labelsieve.page.query import ACCEPT, Query
from labelsieve.page.view import Views

ACTS = ("keep", "relabel", "exclude", "ambiguous", "later")
PICKS = ("ranked", "view", "similar", "sample", "settle")
MOST = 100_000  # acts in one batch


class Stale(Exception):
    """The view no longer holds as many examples as the reviewer was told."""


def decide(desk: Desk, views: Views, said: dict[str, Any], reviewer: str) -> dict:
    """Commit one batch: {batch, pick, blind, acts: [{i, act, label?}]}, or an act on a whole view: {batch, pick, blind, view, expect, act,
    label?}. A batch that is in the journal already is not written again. The label "suggested" acts on the doubted rows of a view alone;
    `left_alone` in the answer says how many others it holds.

    Raises:
        UserError: something in it cannot be; then nothing of it is written.
        Stale: the view holds another number of examples than `expect`.
    """
    batch, (pick, blind) = _batch(said), _pick(said)
    with desk.lock:
        desk.catch_up()
        touched = desk.fold.touched(batch)
        if touched:
            _own(desk, batch, touched[0], reviewer)
            return _answer(desk, touched, 0, blind)
        acts, alone = _whole_view(desk, views, said, reviewer) if "view" in said else (said.get("acts"), 0)
        if alone and not acts:
            return _answer(desk, [], 0, blind) | {"left_alone": alone}
        if not isinstance(acts, list) or not 0 < len(acts) <= MOST:
            raise UserError(f"A batch has between 1 and {MOST:,} acts.")
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        rows = [_decision(desk, act, Decision("", "keep", None, reviewer, at, batch, pick, blind)) for act in acts]
        if len({row.id for row in rows}) < len(rows):
            raise UserError("A batch names each example once.")
        return _answer(desk, [row.id for row in rows], desk.write(rows), blind) | {"left_alone": alone}


def take_back(desk: Desk, act: str, said: dict[str, Any], reviewer: str) -> dict:
    """Undo or redo the last batch of this reviewer; as often as there are batches."""
    batch = _batch(said)
    with desk.lock:
        desk.catch_up()
        target = desk.taken_back.get(batch)
        if target is None:
            target = desk.fold.last(reviewer, "undo" if act == "undo" else "redo")
            if target is None:
                return {"undone": None, "states": {}, "at_item": None, "progress": progress(desk)}
            at = datetime.now(UTC).isoformat(timespec="microseconds")
            desk.write([Decision("", "undo" if act == "undo" else "redo", None, reviewer, at, batch, target=target)])
        ids, blind = desk.fold.touched(target), said.get("blind") is True
        answer = _answer(desk, ids, 1, blind)
        what = _what(desk, ids, target, blind)
    return {"undone": target, "at_item": next(map(int, answer["states"]), None), "what": what, **answer}


def _what(desk: Desk, ids: list[str], batch: str, blind: bool) -> dict:
    """A batch in a few words: how many examples, the first, and the act and class where they are the same for all."""
    rows = [row for id in ids for row, _ in desk.fold.history(id) if row.batch == batch]
    i = desk.rows.of(ids[0]) if ids else None
    acts = {(row.act, row.label) for row in rows}
    act, label = acts.pop() if len(acts) == 1 else (None, None)
    if len({row.act for row in rows}) == 1:
        act = rows[0].act
    if blind and act == "keep" and i is not None:  # "kept" would tell the given label
        act, label = "relabel", desk.findings.classes[desk.findings.given[i]] if len(ids) == 1 else None
    shown = None if i is None else f"#{i}" if blind else visible(ids[0], 200)
    return {"n": len(ids), "i": i, "id": shown, "act": act, "label": label}


def progress(desk: Desk) -> dict:
    """How far the review is: the figures as they stand after every decision."""
    return estimates(desk.now())


def estimates(said: Calibrated) -> dict:
    """The estimates of a calibration in JSON."""
    ranges = {
        name: {"low": e.low, "count": e.count, "high": e.high}
        for name, e in (("wrong", said.wrong), ("left", said.left))
    }
    return {**ranges, "reviewed": said.reviewed, "found": said.found, "doubted": int(np.count_nonzero(said.doubted))}


def _answer(desk: Desk, ids: list[str], saved: int, blind: bool) -> dict:
    rows = [i for i in map(desk.rows.of, ids) if i is not None]
    states = desk.states(rows)
    if blind:
        states = {i: state if state in ("open", "later") else "decided" for i, state in states.items()}
    return {"saved": saved, "states": states, "progress": progress(desk)}


def _batch(said: dict[str, Any]) -> str:
    batch = said.get("batch")
    if not isinstance(batch, str) or not 8 <= len(batch) <= 64 or not batch.isascii() or not batch.isprintable():
        raise UserError("An act needs a batch, a name of 8 to 64 characters that no other act has (a UUID).")
    return batch


def _pick(said: dict[str, Any]) -> tuple[str, bool]:
    pick = said.get("pick", "ranked")
    if isinstance(pick, str) and pick.startswith(ACCEPT):  # the name of the sample stands for it
        pick = f"accept:{pick}"
    if isinstance(pick, str) and pick.startswith("accept:"):
        return pick[:100], True
    if pick not in PICKS:
        raise UserError(f"{pick!r} is no way to come before a reviewer; use {', '.join(PICKS)} or accept:NAME.")
    return pick, said.get("blind") is True


def _own(desk: Desk, batch: str, id: str, reviewer: str) -> None:
    if not any(row.batch == batch and row.reviewer == reviewer for row, _ in desk.fold.history(id)):
        raise UserError("This batch is in the journal under another reviewer's name; send the act under a new one.")


def _whole_view(desk: Desk, views: Views, said: dict[str, Any], reviewer: str) -> tuple[list[dict], int]:
    """The acts on all examples of a view, and how many it leaves alone because they have no suggestion."""
    query = Query.parse(dict(parse_qsl(str(said["view"]))), desk)
    rows = views.standing(query, reviewer)
    if said.get("expect") != len(rows):
        raise Stale(
            f"This view holds {len(rows):,} examples now, not {said.get('expect')}; look again before you decide on all of them."
        )
    if query.blind:
        raise UserError("Examples that are judged blind are judged one by one.")
    act, label = said.get("act"), said.get("label")
    if label != "suggested":
        return [{"i": i, "act": act, "label": label} for i in rows.tolist()], 0
    names, other = desk.findings.classes, desk.findings.other
    doubted = rows[desk.now().doubted[rows]]
    if said.get("suggested", len(doubted)) != len(doubted):
        raise Stale(
            f"{len(doubted):,} examples of this view have a suggestion now, not {said['suggested']}; look again before you decide."
        )
    return [{"i": i, "act": act, "label": names[other[i]]} for i in doubted.tolist()], len(rows) - len(doubted)


def _decision(desk: Desk, act: Any, frame: Decision) -> Decision:
    """One act in the frame of its batch: reviewer, time, pick. The given class chosen again means keep."""
    findings = desk.findings
    i, what, label = (act.get("i"), act.get("act"), act.get("label")) if isinstance(act, dict) else (None, None, None)
    if not isinstance(i, int) or isinstance(i, bool) or not 0 <= i < len(findings):
        raise UserError(f"There is no example {str(i)[:40]}; the findings have {len(findings)}.")
    if what not in ACTS:
        raise UserError(f"{str(what)[:40]!r} is no act; use {', '.join(ACTS)}.")
    if what == "relabel":
        if not isinstance(label, str) or label not in desk.classes:
            raise UserError(
                f"There is no class {str(label)[:200]!r} in these findings; exclude the example, or choose a class."
            )
        if desk.classes[label] == findings.given[i]:
            what = "keep"
    return Decision(
        str(findings.ids[i]),
        what,
        label if what == "relabel" else None,
        frame.reviewer,
        frame.at,
        frame.batch,
        PLANTED if frame.pick == "ranked" and findings.ids[i] in desk.known else frame.pick,
        frame.blind,
        float(desk.calibrated.p_wrong[i]),
        None if frame.blind or not desk.doubts(i) else findings.classes[findings.other[i]],
        None,
        _note(desk, str(findings.ids[i]), act, frame.reviewer),
        **stamp(findings, i),
    )


def _note(desk: Desk, id: str, act: dict[str, Any], reviewer: str) -> str:
    """The comment that comes with an act; where none comes, the one that this reviewer left on the example stays."""
    if "note" in act:
        return str(act["note"] or "")[:2000]
    before = desk.fold.of(id).get(reviewer)
    return "" if before is None else before.note
