"""The interval against brute force, and its coverage for good, poor and adversarial strata at every look."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln
from scipy.stats import hypergeom

from labelsieve.acceptance.interval import Stratum, _profile, interval


@st.composite
def small_strata(draw):
    out = []
    for _ in range(draw(st.integers(1, 3))):
        rows = draw(st.integers(1, 9))
        reviewed = draw(st.integers(0, rows))
        out.append(Stratum(rows, reviewed, draw(st.integers(0, reviewed)), draw(st.floats(0, 1))))
    return out


@given(small_strata())
@settings(max_examples=80, deadline=None)
def test_the_profile_is_the_best_allocation(strata):
    best, chances = {}, [hypergeom.logpmf(s.wrong, s.rows, np.arange(s.rows + 1), s.reviewed) for s in strata]
    for m in product(*(range(s.rows + 1) for s in strata)):
        value = sum(each[w] for each, w in zip(chances, m, strict=True))
        best[sum(m)] = max(best.get(sum(m), -np.inf), value)
    profile, first = _profile(strata)
    # `_profile` is of the sequence, scipy's of the count: they differ by what does not depend on the allocation
    wanted = np.array([best[first + i] for i in range(len(profile))])
    np.testing.assert_allclose(profile - profile[0], wanted - wanted[0], atol=1e-9)
    assert all(not np.isfinite(best[total]) for total in best if not first <= total < first + len(profile))


def test_all_reviewed_is_known():
    assert interval([Stratum(5, 5, 2, 0.1), Stratum(3, 3, 0, 0.9)]) == interval([Stratum(8, 8, 2, 0.5)])
    known = interval([Stratum(8, 8, 2, 0.5)])
    assert (known.low, known.count, known.high) == (2, 2, 2)


def test_reviewer_error_widens():
    cells = [Stratum(2000, 300, 20, 0.05)]
    plain, doubtful = interval(cells), interval(cells, error=0.05)
    assert doubtful.low < plain.low and doubtful.high > plain.high and doubtful.count < plain.count


def missed(rates, expected, rows, sizes, repeats, error=0.0):
    """How often the truth is outside at any of many looks."""
    rng, out = np.random.default_rng(5), 0
    rows, sizes = np.array(rows), np.array(sizes)
    for _ in range(repeats):
        truth = [rng.permutation(np.arange(n) < round(n * r)) for n, r in zip(rows, rates, strict=True)]
        said = [t ^ (rng.random(len(t)) < error) for t in truth]
        total = sum(int(t.sum()) for t in truth)
        for part in (0.05, 0.1, 0.2, 0.4, 0.7, 1.0):
            n = np.maximum((sizes * part).astype(int), 1)
            cells = [
                Stratum(int(a), int(b), int(s[:b].sum()), e) for a, b, s, e in zip(rows, n, said, expected, strict=True)
            ]
            found = interval(cells, error=error)
            if not found.low <= total <= found.high:
                out += 1
                break
    return out / repeats


@pytest.mark.slow
@pytest.mark.parametrize("error", [0.0, 0.05])
@pytest.mark.parametrize(
    ("rates", "expected"),
    [((0.005, 0.5), (0.005, 0.5)), ((0.03, 0.03), (0.005, 0.5)), ((0.2, 0.0), (0.001, 0.9)), ((0.0, 0.0), (0.01, 0.5))],
    ids=["good", "poor", "adversarial", "clean"],
)
def test_coverage_at_all_looks_together(rates, expected, error):
    assert missed(rates, expected, (900, 100), (150, 60), 250, error) <= 0.05 + 2 * (0.05 * 0.95 / 250) ** 0.5


def log_chances(s):
    """(rows + 1,) the logarithm of the chance of the answers in their order, if 0, 1, ... of the rows are wrong."""
    return hypergeom.logpmf(s.wrong, s.rows, np.arange(s.rows + 1), s.reviewed) - np.log(comb(s.reviewed, s.wrong))


def log_mixture(s):
    share = min(max(s.expected, 0.002), 0.998)
    strengths = [8 / min(share, 1 - share) ** 0.5, 2.0]
    shapes = [(c * share, c * (1 - share)) for c in strengths] + [(0.5, 0.5)]
    return np.log(np.mean([np.exp(betaln(a + s.wrong, b + s.reviewed - s.wrong) - betaln(a, b)) for a, b in shapes]))


def kept(strata, risk):
    """The totals that Ville's inequality does not refute, by trying every allocation."""
    mixture, best, chances = sum(map(log_mixture, strata)), {}, list(map(log_chances, strata))
    for m in product(*(range(s.rows + 1) for s in strata)):
        value = sum(each[w] for each, w in zip(chances, m, strict=True))
        best[sum(m)] = max(best.get(sum(m), -np.inf), value)
    return [total for total, value in best.items() if mixture - value < np.log(1 / risk)]


CELLS = {
    "one": [Stratum(200, 60, 4, 0.05)],
    "all expected wrong": [Stratum(90, 40, 35, 1.0)],
    "none seen": [Stratum(60, 0, 0, 0.1), Stratum(30, 20, 9, 0.6)],
    "two": [Stratum(80, 40, 2, 0.02), Stratum(25, 12, 7, 0.7)],
}


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS)
def test_the_interval_is_what_is_not_refuted_at_its_risk(cells, confidence):
    wanted = kept(cells, 1 - confidence)
    found = interval(cells, confidence=confidence)
    assert (found.low, found.high) == (min(wanted), max(wanted))
    count = sum(s.rows * (s.wrong / s.reviewed if s.reviewed else s.expected) for s in cells)
    assert found.count == pytest.approx(count)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_reviewer_error_takes_a_tenth_of_the_risk_and_widens_by_bernstein_s_bound(confidence):
    """Among M wrong rows of N some are passed, among the others some are called wrong: which M fit the rows called
    wrong?"""
    cells, error = CELLS["one"], 0.05
    called = kept(cells, 0.9 * (1 - confidence))
    spare = np.log(2 / (0.1 * (1 - confidence)))
    fits = []
    for m in range(201):
        passed, falsely = (np.sqrt(2 * spare * n * error * (1 - error)) + spare / 3 for n in (m, 200 - m))
        if m * (1 - error) - passed <= max(called) and m + (200 - m) * error + falsely >= min(called):
            fits.append(m)
    found = interval(cells, confidence=confidence, error=error)
    assert (found.low, found.high) == (min(fits), max(fits))
    assert found.count == pytest.approx((200 * 4 / 60 - 200 * 0.05) / 0.9)  # Rogan and Gladen
