"""Is a batch of labels good enough? The sample to review, and what its answers say about the whole batch.

Sequential plan: a sample stratified by the score, which may be evaluated at any time, with the interval of
`acceptance/interval.py`. The batch is accepted when the whole interval lies at or below the limit, and rejected when it
lies above. Single and double plans: a simple random sample and the counts of `acceptance/counting_plan.py`; their
interval is the same one with a single stratum.
Drawing: each stratum is put into random order and the strata are interleaved in fixed shares. So any beginning of the
    sample is itself a stratified random sample, and a longer sample continues a shorter one.
Answers: keep is right; relabel and exclude are wrong. A row without one clear answer (ambiguous, a conflict, later)
    that stands before an answered one counts as wrong for the upper end and as right for the lower.
Cost: one sort of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from labelsieve.acceptance.counting_plan import CountingPlan, allowed
from labelsieve.acceptance.interval import Stratum, interval
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.core.row_matching import stamp
from labelsieve.core.sample import Sample
from labelsieve.core.shares import percent
from labelsieve.core.vote_list import Votes

Kind = Literal["sequential", "single", "double"]
Verdict = Literal["accept", "reject", "go on"]
# p(wrong) where a stratum ends. Only two strata, because each further one costs reviews to rule out bad allocations.
CUTS = (0.1,)
_FLOOR = 0.03  # a stratum with a lower p(wrong) gets the same share of the reviews as one with this value
RIGHT, WRONG, UNCLEAR = 0, 1, -1


@dataclass(frozen=True)
class Part:
    """The error rate of a class or a group; each interval holds on its own, 95 times in 100, not all of them at
    once."""

    name: str
    rows: int
    reviewed: int
    wrong: Estimate


@dataclass(frozen=True)
class Acceptance:
    """The result of the answers.

    Attributes:
        verdict: "accept", "reject" or "go on" (review more rows).
        why: one sentence.
        reviewed: rows of the sample that count: up to the last with an answer.
        found: how many of those were called wrong.
        unclear: how many of those have no single clear answer.
        wrong: the number of wrong labels in the batch, with its interval.
        classes: the same for each class with rows in the batch.
        groups: the same for each group.
        annotators: the same for the votes of each of several annotators, right where they are what reviewers say; empty
            without votes.
    """

    verdict: Verdict
    why: str
    reviewed: int
    found: int
    unclear: int
    wrong: Estimate
    classes: tuple[Part, ...]
    groups: tuple[Part, ...]
    annotators: tuple[Part, ...] = ()


def strata(findings: Findings, kind: Kind = "sequential") -> np.ndarray:
    """(n,) int64 stratum of each row; a single stratum for single and double plans."""
    return (
        np.searchsorted(CUTS, findings.p_wrong, side="right")
        if kind == "sequential"
        else np.zeros(len(findings), np.int64)
    )


def draw(
    findings: Findings, size: int, *, name: str, seed: int = 0, kind: Kind = "sequential", plan: dict | None = None
) -> Sample:
    """A random sample of at most `size` rows in their order of review; a larger one with the same seed continues it."""
    stratum = strata(findings, kind)
    rng = np.random.default_rng(seed)
    many, expected = _expected(findings, stratum)
    spread = np.clip(expected, _FLOOR, 1 - _FLOOR)
    neyman = many * np.sqrt(spread * (1 - spread))
    share = many / many.sum() + neyman / neyman.sum()  # half proportional to size, so that poor scores cost little
    lot = rng.permutation(len(findings))
    by_lot = lot[np.argsort(stratum[lot], kind="stable")]
    turn = np.arange(len(findings)) - np.repeat(np.cumsum(many) - many, many)
    due = (turn + 0.5) / share[stratum[by_lot]]
    chosen = by_lot[np.argsort(due, kind="stable")][:size]
    chance = (np.bincount(stratum[chosen], minlength=len(many)) / np.maximum(many, 1))[stratum[chosen]]
    ids = tuple(map(str, findings.ids[chosen]))
    kept = [stamp(findings, int(i)) for i in chosen]
    content, given = tuple(k["content"] or "" for k in kept), tuple(str(k["given"]) for k in kept)
    return Sample(
        name, seed, size, ids, tuple(stratum[chosen].tolist()), tuple(chance.tolist()), plan or {}, content, given
    )


def outlook(findings: Findings, *, limit: float, confidence: float, error: float = 0.0, seed: int = 0) -> int:
    """How many reviews the sequential plan needs if the findings predict the right share of wrong labels in each
    stratum; at least 30, and all rows if fewer do not decide."""
    stratum = strata(findings)
    order = np.array(draw(findings, len(findings), name="outlook", seed=seed).stratum)
    many, expected = _expected(findings, stratum)
    size = 30
    while size < len(findings):
        drawn = np.bincount(order[:size], minlength=len(many))
        cells = [
            Stratum(int(n), int(d), round(d * p), p) for n, d, p in zip(many, drawn, expected.tolist(), strict=True)
        ]
        if judge(interval(cells, confidence=confidence, error=error), len(findings), limit) != "go on":
            return size
        size = int(size * 1.15) + 1
    return len(findings)


def judge(wrong: Estimate, rows: int, limit: float) -> Verdict:
    """The verdict of an interval: all of it lies at or below the limit, all above it, or neither."""
    most = allowed(rows, limit)
    return "accept" if wrong.high <= most else "reject" if wrong.low > most else "go on"


def answers(sample: Sample, fold: Fold) -> np.ndarray:
    """(s,) RIGHT, WRONG or UNCLEAR for each row of the sample. Only decisions made without seeing the label count."""
    return np.array([_answer(fold, id, sample.name) for id in sample.ids], np.int64)


def classes_of(sample: Sample, fold: Fold, findings: Findings) -> np.ndarray:
    """(s,) the class that the answers give to each row of the sample; -1 without one, or where none is right."""
    place, given = (
        {name: c for c, name in enumerate(findings.classes)},
        dict(zip(findings.ids, findings.given, strict=True)),
    )
    out = np.full(len(sample.ids), -1)
    for j, id in enumerate(sample.ids):
        said = {
            int(given[id]) if row.act == "keep" else place.get(row.label or "", -1) if row.act == "relabel" else -1
            for row in made_for(fold, id, sample.name)
        }
        out[j] = said.pop() if len(said) == 1 else -1
    return out


def made_for(fold: Fold, id: str, name: str) -> list[Decision]:
    """The current decisions on an example that count for the sample `name` (made blind or for it), one per reviewer."""
    picks = (f"accept:{name}", f"accept:{name.removeprefix('accept-')}")
    return [row for row in fold.of(id).values() if row.blind or row.pick in picks]


def _answer(fold: Fold, id: str, name: str) -> int:
    decisions = made_for(fold, id, name)
    marks = {
        RIGHT if row.act == "keep" else WRONG if row.act in ("relabel", "exclude") else UNCLEAR for row in decisions
    }
    return marks.pop() if len(marks) == 1 else UNCLEAR


def weigh(
    findings: Findings,
    sample: Sample,
    marks: np.ndarray,
    *,
    limit: float,
    confidence: float = 0.95,
    error: float = 0.0,
    plan: CountingPlan | None = None,
    groups: np.ndarray | None = None,
    stratum: np.ndarray | None = None,
    votes: Votes | None = None,
    truth: np.ndarray | None = None,
) -> Acceptance:
    """The verdict on a batch.

    There are many parameters because each is one term of the plan, or what the plan is about.

    Args:
        findings: of the batch, the same that the sample was drawn from.
        marks: (s,) from `answers`.
        limit: the highest acceptable share of wrong labels.
        confidence: confidence of the sequential verdict and of all intervals.
        error: reviewers err on at most this share of the rows.
        plan: the counts of a single or double plan; None for sequential.
        groups: (n,) annotator or group of each row of the findings.
        stratum: (n,) the strata that the sample was drawn from, if the findings were computed again since; None uses
            the current ones.
        votes: of several annotators on the rows of the findings.
        truth: (s,) the class that the reviewers gave to each row of the sample, -1 where no class is right.

    Raises:
        UserError: the sample was drawn from other findings.
    """
    if stratum is None:
        stratum = strata(findings, "sequential" if plan is None else "single")
    place = {key: i for i, key in enumerate(findings.ids)}
    if any(id not in place for id in sample.ids) or any(
        stratum[place[id]] != h for id, h in zip(sample.ids, sample.stratum, strict=True)
    ):
        raise UserError(
            f"The findings have changed since the sample {sample.name!r} was drawn; draw a sample with another name."
        )
    reviewed = int(np.flatnonzero(marks != UNCLEAR)[-1]) + 1 if (marks != UNCLEAR).any() else 0
    rows, marks = np.array([place[id] for id in sample.ids[:reviewed]], np.int64), marks[:reviewed]

    def between(member: np.ndarray, marks: np.ndarray = marks) -> Estimate:
        cells = _cells(findings, stratum, rows, marks, member)
        ends = [
            interval(
                [replace(c, wrong=k) for c, k in zip(cells[0], some, strict=True)], confidence=confidence, error=error
            )
            for some in cells[1]
        ]
        return Estimate((ends[0].count + ends[1].count) / 2, ends[0].low, ends[1].high)

    def parts(code: np.ndarray, names: list[str]) -> tuple[Part, ...]:
        many, seen = np.bincount(code, minlength=len(names)), np.bincount(code[rows], minlength=len(names))
        return tuple(
            Part(name, int(many[c]), int(seen[c]), between(code == c)) for c, name in enumerate(names) if many[c]
        )

    def by_annotator(votes: Votes, truth: np.ndarray) -> tuple[Part, ...]:
        """Each annotator's votes are a batch of their own, drawn with the same sample of examples."""
        out = []
        for a, name in enumerate(votes.annotators):
            said = np.full(len(findings), -1)
            mine = votes.annotator == a
            said[votes.example[mine]] = votes.label[mine]
            own = np.where(marks == UNCLEAR, UNCLEAR, np.where(said[rows] == truth[: len(rows)], RIGHT, WRONG))
            many, seen = int((said >= 0).sum()), int((said[rows] >= 0).sum())
            if seen:
                out.append(Part(name, many, seen, between(said >= 0, own)))
        return tuple(out)

    wrong = between(np.ones(len(findings), bool))
    found, unclear = int((marks == WRONG).sum()), int((marks == UNCLEAR).sum())
    verdict = judge(wrong, len(findings), limit) if plan is None else _counted(plan, reviewed, found, unclear)
    names, code = (
        np.unique(groups.astype(str), return_inverse=True)
        if groups is not None
        else (np.array([], str), np.array([], np.int64))
    )
    by_group = parts(code, names.tolist()) if groups is not None else ()
    why = _why(verdict, wrong, len(findings), limit, confidence, plan, found)
    return Acceptance(
        verdict,
        why,
        reviewed,
        found,
        unclear,
        wrong,
        parts(findings.given, list(findings.classes)),
        by_group,
        () if votes is None or truth is None else by_annotator(votes, truth),
    )


def _cells(findings: Findings, stratum: np.ndarray, rows: np.ndarray, marks: np.ndarray, member: np.ndarray):
    """The strata of some of the rows, and the counts of wrong answers with the unclear ones as right, and as wrong."""
    counted = member[rows]
    h, answer = stratum[rows][counted], marks[counted]
    many, expected = _expected(findings, stratum, member)
    drawn = np.bincount(h, minlength=len(many)).tolist()
    cells = [Stratum(int(n), d, 0, p) for n, d, p in zip(many, drawn, expected.tolist(), strict=True)]
    return cells, [
        np.bincount(h, counts, minlength=len(many)).astype(int).tolist()
        for counts in (answer == WRONG, answer != RIGHT)
    ]


def _expected(
    findings: Findings, stratum: np.ndarray, member: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The number of rows of each stratum, and the expected share of wrong labels among them."""
    of_row, p = (stratum, findings.p_wrong) if member is None else (stratum[member], findings.p_wrong[member])
    many = np.bincount(of_row, minlength=len(CUTS) + 1)
    return many, np.bincount(of_row, p, minlength=len(many)) / np.maximum(many, 1)


def _counted(plan: CountingPlan, reviewed: int, found: int, unclear: int) -> Verdict:
    """The verdict of a single or double plan; unclear answers may be wrong or right, so they delay either verdict."""
    if found > plan.limit:
        return "reject"
    if reviewed >= plan.first + plan.second and plan.second:
        return "accept" if found + unclear <= plan.limit else "go on"
    if reviewed >= plan.first:
        return "accept" if found + unclear <= plan.accept else "go on"
    return "go on"


def _why(
    verdict: Verdict, wrong: Estimate, rows: int, limit: float, confidence: float, plan: CountingPlan | None, found: int
) -> str:
    if plan is not None:
        rule = f"accept with at most {plan.accept} wrong of {plan.first:,}"
        if plan.second:
            rule += f", else with at most {plan.limit} of {plan.first + plan.second:,}"
        return f"{found:,} rows are wrong; the plan is: {rule}, reject with more than {plan.limit}."
    span = f"{percent(wrong.low / rows, '.2f')} to {percent(wrong.high / rows, '.2f')}"
    lies = {"accept": "lies at or below", "reject": "lies above", "go on": "still reaches across"}[verdict]
    return f"The {percent(confidence, '.4g')} interval, {span} wrong, {lies} the limit of {percent(limit, '.4g')}."
