"""How many labels of a batch are wrong: an interval from a stratified sample, valid at any time and for any scores.

Rows are drawn without replacement within strata; n_h of the N_h rows of stratum h were reviewed and k_h were called
wrong. For a true allocation m = (m_1 .. m_H) of wrong labels the sequence of answers has probability P_m = prod_h
C(m_h, k_h) C(N_h - m_h, n_h - k_h) / (C(N_h, n_h) C(n_h, k_h)). For any mixture q over allocations, fixed before the
draw, q / P_m is a martingale under m with mean 1, so by Ville's inequality the set of all totals M with  q / max over
allocations of sum M of P_m  < 1 / (1 - confidence)  holds the true total at all times at once with the confidence: it
may be read after each review, and the review may stop at any time. No model of the scores is needed; they only
determine the strata and the mixture, and so the length of the interval.
Source: Waudby-Smith and Ramdas, NeurIPS 2020 (prior-posterior ratio, sampling without replacement); Wasserman, Ramdas
    and Balakrishnan, PNAS 2020 (universal inference: the maximum in the denominator); Spertus and Stark, 2022 (the same
    for strata).
Differs: the logarithm of each factor of P_m is concave in m_h, so the maximum over allocations is found exactly by
    merging the sorted slopes of the strata instead of by search.
Reviewer error: reviewers who err on at most a share e of the rows, either way and independently, would call Y rows
    wrong if they saw all; the interval is for Y, and is widened to every M that such reviewers may have turned into Y
    (Rogan and Gladen, Am. J. Epidemiology 1978, with Bernstein's bound for the chance in Y, at a tenth of the risk).
Cost: one sort of N numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma, log

import numpy as np

from labelsieve.acceptance.counting_plan import log_factorials
from labelsieve.core.findings import Estimate

# Strength of the two parts of the mixture, in reviews; the vague part keeps the interval short if the scores mislead.
_SHARP, _VAGUE = 8.0, 1.0
_PART = 0.1  # share of the risk that is spent on the randomness of reviewer errors


@dataclass(frozen=True)
class Stratum:
    """The size of one stratum and its answers.

    Attributes:
        rows: N_h.
        reviewed: n_h.
        wrong: k_h, called wrong.
        expected: the share of wrong labels that the findings predict; any number in [0, 1].
    """

    rows: int
    reviewed: int
    wrong: int
    expected: float


def interval(strata: Sequence[Stratum], *, confidence: float = 0.95, error: float = 0.0) -> Estimate:
    """The number of wrong labels in the batch with an interval that is valid at any time.

    Args:
        strata: all strata of the batch, also those without reviews.
        confidence: confidence of the interval.
        error: reviewers err on at most this share of the rows, below 0.5.
    """
    strata = [s for s in strata if s.rows]
    rows = sum(s.rows for s in strata)
    risk = 1 - confidence
    low, high = _bounds(strata, risk * (1 - _PART) if error else risk)
    count = sum(s.rows * (s.wrong / s.reviewed if s.reviewed else s.expected) for s in strata)
    if error:
        spare = log(2 / (risk * _PART))
        low, high = _unlikely(rows, low, high, error, spare)
        count = (count - rows * error) / (1 - 2 * error)
    return Estimate(min(max(count, low), high), low, high)


def _bounds(strata: Sequence[Stratum], risk: float) -> tuple[int, int]:
    """The lowest and the highest total that the answers do not rule out."""
    profile, first = _profile(strata)
    kept = np.flatnonzero(profile > sum(map(_log_mixture, strata)) - log(1 / risk))
    # An interval, because the profile is concave; never empty, because a mixture is no better than the best allocation.
    return first + int(kept[0]), first + int(kept[-1])


def _profile(strata: Sequence[Stratum]) -> tuple[np.ndarray, int]:
    """The highest log-probability of the answers for each total, and the total of the first entry."""
    table = log_factorials(max(s.rows for s in strata))
    start, slopes = 0.0, []
    for s in strata:
        m = np.arange(s.wrong, s.rows - s.reviewed + s.wrong + 1)
        right = s.reviewed - s.wrong
        value = (
            table[m]
            - table[m - s.wrong]
            + table[s.rows - m]
            - table[s.rows - m - right]
            - table[s.rows]
            + table[s.rows - s.reviewed]
        )
        start += value[0]
        slopes.append(np.diff(value))
    steps = -np.sort(-np.concatenate(slopes))
    return start + np.concatenate([[0.0], np.cumsum(steps)]), sum(s.wrong for s in strata)


def _log_mixture(s: Stratum) -> float:
    """The log-probability of the answers of one stratum under the mixture."""
    share = min(max(s.expected, 0.002), 0.998)
    parts = [
        _beta_sequence(s, strength * share, strength * (1 - share))
        for strength in (_SHARP / min(share, 1 - share) ** 0.5, 2.0)
    ]
    parts.append(_beta_sequence(s, _VAGUE / 2, _VAGUE / 2))
    return float(np.logaddexp.reduce(parts)) - log(len(parts))


def _beta_sequence(s: Stratum, a: float, b: float) -> float:
    """The log-probability of one sequence of answers if the share of wrong ones is Beta(a, b): a Polya urn."""
    right = s.reviewed - s.wrong
    return lgamma(a + s.wrong) - lgamma(a) + lgamma(b + right) - lgamma(b) - lgamma(a + b + s.reviewed) + lgamma(a + b)


def _unlikely(rows: int, low: int, high: int, error: float, spare: float) -> tuple[int, int]:
    """The lowest and highest totals for which reviewers with this error may call `low` to `high` rows wrong."""
    wrong = np.arange(rows + 1)

    def margin(count: np.ndarray) -> np.ndarray:
        """Bernstein: the distance from the mean is larger than this with a probability of at most exp(-spare)."""
        return np.sqrt(2 * spare * count * error * (1 - error)) + spare / 3

    fewest = wrong * (1 - error) - margin(wrong)  # rows called wrong if some wrong ones are missed, none called falsely
    most = wrong + (rows - wrong) * error + margin(rows - wrong)
    fits = np.flatnonzero((fewest <= high) & (most >= low))
    return int(fits[0]), int(fits[-1])
