"""Fixes without a look: how many are wrong on average, and when nothing is fixed."""

import numpy as np
import pytest

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.random_sample import draw, strata
from labelsieve.decide.sure_fixes import sure_fixes
from labelsieve.stats.logistic_fit import logistic


def made(n=3000, seed=0, shift=0.0):
    """Findings whose probabilities may be off, and the true labels; one suggestion in ten is not the true label."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-3, 4, n)
    wrong = rng.random(n) < logistic(odds)
    p = logistic(odds + shift)
    given = rng.integers(0, 3, n)
    other = (given + 1) % 3
    true = np.where(wrong, np.where(rng.random(n) < 0.9, other, (given + 2) % 3), given)
    rank = np.argsort(np.argsort(-p, kind="stable")) + 1
    ids = np.array([f"e{i}" for i in range(n)], object)
    count = Estimate(float(p.sum()), 0.0, float(n))
    return Findings(ids, ("a", "b", "c"), given, other, p, rank, p > 0.5, {"consensus": odds}, {}, count), true


def answered(findings, true, ids, pick="sample", batch="s"):
    rows = []
    for t, id in enumerate(ids):
        i = int(id[1:])
        kept = true[i] == findings.given[i]
        label = None if kept else findings.classes[true[i]]
        rows.append(Decision(id, "keep" if kept else "relabel", label, "ann", f"{t:05d}", f"{batch}{t}", pick))
    return rows


@pytest.mark.parametrize("shift", [0.0, 3.0, -3.0])
def test_the_share_of_wrong_fixes_is_held_on_average_whatever_p_wrong_says(shift):
    findings, true = made(shift=shift)
    right, shares, fixed = findings.other == true, [], []
    for seed in range(60):
        sample = draw(findings, 200, seed=seed).ids
        chosen = sure_fixes(findings, Fold(answered(findings, true, sample)), 0.2)
        assert chosen.sampled == 200 and not {f"e{i}" for i in chosen.rows} & set(sample)
        shares.append((~right[chosen.rows]).mean() if len(chosen.rows) else 0.0)
        fixed.append(right[chosen.rows].sum())
    assert np.mean(shares) < 0.2 + 2 * np.std(shares) / np.sqrt(60)
    assert np.mean(fixed) > 0.4 * right.sum()


def test_the_p_values_by_hand():
    """The procedure written out row by row."""
    findings, true = made(400)
    ids = draw(findings, 120, seed=3).ids
    fold, stratum = Fold(answered(findings, true, ids)), strata(findings.p_wrong)
    sampled = np.array([int(id[1:]) for id in ids])
    undecided = np.setdiff1d(np.arange(400), sampled)
    weight = {h: (stratum[undecided] == h).sum() / (stratum[sampled] == h).sum() for h in range(10)}
    p = []
    for j in undecided:
        own = max(1.0, *(weight[h] for h in stratum[undecided[findings.rank[undecided] <= findings.rank[j]]]))
        higher = sampled[findings.rank[sampled] < findings.rank[j]]
        worse = sum(weight[stratum[i]] for i in higher if findings.other[i] != true[i])
        p.append((own + worse) / (own + sum(weight[stratum[i]] for i in sampled)))
    p, m = np.array(p), len(undecided)
    k = max((k for k in range(1, m + 1) if np.sort(p)[k - 1] <= 0.3 * k / m), default=0)
    assert k > 5
    assert sure_fixes(findings, fold, 0.3).rows.tolist() == undecided[p <= np.sort(p)[k - 1]].tolist()


def test_a_small_sample_fixes_nothing_and_says_how_many_more_are_needed():
    findings, true = made()
    right = (findings.other == true) & (findings.p_wrong > 0.5)  # suggestions that rank high are right
    true = np.where(findings.p_wrong > 0.5, findings.other, true)
    assert right.any()
    few = sure_fixes(findings, Fold(answered(findings, true, draw(findings, 30).ids)), 0.02)
    assert not len(few.rows) and few.sampled == 30 and few.more > 10
    sizes = (30 + few.more // 2, 600)
    less, enough = (
        sure_fixes(findings, Fold(answered(findings, true, draw(findings, size).ids)), 0.02) for size in sizes
    )
    assert not len(less.rows) and less.more < few.more and len(enough.rows) > 50


def test_a_useless_ranking_fixes_nothing():
    findings, true = made(1000)
    true = findings.given.copy()
    chosen = sure_fixes(findings, Fold(answered(findings, true, draw(findings, 300).ids)), 0.1)
    assert not len(chosen.rows) and chosen.more is None


def test_answers_outside_the_sample_and_decided_rows_do_not_count():
    findings, true = made()
    sample = draw(findings, 200).ids
    rows = answered(findings, true, sample)
    chosen = sure_fixes(findings, Fold(rows), 0.2).rows
    later = [Decision(f"e{i}", "later", None, "ann", "9", f"l{i}", "ranked") for i in chosen[:20]]
    after = sure_fixes(findings, Fold([*rows, *later]), 0.2)
    assert after.sampled == 200 and not set(chosen[:20]) & set(after.rows)
    ranked = answered(findings, true, [f"e{i}" for i in findings.order()[:300]], pick="ranked")
    assert sure_fixes(findings, Fold(ranked), 0.2).sampled == 0


def test_a_sampled_row_on_which_reviewers_differ_counts_against_the_suggestion():
    findings, true = made()
    rows = answered(findings, true, draw(findings, 200).ids)
    doubt = [
        Decision(row.id, "ambiguous", None, "ben", row.at, f"b{t}", "sample")
        for t, row in enumerate(rows)
        if findings.p_wrong[int(row.id[1:])] > 0.9
    ]
    assert len(doubt) > 5
    one, two = sure_fixes(findings, Fold(rows), 0.2), sure_fixes(findings, Fold([*rows, *doubt]), 0.2)
    assert len(one.rows) > 100 and len(two.rows) == 0
