"""The data of the overview: the run, the estimates and their history, what is left, and the reviewers."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from math import isnan
from typing import cast

import numpy as np

from labelsieve.acceptance.verdict import made_for
from labelsieve.core.box_formats import NOTHING
from labelsieve.core.decision import FINAL
from labelsieve.core.errors import UserError
from labelsieve.core.leaks import in_order
from labelsieve.core.printable import visible
from labelsieve.core.sample import ACCEPT
from labelsieve.decide.box_counts import box_counts, is_boxed
from labelsieve.decide.calibrate import Calibrated
from labelsieve.decide.next_steps import go_on, next_steps, sample_first
from labelsieve.decide.outlook import cuts, plan, reliability, stop
from labelsieve.decide.reviewers import agreement, reviewers
from labelsieve.decide.summary import class_health
from labelsieve.page.api import BoxCounts, FirstSample, Meaning, Rest, Run, SampleProgress, States, Stop
from labelsieve.page.decisions import estimates, interval
from labelsieve.page.desk import STATES, Desk, state_of
from labelsieve.page.view import Views
from labelsieve.store import sample_files

REVIEWED = {STATES.index(act) for act in FINAL}
HEALTH = 200  # classes
NAMED = 3  # refused decisions
NAME = 120  # characters of a class name
ALIKE = 20  # classes with the lowest agreement between reviewers


def overview(desk: Desk, views: Views, default: str = "") -> Run:
    """The answer of /api/run; `default` is the reviewer of requests without a name.

    All figures are from one moment and add up: found and left to the count of wrong labels, and so do the classes and
    the cells. If a list is cut, `_rest` holds the sum of the others.
    """
    desk.latest()
    with desk.lock:
        findings, now, wrong = desk.findings, desk.now(), desk.findings.wrong
        people, alike = reviewers(findings, desk.fold, desk.known), agreement(findings, desk.fold)
        bins = reliability(findings, desk.fold, now)
        cells, states = views.cells(), Counter(dict(enumerate(np.bincount(desk.state, minlength=len(STATES)).tolist())))
        steps = desk.trail()
    expected = replace(findings, p_wrong=now.expected)
    health, counts = class_health(expected), box_counts(expected)
    drawn, lost = _samples(desk)
    return {
        "id": desk.id,
        "name": desk.folder.resolve().name,
        "source": findings.settings.get("source", ""),
        "kind": findings.settings.get("kind", "features"),
        "n": len(findings),
        "classes": list(findings.classes),
        "splits": [] if findings.splits is None else in_order(findings.splits),
        "leaks": [] if findings.leaks is None else [visible(str(leak), NAME) for leak in findings.leaks.pairs],
        "guide": _guide(desk),
        "duplicates": _groups(desk),
        "map": views.map.possible(),
        "estimate": interval(wrong),
        "calibrated": estimates(now),
        "precision_at": [{"cut": cut.at, "expected": cut.precision, "rows": cut.rows} for cut in cuts(now)],
        "plan": [{"review": step.reviews, "catch": step.catch, "wrong": step.wrong} for step in plan(now)],
        "states": cast(States, {name: states[code] for code, name in enumerate(STATES)}),
        "flagged": int(findings.flagged.sum()),
        "flags_expected": findings.expected_precision if findings.flagged.any() else None,
        "reviewer": default,
        "first": cast(FirstSample | None, go_on(sample_first(findings, now), [*map(dict, drawn)])),
        "stop": _stop(now),
        "similar": desk.neighbours is not None,
        "boxes": is_boxed(findings),
        "box_counts": None if counts is None else cast(BoxCounts, asdict(counts)),
        "nothing": NOTHING,
        "several": desk.several,
        "commands": [{"command": step.command, "why": step.why} for step in next_steps(desk.folder)],
        "scores": list(findings.scores),
        "notes": [
            *findings.notes,
            *desk.evidence_errors,
            *lost,
            *_refused(desk),
            *_lost_known(desk),
            *desk.data_notes(),
        ],
        "settings": findings.settings,
        "reviewers": [
            {
                "name": r.name,
                "decisions": r.answers,
                "suggestions_taken": r.acceptance,
                "shared": r.shared,
                "agreement": r.agreement,
                "planted": r.planted,
                "planted_right": r.planted_right,
            }
            for r in people
        ],
        "agreement": [
            {"label": a.label, "examples": a.examples, "agree": a.agree, "kappa": None if isnan(a.kappa) else a.kappa}
            for a in sorted(alike, key=lambda a: (a.label is not None, a.agree))[: ALIKE + 1]
        ],
        "known": len(desk.known),
        "ranking": desk.ranking.version,
        "samples": drawn,
        "cells": cells,
        "cells_rest": _rest(
            now, [cell["expected"] for cell in cells], len(findings) - sum(cell["count"] for cell in cells)
        ),
        "class_health": [
            {"label": h.label, "n": h.examples, "expected": h.expected_wrong, "rate": h.rate, "mostly": h.mostly}
            for h in health[:HEALTH]
        ],
        "class_health_rest": _rest(
            now, [h.expected_wrong for h in health[:HEALTH]], sum(h.examples for h in health[HEALTH:])
        ),
        "reliability": [
            {"low": b.low, "high": b.high, "expected": b.now, "observed": b.wrong, "n": b.reviewed} for b in bins
        ],
        "trail": [
            {"reviewed": s.reviewed, "low": s.wrong.low, "count": s.wrong.count, "high": s.wrong.high} for s in steps
        ],
        "readonly": desk.readonly,
        "data_error": desk.data_error(),
    }


def _stop(now: Calibrated) -> Stop | None:
    """Where the yield becomes low among all undecided examples, the most suspicious first."""
    point = stop(np.sort(now.p_model[~now.reviewed_rows])[::-1])
    return (
        None
        if point is None
        else {"before": point.before, "rest": point.rest, "wrong": point.wrong, "one_in": point.one_in}
    )


def _rest(now: Calibrated, shown: list[float], n: int) -> Rest:
    """The examples that a list does not show, and the wrong labels expected among them."""
    return {"n": n, "expected": max(0.0, now.wrong.count - sum(shown)) if n else 0.0}


def _samples(desk: Desk) -> tuple[list[SampleProgress], list[str]]:
    """The samples of the run, and notes about samples that cannot be opened or have lost examples."""
    drawn, lost = [], []
    for name in sample_files.names(desk.folder):
        try:
            sample, gone = _sample(desk, name)
            drawn.append(sample)
            if gone:
                first = ", ".join(repr(key[:80]) for key in gone[:NAMED]) + (", ..." if len(gone) > NAMED else "")
                lost.append(f"The sample {name!r}: {len(gone):,} of its examples are gone or have changed ({first}).")
        except UserError as error:
            lost.append(error.in_words())
    return drawn, lost


def _sample(desk: Desk, name: str) -> tuple[SampleProgress, list[str]]:
    """A sample with its number of reviewed examples, and its lost examples. In an acceptance sample only decisions for
    it count."""
    rows, gone = desk.sample(name)
    ids = [str(desk.findings.ids[i]) for i in rows]
    with desk.lock:
        if name.startswith(ACCEPT):
            done = sum(state_of(made_for(desk.fold, id, name)) in REVIEWED for id in ids)
        else:
            done = sum(desk.fold.verdict(id) is not None for id in ids)
    return {"name": name, "size": len(ids), "done": done}, gone


def _refused(desk: Desk) -> list[str]:
    with desk.lock:
        refused = desk.follow.refused
    if not refused:
        return []
    first = "; ".join(f"{item.id[:80]!r}: {item.reason}" for item in refused[:NAMED]) + (
        "; ..." if len(refused) > NAMED else ""
    )
    return [
        f"Decisions on {len(refused):,} {'example' if len(refused) == 1 else 'examples'} are not counted ({first})."
    ]


def _guide(desk: Desk) -> dict[str, Meaning]:
    """Label -> its meaning; the example as a position, None if it is not in the findings."""
    guide = {label: meaning for label, meaning in desk.guide.items() if label in desk.classes}
    with desk.lock:
        positions = desk.follow.places([(meaning.example, meaning.content or None, None) for meaning in guide.values()])
    rows = [None if isinstance(i, str) else i for i in positions]
    return {
        label: {"name": visible(meaning.name, NAME), "guideline": meaning.guideline, "example": i}
        for (label, meaning), i in zip(guide.items(), rows, strict=True)
    }


def _groups(desk: Desk) -> int:
    """The number of groups of duplicates."""
    group = desk.findings.extra.get("duplicate_group")
    return 0 if group is None else len(np.unique(group[group >= 0]))


def _lost_known(desk: Desk) -> list[str]:
    if not desk.lost_known:
        return []
    first = ", ".join(repr(item.id[:80]) for item in desk.lost_known[:NAMED]) + (
        ", ..." if len(desk.lost_known) > NAMED else ""
    )
    return [
        f"Known examples that are no longer in the findings and are not planted: {len(desk.lost_known):,} ({first})."
    ]
