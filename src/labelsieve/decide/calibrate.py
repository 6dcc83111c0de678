"""From reviews to probabilities: what each decision says about the labels that nobody has reviewed.

p_wrong: a logistic correction of the probability that `find` stated (`stats.logistic_fit`), fitted to every answer. A
row that was picked because it looked suspicious shows what p is at its score as well as any other row does, so all
answers count equally.

The count: if there is a random sample over the strata of the score (`decide.random_sample`, `decide.estimate`), the
count comes from it, because only a sample represents the rows that nobody picked. Otherwise it comes from the curve,
with a wide interval. All figures add up: the count is the number of rows called wrong (answers taken as they are) plus
the sum of p_model over the undecided rows. A count that comes from a sample shifts the log-odds of all rows equally
until this holds.

Reviewers make errors: at a stated rate, or at a rate that the answers, and pairs of answers to the same example, make
likely. Such errors widen the interval. A perfect reviewer and a good model look alike at the safe end of the ranking;
so do a careless reviewer and a bad model. Only overlap tells them apart.

Cost: a fit over the answers, and one pass over n numbers; 50,000 examples take a fraction of a second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from labelsieve.core.decision import Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.estimate import DRAWS, Count, after_call, any_curve, gather, near, plausible, summed
from labelsieve.decide.outcomes import Answers, answers
from labelsieve.decide.random_sample import strata
from labelsieve.decide.reviewers import overlap
from labelsieve.stats.logistic_fit import BASE, Curve, fit, log_odds, logistic

FEW = 20  # answers; below, the interval stays that of `find`: one that jumps at the first key press helps nobody
MANY = 150  # answers; from here on classes and the other detectors are used too
_CLASS_ANSWERS = 10  # answers that a class needs to get its own intercept
_CLASS_SPREAD, _RANK_SPREAD = 0.2, 0.3
_ERRORS = np.array([0.0, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.2])
_CAREFUL = 80  # the prior of the error rate: as if a reviewer had been right on this many known items


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What the reviews say about n examples.

    A row is reviewed (decided) if everyone who answered agrees on keep, relabel, exclude or ambiguous. A conflict,
    "later" and no answer leave it open.

    Attributes:
        p_wrong: (n,) float64; for a reviewed row what the answer says, 0 or 1 unless reviewers err.
        p_model: (n,) float64, the same without the row's own answer: what its scores alone imply.
        rank: (n,) int64, 1 = most suspicious, by p_wrong.
        reviewed_rows: (n,) bool.
        found_rows: (n,) bool, reviewed and called wrong (relabel or exclude).
        wrong: how many of the given labels are wrong in total: those found and those left.
        left: how many are wrong among the rows not reviewed.
        reviewed: reviewed rows.
        found: rows called wrong.
        drawn: rows called right or wrong that came from a random sample.
        reviewer_error: the rate of reviewer error, as stated or as estimated from the answers.
        unknown: ids with decisions that are not among the findings.
    """

    p_wrong: np.ndarray
    p_model: np.ndarray
    rank: np.ndarray
    reviewed_rows: np.ndarray
    found_rows: np.ndarray
    wrong: Estimate
    left: Estimate
    reviewed: int
    found: int
    drawn: int
    reviewer_error: float
    unknown: tuple[str, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether the reviews measured the count, so that its ends are a 95 % interval: by 20 answers or more from a
        random sample, or by a review of every row. Else the count rests on the model, and its ends on assumptions."""
        return self.drawn >= FEW or len(self.p_wrong) == self.reviewed

    @property
    def expected(self) -> np.ndarray:
        """(n,) float64, what each row adds to the count: 1 if it was called wrong, 0 if it was reviewed otherwise, else
        p_model. Sums over classes, cells or any other parts therefore add up to `wrong.count`."""
        return np.where(self.reviewed_rows, self.found_rows, self.p_model)

    @property
    def doubted(self) -> np.ndarray:
        """(n,) bool, undecided and more likely wrong than right."""
        return ~self.reviewed_rows & (self.p_model > 0.5)


def calibrate(findings: Findings, fold: Fold, *, reviewer_error: float | None = None, seed: int = 0) -> Calibrated:
    """Return p_wrong, the ranking and the count after the decisions so far.

    Args:
        findings: as `find` made them; earlier calibrations are not an input.
        fold: the decisions. Rows picked as "sample" are assumed to be drawn by `decide.random_sample.draw` from the
            rows that were undecided at that time.
        reviewer_error: the rate at which reviewers call a right label wrong or a wrong one right; None estimates it
            from the answers.
        seed: seed of the draws behind the interval.

    Raises:
        UserError: the rate is outside 0 to 0.49.
    """
    if reviewer_error is not None and not 0 <= reviewer_error <= 0.49:
        raise UserError(f"A reviewer error of {reviewer_error} is not possible; give a rate from 0 to 0.49.")
    answered = answers(findings, fold)
    if not len(answered.row) and not len(answered.aside):
        return _untouched(findings, answered.unknown)
    odds = log_odds(findings.p_wrong)
    errors, prior = _error_rates(reviewer_error, fold)
    design = _Design(findings, odds, answered)
    curves = [
        fit(odds[answered.row], design.columns(answered.row), design.spread, answered.wrong, error) for error in errors
    ]
    weight = _normalised(prior + np.array([curve.evidence for curve in curves]))
    p_model = findings.p_wrong if not len(answered.row) else np.zeros(len(findings))
    if len(answered.row):
        for w, curve in zip(weight, curves, strict=True):
            if w > 0:
                p_model += w * logistic(odds + design.correction(curve.b))
    of_row = _after(p_model[answered.row], answered.wrong, errors, weight)
    reviewed, called_wrong = np.zeros(len(findings), bool), np.zeros(len(findings), bool)
    reviewed[answered.row] = reviewed[answered.aside] = True
    called_wrong[answered.row] = answered.wrong > 0
    if len(answered.row) < FEW:
        found = float(called_wrong.sum())
        low, high = (found, found) if reviewed.all() else (findings.wrong.low, findings.wrong.high)
        left = _around(p_model[~reviewed], low - called_wrong.sum(), high - called_wrong.sum())
        wrong = _around(np.append(p_model[~reviewed], called_wrong.sum()), low, high)
    else:
        drawn, all_drawn = _count(findings, answered, odds, ~reviewed, errors, prior, curves, design, seed)
        if answered.drawn.sum() >= FEW:
            p_model = _shifted(p_model, ~reviewed, drawn.count)
        left = _around(p_model[~reviewed], drawn.low, drawn.high)
        wrong = _around(np.append(p_model[~reviewed], called_wrong.sum()), all_drawn.low, all_drawn.high)
    p_wrong = p_model.copy()
    p_wrong[answered.row] = of_row
    order = np.lexsort((findings.rank, -p_wrong))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    return Calibrated(
        p_wrong=p_wrong,
        p_model=p_model,
        rank=rank,
        reviewed_rows=reviewed,
        found_rows=called_wrong,
        wrong=wrong,
        left=left,
        reviewed=int(reviewed.sum()),
        found=int(called_wrong.sum()),
        drawn=int(answered.drawn.sum()),
        reviewer_error=float(weight @ errors),
        unknown=answered.unknown,
    )


def follow(last: Calibrated, reviewed: np.ndarray, called_wrong: np.ndarray) -> Calibrated:
    """The same probabilities with other rows reviewed: what is shown right after a decision, until the next
    calibration.

    Args:
        last: the last calibration.
        reviewed: (n,) bool, the rows that are reviewed now.
        called_wrong: (n,) bool, the reviewed rows that were called wrong.
    """
    left, many, done = float(np.sum(last.p_model, where=~reviewed)), int(called_wrong.sum()), int(reviewed.sum())
    part = left / last.left.count if last.left.count else 0.0
    ends = Estimate(
        left, min(part * last.left.low, left), min(max(part * last.left.high, left), float(len(reviewed) - done))
    )
    spread = last.wrong.low - last.found - last.left.low, last.wrong.high - last.found - last.left.high
    wrong = Estimate(
        many + left, max(0.0, ends.low + many + min(spread[0], 0.0)), ends.high + many + max(spread[1], 0.0)
    )
    wrong = Estimate(wrong.count, min(wrong.low, wrong.count), min(float(len(reviewed)), max(wrong.high, wrong.count)))
    more = {"wrong": wrong, "left": ends, "reviewed": done, "found": many}
    return replace(last, reviewed_rows=reviewed, found_rows=called_wrong, **more)


class _Design:
    """The inputs of the linear correction: a constant and the log-odds before the reviews; with many answers also how
    the other detectors rank the row compared with the consensus, and an intercept for each class with enough
    answers."""

    def __init__(self, findings: Findings, odds: np.ndarray, answered: Answers):
        self._odds, self._given = odds, findings.given
        self._ranks = self._class = None
        spread = list(BASE)
        others = [score for name, score in findings.scores.items() if name != "consensus"]
        if len(answered.row) >= MANY:
            if others and "consensus" in findings.scores:
                apart = sum(_normal_rank(score) for score in others) / len(others) - _normal_rank(
                    findings.scores["consensus"]
                )
                self._ranks = apart
                spread.append(_RANK_SPREAD)
            often = np.flatnonzero(np.bincount(findings.given[answered.row]) >= _CLASS_ANSWERS)
            self._class = np.full(len(findings.classes), len(often))
            self._class[often] = np.arange(len(often))
            spread += [_CLASS_SPREAD] * len(often)
        self.spread = np.array(spread)

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """(m, d) inputs of some rows."""
        parts = [np.ones(len(rows)), self._odds[rows]]
        if self._ranks is not None:
            parts.append(self._ranks[rows])
        out = np.stack(parts, 1)
        if self._class is None:
            return out
        # the last row, all zero, is for classes with too few answers
        own = np.eye(len(self.spread) - len(parts) + 1)[:, :-1]
        return np.hstack([out, own[self._class[self._given[rows]]]])

    def correction(self, b: np.ndarray) -> np.ndarray:
        """(n,) columns @ b for all rows."""
        out, used = b[0] + b[1] * self._odds, 2
        if self._ranks is not None:
            out, used = out + b[2] * self._ranks, 3
        return out if self._class is None else out + np.append(b[used:], 0.0)[self._class[self._given]]


def _normal_rank(score: np.ndarray) -> np.ndarray:
    """(n,) the rank of each score as a normal quantile, so that detectors on any scale can be averaged."""
    grid = np.array([NormalDist().inv_cdf(u) for u in (np.arange(1000) + 0.5) / 1000])
    place = np.empty(len(score))
    place[np.argsort(score, kind="stable")] = (np.arange(len(score)) + 0.5) / len(score)
    return np.interp(place, (np.arange(1000) + 0.5) / 1000, grid)


def _error_rates(stated: float | None, fold: Fold) -> tuple[np.ndarray, np.ndarray]:
    """Rates of reviewer error to consider, and the log of each rate's prior weight combined with the evidence of
    overlap."""
    if stated is not None:
        return np.array([stated]), np.zeros(1)
    differ, pairs = overlap(fold)
    apart = 2 * _ERRORS * (1 - _ERRORS)  # two reviewers differ if exactly one of them errs
    seen = pairs and differ * np.log(np.maximum(apart, 1e-3)) + (pairs - differ) * np.log1p(-apart)
    return _ERRORS, _CAREFUL * np.log1p(-_ERRORS) + np.log(np.gradient(_ERRORS)) + seen


def _normalised(log: np.ndarray) -> np.ndarray:
    weight = np.exp(log - log.max())
    weight[weight < 1e-3] = 0
    return weight / weight.sum()


def _after(p: np.ndarray, wrong: np.ndarray, errors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(m,) the probability that a label is wrong, given its scores and the reviewer's answer."""
    error = float(weight @ errors)
    return wrong.copy() if error == 0 else after_call(p, wrong, error)


def _count(
    findings: Findings,
    answered: Answers,
    odds: np.ndarray,
    unseen: np.ndarray,
    errors: np.ndarray,
    prior: np.ndarray,
    curves: list[Curve],
    design: _Design,
    seed: int,
) -> tuple[Estimate, Estimate]:
    """The number of wrong labels among the rows not reviewed, and among all rows that are not set aside."""
    rng = np.random.default_rng(seed)
    sampled = answered.drawn if answered.drawn.sum() >= FEW else np.zeros(len(answered.row), bool)
    drawable = np.ones(len(findings), bool)
    if sampled.any():
        drawable[answered.row[: int(np.argmax(sampled))]] = False  # decided before the first row of a sample
    strata_held = gather(
        odds,
        strata(findings.p_wrong),
        unseen=unseen,
        drawable=drawable,
        drawn=answered.row[sampled],
        wrong=answered.wrong[sampled],
    )
    picked, called = answered.row[~sampled], answered.wrong[~sampled]
    columns, spread = np.stack([np.ones(len(picked)), odds[picked]], 1), np.array(BASE)
    of_sample = Count(strata_held, any_curve()) if sampled.any() else None
    if of_sample:
        weight = prior + np.array([of_sample.evidence(error) for error in errors])
    else:
        weight = prior + np.array([curve.evidence for curve in curves])
    possible = plausible(weight)
    left, total = [], []
    for i in possible:
        error = float(errors[i])
        count = of_sample or Count(
            strata_held, near(fit(odds[picked], columns, spread, called, error), spread, len(picked))
        )
        unseen_wrong, seen_wrong = count.draws(error, DRAWS, rng)
        p = after_call(logistic(odds[picked] + design.columns(picked) @ curves[i].b), called, error)
        slips = np.sqrt((p * (1 - p)).sum())
        seen_wrong += np.clip(p.sum() + slips * rng.standard_normal(DRAWS), 0, len(picked))
        left.append(unseen_wrong)
        total.append(unseen_wrong + seen_wrong)
    likely = np.exp(weight[possible] - weight.max())
    return summed(left, likely), summed(total, likely)


def _around(p: np.ndarray, low: float, high: float) -> Estimate:
    """The sum of p, with an interval that contains it and is possible for this number of rows."""
    count, most = float(p.sum()), float(max(len(p), p.sum()))
    return Estimate(count, float(min(max(low, 0.0), count)), float(max(min(high, most), count)))


def _shifted(p: np.ndarray, rows: np.ndarray, count: float) -> np.ndarray:
    """(n,) p with all log-odds shifted equally, so that p over `rows` (n,) bool adds up to the count as far as
    possible."""
    odds = log_odds(p)
    some = odds[rows]
    target = min(max(count, 1e-9), len(some) - 1e-9)
    low, high, shift = -40.0, 40.0, 0.0
    for _ in range(60 if len(some) else 0):  # Newton's steps, kept inside the bracket so far
        now = logistic(some + shift)
        off, slope = float(now.sum()) - target, float((now * (1 - now)).sum())
        if abs(off) < 1e-9 * max(target, 1.0):
            break
        low, high = (low, shift) if off > 0 else (shift, high)
        step = shift - off / slope if slope > 0 else np.inf
        shift = step if low < step < high else (low + high) / 2
    return logistic(odds + shift)


def _untouched(findings: Findings, unknown: tuple[str, ...]) -> Calibrated:
    """Nothing is reviewed: the result of `find`. If its p_wrong do not add up to its count (findings of other tools),
    their sum is used."""
    n, wrong = len(findings), findings.wrong
    if abs(float(findings.p_wrong.sum()) - wrong.count) > 1e-6 * max(wrong.count, 1.0):
        wrong = _around(findings.p_wrong, wrong.low, wrong.high)
    return Calibrated(
        p_wrong=findings.p_wrong,
        p_model=findings.p_wrong,
        rank=findings.rank,
        reviewed_rows=np.zeros(n, bool),
        found_rows=np.zeros(n, bool),
        wrong=wrong,
        left=wrong,
        reviewed=0,
        found=0,
        drawn=0,
        reviewer_error=0.0,
        unknown=unknown,
    )
