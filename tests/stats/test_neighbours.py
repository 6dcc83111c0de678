"""The kNN graph against brute force, and rows that are awkward."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.stats.neighbours import nearest


def clustered(n, d, seed=0, centres=20):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + 2 * rng.normal(size=(centres, d))[rng.integers(centres, size=n)]).astype(
        np.float32
    )


def cosine(x):
    unit = x.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-300)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    return similarity


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 80), d=st.integers(1, 8), k=st.integers(1, 12))
def test_exact_similarities_are_those_of_brute_force(seed, n, d, k):
    x = np.random.default_rng(seed).normal(size=(n, d))
    found = nearest(x, k)
    expected = -np.sort(-cosine(x), axis=1)[:, : min(k, n - 1)]
    np.testing.assert_allclose(found.similarity, expected, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(cosine(x), found.index.astype(int), 1), found.similarity, atol=1e-5)


def test_many_blocks_give_the_exact_neighbours():
    x = clustered(3500, 16)
    found = nearest(x, 10)
    expected = np.argsort(-cosine(x), axis=1)[:, :10]
    assert (found.index == expected).mean() > 0.999
    assert found.index.dtype == np.int32
    assert found.similarity.dtype == np.float32
    assert (np.diff(found.similarity, axis=1) <= 0).all()


def test_approximate_recall_and_determinism():
    x = clustered(6000, 16)
    exact = nearest(x, 10).index
    found = nearest(x, 10, exact_up_to=0)
    recall = np.mean([len(np.intersect1d(a, b)) for a, b in zip(found.index, exact, strict=True)]) / 10
    assert recall > 0.95
    np.testing.assert_array_equal(found.index, nearest(x, 10, exact_up_to=0).index)
    rows = np.sort(found.index, axis=1)
    assert (np.diff(rows, axis=1) > 0).all()  # nobody twice
    assert (found.index != np.arange(6000)[:, None]).all()


@pytest.mark.parametrize("exact_up_to", [1e18, 0])
def test_identical_and_zero_rows(exact_up_to):
    x = clustered(5000, 8)
    x[1000:3000] = x[0]
    x[3000:3100] = 0
    found = nearest(x, 5, exact_up_to=exact_up_to)
    assert np.isfinite(found.similarity).all()
    assert (found.index >= 0).all()
    assert (found.index != np.arange(5000)[:, None]).all()
    assert (np.diff(np.sort(found.index, axis=1), axis=1) > 0).all()
    twins = np.append(0, np.arange(1000, 3000))
    np.testing.assert_allclose(found.similarity[twins], 1, atol=1e-5)
    np.testing.assert_allclose(found.similarity[3000:3100], 0, atol=1e-6)


def test_float16_memory_map_and_extreme_scales(tmp_path):
    x = clustered(300, 12)
    np.save(tmp_path / "x.npy", x.astype(np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_allclose(nearest(mapped, 5).similarity, nearest(x, 5).similarity, atol=2e-3)
    scale = np.float32(10.0) ** np.random.default_rng(1).integers(-25, 25, (300, 1))
    np.testing.assert_allclose(nearest(x * scale, 5).similarity, nearest(x, 5).similarity, atol=1e-5)


def test_fewer_rows_than_neighbours():
    assert nearest(np.eye(3), 10).index.shape == (3, 2)
    assert nearest(np.eye(1), 10).index.shape == (1, 0)


def test_every_row_gets_its_neighbours_when_nearly_all_are_one_point():
    x = np.ones((6000, 4), np.float32)
    x[:20] = clustered(20, 4)
    found = nearest(x, 30, exact_up_to=0)
    assert (found.index >= 0).all()
    assert np.isfinite(found.similarity).all()


def kept_apart(x, apart):
    similarity = cosine(x)
    for groups in apart:
        similarity[groups[:, None] == groups] = -np.inf
    return similarity


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 80), groups=st.integers(1, 12), k=st.integers(1, 12))
def test_groups_are_never_neighbours_and_the_rest_is_exact(seed, n, groups, k):
    rng = np.random.default_rng(seed)
    x, apart = rng.normal(size=(n, 6)), (rng.integers(groups, size=n), rng.integers(3 * groups, size=n))
    found = nearest(x, k, apart=apart)
    expected = -np.sort(-kept_apart(x, apart), axis=1)[:, : min(k, n - 1)]
    empty = expected == -np.inf
    np.testing.assert_array_equal(found.index < 0, empty)
    np.testing.assert_allclose(found.similarity, np.where(empty, 0, expected), atol=1e-5)


@pytest.mark.parametrize("exact_up_to", [1e18, 0])
def test_groups_in_many_blocks(exact_up_to):
    n, rng = 2600, np.random.default_rng(5)
    x = clustered(n, 16)
    whole = cosine(x)
    for apart in (
        (rng.integers(n // 10, size=n),),
        (rng.integers(20, size=n),),
        (np.where(rng.random(n) < 0.6, -1, np.arange(n)),),
    ):
        found = nearest(x, 10, apart=apart, exact_up_to=exact_up_to)
        assert (found.index >= 0).all()
        assert (apart[0][found.index] != apart[0][:, None]).all()
        best = -np.sort(-np.where(apart[0][:, None] == apart[0], -np.inf, whole), axis=1)[:, :10]
        assert np.mean(np.isclose(found.similarity, best, atol=1e-5)) > (0.999 if exact_up_to else 0.9)


def test_singles_leave_the_graph_as_it_is_bit_for_bit():
    x = clustered(3000, 16)
    plain, single = nearest(x, 10), nearest(x, 10, apart=(np.arange(3000), np.arange(3000)[::-1]))
    np.testing.assert_array_equal(plain.index, single.index)
    np.testing.assert_array_equal(plain.similarity, single.similarity)


@pytest.mark.parametrize("apart", [(), (np.arange(6000) // 3,)])
def test_runs_of_lists_in_files_give_the_same_graph(monkeypatch, tmp_path, apart):
    x = clustered(6000, 16)
    x[100:2100] = x[0]  # one list is larger than a run
    whole = nearest(x, 10, apart=apart, exact_up_to=0)
    monkeypatch.setattr("labelsieve.core.memory_map.IN_MEMORY", 1000)
    monkeypatch.setattr("labelsieve.stats.neighbours._OWN", 900)
    monkeypatch.setattr("labelsieve.stats.neighbours._VISITS", 5000)
    parts = nearest(x, 10, apart=apart, exact_up_to=0, folder=tmp_path)
    assert isinstance(parts.index, np.memmap)
    np.testing.assert_allclose(parts.similarity, whole.similarity, atol=1e-6)
    once = np.delete(np.arange(6000), np.r_[0, 100:2100])  # equally near rows may take each other's place
    assert (parts.index[once] == whole.index[once]).mean() > 0.999
    assert not list(tmp_path.iterdir())  # the files have no names
