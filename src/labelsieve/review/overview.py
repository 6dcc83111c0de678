"""What the overview of the page says: the run, the estimates, how they tightened, what is left, and who decided what."""

from __future__ import annotations

from math import isnan

from labelsieve.core import samples
from labelsieve.core.decision import FINAL
from labelsieve.decide.outlook import cuts, next_for, reliability
from labelsieve.decide.reviewers import agreement, reviewers
from labelsieve.review.acts import estimates
from labelsieve.review.desk import Desk
from labelsieve.review.view import Views

BINS = 5
CATCHES = (0.5, 0.8, 0.9, 0.95)  # of the wrong labels left
HEALTH = 200  # classes
ALIKE = 20  # classes, those that reviewers agree on least


def overview(desk: Desk, views: Views) -> dict:
    """Everything of GET /api/run."""
    findings, said, wrong = desk.findings, desk.latest().said, desk.findings.wrong
    with desk.lock:
        people, alike = reviewers(findings, desk.fold, desk.known), agreement(findings, desk.fold)
        bins = reliability(findings, desk.fold, said, bins=BINS)
    return {
        "id": desk.id,
        "name": desk.folder.resolve().name,
        "source": findings.settings.get("source", ""),
        "kind": findings.settings.get("kind", "features"),
        "n": len(findings),
        "classes": list(findings.classes),
        "estimate": {"low": wrong.low, "count": wrong.count, "high": wrong.high},
        "calibrated": estimates(said),
        "precision_at": [{"cut": cut.at, "expected": cut.precision, "rows": cut.rows} for cut in cuts(said)],
        "plan": [{"review": next_for(said, share), "catch": share} for share in CATCHES],
        "scores": list(findings.scores),
        "notes": [*findings.notes, *_strangers(desk)],
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
        "samples": [_sample(desk, name) for name in samples.names(desk.folder)],
        "cells": views.cells(),
        "class_health": [
            {"label": h.label, "n": h.examples, "expected": h.expected_wrong, "rate": h.rate, "mostly": h.mostly}
            for h in desk.health[:HEALTH]
        ],
        "reliability": [{"low": b.low, "high": b.high, "expected": b.now, "observed": b.wrong, "n": b.reviewed} for b in bins],
        "trail": [{"reviewed": s.reviewed, "low": s.wrong.low, "count": s.wrong.count, "high": s.wrong.high} for s in desk.trail()],
        "readonly": desk.readonly,
        "data_error": desk.data_error(),
    }


def _sample(desk: Desk, name: str) -> dict:
    ids = samples.load(desk.folder, name).ids
    pick = f"accept:{name}"
    with desk.lock:
        if name.startswith("accept-"):
            done = sum(any(stands and row.pick == pick and row.act in FINAL for row, stands in desk.fold.history(id)) for id in ids)
        else:
            done = sum(desk.fold.verdict(id) is not None for id in ids)
    return {"name": name, "size": len(ids), "done": done}


def _strangers(desk: Desk) -> list[str]:
    if not desk.strangers:
        return []
    first = min(desk.strangers)
    return [f"The journal has decisions on {len(desk.strangers):,} ids that the findings do not have; the first is {first[:80]!r}."]
