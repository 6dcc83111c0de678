"""Every measure against scikit-learn, or against a loop written here."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide.evaluate import BINS, MEANING, evaluate


def findings_and_truth(n=400, k=3, seed=0, skill=2.0):
    rng = np.random.default_rng(seed)
    true, given = rng.integers(0, k, n), rng.integers(0, k, n)
    given = np.where(rng.random(n) < 0.8, true, given)
    p = 1 / (1 + np.exp(-(skill * np.where(given != true, 1, -1) + rng.normal(size=n) * 1.5)))
    rank = np.empty(n, np.int64)
    rank[np.argsort(-p, kind="stable")] = np.arange(1, n + 1)
    other = np.where(given != true, true, (given + 1) % k)
    other[::7] = (given[::7] + 1) % k
    classes = tuple("abcdefgh"[:k])
    ids = np.array([str(i) for i in range(n)], object)
    found = Findings(
        ids, classes, given, other, p, rank, p > 0.5, {}, {}, Estimate(p.sum(), p.sum() - 30, p.sum() + 30)
    )
    return found, [classes[c] for c in true], given != true


def values(result):
    return {name: measure.value for name, measure in result.measures.items()}


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_scikit_learn(seed):
    findings, truth, wrong = findings_and_truth(seed=seed)
    p, got = findings.p_wrong, values(evaluate(findings, truth, replicates=2))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(wrong, findings.flagged, average="binary")
    first = findings.order()
    assert got["AUPRC"] == pytest.approx(metrics.average_precision_score(wrong, p))
    assert got["AUROC"] == pytest.approx(metrics.roc_auc_score(wrong, p))
    assert got["Brier"] == pytest.approx(metrics.brier_score_loss(wrong, p))
    assert (got["precision"], got["recall"], got["F1"]) == pytest.approx((precision, recall, f1))
    assert got["precision@E"] == pytest.approx(wrong[first[: wrong.sum()]].mean())
    assert got["precision@100"] == pytest.approx(wrong[first[:100]].mean())
    assert got["count error"] == pytest.approx((p.sum() - wrong.sum()) / wrong.sum())


def test_calibration_error_and_suggestions_by_hand():
    assert BINS == 15  # of equal mass, as the module says
    findings, truth, wrong = findings_and_truth(n=BINS * 20)
    gap = 0.0
    for rows in np.array_split(np.argsort(findings.p_wrong, kind="stable"), BINS):
        gap += abs(sum(findings.p_wrong[i] - wrong[i] for i in rows))
    right = [
        truth[i] == findings.classes[findings.other[i]] for i in range(len(truth)) if wrong[i] and findings.flagged[i]
    ]
    got = values(evaluate(findings, truth, replicates=2))
    assert got["calibration error"] == pytest.approx(gap / len(truth))
    assert got["suggestions"] == pytest.approx(np.mean(right))


def test_a_resample_is_a_vector_of_weights():
    """The interval is the one of a plain bootstrap that repeats rows and sorts them anew."""
    findings, truth, wrong = findings_and_truth(n=300)
    result = evaluate(findings, truth, replicates=200, seed=5)
    rng, n, p = np.random.default_rng(5), len(truth), findings.p_wrong[findings.order()]
    wrong = wrong[findings.order()]
    plain = []
    for _ in range(200):
        rows = rng.integers(n, size=n)
        plain.append(
            (metrics.average_precision_score(wrong[rows], p[rows]), metrics.roc_auc_score(wrong[rows], p[rows]))
        )
    low, high = np.percentile(plain, [2.5, 97.5], axis=0)
    for i, name in enumerate(("AUPRC", "AUROC")):
        assert (result.measures[name].low, result.measures[name].high) == pytest.approx((low[i], high[i]))


def test_intervals_hold_the_value_narrow_with_n_and_repeat():
    small, large = (findings_and_truth(n=n)[:2] for n in (200, 5000))
    few, many = evaluate(*small, replicates=200), evaluate(*large, replicates=200)
    for name in MEANING:
        assert few.measures[name].low <= few.measures[name].value <= few.measures[name].high
        if name != "precision@100":
            assert (
                many.measures[name].high - many.measures[name].low < few.measures[name].high - few.measures[name].low
            ), name
    assert evaluate(*small, replicates=20) == evaluate(*small, replicates=20)


@pytest.mark.slow
def test_intervals_cover():
    """A 95 % interval for AUROC holds the value of the whole population in about 95 of 100 samples."""
    whole = values(evaluate(*findings_and_truth(n=200_000, seed=999, skill=0.7)[:2], replicates=1))["AUROC"]
    inside = 0
    for seed in range(100):
        auroc = evaluate(*findings_and_truth(n=800, seed=seed, skill=0.7)[:2], replicates=200).measures["AUROC"]
        inside += auroc.low <= whole <= auroc.high
    assert 87 <= inside <= 100


def test_unknown_truth_is_left_out_and_told():
    findings, truth, wrong = findings_and_truth()
    half = [label if i % 2 else None for i, label in enumerate(truth)]
    result = evaluate(findings, half, replicates=2)
    assert (result.examples, result.unknown, result.n_wrong, result.inside) == (200, 200, int(wrong[1::2].sum()), None)
    assert values(result)["AUROC"] == pytest.approx(metrics.roc_auc_score(wrong[1::2], findings.p_wrong[1::2]))


def test_a_true_class_that_no_label_uses_is_an_error_like_any_other():
    findings, truth, wrong = findings_and_truth()
    result = evaluate(findings, ["a class of its own", *truth[1:]], replicates=2)
    assert result.n_wrong == wrong[1:].sum() + 1


def test_nothing_wrong_leaves_measures_undefined():
    findings, _, _ = findings_and_truth()
    result = evaluate(findings, [findings.classes[c] for c in findings.given], replicates=5)
    assert result.n_wrong == 0
    undefined = {name for name, measure in result.measures.items() if np.isnan(measure.value)}
    assert undefined == {"AUPRC", "AUROC", "precision@E", "recall", "suggestions", "count error"}
    assert values(result)["precision"] == values(result)["precision@100"] == 0


def test_the_stated_interval_is_checked():
    findings, truth, wrong = findings_and_truth()
    low, _, high = evaluate(findings, truth, replicates=2).estimate
    assert evaluate(findings, truth, replicates=2).inside == (low <= wrong.sum() <= high)


def test_mistakes():
    findings, truth, _ = findings_and_truth()
    with pytest.raises(UserError, match="399 true labels for 400"):
        evaluate(findings, truth[1:])
    with pytest.raises(UserError, match="None of the true labels is known"):
        evaluate(findings, [None] * 400)


def test_whole_numbers_and_gaps_of_any_type_are_true_labels():
    findings, truth, wrong = findings_and_truth()
    findings = replace(findings, classes=("0", "1", "2"))
    codes = np.array(["abc".index(name) for name in truth])
    for labels in (codes, codes.astype(float), [str(c) for c in codes], [np.int64(c) for c in codes]):
        assert evaluate(findings, labels, replicates=2).n_wrong == wrong.sum()
    assert evaluate(findings, np.where(np.arange(400) < 50, np.nan, codes), replicates=2).unknown == 50
    with pytest.raises(UserError, match="such as 'cat'.* is a class"):
        evaluate(findings, ["cat"] * 400)
