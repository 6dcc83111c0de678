"""What the calibrated probabilities promise: precision at each cut, how many to review for most of what is left, where
to stop, how the count tightened, and whether the probabilities keep their word (a reliability table: DeGroot and
Fienberg, The Statistician 1983). The page, the report and the terminal all take these figures from here.

Cost: one sort of n numbers; the trail calibrates once a step.
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
YIELD = 0.02  # share of wrong labels among the next rows below which a review may stop: 1 in 50
AHEAD = 50  # rows that the yield is taken over


@dataclass(frozen=True)
class Cut:
    """The rows not reviewed with p_wrong at or above a cut: how many, the share of them expected to be wrong (None
    without rows), and the share of the wrong labels left that is expected among them."""

    at: float
    rows: int
    precision: float | None
    share: float


@dataclass(frozen=True)
class Effort:
    """To find about the share `catch` of the wrong labels left: rows to review, and the wrong labels expected among
    them."""

    catch: float
    reviews: int
    wrong: float


@dataclass(frozen=True)
class Stop:
    """Where the yield falls: rows not decided before it, and from it on how many there are and the wrong labels
    expected among them."""

    before: int
    rest: int
    wrong: float

    @property
    def one_in(self) -> int | None:
        """One of so many rows from here on is wrong; None where hardly any is."""
        return round(self.rest / self.wrong) if self.wrong >= 1 else None


@dataclass(frozen=True)
class Bin:
    """Reviewed rows with p in [low, high): how many, their mean p before the reviews and now, and the share that was
    called wrong with a 95 % interval."""

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
    """The count of wrong labels after so many reviewed rows."""

    reviewed: int
    wrong: Estimate


def cuts(calibrated: Calibrated, at: Sequence[float] = CUTS) -> tuple[Cut, ...]:
    """What to expect of the rows not reviewed above each cut."""
    p = np.sort(calibrated.p_model[~calibrated.reviewed_rows])[::-1]
    expected = np.append(0.0, np.cumsum(p))
    out = []
    for cut in at:
        rows = int(np.searchsorted(-p, -cut, side="right"))
        share = float(expected[rows] / expected[-1]) if expected[-1] > 0 else 0.0
        out.append(Cut(cut, rows, float(expected[rows] / rows) if rows else None, share))
    return tuple(out)


def next_for(calibrated: Calibrated, share: float = 0.9) -> int:
    """How many of the rows not reviewed, most suspicious first, to review so that about `share` of the wrong labels
    left is among them."""
    return plan(calibrated, (share,))[0].reviews


def plan(calibrated: Calibrated, shares: Sequence[float] = CATCHES) -> tuple[Effort, ...]:
    """What it takes to find each share of the wrong labels left."""
    expected = np.cumsum(np.sort(calibrated.p_model[~calibrated.reviewed_rows])[::-1])
    if not len(expected) or expected[-1] <= 0:
        return tuple(Effort(share, 0, 0.0) for share in shares)
    many = [min(int(np.searchsorted(expected, share * expected[-1])) + 1, len(expected)) for share in shares]
    return tuple(Effort(share, n, float(expected[n - 1])) for share, n in zip(shares, many, strict=True))


def stop(p: np.ndarray, *, below: float = YIELD, ahead: int = AHEAD) -> Stop | None:
    """Where a review of these rows may stop: the first row from which the next `ahead` hold fewer wrong labels than
    `below`, and none that is doubted (p above one half) is left.

    Args:
        p: (m,) p(wrong) of the rows not decided, in the order in which they come up.

    Returns:
        None where the yield never falls so far, or there are no rows.
    """
    if not len(p):
        return None
    total = np.append(0.0, np.cumsum(p))
    end = np.minimum(np.arange(len(p)) + ahead, len(p))
    low = (total[end] - total[:-1]) / (end - np.arange(len(p))) <= below
    doubted = np.flatnonzero(p > 0.5)
    low[: doubted[-1] + 1 if len(doubted) else 0] = (
        False  # nobody is told to stop before a label that is more likely wrong than right
    )
    if not low.any():
        return None
    at = int(np.argmax(low))
    return Stop(at, len(p) - at, float(total[-1] - total[at]))


def as_now(findings: Findings, calibrated: Calibrated) -> Findings:
    """The findings after the decisions: p_wrong is what each row adds to the count, flagged are the rows that are
    doubted, the rank puts what is reviewed last. Class health and confusions of these add up to the calibrated
    count."""
    rank = np.empty(len(findings), np.int64)
    rank[np.lexsort((calibrated.rank, calibrated.reviewed_rows))] = np.arange(1, len(findings) + 1)
    now = {"p_wrong": calibrated.expected, "flagged": calibrated.doubted, "wrong": calibrated.wrong}
    return replace(findings, rank=rank, **now)


def reliability(findings: Findings, fold: Fold, calibrated: Calibrated, *, bins: int = BINS) -> tuple[Bin, ...]:
    """Stated against seen: reviewed rows of a random sample (all reviewed rows where there is none) in bins of equal
    width of p now.

    The p of a row is what its scores say, without its own answer as a fact; but the curve has seen that answer, so with
    few reviews the table is a little too good.
    """
    said = answers(findings, fold)
    use = said.drawn if said.drawn.any() else np.ones(len(said.row), bool)
    row, wrong = said.row[use], said.wrong[use]
    now, before = calibrated.p_model[row], findings.p_wrong[row]
    which = np.minimum((now * bins).astype(np.int64), bins - 1)
    out = []
    for b in np.unique(which):
        here = which == b
        n, share = int(here.sum()), float(wrong[here].mean())
        low, high = _wilson(share, n)
        out.append(
            Bin(
                float(b / bins),
                float((b + 1) / bins),
                n,
                float(before[here].mean()),
                float(now[here].mean()),
                share,
                low,
                high,
            )
        )
    return tuple(out)


def trail(
    findings: Findings, rows: Sequence[Decision], *, steps: int = 8, reviewer_error: float | None = None
) -> tuple[Step, ...]:
    """How the count tightened: after growing parts of the decisions, in the order of the journal; the first step is
    before any."""
    out = [Step(0, findings.wrong)]
    ends = sorted({round(len(rows) * (i + 1) / steps) for i in range(steps)} - {0}) if rows else []
    fold, start = Fold(), 0
    for end in ends:
        fold.add(rows[start:end])
        start = end
        now = calibrate(findings, fold, reviewer_error=reviewer_error)
        out.append(Step(now.reviewed, now.wrong))
    return tuple(out)


def _wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval for a share (JASA 1927)."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(0.0, middle - half), min(1.0, middle + half)
