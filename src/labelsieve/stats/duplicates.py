"""Duplicate examples, and groups of them whose given labels disagree.

Same content (a 64-bit hash) is identical. Near pairs come from `same_text` and `same_picture`, which verify them.
Groups are stars: every member resembles the member that the group is built around. So a chain, in which each link
resembles the next but the ends do not resemble each other, falls apart.

`near_pairs` finds sketches of 64 bits that differ in few of them, by the pigeonhole principle: of d + 3 blocks of bits
at least 3 are untouched by d flipped bits, so two near sketches agree on one of the C(d + 3, 3) choices of three blocks
(20 sorts for d = 3) and only those meet. A flat image, or one that shows little but its lighting, has an uninformative
sketch that many unrelated examples share; such a sketch forms no pairs. Lighting alone (a slope, a vignette or a spot)
changes direction once per row; of 800 photographs 1 % have as few changes.
Cost: 20 sorts of the distinct sketches,
memory linear in n; no step is quadratic.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from labelsieve.core import memory_map

BITS = 64
_HASHED = 256  # rows at a time: they stay in the cache


def hashes(rows: np.ndarray) -> np.ndarray:
    """rows (n, d) numbers or bytes -> (n,) uint64, equal for equal rows. A fixed random projection of their bytes,
    modulo 2^64."""
    n, d = rows.shape
    kind = np.result_type(rows, np.float16)  # bytes are treated as numbers
    words = -(-d * kind.itemsize // 8)
    key = np.random.default_rng(0).integers(1, 2**63, words, dtype=np.uint64) | np.uint64(1)
    padded = np.zeros((min(n, _HASHED), 8 * words // kind.itemsize), kind)
    out = np.empty(n, np.uint64)
    for own in memory_map.blocks(rows, _HASHED):
        block = padded[: own.stop - own.start]
        block[:, :d] = rows[own]
        raw = block.view(f"u{kind.itemsize}")
        raw[raw == 1 << (8 * kind.itemsize - 1)] = 0  # -0.0 is 0.0
        bits = block.view(np.uint64)
        bits ^= bits >> np.uint64(29)
        bits *= key
        out[own] = bits.sum(1)
        bits[:, -1] = 0  # the padding
    return out


def exact_groups(content: np.ndarray) -> np.ndarray:
    """content (n,) uint64 hashes -> (n,) int64 group ids: the position of the first example with the same content."""
    _, first, inverse = np.unique(content, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def known_groups(content: np.ndarray) -> np.ndarray:
    """`exact_groups` for content (n,) in which 0 means "unknown": such an example is a group of its own."""
    rows = np.arange(len(content))
    return np.where(content == 0, rows, exact_groups(np.asarray(content)))


def near_pairs(sketch: np.ndarray, max_distance: int = 3, *, most: int = 32, least_changes: int = 24) -> np.ndarray:
    """Pairs of examples whose sketches differ in at most `max_distance` bits.

    Args:
        sketch: (n,) uint64.
        most: a sketch shared by, or near to, more examples than this is too frequent and forms no pairs.
        least_changes: a sketch, read as 8 rows of 8 bits, with fewer neighbouring bits that differ (of 112; 56 by
            chance) forms no pairs.

    Returns:
        (m, 2) int64, first < second, sorted. Examples with the same sketch are all paired; a near pair links the first
        examples of both sketches.
    """
    sketch = np.asarray(sketch, np.uint64)
    value, first, inverse, count = np.unique(sketch, return_index=True, return_inverse=True, return_counts=True)
    usable = (count <= most) & (_changes(value) >= least_changes)
    near = _near_values(value[usable], max_distance, most)
    near = first[np.flatnonzero(usable)[near]]
    pairs = np.concatenate([near, _all_pairs(inverse, usable, most)]).astype(np.int64)
    pairs.sort(axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _all_pairs(inverse: np.ndarray, usable: np.ndarray, most: int) -> np.ndarray:
    """All pairs (m, 2) of examples with the same usable value."""
    order = np.argsort(inverse, kind="stable")
    value, pairs = inverse[order], [np.empty((0, 2), np.int64)]
    for step in range(1, min(most, len(order))):
        at = np.flatnonzero((value[step:] == value[:-step]) & usable[value[step:]])
        if not len(at):
            break
        pairs.append(np.stack([order[at], order[at + step]], axis=1))
    return np.concatenate(pairs)


def grouped(content: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
    """Group ids (n,) int64, the smallest position in each: same content, or a near pair with the centre of the group.

    Args:
        content: (n,) uint64 hashes.
        near: pairs (m, 2) of positions; None for no pairs. A pair of one example holds for all examples with the same
            content.
    """
    group = exact_groups(content)
    if near is None or not len(near):
        return group
    linked = np.unique(np.sort(group[near], axis=1), axis=0)
    linked = linked[linked[:, 0] != linked[:, 1]]
    nodes, at = np.unique(linked, return_inverse=True)
    partners: list[list[int]] = [[] for _ in nodes]
    for a, b in at.reshape(-1, 2).tolist():
        partners[a].append(b)
        partners[b].append(a)
    # Most partners first; ties by content, which does not depend on the order of the examples.
    middle = np.full(len(nodes), -1)
    fewest_last = -np.array([len(those) for those in partners])
    for node in np.lexsort((content[nodes], fewest_last)).tolist():
        if middle[node] < 0:
            members = [node, *(other for other in partners[node] if middle[other] < 0)]
            middle[members] = node
    name = np.full(len(nodes), len(content))
    np.minimum.at(name, middle, nodes)
    leader = np.arange(len(content))
    leader[nodes] = name[middle]
    return leader[group]


def conflicts(groups: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The ids (g,) of the groups whose given labels (n,) disagree, ascending."""
    k = int(labels.max(initial=0)) + 1
    distinct = np.unique(np.asarray(groups, np.int64) * k + labels) // k
    return np.unique(distinct[1:][distinct[1:] == distinct[:-1]])


def _changes(value: np.ndarray) -> np.ndarray:
    """How many neighbouring bits differ, in the rows (bytes) and from row to row."""
    beside = (value ^ (value >> np.uint64(1))) & np.uint64(0x7F7F7F7F7F7F7F7F)
    below = (value ^ (value >> np.uint64(8))) & np.uint64(0x00FFFFFFFFFFFFFF)
    return np.bitwise_count(beside) + np.bitwise_count(below)


def _near_values(value: np.ndarray, max_distance: int, most: int) -> np.ndarray:
    """Distinct sketches -> (m, 2) positions of those at most `max_distance` apart, without too frequent ones."""
    blocks = np.array_split(np.arange(BITS, dtype=np.uint64), max_distance + 3)
    masks = [np.bitwise_or.reduce(np.left_shift(np.uint64(1), block)) for block in blocks]
    pairs_by_block = [np.empty((0, 2), np.int64)]
    for chosen in combinations(masks, 3):
        key = value & (chosen[0] | chosen[1] | chosen[2])
        order = np.lexsort((value, key))
        key = key[order]
        # A key that many sketches share is uninformative; comparing each only with the next `most` bounds the work.
        for step in range(1, min(most, len(order) - 1) + 1):
            at = np.flatnonzero(key[step:] == key[:-step])
            if not len(at):
                break
            a, b = order[at], order[at + step]
            close = np.bitwise_count(value[a] ^ value[b]) <= max_distance
            pairs_by_block.append(np.stack([a[close], b[close]], axis=1))
    pairs = np.concatenate(pairs_by_block)
    pairs.sort(axis=1)
    pairs = np.unique(pairs, axis=0)
    degree = np.bincount(pairs.reshape(-1), minlength=len(value))
    return pairs[(degree[pairs] <= most).all(1)]
