"""The actions of reviewers: decide, undo, redo. Each is committed to the journal before the answer is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, cast
from urllib.parse import parse_qsl

import numpy as np

from labelsieve.core.decision import Decision
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate
from labelsieve.core.printable import visible
from labelsieve.core.questions import NOT
from labelsieve.core.row_matching import stamp
from labelsieve.core.sample import ACCEPT
from labelsieve.decide.calibrate import Calibrated
from labelsieve.decide.reviewers import PLANTED
from labelsieve.page.api import Act, Batch, Progress, Saved, State, Undone
from labelsieve.page.api import Estimate as Interval
from labelsieve.page.desk import Desk
from labelsieve.page.query import Query
from labelsieve.page.view import Views

ACTS = ("keep", "relabel", "exclude", "ambiguous", "later")
PICKS = ("ranked", "view", "similar", "sample", "settle")
MOST = 100_000  # decisions in one batch


class Stale(Exception):
    """The view no longer has the number of examples that the reviewer saw."""


def decide(desk: Desk, views: Views, body: dict[str, Any], reviewer: str) -> Saved:
    """Commit one batch: {batch, pick, blind, acts: [{i, act, label?, note?}]}, or one decision on a whole view: {batch,
    pick, blind, view, expect, act, label?}. A batch that is already in the journal is not written again. The label
    "suggested" applies to the doubted rows of a view only; `left_alone` in the answer is the number of the others.

    Raises:
        UserError: something in the batch is invalid; then nothing of it is written.
        Stale: the view does not have `expect` examples.
    """
    batch, (pick, blind) = _batch(body), _pick(body)
    with desk.lock:
        desk.catch_up()
        touched = desk.fold.touched(batch)
        if touched:
            _own(desk, batch, touched[0], reviewer)
            return _saved(desk, touched, 0, blind)
        acts, alone = _whole_view(desk, views, body, reviewer) if "view" in body else (body.get("acts"), 0)
        if alone and not acts:
            return _saved(desk, [], 0, blind, alone)
        if not isinstance(acts, list) or not 0 < len(acts) <= MOST:
            raise UserError(f"A batch must have between 1 and {MOST:,} decisions.")
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        rows = [_decision(desk, act, Decision("", "keep", None, reviewer, at, batch, pick, blind)) for act in acts]
        if len({row.id for row in rows}) < len(rows):
            raise UserError("A batch must name each example only once.")
        return _saved(desk, [row.id for row in rows], desk.write(rows), blind, alone)


def take_back(desk: Desk, act: Literal["undo", "redo"], body: dict[str, Any], reviewer: str) -> Undone:
    """Undo or redo the last batch of this reviewer; as often as there are batches."""
    batch = _batch(body)
    with desk.lock:
        desk.catch_up()
        target = desk.taken_back.get(batch)
        if target is None:
            target = desk.fold.last(reviewer, act)
            if target is None:
                now = progress(desk)
                return {"undone": None, "what": None, "at_item": None, "saved": 0, "states": {}, "progress": now}
            at = datetime.now(UTC).isoformat(timespec="microseconds")
            desk.write([Decision("", act, None, reviewer, at, batch, target=target)])
        ids, blind = desk.fold.touched(target), body.get("blind") is True
        states = _states(desk, ids, blind)
        what = _in_short(desk, ids, target, blind)
        now = progress(desk)
    at_item = next(map(int, states), None)
    return {"undone": target, "what": what, "at_item": at_item, "saved": 1, "states": states, "progress": now}


def _in_short(desk: Desk, ids: list[str], batch: str, blind: bool) -> Batch:
    """A batch in short: the number of examples, the first one, and the act and class if all have the same."""
    rows = [row for id in ids for row, _ in desk.fold.history(id) if row.batch == batch]
    i = desk.positions.of(ids[0]) if ids else None
    acts = {(row.act, row.label) for row in rows}
    act, label = acts.pop() if len(acts) == 1 else (None, None)
    if len({row.act for row in rows}) == 1:
        act = rows[0].act
    if blind and act == "keep" and i is not None:  # "kept" would reveal the given label
        act, label = "relabel", desk.findings.classes[desk.findings.given[i]] if len(ids) == 1 else None
    shown = None if i is None else f"#{i}" if blind else visible(ids[0], 200)
    return {"n": len(ids), "i": i, "id": shown, "act": cast("Act | None", act), "label": label}


def progress(desk: Desk) -> Progress:
    """How far the review is: the current figures."""
    return estimates(desk.now())


def estimates(now: Calibrated) -> Progress:
    """The estimates of a calibration in JSON."""
    return {
        "wrong": interval(now.wrong),
        "left": interval(now.left),
        "measured": now.measured,
        "reviewed": now.reviewed,
        "found": now.found,
        "doubted": int(np.count_nonzero(now.doubted)),
    }


def interval(estimate: Estimate) -> Interval:
    """An estimate with its ends in JSON."""
    return {"low": estimate.low, "count": estimate.count, "high": estimate.high}


def _saved(desk: Desk, ids: list[str], saved: int, blind: bool, alone: int = 0) -> Saved:
    return {"saved": saved, "states": _states(desk, ids, blind), "progress": progress(desk), "left_alone": alone}


def _states(desk: Desk, ids: list[str], blind: bool) -> dict[str, State]:
    """Position -> state of the examples; in blind mode only whether they are decided."""
    states = desk.states(i for i in map(desk.positions.of, ids) if i is not None)
    if not blind:
        return cast(dict[str, State], states)
    return {i: state if state in ("open", "later") else "decided" for i, state in states.items()}


def _batch(body: dict[str, Any]) -> str:
    batch = body.get("batch")
    if not isinstance(batch, str) or not 8 <= len(batch) <= 64 or not batch.isascii() or not batch.isprintable():
        raise UserError("A decision needs a batch: a unique name of 8 to 64 characters, such as a UUID.")
    return batch


def _pick(body: dict[str, Any]) -> tuple[str, bool]:
    pick = body.get("pick", "ranked")
    if isinstance(pick, str) and pick.startswith(ACCEPT):  # the name of an acceptance sample
        pick = f"accept:{pick}"
    if isinstance(pick, str) and pick.startswith("accept:"):
        return pick[:100], True
    if pick not in PICKS:
        raise UserError(f"{pick!r} is not a known pick; use {', '.join(PICKS)} or accept:NAME.")
    return pick, body.get("blind") is True


def _own(desk: Desk, batch: str, id: str, reviewer: str) -> None:
    if not any(row.batch == batch and row.reviewer == reviewer for row, _ in desk.fold.history(id)):
        raise UserError(
            "This batch is in the journal with another reviewer's name; send the decision with a new batch name."
        )


def _whole_view(desk: Desk, views: Views, body: dict[str, Any], reviewer: str) -> tuple[list[dict], int]:
    """The decisions on all examples of a view, and the number of examples left alone because they have no
    suggestion."""
    query = Query.parse(dict(parse_qsl(str(body["view"]))), desk)
    rows = views.remaining(query, reviewer)
    if body.get("expect") != len(rows):
        raise Stale(
            f"This view now has {len(rows):,} examples, not {body.get('expect')}; look again before you decide on all."
        )
    if query.blind:
        raise UserError("In blind mode, decide on each example by itself.")
    act, label = body.get("act"), body.get("label")
    if label != "suggested":
        return [{"i": i, "act": act, "label": label} for i in rows.tolist()], 0
    names, other = desk.findings.classes, desk.findings.other
    doubted = rows[desk.now().doubted[rows]]
    if body.get("suggested", len(doubted)) != len(doubted):
        raise Stale(
            f"{len(doubted):,} examples of this view now have a suggestion, not {body['suggested']}; look again first."
        )
    return [{"i": i, "act": act, "label": names[other[i]]} for i in doubted.tolist()], len(rows) - len(doubted)


def _decision(desk: Desk, act: Any, frame: Decision) -> Decision:
    """One decision, with reviewer, time and pick from `frame`. The given class chosen again means keep."""
    findings = desk.findings
    i, what, label = (act.get("i"), act.get("act"), act.get("label")) if isinstance(act, dict) else (None, None, None)
    if not isinstance(i, int) or isinstance(i, bool) or not 0 <= i < len(findings):
        raise UserError(f"There is no example {str(i)[:40]}; the findings have {len(findings)}.")
    if what not in ACTS:
        raise UserError(f"{str(what)[:40]!r} is not a known act; use {', '.join(ACTS)}.")
    if what == "relabel":
        if not isinstance(label, str) or label not in desk.classes:
            raise UserError(
                f"There is no class {str(label)[:200]!r} in these findings; exclude the example, or choose a class."
            )
        asked = desk.asked(i)
        if asked is not None and label not in (asked, NOT + asked):
            question = str(findings.ids[i])[:200]
            raise UserError(f"{question!r} asks about {asked!r}; answer {asked!r} or {NOT + asked!r}.")
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
    """The comment that comes with a decision; without one, this reviewer's earlier comment stays."""
    if "note" in act:
        return str(act["note"] or "")[:2000]
    before = desk.fold.of(id).get(reviewer)
    return "" if before is None else before.note
