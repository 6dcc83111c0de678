"""What the calibrated probabilities predict: precision at each cut, review effort, where to stop, how the count
tightened.

Also whether the probabilities hold (a reliability table: DeGroot and Fienberg, The Statistician 1983). The page, the
report and the terminal all take these figures from here.

Cost: one sort of n numbers; the trail calibrates once per step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.calibrate import Calibrated, calibrate
from labelsieve.decide.outcomes import answers

CUTS = (0.98, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.1)
CATCHES = (0.5, 0.8, 0.9, 0.95)  # of the wrong labels left
BINS = 5
YIELD = 0.02  # a review may stop when the share of wrong labels among the next rows is below this: 1 in 50
AHEAD = 50  # rows over which the yield is computed


@dataclass(frozen=True)
class Cut:
    """The unreviewed rows with p_wrong at or above a cut: how many, the share of them expected to be wrong (None if
    there are no rows), and the expected share of the remaining wrong labels among them."""

    at: float
    rows: int
    precision: float | None
    share: float


@dataclass(frozen=True)
class Effort:
    """The effort to find about the share `catch` of the remaining wrong labels: the number of rows to review, and the
    number of wrong labels expected among them."""

    catch: float
    reviews: int
    wrong: float


@dataclass(frozen=True)
class Stop:
    """The point where the yield falls: undecided rows before it, rows from it on, and the wrong labels expected among
    the latter."""

    before: int
    rest: int
    wrong: float

    @property
    def one_in(self) -> int | None:
        """From here on, one row in this many is wrong; None if hardly any is."""
        return round(self.rest / self.wrong) if self.wrong >= 1 else None


@dataclass(frozen=True)
class Bin:
    """Reviewed rows with p in [low, high): how many, their mean p before the reviews and now, and the share called
    wrong with its 95 % interval."""

    low: float
    high: float
    reviewed: int
    before: float
    now: float
    wrong: float
    wrong_low: float
    wrong_high: float


@dataclass(frozen=True)
class Step:
    """The count of wrong labels after a number of reviewed rows."""

    reviewed: int
    wrong: Estimate


def cuts(calibrated: Calibrated, at: Sequence[float] = CUTS) -> tuple[Cut, ...]:
    """What to expect among the unreviewed rows above each cut."""
    p = np.sort(calibrated.p_model[~calibrated.reviewed_rows])[::-1]
    expected = np.append(0.0, np.cumsum(p))
    out = []
    for cut in at:
        rows = int(np.searchsorted(-p, -cut, side="right"))
        share = float(expected[rows] / expected[-1]) if expected[-1] > 0 else 0.0
        out.append(Cut(cut, rows, float(expected[rows] / rows) if rows else None, share))
    return tuple(out)


def plan(calibrated: Calibrated, shares: Sequence[float] = CATCHES) -> tuple[Effort, ...]:
    """The effort to find each share of the remaining wrong labels."""
    expected = np.cumsum(np.sort(calibrated.p_model[~calibrated.reviewed_rows])[::-1])
    if not len(expected) or expected[-1] <= 0:
        return tuple(Effort(share, 0, 0.0) for share in shares)
    many = [min(int(np.searchsorted(expected, share * expected[-1])) + 1, len(expected)) for share in shares]
    return tuple(Effort(share, n, float(expected[n - 1])) for share, n in zip(shares, many, strict=True))


def stop(p: np.ndarray, *, below: float = YIELD, ahead: int = AHEAD) -> Stop | None:
    """Where a review of these rows may stop: the first row from which the share of wrong labels among the next `ahead`
    rows is at most `below`, and no doubted row (p above one half) is left.

    Args:
        p: (m,) p(wrong) of the undecided rows, in the order of the queue.

    Returns:
        None if the yield never falls that far, or there are no rows.
    """
    if not len(p):
        return None
    total = np.append(0.0, np.cumsum(p))
    end = np.minimum(np.arange(len(p)) + ahead, len(p))
    low = (total[end] - total[:-1]) / (end - np.arange(len(p))) <= below
    doubted = np.flatnonzero(p > 0.5)
    # never suggest to stop before a label that is more likely wrong than right
    low[: doubted[-1] + 1 if len(doubted) else 0] = False
    if not low.any():
        return None
    at = int(np.argmax(low))
    return Stop(at, len(p) - at, float(total[-1] - total[at]))


def as_now(findings: Findings, calibrated: Calibrated) -> Findings:
    """The findings after the decisions: p_wrong is what each row adds to the count, undecided rows are flagged if they
    were before or are more likely wrong than right, reviewed rows are ranked last. Class health and confusions of these
    findings add up to the calibrated count."""
    rank = np.empty(len(findings), np.int64)
    rank[np.lexsort((calibrated.rank, calibrated.reviewed_rows))] = np.arange(1, len(findings) + 1)
    flagged = calibrated.doubted | (findings.flagged & ~calibrated.reviewed_rows)
    now = {"p_wrong": calibrated.expected, "flagged": flagged, "wrong": calibrated.wrong}
    return replace(findings, rank=rank, **now)


def reliability(findings: Findings, fold: Fold, calibrated: Calibrated, *, bins: int = BINS) -> tuple[Bin, ...]:
    """Stated probabilities compared with answers: reviewed rows of a random sample (all reviewed rows if there is no
    sample) in bins of equal width of the current p.

    The p of a row comes from its scores, without its own answer. But the curve was fitted to that answer too, so with
    few reviews the table looks a little too good.
    """
    answered = answers(findings, fold)
    use = answered.drawn if answered.drawn.any() else np.ones(len(answered.row), bool)
    row, wrong = answered.row[use], answered.wrong[use]
    now, before = calibrated.p_model[row], findings.p_wrong[row]
    which = np.minimum((now * bins).astype(np.int64), bins - 1)
    out = []
    for b in np.unique(which):
        in_bin = which == b
        n, share = int(in_bin.sum()), float(wrong[in_bin].mean())
        low, high = _wilson(share, n)
        out.append(
            Bin(
                float(b / bins),
                float((b + 1) / bins),
                n,
                float(before[in_bin].mean()),
                float(now[in_bin].mean()),
                share,
                low,
                high,
            )
        )
    return tuple(out)


def trail(
    findings: Findings, rows: Sequence[Decision], *, steps: int = 8, reviewer_error: float | None = None
) -> tuple[Step, ...]:
    """How the count tightened: after growing parts of the decisions, in the order of the journal; the first step has no
    decisions."""
    out = [Step(0, findings.wrong)]
    stops = sorted({round(len(rows) * (i + 1) / steps) for i in range(steps)} - {0}) if rows else []
    fold, start = Fold(), 0
    for stop in stops:
        fold.add(rows[start:stop])
        start = stop
        now = calibrate(findings, fold, reviewer_error=reviewer_error)
        out.append(Step(now.reviewed, now.wrong))
    return tuple(out)


def _wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval for a share (JASA 1927)."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(0.0, middle - half), min(1.0, middle + half)
