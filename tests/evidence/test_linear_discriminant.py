"""LDA against the formulae written out, and what it promises for odd features, folds and classes."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.data.noise import inject
from labelsieve.engine.standardise import standardise
from labelsieve.evidence import linear_discriminant
from labelsieve.evidence.folds import assign
from labelsieve.evidence.from_features import gather


def blobs(n=300, k=3, d=8, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    features = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3 * rng.normal(size=(k, d))[labels]
    return standardise(features), labels


@pytest.fixture
def one_setting(monkeypatch):
    monkeypatch.setattr(linear_discriminant, "SHRINKAGES", (0.3,))
    monkeypatch.setattr(linear_discriminant, "TEMPERATURES", np.array([0.7]))


def by_hand(x, y, k, fold, *, shrinkage, temperature):
    x = x.astype(np.float64)
    out = np.empty((len(y), k))
    for f in range(fold.max() + 1):
        own, other = fold == f, fold != f
        means = np.stack([x[other & (y == c)].mean(0) for c in range(k)])
        within = x[other] - means[y[other]]
        s = within.T @ within / other.sum()
        s = (1 - shrinkage) * s + shrinkage * np.trace(s) / x.shape[1] * np.eye(x.shape[1])
        distance = [np.einsum("ij,jl,il->i", x[own] - mean, np.linalg.inv(s), x[own] - mean) for mean in means]
        z = np.log(np.bincount(y[other], minlength=k)) - np.stack(distance, 1) / 2
        p = np.exp(temperature * (z - z.max(1, keepdims=True)))
        out[own] = p / p.sum(1, keepdims=True)
    return out


@pytest.mark.parametrize("d", [1, 8, 400])  # 400: more features than examples
def test_the_probabilities_are_those_of_the_formulae(one_setting, d, monkeypatch):
    monkeypatch.setattr(linear_discriminant, "_ROWS", 64)
    x, y = blobs(d=d)
    fold = assign(y, 4)
    found = linear_discriminant.out_of_fold(x, y, 3, fold)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(x, y, 3, fold, shrinkage=0.3, temperature=0.7), atol=2e-4)


def test_the_statistics_of_two_shards_add_up():
    x, y = blobs()
    fold = assign(y, 4)
    whole, first, second = (
        linear_discriminant.collect(x[at], y[at], 3, fold[at]) for at in (slice(None), slice(100), slice(100, 300))
    )
    for name in ("counts", "sums", "products"):
        np.testing.assert_allclose(
            getattr(first, name) + getattr(second, name), getattr(whole, name), rtol=1e-5, atol=1e-4
        )


def test_the_judge_of_an_example_never_saw_its_label(one_setting):
    x, y = blobs()
    fold = assign(y, 4)
    other = y.copy()
    other[fold == 2] = (y[fold == 2] + 1) % 3
    before, after = (linear_discriminant.out_of_fold(x, given, 3, fold) for given in (y, other))
    np.testing.assert_allclose(after[fold == 2], before[fold == 2], atol=1e-6)
    assert np.abs(after - before)[fold != 2].max() > 0.01


def test_an_example_that_is_never_held_out_teaches_and_is_not_judged(one_setting):
    x, y = blobs()
    fold = np.where(np.arange(300) < 100, 0, -1)
    found = linear_discriminant.out_of_fold(x, y, 3, fold)
    both = by_hand(x, y, 3, np.where(fold == 0, 0, 1), shrinkage=0.3, temperature=0.7)
    np.testing.assert_allclose(found[:100], both[:100], atol=2e-4)
    assert (found[100:] == 0).all()


def test_a_memory_map_gives_the_same(tmp_path, monkeypatch):
    x, y = blobs()
    fold = assign(y, 5)
    np.save(tmp_path / "x.npy", x)
    monkeypatch.setattr("labelsieve.core.memory_map.IN_MEMORY", 0)
    found = linear_discriminant.out_of_fold(np.load(tmp_path / "x.npy", mmap_mode="r"), y, 3, fold, folder=tmp_path)
    assert isinstance(found, np.memmap) and (tmp_path / "probs_lda.npy").exists()
    np.testing.assert_array_equal(found, linear_discriminant.out_of_fold(x, y, 3, fold))


@pytest.mark.parametrize("of", ["one-hot", "constant", "two values", "more classes than examples per class"])
def test_odd_features_give_probabilities(of):
    rng = np.random.default_rng(0)
    k = 200 if of.startswith("more") else 4
    y = np.arange(800) % k
    x = {"one-hot": np.eye(k)[y], "constant": np.ones((800, 3)), "two values": rng.integers(0, 2, (800, 1)) * 1.0}.get(
        of, rng.normal(size=(800, 5))
    )
    found = linear_discriminant.out_of_fold(standardise(x), y, k, assign(y, 5))
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-4)
    if of == "one-hot":
        assert (found[np.arange(800), y] > 0.99).all()
    if of == "constant":
        np.testing.assert_allclose(found, 1 / k, atol=0.01)


def test_a_class_that_no_other_fold_has_is_not_predicted():
    x, y = blobs()
    y[17] = 3
    fold = assign(y, 5)
    found = linear_discriminant.out_of_fold(x, y, 5, fold)
    assert np.isfinite(found).all() and (found[:, 4] == 0).all()
    assert (found[fold == fold[17], 3] == 0).all() and (found[fold != fold[17], 3] > 0).any()


def test_examples_of_one_fold_alone_are_all_equally_likely():
    x, y = blobs(n=20)
    np.testing.assert_allclose(linear_discriminant.out_of_fold(x, y, 3, np.zeros(20, np.int64)), 1 / 3, atol=1e-6)


def test_roots_are_preferred_where_they_are_nearly_normal():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 3000)
    normal = rng.normal(size=(3000, 6)) + 1.5 * rng.normal(size=(4, 6))[y]
    fold = assign(y, 5)
    assert not linear_discriminant.prefers_roots(normal, y, 4, fold)
    assert linear_discriminant.prefers_roots(normal * np.abs(normal), y, 4, fold)
    mapped = gather(["probs_lda"], normal * np.abs(normal), y, 4)
    np.testing.assert_allclose(mapped.probs_lda, gather(["probs_lda"], normal, y, 4).probs_lda, atol=0.05)


def test_it_finds_wrong_digits_without_being_told_how_many():
    digits = load_digits()
    made = inject(digits.target, "pair", 0.2, n_classes=10, features=digits.data, seed=1)
    wrong = made.labels != digits.target
    found = ls.find(digits.data, labels=made.labels, detectors=["lda"])
    assert wrong[np.argsort(-found.scores["lda"])[: wrong.sum()]].mean() > 0.85
    assert found.flags["lda"][wrong].mean() > 0.8 and found.flags["lda"][~wrong].mean() < 0.05
