"""Duplicate groups against brute force, and sketches that say nothing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.stats.duplicates import conflicts, exact_groups, grouped, near_pairs


def flip(rng, sketch, bits):
    for bit in rng.choice(64, bits, replace=False):
        sketch ^= np.uint64(1) << np.uint64(bit)
    return sketch


def same_sketch(sketch):
    return np.argwhere(np.triu(np.bitwise_count(sketch[:, None] ^ sketch) <= 3, 1))


def random_sketches(rng, n):
    return rng.integers(0, 2**64, n, dtype=np.uint64)


def test_exact_groups_are_named_after_their_first_member():
    np.testing.assert_array_equal(exact_groups(np.array([7, 3, 7, 9, 3], np.uint64)), [0, 1, 0, 3, 1])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 60), max_distance=st.integers(1, 5))
def test_near_pairs_are_those_of_brute_force(seed, n, max_distance):
    rng = np.random.default_rng(seed)
    sketch = random_sketches(rng, n)
    for i in range(1, n, 2):
        sketch[i] = flip(rng, sketch[rng.integers(i)], rng.integers(1, 8))
    sketch = np.unique(sketch)
    rng.shuffle(sketch)
    i, j = np.triu_indices(len(sketch), 1)
    near = np.bitwise_count(sketch[i] ^ sketch[j]) <= max_distance
    np.testing.assert_array_equal(near_pairs(sketch, max_distance), np.stack([i[near], j[near]], axis=1))


def test_equal_sketches_are_all_paired():
    rng = np.random.default_rng(0)
    base = random_sketches(rng, 1)[0]
    sketch = np.array([base, flip(rng, base, 3), base, base, random_sketches(rng, 1)[0]])
    np.testing.assert_array_equal(near_pairs(sketch), [[0, 1], [0, 2], [0, 3], [2, 3]])


def test_a_group_is_a_star_and_a_chain_falls_apart():
    content = np.arange(80, dtype=np.uint64)
    chain = np.stack([np.arange(79), np.arange(1, 80)], axis=1)
    groups = grouped(content, chain)
    assert np.unique(groups, return_counts=True)[1].max() <= 3
    star = np.stack([np.full(9, 5), np.arange(10, 19)], axis=1)
    np.testing.assert_array_equal(np.flatnonzero(grouped(content, star) == 5), [5, *range(10, 19)])


def test_what_holds_for_one_example_holds_for_all_of_its_content():
    content = np.array([4, 7, 4, 7, 9], np.uint64)
    np.testing.assert_array_equal(grouped(content, np.array([[2, 3]])), [0, 0, 0, 0, 4])
    np.testing.assert_array_equal(grouped(content), [0, 1, 0, 1, 4])


def test_flat_and_over_frequent_sketches_join_nobody():
    rng = np.random.default_rng(1)
    common = random_sketches(rng, 1)[0]
    nothing = np.array([0, 1, 3, 2**64 - 1, 2**64 - 2], np.uint64)
    sketch = np.concatenate([np.repeat(nothing, 400), np.repeat(common, 50)])
    assert len(near_pairs(sketch)) == 0
    content = np.arange(len(sketch), dtype=np.uint64)
    content[-1] = content[-2]
    groups = grouped(content, near_pairs(sketch))
    assert len(np.unique(groups)) == len(sketch) - 1  # identical content still counts


def test_many_sketches_in_one_bucket_stay_linear():
    rng = np.random.default_rng(2)
    low = rng.integers(0, 2**20, 30_000, dtype=np.uint64) | np.uint64(0xFFFFF << 40)
    assert len(near_pairs(low)) < 30_000 * 64


def test_conflicts_name_groups_with_two_labels():
    groups = np.array([0, 0, 2, 2, 4, 5, 5])
    labels = np.array([1, 1, 0, 3, 2, 2, 0])
    np.testing.assert_array_equal(conflicts(groups, labels), [2, 5])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40))
def test_groups_do_not_depend_on_the_order(seed, n):
    rng = np.random.default_rng(seed)
    content = rng.permutation(n).astype(np.uint64)
    pool = random_sketches(rng, 4)
    sketch = np.array([flip(rng, pool[rng.integers(4)], rng.integers(0, 3)) for _ in range(n)])
    order = rng.permutation(n)
    together = grouped(content, same_sketch(sketch))
    shuffled = grouped(content[order], same_sketch(sketch[order]))
    np.testing.assert_array_equal(together[order][:, None] == together[order], shuffled[:, None] == shuffled)
