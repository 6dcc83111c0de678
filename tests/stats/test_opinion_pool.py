import numpy as np
import pytest

from labelsieve.core.evidence import Neighbours
from labelsieve.stats.opinion_pool import Pool, Transition, estimate_transition, explanations, verdict, vote


def noisy_judge(n, k, transition, seed=0, certainty=4.0):
    """A calibrated judge of hidden classes, and given labels drawn through a transition matrix."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + certainty * np.eye(k)[true]
    p = np.exp(certainty * (logits - logits.max(1, keepdims=True)))
    p /= p.sum(1, keepdims=True)
    given = np.array([rng.choice(k, p=transition[t]) for t in true])
    return p, given, true


def test_transition_matrix_is_recovered():
    t = np.array([[0.8, 0.2, 0.0], [0.05, 0.9, 0.05], [0.0, 0.0, 1.0]])
    p, given, true = noisy_judge(6000, 3, t)
    fit = estimate_transition(Pool([p], None, given, 3))
    np.testing.assert_allclose(fit.matrix, t, atol=0.03)
    assert fit.n_wrong == pytest.approx((given != true).sum(), rel=0.15)


def test_one_rate_where_classes_are_many():
    k, n = 60, 1200
    t = np.full((k, k), 0.2 / (k - 1)) + (0.8 - 0.2 / (k - 1)) * np.eye(k)
    p, given, true = noisy_judge(n, k, t, certainty=6.0)
    fit = estimate_transition(Pool([p], None, given, k))
    assert fit.matrix is None
    assert fit.n_wrong == pytest.approx((given != true).sum(), rel=0.2)
    np.testing.assert_allclose(fit.column(given)[0, given[0]], fit.stay[0])


def test_log_odds_rank_the_wrong_ones_first_and_name_the_class():
    t = np.array([[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.1, 0.0, 0.9]])
    p, given, true = noisy_judge(3000, 3, t)
    pool = Pool([p], None, given, 3)
    result = verdict(pool, estimate_transition(pool))
    wrong = given != true
    assert np.median(result.log_odds[wrong]) > 0 > np.quantile(result.log_odds[~wrong], 0.95)
    assert (result.other != given).all() and (result.other[wrong] == true[wrong]).mean() > 0.95
    np.testing.assert_allclose(result.p_given, p[np.arange(3000), given], atol=1e-3)
    assert result.united.all()
    split = verdict(Pool([p, p[:, ::-1]], None, given, 3), estimate_transition(pool))
    np.testing.assert_array_equal(split.united, p.argmax(1) == p[:, ::-1].argmax(1))


def test_vote_by_hand():
    neighbours = Neighbours(np.array([[1, 2], [0, 2], [0, 1]], np.int32), np.ones((3, 2), np.float32))
    votes = vote(neighbours, np.array([0, 1, 1]), 2, np.array([0, 1]))
    np.testing.assert_allclose(votes, [[0.05 * 2 / 2.2, 1 - 0.05 * 2 / 2.2], [0.5, 0.5]], atol=1e-9)


def test_blocks_do_not_change_the_answer(monkeypatch):
    t = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    p, given, _ = noisy_judge(500, 3, t)
    pool = Pool([p], None, given, 3)
    fit = estimate_transition(pool)
    whole = verdict(pool, fit)
    monkeypatch.setattr("labelsieve.stats.opinion_pool._BLOCK", 30)
    again = verdict(pool, fit)
    for name in ("log_odds", "other", "p_given", "p_other", "united"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(again, name))


def test_zero_probabilities_stay_finite():
    p = np.eye(3)[[0, 1, 2, 0]]
    pool = Pool([p], None, np.array([0, 1, 2, 1]), 3)
    odds = verdict(pool, estimate_transition(pool)).log_odds
    assert np.isfinite(odds).all() and odds.argmax() == 3


def test_one_way_confusions_explain_a_label_better_by_hand():
    """One judge: class j explains y with p_j (J[j, y] / J[y, j])^(1/2), the weights of a given label averaging one."""
    labels = np.repeat([0, 1, 2], 1000)
    p = np.tile([0.5, 0.3, 0.2], (3000, 1))
    t = np.array([[0.8, 0.2, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    fitted = Transition(np.diag(t), np.maximum(t, 1e-9), 0.0, 1.0)
    joint = np.maximum(t, 1e-9) * 1001
    joint = joint + 0.02 * joint.sum() / 6 + 1
    weight = np.sqrt(joint / joint.T)
    by_hand = []
    for y, others in ((0, (1, 2)), (1, (0, 2)), (2, (0, 1))):
        share = p[0, list(others)] / p[0, list(others)].sum()
        of = weight[list(others), y]
        by_hand.append(np.log((p[0, list(others)] * of / (share @ of)).sum() / p[0, y]))
    log, odds = explanations(Pool([p], None, labels, 3), fitted)
    result = verdict(Pool([p], None, labels, 3), fitted)
    np.testing.assert_allclose(result.log_odds[::1000], by_hand, atol=1e-4)
    assert not odds.any(), "one judge cannot tell a noisy class from a hard one"
    _, of_two = explanations(Pool([p, p], None, labels, 3), fitted)
    assert of_two[1] == of_two.max(), "labels 1 are the doubtful ones: 0 is given as 1"
    assert log[0, 1] > log[2, 1] and log[1, 2] == pytest.approx(log[0, 2], abs=0.1)


def test_confusions_that_go_both_ways_change_nothing():
    t = np.array([[0.8, 0.2, 1e-9], [0.2, 0.8, 1e-9], [1e-9, 1e-9, 1.0]])
    p, given, _ = noisy_judge(3000, 3, t)
    given = np.concatenate([given, np.array([1, 0, 2])[given]])
    p = np.concatenate([p, p[:, [1, 0, 2]]])
    log, _ = explanations(Pool([p], None, given, 3), Transition(np.diag(t), t, 0.0, 1.0))
    np.testing.assert_allclose(log, 0, atol=1e-3)


def test_two_classes_have_one_explanation():
    t = np.array([[0.7, 0.3], [0.05, 0.95]])
    p, given, _ = noisy_judge(500, 2, t)
    pool = Pool([p], None, given, 2)
    odds = verdict(pool, estimate_transition(pool)).log_odds
    p_y = p[np.arange(500), given]
    np.testing.assert_array_equal(np.argsort(odds, kind="stable"), np.argsort(-p_y, kind="stable"))


def test_judges_are_weighed_and_brought_to_their_own_temperature():
    """A judge four times as sure as its record allows counts as much as before."""
    t = np.full((3, 3), 0.05) + 0.85 * np.eye(3)
    p, given, _ = noisy_judge(3000, 3, t, certainty=2.0)
    q, _, _ = noisy_judge(3000, 3, t, seed=1, certainty=2.0)
    over = p**4 / (p**4).sum(1, keepdims=True)
    calm = Pool([p, q], None, given, 3, weights=(4, 1)).tempered()
    sure = Pool([over, q], None, given, 3, weights=(4, 1)).tempered()
    assert calm.temperatures[0] == pytest.approx(4 * sure.temperatures[0], rel=0.3)
    rows = np.arange(3000)
    assert np.abs(np.exp(calm.rows(rows)) - np.exp(sure.rows(rows))).mean() < 0.05
    equal = Pool([p, q], None, given, 3).tempered()
    assert np.abs(calm.rows(rows) - equal.rows(rows)).max() > 0.1, "the weights are heard"


def test_pooled_probabilities_fit_a_file_as_well_as_memory(monkeypatch):
    t = np.full((3, 3), 0.05) + 0.85 * np.eye(3)
    p, given, _ = noisy_judge(500, 3, t)
    pool = Pool([p, p[:, ::-1]], None, given, 3).tempered()
    memory = pool.probabilities()
    monkeypatch.setattr("labelsieve.stats.opinion_pool._IN_MEMORY", 10)
    np.testing.assert_array_equal(memory, pool.probabilities())
    np.testing.assert_allclose(memory.sum(1), 1, atol=1e-5)
    assert Pool([p], None, given, 3).probabilities() is p


@pytest.mark.parametrize("prior", [2.0, 0.5, 10.0])
def test_the_matrix_is_the_counts_plus_some_examples_per_class_of_the_single_rate(prior):
    true = np.repeat([0, 1, 2], [10, 20, 30])
    given = true.copy()
    given[:3] = 1
    given[10:12] = 2
    sure = np.eye(3)[true]
    counts = np.array([[7, 3, 0], [0, 18, 2], [0, 0, 30]])
    stay = 55 / 60
    spread = np.where(np.eye(3, dtype=bool), stay, (1 - stay) / 2)
    fit = estimate_transition(Pool([sure], None, given, 3), steps=1, **({} if prior == 2 else {"prior": prior}))
    by_hand = (counts + prior * spread) / (counts.sum(1, keepdims=True) + prior)
    np.testing.assert_allclose(fit.matrix, by_hand, atol=2e-4)
    np.testing.assert_array_equal(fit.stay, np.diag(fit.matrix))


def test_a_zero_probability_of_a_judge_counts_as_a_millionth():
    result = verdict(
        Pool([np.array([[1.0, 0.0]])], None, np.array([0]), 2), Transition(np.full(2, 0.5), None, 0.0, 1.0)
    )
    assert result.log_odds[0] == pytest.approx(np.log(1e-6), abs=1e-5)


def test_pooled_judges_are_averaged_in_their_logarithms():
    p, q = np.array([[0.8, 0.15, 0.05]]), np.array([[0.2, 0.7, 0.1]])
    pooled = np.sqrt(p * q)[0]
    result = verdict(Pool([p, q], None, np.array([0]), 3), Transition(np.full(3, 0.9), None, 0.0, 1.0))
    assert result.log_odds[0] == pytest.approx(np.log((pooled[1] + pooled[2]) / pooled[0]), abs=1e-4)
    assert (result.p_given[0], result.p_other[0]) == pytest.approx(pooled[:2] / pooled.sum(), abs=1e-4)
    assert result.other[0] == 1 and not result.united[0]


def test_twenty_neighbours_vote_nearer_ones_more_and_missing_ones_not():
    """By hand: weights exp(8 (cosine - that of the nearest)); a tenth of a vote for each vote, spread over the
    classes."""
    index = np.arange(1, 25)[None].astype(np.int32)
    index[0, 2:5] = -1
    cosine = np.linspace(0.9, 0.2, 24)[None].astype(np.float32)
    labels = np.arange(25) % 3
    votes = vote(Neighbours(index, cosine), labels, 3, np.array([0]))
    expected = np.zeros(3)
    for place in [0, 1, *range(5, 20)]:
        expected[labels[place + 1]] += np.exp(8 * (cosine[0, place] - 0.9))
    expected += 0.1 / 3 * expected.sum()
    np.testing.assert_allclose(votes[0], expected / expected.sum(), rtol=1e-5)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_sharpness_corrects_an_underconfident_judge(power):
    rng = np.random.default_rng(1)
    p = rng.dirichlet([0.3] * 3, 6000)  # calibrated: the class is drawn from what the judge says
    true = (p.cumsum(1) > rng.random((6000, 1))).argmax(1)
    given = np.where(rng.random(6000) < 0.1, (true + 1) % 3, true)
    unsure = p**power / (p**power).sum(1, keepdims=True)
    fit = estimate_transition(Pool([unsure], None, given, 3))
    assert fit.sharpness == pytest.approx(1 / power, rel=0.12)
    np.testing.assert_allclose(fit.matrix, 0.9 * np.eye(3) + 0.1 * np.eye(3)[[1, 2, 0]], atol=0.03)
