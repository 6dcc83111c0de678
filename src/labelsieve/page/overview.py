"""What the overview of the page says: the run, the estimates, how they tightened, what is left, and who decided what."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from math import isnan

import numpy as np

from labelsieve.acceptance.verdict import made_for
from labelsieve.core.decision import FINAL
from labelsieve.core.errors import UserError
from labelsieve.core.printable import visible
from labelsieve.decide.calibrate import Calibrated
from labelsieve.decide.next_steps import go_on, next_steps, sample_first
from labelsieve.decide.outlook import cuts, plan, reliability, stop
from labelsieve.decide.reviewers import agreement, reviewers
from labelsieve.decide.summary import class_health
from labelsieve.page.acts import estimates
from labelsieve.page.desk import STATES, Desk, state_of
from labelsieve.page.view import Views
from labelsieve.store import sample_files

REVIEWED = {STATES.index(act) for act in FINAL}
HEALTH = 200  # classes
NAMED = 3  # refused decisions
NAME = 120  # characters of a class's plain name
ALIKE = 20  # classes, those that reviewers agree on least


def overview(desk: Desk, views: Views, default: str = "") -> dict:
    """Everything of GET /api/run; `default` is the name of a reviewer who does not say one.

    All figures are those of one moment and add up: what was found and what is left to the headline, the classes and the cells too; where
    a list is cut, `_rest` says what the others hold.
    """
    desk.latest()
    with desk.lock:
        findings, said, wrong = desk.findings, desk.now(), desk.findings.wrong
        people, alike = reviewers(findings, desk.fold, desk.known), agreement(findings, desk.fold)
        bins = reliability(findings, desk.fold, said)
        cells, states = views.cells(), Counter(dict(enumerate(np.bincount(desk.state, minlength=len(STATES)).tolist())))
        steps = desk.trail()
    health = class_health(replace(findings, p_wrong=said.expected))
    drawn, lost = _samples(desk)
    return {
        "id": desk.id,
        "name": desk.folder.resolve().name,
        "source": findings.settings.get("source", ""),
        "kind": findings.settings.get("kind", "features"),
        "n": len(findings),
        "classes": list(findings.classes),
        "guide": _guide(desk),
        "duplicates": _groups(desk),
        "map": views.map.possible(),
        "estimate": {"low": wrong.low, "count": wrong.count, "high": wrong.high},
        "calibrated": estimates(said),
        "precision_at": [{"cut": cut.at, "expected": cut.precision, "rows": cut.rows} for cut in cuts(said)],
        "plan": [{"review": step.reviews, "catch": step.catch, "wrong": step.wrong} for step in plan(said)],
        "states": {name: states[code] for code, name in enumerate(STATES)},
        "flagged": int(findings.flagged.sum()),
        "reviewer": default,
        "first": go_on(sample_first(findings, said), drawn),
        "stop": _stop(said),
        "similar": desk.neighbours is not None,
        "commands": [asdict(step) for step in next_steps(desk.folder)],
        "scores": list(findings.scores),
        "notes": [*findings.notes, *desk.trouble, *lost, *_refused(desk), *_unknown(desk), *desk.data_notes()],
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
            said, [cell["expected"] for cell in cells], len(findings) - sum(cell["count"] for cell in cells)
        ),
        "class_health": [
            {"label": h.label, "n": h.examples, "expected": h.expected_wrong, "rate": h.rate, "mostly": h.mostly}
            for h in health[:HEALTH]
        ],
        "class_health_rest": _rest(
            said, [h.expected_wrong for h in health[:HEALTH]], sum(h.examples for h in health[HEALTH:])
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


def _stop(said: Calibrated) -> dict | None:
    """Where the yield falls among all that is undecided, the most suspicious first."""
    falls = stop(np.sort(said.p_model[~said.reviewed_rows])[::-1])
    return (
        None
        if falls is None
        else {"before": falls.before, "rest": falls.rest, "wrong": falls.wrong, "one_in": falls.one_in}
    )


def _rest(said: Calibrated, shown: list[float], n: int) -> dict:
    """Examples that a list does not show, and the wrong labels expected among them."""
    return {"n": n, "expected": max(0.0, said.wrong.count - sum(shown)) if n else 0.0}


def _samples(desk: Desk) -> tuple[list[dict], list[str]]:
    """The samples of the run, and why the others cannot be opened."""
    drawn, lost = [], []
    for name in sample_files.names(desk.folder):
        try:
            sample, gone = _sample(desk, name)
            drawn.append(sample)
            if gone:
                first = ", ".join(repr(key[:80]) for key in gone[:NAMED]) + (", ..." if len(gone) > NAMED else "")
                lost.append(
                    f"The sample {name!r}: {len(gone):,} of its examples are no longer there as they were drawn ({first})."
                )
        except UserError as error:
            lost.append(error.in_words())
    return drawn, lost


def _sample(desk: Desk, name: str) -> tuple[dict, list[str]]:
    """A sample and how many of it are reviewed (of an acceptance sample only what was decided for it counts); and what is gone of it."""
    rows, gone = desk.sample(name)
    ids = [str(desk.findings.ids[i]) for i in rows]
    with desk.lock:
        if name.startswith("accept-"):
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


def _guide(desk: Desk) -> dict[str, dict]:
    """Label -> what it means; the example as a position, None where it is not among the findings."""
    told = {label: meaning for label, meaning in desk.guide.items() if label in desk.classes}
    with desk.lock:
        found = desk.follow.places([(meaning.example, meaning.content or None, None) for meaning in told.values()])
    rows = [None if isinstance(i, str) else i for i in found]
    return {
        label: {"name": visible(meaning.name, NAME), "guideline": meaning.guideline, "example": i}
        for (label, meaning), i in zip(told.items(), rows, strict=True)
    }


def _groups(desk: Desk) -> int:
    """How many groups of duplicates there are."""
    group = desk.findings.extra.get("duplicate_group")
    return 0 if group is None else len(np.unique(group[group >= 0]))


def _unknown(desk: Desk) -> list[str]:
    if not desk.unknown:
        return []
    first = ", ".join(repr(item.id[:80]) for item in desk.unknown[:NAMED]) + (
        ", ..." if len(desk.unknown) > NAMED else ""
    )
    return [
        f"Known examples that the findings no longer have, and that are not planted: {len(desk.unknown):,} ({first})."
    ]
