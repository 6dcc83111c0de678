"""How many to review for a share of what is left, and where to stop, against sums taken one by one."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.calibrate import calibrate
from labelsieve.decide.outlook import AHEAD, CATCHES, YIELD, cuts, plan, stop


def next_for(calibrated, share=0.9):
    """How many rows to review, most suspicious first, to see about `share` of the wrong labels that are left."""
    return plan(calibrated, (share,))[0].reviews


def found(p):
    p = np.asarray(p, float)
    n = len(p)
    rank = np.argsort(np.argsort(-p, kind="stable")) + 1
    ids = np.array([f"e{i}" for i in range(n)], object)
    wrong = Estimate(float(p.sum()), 0.0, float(n))
    zeros = np.zeros(n, np.int64)
    return Findings(ids, ("a", "b"), zeros, zeros + 1, p, rank, p > 0.5, {"consensus": p}, {}, wrong)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.01, 0.2, 0.5, 0.51, 0.9, 1.0]), min_size=1, max_size=30),
    st.sampled_from([0.1, 0.5, 0.8, 0.9, 0.95]),
)
def test_the_next_n_are_the_fewest_that_hold_the_share(p, share):
    now = calibrate(found(p), Fold())
    left = np.sort(now.p_model)[::-1]
    n, total = next_for(now, share), left.sum()
    if total == 0:
        assert n == 0
        return
    assert left[:n].sum() >= share * total - 1e-9 and left[: n - 1].sum() < share * total + 1e-9
    [effort] = plan(now, (share,))
    assert (effort.reviews, effort.catch) == (n, share) and effort.wrong == pytest.approx(left[:n].sum())


def test_by_hand():
    now = calibrate(found([0.1, 0.9, 0.4, 0.6]), Fold())
    assert [next_for(now, share) for share in (0.45, 0.46, 0.75, 0.76, 0.95, 0.96)] == [1, 2, 2, 3, 3, 4]
    assert [e.reviews for e in plan(now)] == [2, 3, 3, 3] and len(CATCHES) == 4
    assert [(cut.rows, cut.at) for cut in cuts(now, (0.9, 0.6, 0.5, 0.1))] == [(1, 0.9), (2, 0.6), (2, 0.5), (4, 0.1)]


def test_what_was_reviewed_is_not_to_be_reviewed_again():
    done = [Decision("e1", "keep", None, "ann", "1", "b1", "ranked")]
    now = calibrate(found([0.1, 0.9, 0.4, 0.6]), Fold(done))
    assert not now.reviewed_rows[[0, 2, 3]].any() and now.reviewed_rows[1]
    left = np.sort(now.p_model[[0, 2, 3]])[::-1]
    assert next_for(now, 0.99) <= 3 and plan(now, (0.5,))[0].wrong == pytest.approx(left[: next_for(now, 0.5)].sum())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.04, 0.3, 0.5, 0.6, 1.0]), max_size=120))
def test_a_review_stops_where_the_next_rows_hold_few_and_none_is_doubted(p):
    p = np.sort(np.array(p))[::-1]
    shares = [p[at : at + AHEAD].mean() for at in range(len(p))]
    assume(all(abs(share - YIELD) > 1e-9 for share in shares))  # where rounding decides
    falls = [at for at, share in enumerate(shares) if share < YIELD and not (p[at:] > 0.5).any()]
    told = stop(p)
    assert (told is None) == (not falls)
    if told is not None:
        assert (told.before, told.rest) == (falls[0], len(p) - falls[0])
        assert told.wrong == pytest.approx(p[falls[0] :].sum())


def test_nobody_is_told_to_stop_before_a_doubted_label():
    told = stop(np.array([0.9, 0.6] + [0.0] * 60))
    assert told is not None and (told.before, told.rest, told.wrong) == (2, 60, 0.0)
    assert stop(np.array([0.6] + [0.0] * 49)) == stop(np.array([0.6] + [0.0] * 49), below=0.012)
    assert stop(np.array([0.6])) is None and stop(np.array([])) is None


def test_the_yield_is_that_of_the_next_fifty_and_one_in_fifty():
    p = np.zeros(300)
    p[[0, 40]] = 0.5  # from the first row on fifty hold one, twenty a half
    assert stop(p).before == 0 and stop(p, ahead=20).before == 1
    p[[1, 41]] = 0.3  # 1.6 of fifty, then 1.1, then 0.8
    assert stop(p).before == 2
