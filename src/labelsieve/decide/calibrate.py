"""From reviews to probabilities: what each decision says about the labels that nobody has looked at.

p_wrong: a logistic correction of the probability that `find` stated (`stats.logistic_fit`), fitted to every answer. A
row that was picked because it looked suspicious tells what p is at its score as well as any other row does, so all
answers count alike. The count: from a random sample over the strata of the score (`decide.random_sample`,
`decide.estimate`) where there is one, because only that speaks for the rows nobody picked; from the curve, with a wide
interval, where there is none. Every figure adds up: the count is what was found (answers at their word) plus the sum of
p_model over the rows that are not decided, and a count that comes from a sample shifts the log-odds of all rows alike
until it is. That reviewers may slip widens the interval. Reviewers err: at a stated rate, or at a rate that the
answers, and pairs of answers to the same example, make likely. A perfect reviewer and a good model look alike at the
safe end of the ranking; so do a careless reviewer and a bad model. Only overlap tells them apart. Cost: a fit over the
answers, and one pass over n numbers; 50,000 examples take a fraction of a second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from labelsieve.core.decision import Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.estimate import DRAWS, WIDE, draws_left, gather, summed
from labelsieve.decide.outcomes import Answers, answers
from labelsieve.decide.random_sample import strata
from labelsieve.decide.reviewers import overlap
from labelsieve.stats.logistic_fit import BASE, fit, log_odds, logistic

FEW = 20  # answers, below which the interval stays that of `find`: one that leaps at the first key press helps nobody
MANY = 150  # answers, before classes and the other detectors get a say
_CLASS_ANSWERS = 10  # answers a class needs for an intercept of its own
_CLASS_SPREAD, _RANK_SPREAD = 0.2, 0.3
_ERRORS = np.array([0.0, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.2])
_CAREFUL = 80  # the prior of the error rate: as if a reviewer had been right on so many known items


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What the reviews say of n examples.

    A row is reviewed, or decided, which is the same, where all who answered agree on keep, relabel, exclude or
    ambiguous. A conflict, "later" and silence leave it open.

    Attributes:
        p_wrong: (n,) float64; of a reviewed row what the answer says, 0 or 1 unless reviewers err.
        p_model: (n,) float64, the same without the row's own answer: what its scores alone say.
        rank: (n,) int64, 1 = most suspicious, by p_wrong.
        reviewed_rows: (n,) bool.
        found_rows: (n,) bool, reviewed and called wrong (relabel or exclude).
        wrong: how many of the given labels are wrong in all: those found and those left.
        left: how many are wrong among the rows not reviewed.
        reviewed: reviewed rows.
        found: rows called wrong.
        drawn: rows called right or wrong that came from a random sample; 0 means that the count rests on the model.
        reviewer_error: the rate of reviewer error that was stated or found likely.
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
    def expected(self) -> np.ndarray:
        """(n,) float64, what each row adds to the count: 1 where it was called wrong, 0 where it is reviewed otherwise,
        else p_model. Sums over classes, cells or any other parts therefore add up to `wrong.count`."""
        return np.where(self.reviewed_rows, self.found_rows, self.p_model)

    @property
    def doubted(self) -> np.ndarray:
        """(n,) bool, nobody has decided it and it is more likely wrong than right: only such rows have a suggestion."""
        return ~self.reviewed_rows & (self.p_model > 0.5)


def calibrate(findings: Findings, fold: Fold, *, reviewer_error: float | None = None, seed: int = 0) -> Calibrated:
    """p_wrong, ranking and count after the decisions so far.

    Args:
        findings: as `find` made them; earlier calibrations are not an input.
        fold: the decisions. Rows picked as "sample" are taken to be drawn by `decide.random_sample.draw` from what was
            then undecided.
        reviewer_error: the rate at which reviewers call a right label wrong or a wrong one right; None takes what the
            answers make likely.
        seed: of the draws behind the interval.

    Raises:
        UserError: a rate outside 0 to 0.49.
    """
    if reviewer_error is not None and not 0 <= reviewer_error <= 0.49:
        raise UserError(f"A reviewer error of {reviewer_error} is not possible; give a rate from 0 to 0.49.")
    said = answers(findings, fold)
    if not len(said.row) and not len(said.aside):
        return _untouched(findings, said.unknown)
    before = log_odds(findings.p_wrong)
    errors, prior = _error_rates(reviewer_error, fold)
    design = _Design(findings, before, said)
    curves = [fit(before[said.row], design.columns(said.row), design.spread, said.wrong, error) for error in errors]
    weight = _normalised(prior + np.array([curve.evidence for curve in curves]))
    p_model = findings.p_wrong if not len(said.row) else np.zeros(len(findings))
    if len(said.row):
        for w, curve in zip(weight, curves, strict=True):
            if w > 0:
                p_model += w * logistic(before + design.correction(curve.b))
    of_row = _after(p_model[said.row], said.wrong, errors, weight)
    reviewed, found = np.zeros(len(findings), bool), np.zeros(len(findings), bool)
    reviewed[said.row] = reviewed[said.aside] = True
    found[said.row] = said.wrong > 0
    if len(said.row) < FEW:
        low, high = findings.wrong.low, findings.wrong.high
        left = _around(p_model[~reviewed], low - found.sum(), high - found.sum())
        wrong = _around(np.append(p_model[~reviewed], found.sum()), low, high)
    else:
        rng = np.random.default_rng(seed)
        unseen_wrong, seen_wrong = _count(findings, said, before, ~reviewed, errors, weight, of_row, rng)
        drawn, all_drawn = summed(unseen_wrong), summed(unseen_wrong + seen_wrong)
        if said.drawn.sum() >= FEW:
            p_model = _shifted(p_model, ~reviewed, drawn.count)
        left = _around(p_model[~reviewed], drawn.low, drawn.high)
        wrong = _around(np.append(p_model[~reviewed], found.sum()), all_drawn.low, all_drawn.high)
    p_wrong = p_model.copy()
    p_wrong[said.row] = of_row
    order = np.lexsort((findings.rank, -p_wrong))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    return Calibrated(
        p_wrong=p_wrong,
        p_model=p_model,
        rank=rank,
        reviewed_rows=reviewed,
        found_rows=found,
        wrong=wrong,
        left=left,
        reviewed=int(reviewed.sum()),
        found=int(found.sum()),
        drawn=int(said.drawn.sum()),
        reviewer_error=float(weight @ errors),
        unknown=said.unknown,
    )


def follow(said: Calibrated, reviewed: np.ndarray, found: np.ndarray) -> Calibrated:
    """The same probabilities with other rows reviewed: what stands at once after a decision, until the next
    calibration.

    Args:
        said: the last calibration.
        reviewed: (n,) bool, the rows that are reviewed now.
        found: (n,) bool, those of them that were called wrong.
    """
    left, many, done = float(np.sum(said.p_model, where=~reviewed)), int(found.sum()), int(reviewed.sum())
    part = left / said.left.count if said.left.count else 0.0
    ends = Estimate(
        left, min(part * said.left.low, left), min(max(part * said.left.high, left), float(len(reviewed) - done))
    )
    spread = said.wrong.low - said.found - said.left.low, said.wrong.high - said.found - said.left.high
    wrong = Estimate(
        many + left, max(0.0, ends.low + many + min(spread[0], 0.0)), ends.high + many + max(spread[1], 0.0)
    )
    wrong = Estimate(wrong.count, min(wrong.low, wrong.count), min(float(len(reviewed)), max(wrong.high, wrong.count)))
    more = {"wrong": wrong, "left": ends, "reviewed": done, "found": many}
    return replace(said, reviewed_rows=reviewed, found_rows=found, **more)


class _Design:
    """What the correction is linear in: one, the log-odds before; with many answers also where the other detectors rank
    the row against the consensus, and an intercept for each class with enough answers."""

    def __init__(self, findings: Findings, before: np.ndarray, said: Answers):
        self._before, self._given = before, findings.given
        self._ranks = self._class = None
        spread = list(BASE)
        others = [score for name, score in findings.scores.items() if name != "consensus"]
        if len(said.row) >= MANY:
            if others and "consensus" in findings.scores:
                apart = sum(_normal_rank(score) for score in others) / len(others) - _normal_rank(
                    findings.scores["consensus"]
                )
                self._ranks = apart
                spread.append(_RANK_SPREAD)
            often = np.flatnonzero(np.bincount(findings.given[said.row]) >= _CLASS_ANSWERS)
            self._class = np.full(len(findings.classes), len(often))
            self._class[often] = np.arange(len(often))
            spread += [_CLASS_SPREAD] * len(often)
        self.spread = np.array(spread)

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """(m, d) of some rows."""
        parts = [np.ones(len(rows)), self._before[rows]]
        if self._ranks is not None:
            parts.append(self._ranks[rows])
        out = np.stack(parts, 1)
        if self._class is None:
            return out
        own = np.eye(len(self.spread) - len(parts) + 1)[
            :, :-1
        ]  # the last row, all zero, is of classes with too few answers
        return np.hstack([out, own[self._class[self._given[rows]]]])

    def correction(self, b: np.ndarray) -> np.ndarray:
        """(n,) columns @ b of all rows."""
        out, used = b[0] + b[1] * self._before, 2
        if self._ranks is not None:
            out, used = out + b[2] * self._ranks, 3
        return out if self._class is None else out + np.append(b[used:], 0.0)[self._class[self._given]]


def _normal_rank(score: np.ndarray) -> np.ndarray:
    """(n,) the place of each score in the order as a normal quantile, so that detectors on any scale can be
    averaged."""
    grid = np.array([NormalDist().inv_cdf(u) for u in (np.arange(1000) + 0.5) / 1000])
    place = np.empty(len(score))
    place[np.argsort(score, kind="stable")] = (np.arange(len(score)) + 0.5) / len(score)
    return np.interp(place, (np.arange(1000) + 0.5) / 1000, grid)


def _error_rates(stated: float | None, fold: Fold) -> tuple[np.ndarray, np.ndarray]:
    """Rates of reviewer error to consider, and the log of the prior weight of each with what overlap says."""
    if stated is not None:
        return np.array([stated]), np.zeros(1)
    differ, pairs = overlap(fold)
    apart = 2 * _ERRORS * (1 - _ERRORS)  # two reviewers differ where one of them errs
    seen = pairs and differ * np.log(np.maximum(apart, 1e-3)) + (pairs - differ) * np.log1p(-apart)
    return _ERRORS, _CAREFUL * np.log1p(-_ERRORS) + np.log(np.gradient(_ERRORS)) + seen


def _normalised(log: np.ndarray) -> np.ndarray:
    weight = np.exp(log - log.max())
    weight[weight < 1e-3] = 0
    return weight / weight.sum()


def _after(p: np.ndarray, wrong: np.ndarray, errors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(m,) Bayes: the probability that a label is wrong, given what the scores and what the reviewer say."""
    error = float(weight @ errors)
    if error == 0:
        return wrong.copy()
    yes = p * np.where(wrong > 0, 1 - error, error)
    return yes / (yes + (1 - p) * np.where(wrong > 0, error, 1 - error))


def _count(
    findings: Findings,
    said: Answers,
    before: np.ndarray,
    unseen: np.ndarray,
    errors: np.ndarray,
    weight: np.ndarray,
    of_row: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of the number of wrong labels among rows not reviewed, and among those reviewed."""
    drawable = np.ones(len(findings), bool)
    if said.drawn.any():
        drawable[said.row[: int(np.argmax(said.drawn))]] = False  # decided on before the first row of a sample
    drawn, picked = said.row[said.drawn], said.row[~said.drawn]
    held = gather(
        before, strata(findings.p_wrong), unseen=unseen, drawable=drawable, drawn=drawn, wrong=said.wrong[said.drawn]
    )
    both = np.stack([np.ones(len(before)), before], 1)
    spread = (
        WIDE if len(drawn) else np.array(BASE)
    )  # without a sample, what was stated before is all there is to hold on to
    left = []
    doubt = (
        np.sqrt(weight) / np.sqrt(weight).sum()
    )  # the answers alone hardly tell an error of the reviewer from one of the model
    for error, w in zip(errors, doubt, strict=True):
        many = round(DRAWS * float(w))
        if many:
            apart = fit(before[picked], both[picked], spread, said.wrong[~said.drawn], error)
            together = fit(before[said.row], both[said.row], spread, said.wrong, error)
            left.append(
                draws_left(
                    held, apart, together, spread=spread, picked_rows=len(picked), error=error, many=many, rng=rng
                )
            )
    total = np.concatenate(left)
    slips = np.sqrt((of_row * (1 - of_row)).sum())
    return total, np.clip(of_row.sum() + slips * rng.standard_normal(len(total)), 0, len(said.row))


def _around(p: np.ndarray, low: float, high: float) -> Estimate:
    """The sum of p, with an interval that holds it and that the rows can hold."""
    count, most = float(p.sum()), float(max(len(p), p.sum()))
    return Estimate(count, min(max(low, 0.0), count), max(min(high, most), count))


def _shifted(p: np.ndarray, rows: np.ndarray, count: float) -> np.ndarray:
    """(n,) p with one shift of all log-odds, so that the p of `rows` (n,) bool add up to the count as far as they
    can."""
    odds = log_odds(p)
    some = odds[rows]
    target = min(max(count, 1e-9), len(some) - 1e-9)
    low, high, shift = -40.0, 40.0, 0.0
    for _ in range(60 if len(some) else 0):  # Newton's steps, held between the ends found so far
        now = logistic(some + shift)
        off, slope = float(now.sum()) - target, float((now * (1 - now)).sum())
        if abs(off) < 1e-9 * max(target, 1.0):
            break
        low, high = (low, shift) if off > 0 else (shift, high)
        step = shift - off / slope if slope > 0 else np.inf
        shift = step if low < step < high else (low + high) / 2
    return logistic(odds + shift)


def _untouched(findings: Findings, unknown: tuple[str, ...]) -> Calibrated:
    """Nothing reviewed: what `find` said. Where its p_wrong do not add up to its count (findings of other tools), their
    sum counts."""
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
