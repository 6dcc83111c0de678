"""Duplicate groups against brute force, and sketches that say nothing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.stats.duplicates import conflicts, exact_groups, grouped, hashes, near_pairs


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


def test_flat_and_too_frequent_sketches_form_no_pairs():
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


def changes(sketch):
    """Neighbouring bits that differ, of the sketch read as 8 rows of 8, one by one."""
    bits = np.array([[int(sketch) >> (8 * row + column) & 1 for column in range(8)] for row in range(8)])
    return (bits[:, 1:] != bits[:, :-1]).sum() + (bits[1:] != bits[:-1]).sum()


def with_changes(rng, number):
    while True:
        sketch = np.bitwise_and.reduce(random_sketches(rng, 4))  # few bits, so few changes
        if changes(sketch) == number:
            return sketch


def test_a_sketch_with_fewer_than_24_changes_forms_no_pairs():
    rng = np.random.default_rng(4)
    enough, too_few = with_changes(rng, 24), with_changes(rng, 23)
    np.testing.assert_array_equal(near_pairs(np.array([too_few, enough, too_few, enough])), [[1, 3]])


def test_a_sketch_of_more_than_32_examples_forms_no_pairs():
    common, rare = random_sketches(np.random.default_rng(5), 2)
    assert len(near_pairs(np.repeat([common, rare], [33, 2]))) == 1
    assert len(near_pairs(np.repeat([common, rare], [32, 2]))) == 32 * 31 // 2 + 1


def test_a_sketch_near_to_more_than_32_others_forms_no_pairs_and_one_near_to_32_does():
    hub = random_sketches(np.random.default_rng(3), 1)[0]
    near = hub ^ (np.uint64(3) << np.arange(0, 64, 2, dtype=np.uint64))  # two bits from the hub, four from each other
    np.testing.assert_array_equal(near_pairs(np.append(near, hub), 2), [[i, 32] for i in range(32)])
    one_more = np.append(near, [hub, hub ^ np.uint64(6)])  # near to the hub and to the first two
    np.testing.assert_array_equal(near_pairs(one_more, 2), [[0, 33], [1, 33]])


def test_a_negative_zero_is_a_zero():
    for dtype in (np.float16, np.float32, np.float64):
        rows = np.array([[0.0, 1, -2, 0], [-0.0, 1, -2, -0.0], [0.0, 1, 2, 0]], dtype)
        one, same, other = hashes(rows)
        assert one == same != other
