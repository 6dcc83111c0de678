"""The draw is unbiased and grows from its beginning; verdicts on answers, unclear ones among them."""

import numpy as np
import pytest

from labelsieve.acceptance.counting_plan import CountingPlan
from labelsieve.acceptance.verdict import RIGHT, UNCLEAR, WRONG, answers, draw, judge, outlook, strata, weigh
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings

N = 400


def make(p=None):
    p = np.where(np.arange(N) < 40, 0.6, 0.01) if p is None else p
    given = np.arange(N) % 2
    ids = np.array([f"r{i}" for i in range(N)], object)
    return Findings(ids, ("a", "b"), given, 1 - given, p, np.arange(1, N + 1), p > 0.5, {}, {}, Estimate(1, 1, 1))


def test_each_row_is_drawn_with_its_chance_and_weights_add_up():
    found, hits = make(), np.zeros(N)
    for seed in range(300):
        sample = draw(found, 60, name="s", seed=seed)
        hits[[int(id[1:]) for id in sample.ids]] += 1
        assert (1 / np.array(sample.chance)).sum() == pytest.approx(N)
    chance = dict(zip(sample.stratum, sample.chance, strict=True))
    for h in (0, 1):
        rows = strata(found) == h
        assert hits[rows].mean() / 300 == pytest.approx(chance[h], abs=1e-9)
        assert abs(hits[rows] / 300 - chance[h]).max() < 5 * (chance[h] * (1 - chance[h]) / 300) ** 0.5


def test_a_longer_sample_continues_a_shorter_one():
    assert draw(make(), 200, name="s").ids[:60] == draw(make(), 60, name="s").ids
    assert sorted(draw(make(), N, name="s").ids) == sorted(make().ids)


def test_only_blind_answers_count_and_a_conflict_is_unclear():
    sample = draw(make(), 6, name="accept-x")
    a, b, c, d, e, _ = sample.ids
    rows = [
        Decision(a, "keep", reviewer="u", batch="1", pick="accept:accept-x", blind=True),
        Decision(b, "relabel", "b", reviewer="u", batch="2", blind=True),
        Decision(c, "keep", reviewer="u", batch="3"),
        Decision(d, "keep", reviewer="u", batch="4", blind=True),
        Decision(d, "exclude", reviewer="v", batch="5", blind=True),
        Decision(e, "ambiguous", reviewer="u", batch="6", pick="accept:x"),
    ]
    assert answers(sample, Fold(rows)).tolist() == [RIGHT, WRONG, UNCLEAR, UNCLEAR, UNCLEAR, UNCLEAR]


def test_unclear_answers_hold_up_both_ends():
    found = make()
    sample = draw(found, 100, name="s")
    clear = np.zeros(100, np.int64)
    doubt = clear.copy()
    doubt[:10] = UNCLEAR
    plain, unsure = weigh(found, sample, clear, limit=0.1), weigh(found, sample, doubt, limit=0.1)
    assert unsure.unclear == 10 and unsure.wrong.high > plain.wrong.high and unsure.wrong.low <= plain.wrong.low
    late = np.full(100, UNCLEAR)
    late[:30] = RIGHT
    assert weigh(found, sample, late, limit=0.1).reviewed == 30


def test_classes_and_groups_are_each_told():
    found = make()
    groups = np.where(np.arange(N) < 200, "ann", "bob").astype(object)
    sample = draw(found, N, name="s")
    wrong_ids = {id for id in sample.ids if int(id[1:]) % 2 == 0 and int(id[1:]) < 200}
    said = np.array([WRONG if id in wrong_ids else RIGHT for id in sample.ids])
    told = weigh(found, sample, said, limit=0.1, groups=groups)
    assert [(part.name, part.wrong.low, part.wrong.high) for part in told.groups] == [("ann", 100, 100), ("bob", 0, 0)]
    assert [(part.name, part.rows, part.wrong.count) for part in told.classes] == [("a", 200, 100), ("b", 200, 0)]
    assert told.verdict == "reject" and (told.wrong.low, told.wrong.high) == (100, 100)


@pytest.mark.parametrize(
    ("first", "wrong", "verdict"),
    [(20, 0, "accept"), (20, 2, "go on"), (40, 2, "accept"), (40, 4, "reject"), (10, 0, "go on")],
)
def test_a_double_plan_counts(first, wrong, verdict):
    found = make()
    sample = draw(found, 40, name="s", kind="double")
    said = np.full(40, UNCLEAR)
    said[:first] = RIGHT
    said[:wrong] = WRONG
    assert weigh(found, sample, said, limit=0.1, plan=CountingPlan(20, 1, 20, 3)).verdict == verdict


def test_judge_and_outlook():
    assert [judge(Estimate(2, low, high), 100, 0.03) for low, high in ((0, 3), (4, 9), (3, 4))] == [
        "accept",
        "reject",
        "go on",
    ]
    hard, easy = (outlook(make(np.full(N, p)), limit=0.1, confidence=0.95) for p in (0.09, 0.005))
    assert 30 <= easy < hard <= N


def test_other_findings_are_refused():
    sample = draw(make(), 50, name="s")
    with pytest.raises(UserError, match="have changed"):
        weigh(make(np.full(N, 0.5)), sample, np.zeros(50, np.int64), limit=0.1)


def test_the_ends_are_those_with_the_unclear_right_and_with_the_unclear_wrong():
    found = make()
    sample = draw(found, 100, name="s")
    mixed = np.full(100, RIGHT)
    mixed[:20:2], mixed[1:20:2] = WRONG, UNCLEAR
    told = weigh(found, sample, mixed, limit=0.1)
    lower, upper = (
        weigh(found, sample, np.where(mixed == UNCLEAR, end, mixed), limit=0.1).wrong for end in (RIGHT, WRONG)
    )
    assert 0 < lower.low < upper.low and lower.high < upper.high, "otherwise the test could not fail"
    assert told.wrong == Estimate((lower.count + upper.count) / 2, lower.low, upper.high)
    assert (told.found, told.unclear, told.reviewed) == (10, 10, 100)


@pytest.mark.parametrize(
    ("answered", "wrong", "unclear", "verdict"),
    [
        (20, 1, 0, "accept"),
        (20, 0, 1, "accept"),  # even if it is wrong
        (20, 1, 1, "go on"),
        (20, 0, 2, "go on"),
        (40, 3, 0, "accept"),
        (40, 2, 1, "accept"),
        (40, 3, 1, "go on"),
        (40, 0, 4, "go on"),
        (40, 4, 5, "reject"),
        (25, 4, 0, "reject"),  # found early
        (25, 3, 9, "go on"),
    ],
)
def test_a_plan_accepts_only_if_the_unclear_may_all_be_wrong(answered, wrong, unclear, verdict):
    found = make()
    sample = draw(found, 40, name="s", kind="double")
    said = np.full(40, UNCLEAR)
    said[:answered] = RIGHT
    said[:wrong], said[wrong : wrong + unclear] = WRONG, UNCLEAR
    assert weigh(found, sample, said, limit=0.1, plan=CountingPlan(20, 1, 20, 3)).verdict == verdict


@pytest.mark.parametrize(("unclear", "verdict"), [(0, "accept"), (1, "go on")])
def test_a_single_plan_accepts_only_if_the_unclear_may_all_be_wrong(unclear, verdict):
    sample = draw(make(), 30, name="s", kind="single")
    said = np.full(30, RIGHT)
    said[:2], said[2 : 2 + unclear] = WRONG, UNCLEAR
    assert weigh(make(), sample, said, limit=0.1, plan=CountingPlan(30, 2, 0, 2)).verdict == verdict


def test_a_tenth_is_in_the_upper_stratum():
    p = np.full(N, 0.0)
    p[:3] = 0.0999, 0.1, 0.1001
    assert strata(make(p))[:4].tolist() == [0, 1, 1, 0]
    assert strata(make(p), "single").tolist() == strata(make(p), "double").tolist() == [0] * N


def test_strata_take_turns_by_shares_half_in_proportion_and_half_by_their_spread():
    """By hand: 40 of 400 rows with p 0.6, the others 0.01, which counts as 0.03; Neyman's share is rows times sqrt(p (1
    - p))."""
    many = np.array([360, 40])
    neyman = many * np.sqrt([0.03 * 0.97, 0.6 * 0.4])
    share = many / 400 + neyman / neyman.sum()
    turns, drawn = [], np.zeros(2)
    for _ in range(80):
        turns.append(int(np.argmin((drawn + 0.5) / share)))
        drawn[turns[-1]] += 1
    sample = draw(make(), 80, name="s", seed=4)
    assert list(sample.stratum) == turns
    assert drawn.tolist() == [66, 14]


def test_no_outlook_is_below_thirty():
    assert outlook(make(np.full(N, 0.005)), limit=0.5, confidence=0.95) == 30
