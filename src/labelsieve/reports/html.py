"""The report: one HTML file that can be mailed, opens offline, prints, and stays small for any data set.

`facts` collects the contents (bounded lists, plain values: also the output of `--json`), `figures` draws them, `page`
fills the template. There is no script and nothing is loaded from the network; the page forbids both
(Content-Security-Policy). The template escapes all text from data, and `visible` makes invisible characters visible.
Cost: a few sorts of the probabilities; the file size depends on the limits below, not on n.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

import numpy as np

from labelsieve.core.count_words import REVIEWS, flags
from labelsieve.core.decision import FINAL, Decision, Fold
from labelsieve.core.findings import Findings
from labelsieve.core.printable import visible
from labelsieve.core.shares import percent
from labelsieve.core.wording import shell_command
from labelsieve.decide.calibrate import Calibrated
from labelsieve.decide.outlook import Bin, Effort
from labelsieve.decide.reviewers import Reviewer
from labelsieve.decide.summary import Summary
from labelsieve.encode.small_example import Sample
from labelsieve.reports import charts, palette
from labelsieve.reports.html_template import fill_template

BEGINS = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Labelsieve">
<title>Label report: """  # every report begins with it, and no other file
ROWS, BARS, CELLS, GROUPS, TRAIL = 20, 20, 14, 10, 25  # lines of a table, bars, sides of the matrix, groups, decisions
DOUBTED = 0.5  # a label with p(wrong) above it is doubted
KINDS = {"image": "images", "text": "texts", "features": "rows of features", "probs": "rows of probabilities"}
ACTS = {
    "keep": "label is right",
    "relabel": "relabelled",
    "exclude": "excluded",
    "ambiguous": "ambiguous",
    "later": "later",
}


def facts(
    findings: Findings,
    summary: Summary,
    calibrated: Calibrated,
    rows: Sequence[Decision] = (),
    *,
    people: Sequence[Reviewer] = (),
    run: str = "",
    effort: Sequence[Effort] = (),
    bins: Sequence[Bin] = (),
) -> dict[str, Any]:
    """The contents of the report, as plain values.

    Args:
        findings: findings of the run, before any review.
        summary: summary after the decisions; its `top` are the examples to show.
        calibrated: probabilities and estimates calibrated by the decisions.
        rows: every row of the journal.
        people: the reviewers, the one with the most answers first.
        run: name of the run folder, for the commands that the report suggests.
        effort: expected gain of further review.
        bins: the reliability table.
    """
    fold = Fold(rows)
    unknown = frozenset(calibrated.unknown)
    known = [key for key in fold.ids() if key not in unknown]
    verdicts = {key: verdict for key in known if (verdict := fold.verdict(key)) is not None}
    # `top` lists examples without a decision first, the most doubtful first
    worst = list(takewhile(lambda suspect: suspect.p_wrong > DOUBTED, summary.top))
    return {
        "source": summary.source,
        "run": run,
        "kind": KINDS.get(summary.kind, "examples"),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "examples": len(findings),
        "boxes": None if summary.boxes is None else str(summary.boxes),
        "classes": len(findings.classes),
        "several": findings.settings.get("several") or 0,
        "excluded": summary.excluded,
        "reviewed": calibrated.reviewed,
        "found": calibrated.found,
        "drawn": calibrated.drawn,
        "flags": flags(summary.flagged, summary.expected_precision),
        "doubted": int(calibrated.doubted.sum()),
        "before": asdict(findings.wrong),
        "now": asdict(calibrated.wrong),
        "measured": calibrated.measured,
        "ends": summary.ends,
        "left": asdict(calibrated.left),
        "rate": calibrated.wrong.count / max(1, len(findings)),
        "highest_rate": calibrated.wrong.high / max(1, len(findings)),
        "effort": [
            {"catch": e.catch, "reviews": e.reviews, "wrong": e.wrong, "precision": e.wrong / e.reviews}
            for e in effort
            if e.reviews and calibrated.left.count >= 0.5
        ],
        "worst": [asdict(suspect) for suspect in worst],
        "worst_ends": _ends(len(worst), len(summary.top)),
        "confusions": [asdict(c) for c in summary.confusions[:ROWS]],
        "confusions_rest": summary.confusions_rest + sum(c.expected for c in summary.confusions[ROWS:]),
        "worst_classes": [asdict(c) for c in summary.worst_classes[:ROWS]],
        "classes_rest": summary.classes_rest + sum(c.expected_wrong for c in summary.worst_classes[ROWS:]),
        "annotators": None if summary.annotators is None else asdict(summary.annotators),
        "duplicates": None if summary.duplicates is None else asdict(summary.duplicates),
        "splits": [asdict(one) for one in summary.splits[:ROWS]],
        "leaks": [visible(str(leak), 200) for leak in summary.leaks[:ROWS]],
        "exclusion_reasons": summary.exclusion_reasons[:ROWS],
        "exclusions": [asdict(e) for e in findings.excluded[:ROWS]],
        "acts": _acts(fold, known, verdicts),
        "reviewers": [asdict(person) for person in people[:ROWS]],
        "history": [asdict(row) for row in reversed(rows[-TRAIL:])],
        "decisions": len(rows),
        "notes": [*summary.notes, *_unknown_notes(calibrated.unknown)],
        "settings": summary.settings,
        "first": summary.first,
        "reliability": [(b.now, b.wrong, b.wrong_low, b.wrong_high, b.reviewed) for b in bins],
        "trail": _trail(verdicts),
    }


def figures(findings: Findings, calibrated: Calibrated, contents: dict[str, Any]) -> dict[str, str]:
    """The figures that have data to show: name -> SVG."""
    rows = [("by the models alone", findings.wrong)]
    if contents["reviewed"]:
        rows += [
            (f"after {contents['reviewed']:,} reviews", calibrated.wrong),
            ("still in the data", calibrated.left),
        ]
    drawn = {
        "estimate": charts.intervals([(name, e.low, e.count, e.high) for name, e in rows]),
        "histogram": charts.histogram(calibrated.p_model[~calibrated.reviewed_rows]),
    }
    names, cells = _matrix(findings, calibrated.expected)
    if len(names) > 1:
        drawn["confusions"] = charts.matrix(names, cells)
    if contents["worst_classes"]:
        drawn["classes"] = charts.bars(
            [(c["label"], c["examples"], c["expected_wrong"]) for c in contents["worst_classes"][:BARS]]
        )
    if contents["reliability"]:
        drawn["reliability"] = charts.reliability(contents["reliability"])
    if len(contents["trail"]) > 1:
        drawn["trail"] = charts.trail(contents["trail"])
    return drawn


def page(contents: dict[str, Any], drawn: dict[str, str], samples: Sequence[Sample] = ()) -> str:
    """The report as HTML; `samples` belong to the worst examples, in the same order (empty: no pictures)."""
    from markupsafe import Markup

    shown = {name: Markup(svg) for name, svg in drawn.items()}  # `charts` escapes all text
    more = {
        "advice": advice(contents),
        "one_in": _one_in(contents["rate"]),
        "figures": shown,
        "samples": list(samples) or [None] * len(contents["worst"]),
        "begins": Markup(BEGINS),
        "palette": Markup(palette.sheet()),
        "chart_style": Markup(charts.STYLE),
        "acts_named": ACTS,
        "groups": GROUPS,
    }
    return fill_template("report.html.j2", contents | more)


def advice(contents: dict[str, Any]) -> list[str]:
    """What to do next, most useful first."""
    steps = []
    effort = next((e for e in contents["effort"] if e["catch"] == 0.9), None)
    if contents["left"]["count"] >= 0.5 and effort:
        hits = "nearly all" if effort["precision"] > 0.9 else f"about {percent(effort['precision'], '.0f')}"
        first = contents["first"]
        if first:
            steps.append(
                f"First review {first['size']:,} randomly drawn {contents['kind']} blind; this takes about "
                f"{first['minutes']} minutes. The number of wrong labels is uncertain: about {first['count']:,.0f} "
                f"expected (between {first['low']:,.0f} and {first['high']:,.0f}), {first['doubted']:,} doubted. The "
                "command: "
                f"{shell_command('review', contents['run'], sample=first['name'])}"
            )
        steps.append(
            f"Review the {effort['reviews']:,} most suspicious {contents['kind']}: that should catch about 90 % of "
            f"the remaining wrong labels, and {hits} of the reviewed labels will be wrong."
        )
    if contents["left"]["count"] < 0.5:
        steps.append(
            "Nothing more to review: hardly any wrong label is expected among the examples that nobody has reviewed."
        )
    elif not contents["measured"] and not contents["first"]:
        steps.append(
            f"Let people review {min(REVIEWS, contents['examples'] - contents['reviewed']):,} randomly drawn examples. "
            "Until then the count comes from models alone; their answers measure it."
        )
    if contents["found"]:
        steps.append(
            f"Apply the {contents['found']:,} corrections that reviewers made: labelsieve apply writes the corrected "
            "data set."
        )
    conflicting = (contents["duplicates"] or {}).get("conflicting", 0)
    if conflicting:
        steps.append(
            f"Resolve {conflicting:,} groups of duplicates whose labels disagree: usually only one label per group "
            "can be right."
        )
    if contents["leaks"]:
        steps.append(
            "Remove the copies that are in several splits from the training split, or the results on the other splits "
            "are too good: leaks.csv in the run folder lists them."
        )
    return steps


def _ends(shown: int, most: int) -> str:
    """The reason why the list of the most suspicious examples ends; "" where it is only cut."""
    if shown == most and shown:
        return ""
    if not shown:
        return "No example without an answer has a label that is more likely wrong than right, so none is listed."
    return "The list ends here: no other example without an answer has a label that is more likely wrong than right."


def _unknown_notes(ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    return [
        f"{len(ids):,} decisions are not counted, because this run does not have their examples; the first is on "
        f"{visible(ids[0], 60)!r}."
    ]


def _acts(fold: Fold, known: list[str], verdicts: dict[str, Decision]) -> dict[str, Any]:
    return {
        "answers": dict(Counter(verdict.act for verdict in verdicts.values())),
        "conflicts": sum(fold.conflict(key) for key in known),
    }


def _trail(verdicts: dict[str, Decision]) -> list[int]:
    """The number of wrong labels found after each answer, in the order of time."""
    ordered = sorted(
        (decision for decision in verdicts.values() if decision.act in FINAL), key=lambda decision: decision.at
    )
    return np.cumsum([decision.act in ("relabel", "exclude") for decision in ordered]).tolist()


def _matrix(findings: Findings, p: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The classes of the most frequent confusions, at most CELLS, and their cells (m, m)."""
    k = len(findings.classes)
    cell, where = np.unique(findings.given * k + findings.other, return_inverse=True)
    count = np.bincount(where, p, minlength=len(cell))
    common = np.argsort(-count, kind="stable")[: 4 * CELLS]
    chosen = list(dict.fromkeys(np.stack(np.divmod(cell[common[count[common] >= 0.5]], k), 1).reshape(-1).tolist()))[
        :CELLS
    ]
    chosen.sort()
    place = np.full(k, -1)
    place[chosen] = np.arange(len(chosen))
    row, column = place[cell // k], place[cell % k]
    inside = (row >= 0) & (column >= 0)
    cells = np.zeros((len(chosen), len(chosen)))
    cells[row[inside], column[inside]] = count[inside]
    return [findings.classes[c] for c in chosen], cells


def _one_in(rate: float) -> str:
    return f"about one in {1 / rate:,.0f}" if 0.0001 < rate < 0.67 else "most of them" if rate >= 0.67 else "hardly any"
