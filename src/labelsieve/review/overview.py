"""What the overview of the page says: the run, the estimates, how they tightened, what is left, and who decided what."""

from __future__ import annotations

from collections import Counter

import numpy as np

from labelsieve.core import samples
from labelsieve.core.decision import FINAL, Decision
from labelsieve.decide.summary import class_health
from labelsieve.review.acts import estimates
from labelsieve.review.desk import OPEN, Desk
from labelsieve.review.ranking import plan, precision_at
from labelsieve.review.view import Views

BINS = 10
HEALTH = 200  # classes


def overview(desk: Desk, views: Views) -> dict:
    """Everything of GET /api/run."""
    findings, latest = desk.findings, desk.latest()
    wrong, still = findings.wrong, np.flatnonzero(desk.state == OPEN)
    with desk.lock:
        standing, trail = desk.fold.standing(), desk.trail
    return {
        "id": desk.id,
        "name": desk.folder.resolve().name,
        "source": findings.settings.get("source", ""),
        "kind": findings.settings.get("kind", "features"),
        "n": len(findings),
        "classes": list(findings.classes),
        "estimate": {"low": wrong.low, "count": wrong.count, "high": wrong.high},
        "calibrated": estimates(latest),
        "precision_at": precision_at(latest, still),
        "plan": plan(latest, still),
        "scores": list(findings.scores),
        "notes": [*findings.notes, *_strangers(desk)],
        "settings": findings.settings,
        "reviewers": reviewers(standing),
        "ranking": desk.ranking.version,
        "samples": [_sample(desk, name) for name in samples.names(desk.folder)],
        "cells": views.cells(),
        "class_health": [
            {"label": h.label, "n": h.examples, "expected": h.expected_wrong, "rate": h.rate, "mostly": h.mostly}
            for h in class_health(findings)[:HEALTH]
        ],
        "reliability": reliability(standing),
        "trail": [{"reviewed": r.reviewed, "low": r.wrong.low, "count": r.wrong.count, "high": r.wrong.high} for r in trail],
        "readonly": desk.readonly,
        "data_error": desk.data_error(),
    }


def reviewers(standing: list[Decision]) -> list[dict]:
    """Each reviewer: current decisions, the share of suggestions taken where one was shown, and how often others who judged the same
    example agree."""
    by_id: dict[str, list[Decision]] = {}
    for row in standing:
        if row.act in FINAL:
            by_id.setdefault(row.id, []).append(row)
    count, shown, taken, met, agreed = Counter(), Counter(), Counter(), Counter(), Counter()
    for row in standing:
        count[row.reviewer] += 1
        if row.suggestion is not None and row.act in FINAL:
            shown[row.reviewer] += 1
            taken[row.reviewer] += row.label == row.suggestion
    for rows in by_id.values():
        for row in rows if len(rows) > 1 else ():
            met[row.reviewer] += len(rows) - 1
            agreed[row.reviewer] += sum((o.act, o.label) == (row.act, row.label) for o in rows) - 1
    return [
        {
            "name": name,
            "decisions": decisions,
            "suggestions_taken": taken[name] / shown[name] if shown[name] else None,
            "agreement": agreed[name] / met[name] if met[name] else None,
        }
        for name, decisions in count.most_common()
    ]


def reliability(standing: list[Decision]) -> list[dict]:
    """What was expected of the reviewed examples when they were decided, and what was seen, in ten bins."""
    told = [row for row in standing if row.p_wrong is not None and row.act in ("keep", "relabel", "exclude")]
    p = np.array([row.p_wrong for row in told], np.float64)
    wrong = np.array([row.act != "keep" for row in told], np.float64)
    where = np.minimum((p * BINS).astype(int), BINS - 1)
    n, expected, seen = (np.bincount(where, weight, BINS) for weight in (None, p, wrong))
    return [
        {"low": b / BINS, "high": (b + 1) / BINS, "expected": expected[b] / n[b], "observed": seen[b] / n[b], "n": int(n[b])}
        for b in np.flatnonzero(n).tolist()
    ]


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
