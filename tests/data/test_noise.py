"""Controlled label noise."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.data import load
from labelsieve.data.noise import (
    CIFAR10,
    CIFAR10_FLIPS,
    KINDS,
    asymmetric,
    inject,
    instance_dependent,
    pair,
    symmetric,
    write,
)

SEEDS = st.integers(0, 2**32 - 1)
RATES = st.integers(0, 100)  # in percent, because 0.29 * 100 is 28.999999999999996


@st.composite
def labelled(draw):
    k = draw(st.integers(2, 7))
    n = draw(st.integers(1, 200))
    return np.random.default_rng(draw(SEEDS)).integers(k, size=n), k


def changed(noise, labels) -> int:
    return int((noise.labels != labels).sum())


@given(labelled(), RATES, SEEDS)
def test_exclusive_noise_changes_exactly_that_many(data, percent, seed):
    labels, k = data
    for noise in (symmetric(labels, k, percent / 100, seed=seed), pair(labels, k, percent / 100, seed=seed)):
        assert changed(noise, labels) == percent * len(labels) // 100
        assert noise.spec.realised_rate == changed(noise, labels) / len(labels)
        assert noise.labels.min() >= 0 and noise.labels.max() < k


@given(labelled(), RATES, st.booleans(), st.booleans(), SEEDS)
def test_every_kind_stays_in_the_classes_and_repeats_with_its_seed(data, percent, exact, inclusive, seed):
    labels, k = data
    x = np.random.default_rng(seed).standard_normal((len(labels), 3))
    matrix = np.random.default_rng(seed).dirichlet(np.ones(k), k)
    before = labels.copy()
    for kind in KINDS:
        more = {
            "symmetric": {"inclusive": inclusive},
            "asymmetric": {"transition": matrix},
            "instance": {"features": x},
        }.get(kind, {})
        rate = None if kind == "asymmetric" else percent / 100
        first, again = (inject(labels, kind, rate, n_classes=k, exact=exact, seed=seed, **more) for _ in range(2))
        assert first.labels.dtype == np.int64 and first.labels.shape == labels.shape
        assert first.labels.min() >= 0 and first.labels.max() < k
        np.testing.assert_array_equal(first.labels, again.labels)
        assert first.spec == again.spec
        if percent == 0 and kind != "asymmetric":
            assert changed(first, labels) == 0
    np.testing.assert_array_equal(labels, before)


def test_another_seed_gives_other_labels():
    labels = np.zeros(1000, int)
    a, b = (symmetric(labels, 5, 0.5, seed=seed) for seed in (1, 2))
    assert (a.labels != b.labels).any()
    assert a.spec.labels_hash != b.spec.labels_hash


@pytest.mark.parametrize("exact", [True, False])
def test_inclusive_noise_keeps_one_in_k(exact):
    labels = np.arange(100_000) % 4
    noise = symmetric(labels, 4, 0.6, inclusive=True, exact=exact, seed=3)
    assert noise.spec.realised_rate == pytest.approx(0.6 * 3 / 4, abs=0.01)  # five standard errors are 0.008


def test_bernoulli_is_about_right_and_not_exact():
    labels = np.arange(100_000) % 4
    noise = symmetric(labels, 4, 0.3, exact=False, seed=3)
    assert noise.spec.realised_rate == pytest.approx(0.3, abs=0.01)
    assert noise.spec.realised_rate != 0.3


def test_symmetric_noise_is_even_over_the_others():
    noise = symmetric(np.full(90_000, 2), 4, 1.0, seed=0)
    np.testing.assert_allclose(np.bincount(noise.labels, minlength=4), [30_000, 30_000, 0, 30_000], atol=800)


def test_pair_is_the_next_class():
    labels = np.arange(12) % 3
    np.testing.assert_array_equal(pair(labels, 3, 1.0).labels, (labels + 1) % 3)


@given(labelled(), SEEDS)
def test_an_exact_transition_matrix_is_kept_to_within_one(data, seed):
    labels, k = data
    matrix = np.random.default_rng(seed).dirichlet(np.full(k, 0.5), k)
    matrix[0] = np.eye(k)[0]
    noise = asymmetric(labels, k, transition=matrix, seed=seed)
    counts = np.bincount(labels, minlength=k)
    got = np.zeros((k, k))
    np.add.at(got, (labels, noise.labels), 1)
    expected = counts[:, None] * matrix
    assert got[0, 0] == counts[0]
    assert (np.abs(np.diag(got) - np.diag(expected)) < 2 + 1e-6).all()
    assert (np.abs(got - expected) < 3).all()
    assert changed(noise, labels) == int(expected.sum() - np.trace(expected) + 1e-6)
    assert not got[matrix == 0].any()


def test_a_bernoulli_transition_matrix_is_kept_on_average():
    labels = np.repeat(np.arange(3), 40_000)
    matrix = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])
    noise = asymmetric(labels, 3, transition=matrix, exact=False, seed=1)
    got = np.array([np.bincount(noise.labels[labels == c], minlength=3) for c in range(3)]) / 40_000
    np.testing.assert_allclose(got, matrix, atol=0.012)
    np.testing.assert_allclose(noise.spec.transition, matrix)


@pytest.mark.parametrize("exact", [True, False])
def test_the_cifar10_map(exact):
    labels = np.repeat(np.arange(10), 1000)
    noise = asymmetric(labels, 10, 0.4, exact=exact, seed=0)
    assert noise.spec.realised_rate == pytest.approx(0.2, abs=0 if exact else 0.02)
    moved = noise.labels != labels
    assert set(zip(labels[moved].tolist(), noise.labels[moved].tolist(), strict=True)) == set(CIFAR10_FLIPS.items())
    assert noise.spec.rate == 0.4 and len(noise.spec.transition) == 10


def test_instance_noise_is_exact_and_always_changes_the_class():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((3000, 8)), rng.integers(5, size=3000)
    for rate in (0.0, 0.05, 0.4, 0.9, 1.0):
        assert changed(instance_dependent(x, labels, 5, rate, seed=1), labels) == int(rate * 3000 + 1e-6)


def test_instance_noise_as_in_the_paper_has_the_truncated_rate():
    x, labels = np.random.default_rng(0).standard_normal((50_000, 4)), np.arange(50_000) % 3
    # Means of N(r, 0.1^2) truncated to [0, 1]: r + 0.1 (phi(a) - phi(b)) / (Phi(b) - Phi(a)).
    for rate, mean in ((0.1, 0.1288), (0.3, 0.3004), (0.5, 0.5)):
        noise = instance_dependent(x, labels, 3, rate, exact=False, seed=1)
        assert noise.spec.realised_rate == pytest.approx(mean, abs=0.01)


def test_instance_noise_depends_on_features():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.standard_normal((2, 64)), 500, axis=0) + 0.01 * rng.standard_normal((1000, 64))
    noise = instance_dependent(x, np.zeros(1000, int), 10, 1.0, seed=4)
    common = [np.bincount(part, minlength=10).max() for part in (noise.labels[:500], noise.labels[500:])]
    assert min(common) > 400  # near examples get the same wrong label
    assert np.bincount(noise.labels[:500]).argmax() != np.bincount(noise.labels[500:]).argmax()


def test_constant_features_are_accepted():
    noise = instance_dependent(np.ones((50, 2)), np.zeros(50, int), 2, 0.5)
    assert changed(noise, np.zeros(50)) == 25


@pytest.mark.parametrize(
    ("labels", "kind", "rate", "more", "says"),
    [
        ([0, 1], "symmetric", 1.2, {}, "outside 0 to 1"),
        ([0, 1], "symmetric", 20, {}, "20 % is 0.2"),
        ([0, 1], "pair", float("nan"), {}, "outside 0 to 1"),
        ([0, 1], "symmetric", None, {}, "needs a rate"),
        ([0, 1], "sym", 0.2, {}, "There is no 'sym' noise; there are: symmetric, pair"),
        ([0, 0], "symmetric", 0.2, {}, "at least two classes"),
        ([0, 5], "pair", 0.2, {"n_classes": 3}, "run from 0 to 5"),
        ([0, -1], "pair", 0.2, {"n_classes": 3}, "run from -1 to 0"),
        (["a", "b"], "pair", 0.2, {"n_classes": 2}, "integers"),
        ([], "pair", 0.2, {"n_classes": 2}, "integers"),
        ([0, 1], "pair", 0.2, {"inclusive": True}, "inclusive does not apply"),
        ([0, 1], "pair", 0.2, {"transition": np.eye(2)}, "transition does not apply"),
        ([0, 1], "asymmetric", 0.2, {}, "CIFAR-10 map is for 10 classes, not 2"),
        ([0, 1], "asymmetric", None, {}, "either a rate"),
        ([0, 1], "asymmetric", 0.2, {"transition": np.eye(2)}, "either a rate"),
        ([0, 1], "asymmetric", None, {"transition": np.eye(3)}, r"should be \(2, 2\)"),
        ([0, 1], "asymmetric", None, {"transition": [[0.9, 0.1], [0.3, 0.3]]}, "Row 1 .* sum 0.6"),
        ([0, 1], "asymmetric", None, {"transition": [[1.5, -0.5], [0, 1]]}, "Row 0"),
        ([0, 1], "asymmetric", None, {"transition": [[np.nan, 1], [0, 1]]}, "Row 0"),
        ([0, 1], "instance", 0.2, {}, "features="),
        ([0, 1], "instance", 0.2, {"features": np.ones((3, 2))}, r"should be finite numbers of shape \(2, d\)"),
        ([0, 1], "instance", 0.2, {"features": np.array([[1.0], [np.nan]])}, "finite"),
    ],
)
def test_mistakes(labels, kind, rate, more, says):
    with pytest.raises(UserError, match=says):
        inject(labels, kind, rate, **more)


def dataset(classes: tuple[str, ...], n: int = 200) -> Dataset:
    rng = np.random.default_rng(0)
    ids = np.array([f"e{i}" for i in range(n)], object)
    return Dataset(ids, rng.integers(len(classes), size=n), classes, rng.standard_normal((n, 4)), "features")


def test_a_data_set_brings_its_classes_and_features():
    data = dataset(("a", "b", "c"))
    assert changed(inject(data, "instance", 0.25), data.labels) == 50
    with pytest.raises(UserError, match="the data have other classes"):
        inject(dataset(tuple("abcdefghij")), "asymmetric", 0.2)
    assert inject(dataset(CIFAR10), "asymmetric", 0.2).spec.realised_rate > 0


def test_written_noise_is_read_back(tmp_path):
    odd = ['say "hi"', "two\nlines", "مرحبا\u202e", "x" * 4096, r"caf\xe9.jpg", "cr\rlf", "a,b", "nul"]
    (tmp_path / "x").mkdir()
    np.save(tmp_path / "x.npy", np.eye(8))
    base = load(tmp_path / "x.npy", labels=["b c", 'd"e'] * 4)
    data = Dataset(np.array(odd, object), base.labels, base.classes, base.inputs, "features")
    noise = inject(data, "symmetric", 0.5, seed=3)
    folder = write(noise, data, tmp_path / "noise")
    spec = json.loads((folder / "noise.json").read_text())
    assert spec == json.loads(json.dumps(asdict(noise.spec)))
    assert (spec["kind"], spec["realised_rate"], spec["inclusive"]) == ("symmetric", 0.5, False)

    from labelsieve.data.label_file import replacement

    for name, labels in (("labels.csv", noise.labels), ("truth.csv", data.labels)):
        values, *_ = replacement(folder / name, data.ids)
        assert [value.decode() for value in values] == [data.classes[i] for i in labels]
    with pytest.raises(UserError, match="belong to other data"):
        write(noise, base.take(np.arange(8) < 4), tmp_path / "other")


def test_noise_from_folder_to_folder(tmp_path):
    for i in range(10):
        for name in ("cat", "dog"):
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "photos" / name / f"{i}.jpg").touch()
    data = load(tmp_path / "photos")
    noise = inject(data, "pair", 0.2, seed=1)
    folder = write(noise, data, tmp_path / "noise")
    noisy = load(tmp_path / "photos", labels=folder / "labels.csv")
    np.testing.assert_array_equal(noisy.labels, noise.labels)
    np.testing.assert_array_equal(noisy.ids, data.ids)
    again = load(tmp_path / "photos", labels=folder / "truth.csv")
    assert again.fingerprint() == data.fingerprint()
