"""Fixes that nobody looks at, with the share of wrong ones under control: selection by conformal p-values.

A fix gives an example its suggested label; it is wrong if that is not the true label. The null hypothesis of an
undecided row j is that its suggestion is not right. Among the rows of the random sample that people reviewed, those
whose suggestion was not right (kept, or relabelled to another class) show how high such rows rank. With weights w_h =
(undecided rows) / (sampled rows) of stratum h,

    p_j = (u_j + sum of w over sampled rows that rank at least as high and whose suggestion was not right)
          / (u_j + sum of w over all sampled rows)

and the Benjamini-Hochberg procedure at the stated share selects rows (Jin and Candes, JMLR 2023; weights for another
distribution: Tibshirani et al., NeurIPS 2019; for labels: Conformal Labeling, arXiv 2510.14581). The share of wrong
fixes, averaged over random samples, is then at most the stated one; no model has to be right. Rows rank as `find` left
them, because a ranking that the same answers have changed would not be fair to them.
Differs: u_j, the weight of the row itself, is the largest w of the strata from the top down to its own, and at least
    one row; with its own w alone, simulated fixes were wrong up to a twentieth more often than stated.
Cost: two sorts of n numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelsieve.core.decision import FINAL, Fold
from labelsieve.core.findings import Findings
from labelsieve.decide.outcomes import DRAWN
from labelsieve.decide.random_sample import STRATA, strata


@dataclass(frozen=True, eq=False)
class SureFixes:
    """The rows to fix.

    Attributes:
        rows: (k,) positions, in the order of the data; the fix of each is the class in `Findings.other`.
        sampled: on how many reviewed rows of a random sample the choice rests.
        more: at least how many more of them are needed before any row can be fixed, if none can; None if the rest of
            the data would not suffice.
    """

    rows: np.ndarray
    sampled: int
    more: int | None = None


def sure_fixes(findings: Findings, fold: Fold, max_wrong: float) -> SureFixes:
    """Choose undecided rows whose suggestion can be taken, so that at most the share `max_wrong` of them is wrong on
    average.

    Args:
        findings: as `find` made them.
        fold: the decisions; rows picked as "sample" were drawn by `decide.random_sample.draw`.
        max_wrong: above 0 and below 1.
    """
    return select(findings.rank, strata(findings.p_wrong), *_reviewed(findings, fold), max_wrong)


def select(
    rank: np.ndarray,
    stratum: np.ndarray,
    sampled: np.ndarray,
    unsure: np.ndarray,
    undecided: np.ndarray,
    max_wrong: float,
) -> SureFixes:
    """The same from arrays.

    Args:
        rank: (n,) 1 = most suspicious; no two alike.
        stratum: (n,) stratum of each row.
        sampled: (s,) positions of the reviewed rows of a random sample.
        unsure: (s,) bool, their suggestion was not found right.
        undecided: (n,) bool, rows without any decision.
        max_wrong: above 0 and below 1.
    """
    if not len(sampled) or not undecided.any():
        return SureFixes(np.zeros(0, np.int64), len(sampled))
    rows = np.flatnonzero(undecided)
    drawn, open_ = (np.bincount(stratum[some], minlength=STRATA) for some in (sampled, rows))
    of_stratum = np.where(drawn > 0, open_ / np.maximum(drawn, 1), np.inf)  # nothing is known of a stratum without any
    weight = of_stratum[stratum[sampled]]
    ranked, own = np.argsort(rank[rows]), np.empty(len(rows))
    own[ranked] = np.maximum.accumulate(np.maximum(of_stratum[stratum[rows[ranked]]], 1.0))
    order = np.argsort(rank[sampled])
    unsure_above = np.append(0.0, np.cumsum((weight * unsure)[order]))
    above = unsure_above[np.searchsorted(rank[sampled][order], rank[rows])]
    p = np.where(np.isfinite(own), (own + above) / (own + weight.sum()), 1.0)
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered <= max_wrong * np.arange(1, len(p) + 1) / len(p))
    if len(passed):
        return SureFixes(rows[p <= ordered[passed[-1]]], len(sampled))
    return SureFixes(rows[:0], len(sampled), _more(own[ranked], above[ranked], max_wrong, len(sampled)))


def _reviewed(findings: Findings, fold: Fold) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(s,) positions of the reviewed rows of a random sample, (s,) bool whether their suggestion was not found right,
    and (n,) bool the rows without any decision. Where reviewers differ, nothing was found right."""
    ids = fold.ids()
    decided = set(ids)
    place = {id: i for i, id in enumerate(findings.ids if decided else ()) if id in decided}
    undecided, rows, unsure = np.ones(len(findings), bool), [], []
    for id in ids:
        if id not in place or not fold.of(id):
            continue
        undecided[place[id]] = False
        answers = [row for row, stands in fold.history(id) if stands and row.act in FINAL]
        if any(row.pick == DRAWN for row in answers):
            verdict, other = fold.verdict(id), findings.classes[findings.other[place[id]]]
            rows.append(place[id])
            unsure.append(verdict is None or verdict.act != "relabel" or verdict.label != other)
    return np.array(rows, np.int64), np.array(unsure, bool), undecided


def _more(own: np.ndarray, above: np.ndarray, max_wrong: float, sampled: int) -> int | None:
    """How many more sampled rows make the weight of one small enough, if no further suggestion turns out wrong; rows in
    the order of their ranks."""
    room = max_wrong * np.arange(1, len(own) + 1) - above
    if not (room > 0).any():
        return None
    larger = float((own[room > 0] / room[room > 0]).min())
    more = int(np.ceil(sampled * (larger - 1))) if np.isfinite(larger) else len(own)
    return max(1, more) if more < len(own) else None
