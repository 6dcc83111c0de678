"""The exported row of each example: the finding, and the current label after the decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from labelsieve.core.decision import Fold
from labelsieve.core.findings import Findings
from labelsieve.core.row_matching import stamp

CONFLICT = "conflict"


@dataclass(frozen=True)
class Row:
    """One example.

    Attributes:
        label: the current class: the given one, or the one that reviewers agree on. An excluded example keeps the given
            one.
        decision: keep, relabel, exclude, ambiguous, later, "conflict", or "" where there is no decision.
        reviewer, at, note: those of the decision.
        content: a hash of the example, 16 hex digits; "" if unknown.
        position: its row in the run.
        more: `split` if the data have splits, and of each detector flag_<detector> (bool) and suggested_<detector> (a
            class), as in the table of findings.
    """

    id: str
    given_label: str
    suggested_label: str
    label: str
    p_wrong: float
    rank: int
    flagged: bool
    decision: str = ""
    reviewer: str = ""
    at: str = ""
    note: str = ""
    content: str = ""
    position: int = 0
    more: Mapping[str, bool | str] = field(default_factory=dict)

    def cells(self) -> dict[str, Any]:
        """Its columns by name, those in `more` last."""
        return {name: getattr(self, name) for name in _OWN} | dict(self.more)


_OWN = [one.name for one in fields(Row) if one.name not in ("position", "more")]


def columns(rows: Sequence[Row]) -> list[str]:
    """The column names, which all rows share."""
    return list(rows[0].cells()) if rows else _OWN


def rows(findings: Findings, fold: Fold, p_wrong: np.ndarray, rank: np.ndarray) -> list[Row]:
    """One row per example, in the order of the data.

    Only examples without a decision that are flagged, or whose p_wrong is above one half, have a suggestion other than
    the given label.

    Args:
        p_wrong, rank: (n,) the current values.
    """
    out = []
    suggested = np.where(findings.flagged | (p_wrong > 0.5), findings.other, findings.given)
    columns = (findings.given.tolist(), suggested.tolist(), p_wrong.tolist(), rank.tolist(), findings.flagged.tolist())
    touched = set(fold.ids())
    for i, (key, given, other, p, place, flagged) in enumerate(zip(findings.ids.tolist(), *columns, strict=True)):
        name = findings.classes[given]
        decision = ("", "", "", "")
        label = name
        if key in touched:
            verdict = fold.verdict(key) or max(fold.of(key).values(), key=lambda d: d.at, default=None)
            if fold.conflict(key):
                decision = (CONFLICT, "", "", "")
            elif verdict:
                decision = (verdict.act, verdict.reviewer, verdict.at, verdict.note)
                label = verdict.label or name
                other = given if fold.verdict(key) else other
        out.append(
            Row(
                key,
                name,
                findings.classes[other],
                label,
                p,
                place,
                flagged,
                *decision,
                stamp(findings, i)["content"] or "",
                i,
                _more(findings, i),
            )
        )
    return out


def _more(findings: Findings, i: int) -> dict[str, bool | str]:
    """The split of row `i`, and the flag and the suggestion of each detector."""
    split = {} if findings.splits is None else {"split": findings.splits[i]}
    flags = {f"flag_{name}": bool(flag[i]) for name, flag in findings.flags.items()}
    return (
        split
        | flags
        | {f"suggested_{name}": findings.classes[other[i]] for name, other in findings.suggestions.items()}
    )
