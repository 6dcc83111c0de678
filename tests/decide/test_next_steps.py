"""Where to stop, what comes first, and the commands that follow."""

import dataclasses

import numpy as np
import pytest

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.calibrate import calibrate, follow
from labelsieve.decide.count import HARD
from labelsieve.decide.next_steps import next_steps, sample_first
from labelsieve.decide.outlook import as_now, plan, stop


def findings(p, low=None, high=None, notes=()):
    p = np.asarray(p, float)
    rank = np.empty(len(p), np.int64)
    rank[np.argsort(-p, kind="stable")] = np.arange(1, len(p) + 1)
    total = float(p.sum())
    wrong = Estimate(total, total if low is None else low, total if high is None else high)
    ids, zeros = np.array([f"e{i}" for i in range(len(p))], object), np.zeros(len(p), np.int64)
    return Findings(ids, ("a", "b"), zeros, zeros + 1, p, rank, p > 0.5, {"consensus": p}, {}, wrong, notes=notes)


def keeps(n, pick="ranked", first=0):
    return [Decision(f"e{i}", "keep", None, "ann", f"{i:05d}", f"b{i}", pick) for i in range(first, first + n)]


def test_the_yield_falls_where_the_next_fifty_hold_less_than_one():
    p = np.concatenate([np.full(30, 0.9), np.full(20, 0.1), np.full(200, 0.01)])
    at = stop(p)
    assert at is not None
    assert p[at.before : at.before + 50].mean() <= 0.02 < p[at.before - 1 : at.before + 49].mean()
    assert at.rest == len(p) - at.before and at.wrong == pytest.approx(p[at.before :].sum())
    assert at.one_in == round(at.rest / at.wrong) > 50
    assert stop(np.full(80, 0.3)) is None and stop(np.zeros(0)) is None
    lone = stop(np.concatenate([[0.9], np.zeros(100)]))  # nine tenths of a wrong label in fifty, but it is doubted
    assert lone is not None and lone.before == 1
    none = stop(np.zeros(80))
    assert none is not None and (none.before, none.rest, none.one_in) == (0, 80, None)


@pytest.mark.parametrize(
    ("found", "first"),
    [
        (findings([1.0] * 20 + [0.0] * 380), False),  # 20 expected, 20 doubted
        (findings([1.0] * 20 + [0.2] * 100 + [0.0] * 280), True),  # 40 expected, 20 doubted
        (findings([1.0] * 2 + [0.03] * 100), False),  # 5 expected, 2 doubted: within five
        (findings([1.0] * 20 + [0.0] * 380, 0, 29), False),
        (findings([1.0] * 20 + [0.0] * 380, 0, 60), True),  # the interval is three times the count
        (findings([1.0] * 20 + [0.0] * 380, notes=(HARD,)), True),
        (findings([1.0] * 20 + [0.0] * 380, notes=(HARD + " Another encoder may do better.",)), True),
    ],
)
def test_a_sample_comes_first_where_the_counts_differ(found, first):
    told = sample_first(found)
    assert (told is not None) == first
    assert told is None or (told["name"], told["size"]) == ("random", min(100, len(found)))


def test_a_sample_that_is_half_reviewed_comes_first_no_more():
    found = findings([1.0] * 20 + [0.2] * 100 + [0.0] * 280, notes=(HARD,))
    assert sample_first(found, calibrate(found, Fold(keeps(49, "sample", first=30)))) is not None
    assert sample_first(found, calibrate(found, Fold(keeps(50, "sample", first=30)))) is None
    small = findings([1.0] * 3 + [0.5] * 20)
    assert sample_first(small)["size"] == 23  # type: ignore[index]
    assert sample_first(small, calibrate(small, Fold(keeps(23)))) is None  # nothing is left to draw


def test_commands_name_the_run_as_a_shell_takes_it():
    assert all("'it'\"'\"'s here.sieve'" in step.command for step in next_steps("it's here.sieve"))


@pytest.mark.parametrize("pick", ["ranked", "sample"])
@pytest.mark.parametrize("many", [1, 10, 19, 20, 60, 300])
def test_found_and_left_make_the_count_whatever_was_reviewed(pick, many):
    rng = np.random.default_rng(many)
    found = findings(rng.random(400) ** 3)
    rows = [
        dataclasses.replace(row, act=str(rng.choice(["keep", "relabel", "ambiguous"])), label="b")
        for row in keeps(many, pick)
    ]
    now = calibrate(found, Fold(rows))
    assert now.found + now.left.count == pytest.approx(now.wrong.count)
    assert now.expected.sum() == pytest.approx(now.wrong.count)
    assert now.expected[~now.reviewed_rows].sum() == pytest.approx(now.left.count)
    assert now.wrong.low <= now.wrong.count <= now.wrong.high and now.left.low <= now.left.count <= now.left.high
    assert now.reviewed == many and plan(now, (1.0,))[0].wrong == pytest.approx(now.left.count)
    seen = as_now(found, now)
    assert seen.confusions()[2].sum() == pytest.approx(now.wrong.count) and not (seen.flagged & now.reviewed_rows).any()


def test_a_decision_counts_at_once_with_the_last_probabilities():
    found = findings([0.9, 0.4, 0.2, 0.1])
    before = calibrate(found, Fold())
    reviewed, wrong = np.array([True, True, False, False]), np.array([True, False, False, False])
    now = follow(before, reviewed, wrong)
    assert (now.reviewed, now.found) == (2, 1)
    assert now.left.count == pytest.approx(0.3) and now.wrong.count == pytest.approx(1.3)
    back = follow(now, np.zeros(4, bool), np.zeros(4, bool))
    assert back.wrong.count == pytest.approx(before.wrong.count)
