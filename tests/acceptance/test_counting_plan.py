"""Plans that count, against scipy's hypergeometric distribution."""

from inspect import signature

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from labelsieve.acceptance.counting_plan import CountingPlan, allowed, double, log_pmf, single, tail
from labelsieve.core.errors import UserError


@given(st.integers(1, 400), st.data())
@settings(max_examples=60, deadline=None)
def test_tail_is_the_hypergeometric_one(rows, data):
    wrong, drawn = data.draw(st.integers(0, rows)), data.draw(st.integers(0, rows))
    most = data.draw(st.integers(0, drawn))
    assert tail(rows, wrong, drawn, most) == pytest.approx(hypergeom(rows, wrong, drawn).cdf(most), abs=1e-9)
    assert np.exp(log_pmf(rows, wrong, drawn, np.arange(drawn + 1))).sum() == pytest.approx(1)


def test_a_single_plan_keeps_both_promises_and_no_smaller_sample_does():
    plan = single(5000, aql=0.01, ltpd=0.03)
    good, bad = hypergeom(5000, 50, plan.first), hypergeom(5000, 151, plan.first)
    assert good.cdf(plan.accept) >= 0.95 and bad.cdf(plan.accept) <= 0.05
    for n in (plan.first - 1, plan.first - 30):
        assert not any(
            hypergeom(5000, 50, n).cdf(c) >= 0.95 and hypergeom(5000, 151, n).cdf(c) <= 0.05 for c in range(30)
        )


def test_a_double_plan_keeps_both_promises_with_fewer_reviews_of_a_good_batch():
    plan = double(5000, aql=0.01, ltpd=0.03)

    def accepts(wrong):
        d = np.arange(plan.accept + 1, plan.limit + 1)
        second = [hypergeom(5000 - plan.first, wrong - k, plan.second).cdf(plan.limit - k) for k in d]
        first = hypergeom(5000, wrong, plan.first)
        return first.cdf(plan.accept) + (first.pmf(d) * second).sum()

    assert accepts(50) >= 0.95 and accepts(151) <= 0.05
    assert plan.accepts(5000, 90) == pytest.approx(accepts(90))
    assert plan.expected(5000, 50) < single(5000, aql=0.01, ltpd=0.03).first


def test_impossible_risks_are_refused():
    with pytest.raises(UserError, match="below the highest"):
        single(1000, aql=0.05, ltpd=0.03)
    with pytest.raises(UserError, match="No plan can distinguish"):
        double(1000, aql=0.0299, ltpd=0.03)


def test_counts_are_whole_and_exact():
    assert [allowed(100, 0.03), allowed(100, 0.07), allowed(99, 0.03)] == [3, 7, 2]
    assert CountingPlan(10, 0, 0, 0).accepts(10, 1) == 0


def test_plans_keep_both_promises_at_five_per_cent_unless_told_otherwise():
    risks, rates = {"producer_risk": 0.05, "consumer_risk": 0.05}, {"aql": 0.02, "ltpd": 0.15}
    assert single(300, **rates) == single(300, **rates, **risks)
    for other in risks:
        assert single(300, **rates) != single(300, **rates, **{**risks, other: 0.2})
    assert {name: signature(double).parameters[name].default for name in risks} == risks


@pytest.mark.parametrize("rows", [100, 700, 1000, 2900])
def test_no_share_in_per_cent_loses_a_row_to_rounding(rows):
    assert [allowed(rows, share / 100) for share in range(100)] == [rows * share // 100 for share in range(100)]
