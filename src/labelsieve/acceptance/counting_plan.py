"""Plans for accepting a batch by counting: how many rows to draw at random, and how many wrong ones are too many.

Source: exact hypergeometric operating characteristics of single and double sampling plans (Dodge and Romig, Bell System
    Technical Journal 1941; ISO 2859-2 states such plans as tables). A plan keeps two promises for a batch of N rows:
    with at most aql * N wrong labels it is accepted with probability >= 1 - producer_risk, with more than ltpd * N with
    probability <= consumer_risk.
Differs: nothing is looked up or approximated. Double plans draw two samples of equal size; the plan with the fewest
    expected reviews at the aql is used.
Cost: one table of N logarithms; some thousand hypergeometric tails for a double plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.shares import percent

_MOST = 60  # the highest number of wrong labels that a single plan may allow
_DOUBLE = 24  # the same for a double plan


@dataclass(frozen=True)
class CountingPlan:
    """Draw `first` rows: accept with at most `accept` wrong, reject with more than `limit`. Between the two, draw
    `second` more rows and accept with at most `limit` wrong in both samples together. A single plan has second = 0 and
    accept = limit."""

    first: int
    accept: int
    second: int
    limit: int

    def accepts(self, rows: int, wrong: int) -> float:
        """The probability that a batch of `rows` with `wrong` wrong labels is accepted."""
        counts = np.arange(self.limit + 1)
        chance = np.exp(log_pmf(rows, wrong, self.first, counts))
        total = chance[: self.accept + 1].sum()
        for d in range(self.accept + 1, self.limit + 1):
            if self.second and chance[d] > 0:
                total += chance[d] * tail(rows - self.first, wrong - d, self.second, self.limit - d)
        return float(min(total, 1.0))

    def expected(self, rows: int, wrong: int) -> float:
        """The expected number of reviews."""
        counts = np.arange(self.accept + 1, self.limit + 1)
        return self.first + self.second * float(np.exp(log_pmf(rows, wrong, self.first, counts)).sum())


@lru_cache(maxsize=4)
def log_factorials(n: int) -> np.ndarray:
    """(n + 1,) the logarithms of 0! ... n!."""
    out = np.zeros(n + 1)
    out[1:] = np.cumsum(np.log(np.arange(1, n + 1)))
    out.setflags(write=False)
    return out


def log_pmf(rows: int, wrong: int, drawn: int, counts: np.ndarray) -> np.ndarray:
    """The logarithm of the hypergeometric probability of `counts` wrong ones among `drawn` of `rows`, `wrong` of which
    are wrong."""
    table = log_factorials(rows)

    def choose(n: int, k: np.ndarray) -> np.ndarray:
        fits = (k >= 0) & (k <= n)
        at = np.where(fits, k, 0)
        return np.where(fits, table[n] - table[at] - table[n - at], -np.inf) if n >= 0 else np.full(k.shape, -np.inf)

    counts = np.asarray(counts)
    return choose(wrong, counts) + choose(rows - wrong, drawn - counts) - choose(rows, np.array(drawn))


def tail(rows: int, wrong: int, drawn: int, most: int) -> float:
    """The probability of at most `most` wrong ones among the drawn."""
    if most < 0:
        return 0.0
    return float(min(1.0, np.exp(log_pmf(rows, wrong, drawn, np.arange(min(most, drawn) + 1))).sum()))


def single(
    rows: int, *, aql: float, ltpd: float, producer_risk: float = 0.05, consumer_risk: float = 0.05
) -> CountingPlan:
    """Return the smallest single plan that keeps both promises.

    Raises:
        UserError: no plan does without reviewing nearly everything.
    """
    good, bad = _counts(rows, aql, ltpd)
    for allowed in range(_MOST + 1):
        plan = _smallest(rows, bad, consumer_risk, lambda n, c=allowed: CountingPlan(n, c, 0, c), rows)
        if plan is not None and plan.accepts(rows, good) >= 1 - producer_risk:
            return plan
    raise UserError(_none(rows, aql, ltpd))


def double(
    rows: int, *, aql: float, ltpd: float, producer_risk: float = 0.05, consumer_risk: float = 0.05
) -> CountingPlan:
    """The double plan with two samples of equal size that keeps both promises with the fewest expected reviews.

    Raises:
        UserError: as `single`.
    """
    good, bad = _counts(rows, aql, ltpd)
    best: tuple[float, CountingPlan] | None = None
    for limit in range(1, _DOUBLE + 1):
        for accept in range(limit):
            plan = _smallest(rows, bad, consumer_risk, lambda n, a=accept, c=limit: CountingPlan(n, a, n, c), rows // 2)
            if plan is None or best is not None and plan.first >= best[0]:
                continue
            if plan.accepts(rows, good) >= 1 - producer_risk and (best is None or plan.expected(rows, good) < best[0]):
                best = plan.expected(rows, good), plan
    if best is None:
        raise UserError(_none(rows, aql, ltpd))
    return best[1]


def _smallest(rows: int, bad: int, risk: float, make, most: int) -> CountingPlan | None:
    """The plan with the smallest sample that accepts a bad batch with at most this risk (the risk falls with the
    size)."""
    low, high = 1, most
    if most < 1 or make(most).accepts(rows, bad) > risk:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if make(middle).accepts(rows, bad) <= risk else (middle + 1, high)
    return make(low)


def _counts(rows: int, aql: float, ltpd: float) -> tuple[int, int]:
    """The most wrong labels of a good batch and the fewest of a bad one."""
    if not 0 <= aql < ltpd < 1:
        shares = f"<aql>, {percent(aql, '.4g')}", f"<max_error>, {percent(ltpd, '.4g')}"
        raise UserError(
            f"The share that should pass ({shares[0]}) must be below the highest acceptable share ({shares[1]}).",
            aql="",
            max_error="",
        )
    good, bad = allowed(rows, aql), allowed(rows, ltpd) + 1
    if bad > rows:
        raise UserError(f"A batch of {rows} rows is too small to distinguish these rates; review all of it.")
    return good, bad


def allowed(rows: int, rate: float) -> int:
    """The most wrong labels that are not above the rate; 3 % of 100 is 3 in spite of rounding errors."""
    return int(np.floor(rows * rate + 1e-9))


def _none(rows: int, aql: float, ltpd: float) -> str:
    rates = f"{percent(aql, '.4g')} and {percent(ltpd, '.4g')}"
    return (
        f"No plan can distinguish {rates} wrong in a batch of {rows:,} rows with these risks; use the sequential plan."
    )
