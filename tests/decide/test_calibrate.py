import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from labelsieve.core.decision import Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.calibrate import MANY, calibrate
from labelsieve.decide.estimate import gather
from labelsieve.decide.outlook import cuts, plan, reliability, trail
from labelsieve.decide.random_sample import draw
from labelsieve.stats.logistic_fit import fit, log_odds, logistic


def next_for(calibrated, share=0.9):
    """How many rows to review, most suspicious first, to see about `share` of the wrong labels that are left."""
    return plan(calibrated, (share,))[0].reviews


def made(n=4000, *, shift=0.0, slope=1.0, seed=0):
    """Findings whose log-odds are off by a shift and a slope, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    true_odds = rng.normal(-4, 3, n)
    wrong = rng.random(n) < logistic(true_odds)
    p = logistic(slope * true_odds + shift)
    rank = np.empty(n, np.int64)
    rank[np.argsort(-p, kind="stable")] = np.arange(1, n + 1)
    findings = Findings(
        ids=np.array([f"e{i}" for i in range(n)], object),
        classes=("a", "b", "c"),
        given=rng.integers(0, 3, n),
        other=np.zeros(n, np.int64),
        p_wrong=p,
        rank=rank,
        flagged=p > 0.5,
        scores={"consensus": log_odds(p), "gce": log_odds(p) + rng.normal(0, 1, n)},
        extra={},
        wrong=Estimate(float(p.sum()), 0.8 * float(p.sum()), 1.2 * float(p.sum())),
    )
    return findings, wrong


def decided(rows, wrong, pick="sample", error=0.0, seed=0, reviewer="ann"):
    said = wrong[rows] ^ (np.random.default_rng(seed).random(len(rows)) < error)
    return [
        Decision(f"e{i}", "exclude" if w else "keep", None, reviewer, f"{t:05d}", f"{pick}{reviewer}{t}", pick)
        for t, (i, w) in enumerate(zip(rows, said, strict=True))
    ]


def sampled(findings, wrong, size, seed=0, **more):
    rows = np.array([int(id[1:]) for id in draw(findings, size, seed=seed).ids])
    return decided(rows, wrong, seed=seed, **more)


def calibration_error(p, wrong):
    return sum(
        len(b) * abs(p[b].mean() - wrong[b].mean()) for b in np.array_split(np.argsort(p, kind="stable"), 15)
    ) / len(p)


def test_no_review_no_change():
    findings, _ = made(300)
    now = calibrate(findings, Fold())
    assert np.array_equal(now.p_wrong, findings.p_wrong) and np.array_equal(now.rank, findings.rank)
    assert now.wrong == now.left == findings.wrong
    assert (now.reviewed, now.found, now.drawn) == (0, 0, 0)


@pytest.mark.parametrize("shift", [2.5, -2.5])
def test_two_hundred_reviews_repair_a_probability_that_was_wrong(shift):
    findings, wrong = made(shift=shift)
    before, many = calibration_error(findings.p_wrong, wrong), []
    for seed in range(4):
        now = calibrate(findings, Fold(sampled(findings, wrong, 200, seed)))
        many.append(calibration_error(now.p_wrong, wrong))
        assert now.wrong.low <= wrong.sum() <= now.wrong.high
    assert before > 0.025 and np.mean(many) < 0.03 and np.mean(many) < 0.75 * before


def test_ten_reviews_do_no_harm_to_a_probability_that_was_right():
    findings, wrong = made()
    errors = [
        calibration_error(calibrate(findings, Fold(sampled(findings, wrong, 10, seed))).p_wrong, wrong)
        for seed in range(10)
    ]
    assert np.mean(errors) < calibration_error(findings.p_wrong, wrong) + 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "slope"), [(0.0, 1.0), (2.5, 1.0), (-2.5, 1.0), (0.0, 2.0)])
@pytest.mark.parametrize(("error", "stated", "least"), [(0.0, 0.0, 36), (0.05, 0.05, 36), (0.05, None, 34)])
def test_the_interval_holds_the_truth(shift, slope, error, stated, least):
    """38 of 40 are expected, and fewer than 36 happen once in twenty. Slips that nobody states can be taken for wrong
    labels: of 200 repeats 93 % hold then at worst, and fewer than 34 of 40 happen once in twenty-five."""
    findings, wrong = made(shift=shift, slope=slope)
    inside = 0
    for seed in range(40):
        now = calibrate(findings, Fold(sampled(findings, wrong, 200, seed, error=error)), reviewer_error=stated)
        inside += now.wrong.low <= wrong.sum() <= now.wrong.high
    assert inside >= least


def test_only_agreed_answers_count_and_the_rest_stay_open():
    findings, _ = made(50)
    rows = [
        Decision("e0", "keep", None, "ann", "1", "1"),
        Decision("e1", "relabel", "b", "ann", "2", "2"),
        Decision("e2", "ambiguous", None, "ann", "3", "3"),
        Decision("e3", "later", None, "ann", "4", "4"),
        Decision("e4", "keep", None, "ann", "5", "5"),
        Decision("e4", "exclude", None, "ben", "6", "6"),
        Decision("gone", "keep", None, "ann", "7", "7"),
    ]
    now = calibrate(findings, Fold(rows), reviewer_error=0.0)
    assert np.flatnonzero(now.reviewed_rows).tolist() == [0, 1, 2]  # ambiguous: decided, neither right nor wrong
    assert (now.reviewed, now.found, now.unknown) == (3, 1, ("gone",))
    assert now.p_wrong[:2].tolist() == [0.0, 1.0]
    assert 0 < now.p_model[0] < 1


def test_a_census_leaves_nothing_to_estimate():
    findings, wrong = made(120)
    now = calibrate(findings, Fold(decided(np.arange(120), wrong)), reviewer_error=0.0)
    assert now.left == Estimate(0.0, 0.0, 0.0)
    assert now.wrong == Estimate(float(wrong.sum()), float(wrong.sum()), float(wrong.sum()))
    assert next_for(now) == 0 and now.measured


def test_more_reviews_tighten_the_interval():
    findings, wrong = made(shift=1.5)
    rows = sampled(findings, wrong, 400)
    steps = trail(findings, rows, steps=4)
    assert [step.reviewed for step in steps] == [0, 100, 200, 300, 400]
    width = [step.wrong.high - step.wrong.low for step in steps[1:]]
    assert width[-1] < 0.75 * width[0]
    assert steps[0].wrong == findings.wrong


def test_reviewing_the_most_suspicious_first_does_not_blow_up_the_count():
    """Nine in ten of the top rows are wrong; read as a random sample they would say the same of all rows."""
    findings, wrong = made()
    top = findings.order()[:200]
    now = calibrate(findings, Fold(decided(top, wrong, pick="ranked")))
    assert not now.measured and not calibrate(findings, Fold()).measured
    assert now.drawn == 0 and wrong[top].mean() > 0.75
    assert now.wrong.low <= wrong.sum() <= now.wrong.high
    assert now.wrong.count < 2 * wrong.sum()


@pytest.mark.parametrize("first", ["sample", "ranked"])
def test_a_random_sample_beside_ranked_reviews_keeps_the_count_valid(first):
    findings, wrong = made(shift=2.0)
    sample = sampled(findings, wrong, 150)
    top = [i for i in findings.order()[:300] if f"e{i}" not in {row.id for row in sample}]
    if first == "ranked":
        known = [f"e{i}" for i in findings.order()[:300]]
        sample = decided(np.array([int(id[1:]) for id in draw(findings, 150, without=known).ids]), wrong)
        top = findings.order()[:300]
    ranked = decided(np.array(top), wrong, pick="ranked")
    now = calibrate(findings, Fold([*sample, *ranked] if first == "sample" else [*ranked, *sample]), reviewer_error=0.0)
    assert now.drawn == 150 and now.reviewed > 300
    assert now.wrong.low <= wrong.sum() <= now.wrong.high
    assert now.left.high - now.left.low < 0.6 * wrong.sum()


def test_reviewer_error_is_seen_in_overlap_and_softens_what_is_said():
    findings, wrong = made()
    one = sampled(findings, wrong, 200, error=0.1)
    rows = np.array([int(row.id[1:]) for row in one])
    two = decided(rows, wrong, error=0.1, seed=99, reviewer="ben")
    careful = calibrate(
        findings, Fold([*one, *decided(rows, wrong, error=0.1, reviewer="ben")])
    )  # the same slips: no difference
    careless = calibrate(findings, Fold([*one, *two]))
    assert careless.reviewer_error > careful.reviewer_error + 0.02
    stated = calibrate(findings, Fold(one), reviewer_error=0.1)
    assert stated.reviewer_error == 0.1
    p = stated.p_wrong[stated.reviewed_rows]
    assert p.min() > 0 and p.max() < 1
    free = calibrate(findings, Fold(one), reviewer_error=0.0)
    assert abs(stated.wrong.count - wrong.sum()) < abs(free.wrong.count - wrong.sum())


@pytest.mark.parametrize("rate", [-0.01, 0.5, 3])
def test_an_impossible_rate_is_refused(rate):
    with pytest.raises(UserError, match="0 to 0.49"):
        calibrate(made(10)[0], Fold(), reviewer_error=rate)


def test_the_same_decisions_give_the_same_answer_in_any_batches():
    findings, wrong = made()
    rows = sampled(findings, wrong, 100)
    fold = Fold(rows[:30])
    fold.add(rows[30:])
    a, b = calibrate(findings, Fold(rows)), calibrate(findings, fold)
    assert np.array_equal(a.p_wrong, b.p_wrong) and a.wrong == b.wrong


def test_many_reviews_learn_which_class_is_worse():
    findings, wrong = made(6000)
    extra = (findings.given == 2) & (np.random.default_rng(5).random(6000) < 0.25) & (findings.p_wrong > 0.05)
    rows = np.random.default_rng(1).permutation(6000)[: 4 * MANY]
    now = calibrate(findings, Fold(decided(rows, wrong | extra)), reviewer_error=0.0)
    same = np.abs(findings.p_wrong - 0.2) < 0.05
    assert now.p_model[same & (findings.given == 2)].mean() > now.p_model[same & (findings.given != 2)].mean() + 0.02


def test_what_to_expect_above_each_cut():
    findings, wrong = made()
    now = calibrate(findings, Fold(sampled(findings, wrong, 200)))
    left = ~now.reviewed_rows
    for cut in cuts(now):
        above = left & (now.p_wrong >= cut.at)
        assert cut.rows == above.sum()
        assert cut.precision == pytest.approx(now.p_wrong[above].mean())
        assert cut.share == pytest.approx(now.p_wrong[above].sum() / now.p_wrong[left].sum())
    assert [cut.rows for cut in cuts(now)] == sorted(cut.rows for cut in cuts(now))
    assert cuts(now, at=(1.5,))[0].precision is None


def test_the_next_few_catch_about_nine_in_ten():
    findings, wrong = made()
    now = calibrate(findings, Fold(sampled(findings, wrong, 300)))
    order = [i for i in np.argsort(now.rank) if not now.reviewed_rows[i]]
    n = next_for(now, 0.9)
    assert wrong[order[:n]].sum() / wrong[order].sum() == pytest.approx(0.9, abs=0.06)
    assert next_for(now, 0.5) < n < len(order)


def test_reliability_shows_what_was_off_and_that_it_is_mended():
    findings, wrong = made(shift=3.0)
    fold = Fold(sampled(findings, wrong, 400))
    table = reliability(findings, fold, calibrate(findings, fold))
    assert sum(row.reviewed for row in table) == 400
    off = sum(row.reviewed * abs(row.before - row.wrong) for row in table)
    now = sum(row.reviewed * abs(row.now - row.wrong) for row in table)
    assert now < 0.5 * off
    assert all(row.wrong_low <= row.wrong <= row.wrong_high and row.low <= row.now <= row.high for row in table)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(0, 2**20))
def test_any_findings_and_answers_give_probabilities_and_an_interval_in_range(p, seed):
    p = np.array(p)
    base, _ = made(len(p))
    findings = dataclasses.replace(base, p_wrong=p)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(p))[: rng.integers(1, len(p) + 1)]
    wrong = rng.random(len(p)) < 0.5
    now = calibrate(findings, Fold(decided(rows, wrong, pick=("sample", "ranked")[seed % 2])))
    assert ((now.p_wrong >= 0) & (now.p_wrong <= 1)).all()
    assert sorted(now.rank) == list(range(1, len(p) + 1))
    for estimate in (now.wrong, now.left):
        assert 0 <= estimate.low <= estimate.count <= estimate.high <= len(p)


def test_a_reviewed_row_is_as_wrong_as_bayes_says():
    findings, _ = made(50)
    rows = [Decision("e0", "keep", None, "ann", "1", "1"), Decision("e1", "exclude", None, "ann", "2", "2")]
    now = calibrate(findings, Fold(rows), reviewer_error=0.1)
    right, wrong = now.p_model[:2]  # what the scores alone say
    assert now.p_wrong[0] == pytest.approx(right * 0.1 / (right * 0.1 + (1 - right) * 0.9))
    assert now.p_wrong[1] == pytest.approx(wrong * 0.9 / (wrong * 0.9 + (1 - wrong) * 0.1))
    assert now.p_wrong[0] < right and now.p_wrong[1] > wrong
    np.testing.assert_array_equal(now.p_wrong[2:], now.p_model[2:])
    assert calibrate(findings, Fold(rows), reviewer_error=0.0).p_wrong[:2].tolist() == [0, 1]


def test_the_sample_speaks_for_what_was_not_decided_when_it_was_drawn(monkeypatch):
    """Ranked reviews before the sample, and ranked ones after it: only the first could not be drawn."""
    findings, wrong = made(600, shift=2.0)
    top = findings.order()
    early = decided(top[:40], wrong, pick="ranked")
    rows = np.array([int(id[1:]) for id in draw(findings, 60, without=[row.id for row in early]).ids])
    late = [i for i in top[40:200] if i not in rows]
    seen = []
    monkeypatch.setattr(
        "labelsieve.decide.calibrate.gather", lambda *args, **more: seen.append(more) or gather(*args, **more)
    )
    calibrate(findings, Fold([*early, *decided(rows, wrong), *decided(late, wrong, pick="ranked")]), reviewer_error=0.0)
    (told,) = seen
    assert set(np.flatnonzero(~told["drawable"])) == set(top[:40])
    assert set(np.flatnonzero(~told["unseen"])) == {*top[:40], *rows, *late}
    assert told["drawn"].tolist() == rows.tolist() and told["wrong"].tolist() == wrong[rows].tolist()


def of_classes(answered, n=900):
    """Rows of three classes by turns, of which the first `answered` (a, b, c) of each are reviewed and those of the
    last are wrong."""
    findings, _ = made(n)
    given = np.arange(n) % 3
    rows = np.concatenate([np.flatnonzero(given == c)[:many] for c, many in enumerate(answered)])
    return dataclasses.replace(findings, given=given), Fold(decided(rows, given == 2, pick="ranked")), rows


@pytest.mark.parametrize(("answered", "apart"), [((50, 50, 49), ()), ((50, 50, 50), (0, 1, 2)), ((9, 10, 131), (1, 2))])
def test_from_150_answers_on_classes_with_ten_have_an_intercept_and_detectors_a_say(answered, apart):
    """The logistic fit with its columns written out: one, the log-odds before, the other detectors' normal rank less
    that of the consensus (spread 0.3), and the classes (spread 0.2 each)."""
    findings, fold, rows = of_classes(answered)
    before = log_odds(findings.p_wrong)
    columns, spread = [np.ones(900), before], [1.0, 0.2]
    if apart:
        quantile = {name: norm.ppf((rankdata(score, "ordinal") - 0.5) / 900) for name, score in findings.scores.items()}
        columns.append(quantile["gce"] - quantile["consensus"])
        columns += [(findings.given == c).astype(float) for c in apart]
        spread += [0.3] + [0.2] * len(apart)
    columns = np.stack(columns, 1)
    curve = fit(before[rows], columns[rows], np.array(spread), (findings.given[rows] == 2).astype(float), 0.0)
    now = calibrate(findings, fold, reviewer_error=0.0)
    np.testing.assert_allclose(now.p_model, logistic(before + columns @ curve.b), atol=1e-3)


def test_below_twenty_answers_the_interval_is_what_find_said_less_what_was_found():
    findings, _ = made(2000)
    rows = findings.order()[:19]
    wrong = np.zeros(2000, bool)
    wrong[rows[:7]] = True
    now = calibrate(findings, Fold(decided(rows, wrong)), reviewer_error=0.0)
    left = float(now.p_model[~now.reviewed_rows].sum())
    low, high = findings.wrong.low, findings.wrong.high
    assert (now.found, now.reviewed) == (7, 19)
    assert now.wrong == Estimate(
        pytest.approx(left + 7), pytest.approx(min(low, left + 7)), pytest.approx(max(high, left + 7))
    )
    assert now.left == Estimate(
        pytest.approx(left), pytest.approx(min(low - 7, left)), pytest.approx(max(high - 7, left))
    )
    more = calibrate(findings, Fold(decided(findings.order()[:20], wrong)), reviewer_error=0.0)
    assert more.wrong.low != pytest.approx(min(low, more.wrong.count))


def test_the_rate_of_error_is_what_answers_and_overlap_make_likely():
    """Bayes over nine rates: a reviewer counts as right on 80 known items before, and two differ where one of them
    errs."""
    findings, wrong = made(400, shift=1.0)
    rows = np.arange(15)
    ann, ben = decided(rows, wrong), decided(rows, wrong, reviewer="ben")
    ben[0] = dataclasses.replace(ben[0], act="keep" if wrong[0] else "exclude")  # a conflict: no answer
    now = calibrate(findings, Fold([*ann, *ben]))
    errors, before = np.array([0, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.2]), log_odds(findings.p_wrong)
    agreed, columns = rows[1:], np.stack([np.ones(14), before[1:15]], 1)
    curves = [fit(before[agreed], columns, np.array([1, 0.2]), wrong[agreed].astype(float), e) for e in errors]
    width = np.gradient(errors)  # of the rates that each of the nine stands for
    differ = np.maximum(2 * errors * (1 - errors), 1e-3)
    same = 1 - 2 * errors * (1 - errors)
    chance = (1 - errors) ** 80 * width * differ * same**14 * np.exp([c.evidence - curves[0].evidence for c in curves])
    assert now.reviewer_error == pytest.approx(chance @ errors / chance.sum(), rel=0.02)


@pytest.mark.parametrize(("sampled", "moved"), [(19, False), (20, True)])
def test_twenty_sampled_rows_move_all_probabilities_until_they_add_up_to_the_count(sampled, moved):
    findings, wrong = made(1000, shift=2.0)
    top = findings.order()[:40]
    rows = np.array([int(id[1:]) for id in draw(findings, sampled, without=[f"e{i}" for i in top]).ids])
    fold = Fold([*decided(top, wrong, pick="ranked"), *decided(rows, wrong)])
    now, before = calibrate(findings, fold, reviewer_error=0.0), log_odds(findings.p_wrong)
    known = np.r_[top, rows]
    columns = np.stack([np.ones(1000), before], 1)
    curve = fit(before[known], columns[known], np.array([1, 0.2]), wrong[known].astype(float), 0.0)
    shift = log_odds(now.p_model) - (before + columns @ curve.b)
    inside = np.abs(before) < 6
    assert np.ptp(shift[inside]) < 1e-6
    assert (abs(shift[inside].mean()) > 1e-5) == moved
    assert now.measured == moved
