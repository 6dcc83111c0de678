"""The k nearest neighbours of every example by cosine similarity: exact for moderate sizes, else by inverted lists.

Both use one kernel: the similarities of two blocks of rows, while every example keeps its k best so far. A block's
similarities are compared with each example's current k-th best, in both directions; the few that are better are
inserted. So the selection costs less than the matrix product; a partition of each row would cost more.

- exact: blocks of consecutive rows, all pairs of blocks, each pair once (similarity is symmetric).
- approximate (Sivic and Zisserman 2003; Jegou et al. 2011, "inverted file"): spherical k-means on a sample; the members
  of a cluster are compared with the examples that have it among their `probes` nearest centroids, again in both
  directions.

An example is never its own neighbour. A zero row has similarity 0 to all others. Identical rows are each other's
neighbours, unless they are in the same group: dependent examples (scans of one patient, copies of one picture) are
excluded inside each block.
Cost: exact n^2 d multiply-adds; approximate about n d (n probes / clusters + 2 clusters).
Memory: 4 n d bytes, n k results, a block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from labelsieve.core.evidence import Neighbours

BLOCK = 1024
_UNIT = 128  # rows normalised together: they stay in the cache


def nearest(
    features: np.ndarray,
    k: int = 10,
    *,
    apart: Sequence[np.ndarray] = (),
    exact_up_to: float = 2e11,
    cluster_size: int = 250,
    probes: int = 32,
    seed: int = 0,
    overwrite: bool = False,
) -> Neighbours:
    """The k nearest neighbours of each row.

    Args:
        features: (n, d) of any float type, maybe memory-mapped; finite.
        k: neighbours; n - 1 if there are fewer.
        apart: groupings, each (n,) int; two rows with the same number in any of them are never neighbours.
        exact_up_to: multiply-adds n^2 d up to which the result is exact; the default is some four seconds on one
            core. Beyond, at half the time, votes find as many wrong labels (50,000 examples of CIFAR-10N).
        cluster_size: average number of examples in an inverted list; above (4 cluster_size)^2 examples the lists grow
            with sqrt(n).
        probes: lists in which an example looks for neighbours.
        seed: of the sample and the start of k-means.
        overwrite: whether float32 features may be overwritten, which saves a copy.

    Returns:
        Neighbours, nearest first; among equally similar ones, the smaller position first. A row with fewer than k rows
        outside its own groups has its last places empty: index -1, similarity 0.
    """
    n, d = features.shape
    unit = unit_rows(features, features if overwrite and features.dtype == np.float32 else None)
    best = Best(n, min(k, n - 1), [numbered(groups) for groups in apart])
    if best.k > 0:
        if float(n) * n * d <= exact_up_to or n < 4 * cluster_size:
            _meet(unit, _alike_together(unit, np.random.default_rng(seed)), best)
        else:
            clusters = min(n // cluster_size, 4 * math.isqrt(n))
            _approximate(unit, best, clusters, probes, np.random.default_rng(seed), exact_up_to)
    return best.result()


def numbered(groups: np.ndarray) -> np.ndarray:
    """(n,) int32: the number of each row's group; a row that is alone in its group has a unique negative number."""
    _, number, size = np.unique(groups, return_inverse=True, return_counts=True)
    return np.where(size[number] > 1, number, -1 - np.arange(len(number))).astype(np.int32)


class Best:
    """The k best partners of each row so far, unordered; `floor` (n,) is the worst of them."""

    def __init__(self, n: int, k: int, apart: Sequence[np.ndarray] = ()):
        self.k = k
        self._apart = [groups for groups in apart if (groups >= 0).any()]
        self.index = np.full((n, k), -1, np.int32)
        self.similarity = np.full((n, k), -np.inf, np.float32)
        self.floor = np.full(n, -np.inf, np.float32)

    def start(self, rows: np.ndarray, partners: np.ndarray, similarity: np.ndarray) -> None:
        """First block of `rows` with similarity (rows, partners): select the k best by partition."""
        self._part(rows, partners, similarity)
        take = min(self.k, similarity.shape[1])
        top = np.argpartition(similarity, -take, axis=1)[:, -take:]
        self.index[rows, :take] = partners[top]
        self.similarity[rows, :take] = np.take_along_axis(similarity, top, axis=1)
        self.floor[rows] = self.similarity[rows].min(1)

    def offer(self, rows: np.ndarray, partners: np.ndarray, similarity: np.ndarray) -> None:
        """Use similarity (rows, partners) to improve the k best of the rows and, in the other direction, of the
        partners."""
        self._part(rows, partners, similarity)
        across = _positions(similarity > self.floor[rows][:, None])
        down = _positions(similarity > self.floor[partners])
        width, flat = similarity.shape[1], similarity.reshape(-1)
        self._insert(rows[across // width], partners[across % width], flat[across])
        self._insert(partners[down % width], rows[down // width], flat[down])

    def improve(self, rows: np.ndarray, partners: np.ndarray, similarity: np.ndarray) -> None:
        """Use similarity (rows, partners) to improve the k best of the rows alone; the partners may have any
        numbers."""
        across = _positions(similarity > self.floor[rows][:, None])
        width, flat = similarity.shape[1], similarity.reshape(-1)
        self._insert(rows[across // width], partners[across % width], flat[across])

    def _part(self, rows: np.ndarray, partners: np.ndarray, similarity: np.ndarray) -> None:
        for groups in self._apart:
            keep_apart(similarity, groups[rows], groups[partners])

    def _insert(self, target: np.ndarray, partner: np.ndarray, value: np.ndarray) -> None:
        """Insert candidates: the best of each target first, then the second best, until none beats the floor."""
        order = np.lexsort((-value, target))
        target, partner, value = target[order], partner[order], value[order]
        while len(target):
            first = np.append(True, target[1:] != target[:-1])
            row, other, s = target[first], partner[first], value[first]
            new = (s > self.floor[row]) & ~(self.index[row] == other[:, None]).any(1)
            row, other, s = row[new], other[new], s[new]
            worst = self.similarity[row].argmin(1)
            self.index[row, worst] = other
            self.similarity[row, worst] = s
            self.floor[row] = self.similarity[row].min(1)
            left = ~first
            left &= value > self.floor[target]
            target, partner, value = target[left], partner[left], value[left]

    def short(self) -> np.ndarray:
        """(n,) bool: rows that have fewer than k partners."""
        return self.floor == -np.inf

    def result(self) -> Neighbours:
        for start in range(0, len(self.index), 4096):  # in place, because there are many numbers
            index, similarity = self.index[start : start + 4096], self.similarity[start : start + 4096]
            order = np.lexsort((index, -similarity), axis=1)
            index[:], similarity[:] = (np.take_along_axis(column, order, axis=1) for column in (index, similarity))
            empty = similarity == -np.inf
            index[empty], similarity[:] = -1, np.where(empty, 0, np.clip(similarity, -1, 1))
        return Neighbours(self.index, self.similarity)


def keep_apart(similarity: np.ndarray, one: np.ndarray, other: np.ndarray) -> None:
    """Exclude pairs of the same group from a block, in place. `one` and `other` are the groups of its rows and columns,
    as from `numbered`."""
    left, right = np.flatnonzero(one >= 0), np.flatnonzero(other >= 0)
    if len(left) + len(right) > len(one) // 4:  # many have siblings: the whole block at once is faster
        np.putmask(similarity, one[:, None] == other, -np.inf)
    elif len(left) and len(right):
        i, j = np.nonzero(one[left][:, None] == other[right])
        similarity[left[i], right[j]] = -np.inf


def _alike_together(unit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All positions, ordered by cluster. The first block of an example then has most of its neighbours, and few later
    candidates beat them."""
    n = len(unit)
    clusters = n // BLOCK
    if clusters < 2:
        return np.arange(n, dtype=np.int32)
    return np.concatenate(_lists(nearest_centroids(unit, find_centroids(unit, clusters, rng), 1)[:, 0], clusters))


def _meet(unit: np.ndarray, members: np.ndarray, best: Best) -> None:
    """Compare all pairs among `members`, each once."""
    blocks = in_parts(members, max(BLOCK, best.k + 1))
    for rows in blocks:
        similarity = unit[rows] @ unit[rows].T
        np.fill_diagonal(similarity, -np.inf)
        best.start(rows, rows, similarity)
    for i, rows in enumerate(blocks):
        mine = unit[rows]
        for partners in blocks[:i]:
            best.offer(rows, partners, mine @ unit[partners].T)


def _approximate(
    unit: np.ndarray, best: Best, clusters: int, probes: int, rng: np.random.Generator, most: float
) -> None:
    near = nearest_centroids(unit, find_centroids(unit, clusters, rng), min(probes, clusters))
    inside, *visiting = (_lists(column, clusters) for column in near.T)
    # Thousands of identical rows share one list, which is split: whole, it would be quadratic.
    pieces = [np.array_split(own, 1 + len(own) * clusters // (16 * len(unit))) for own in inside]
    # Own list first: it fills every example's k best, so that later blocks have few candidates.
    for members in pieces:
        for part in members:
            _meet(unit, part, best)
    for cluster, members in enumerate(pieces):
        visitors = np.sort(np.concatenate([lists[cluster] for lists in visiting])) if visiting else members[0][:0]
        for part, visitors_of_part in zip(members, np.array_split(visitors, len(members)), strict=True):
            for partners in in_parts(part, BLOCK):
                listed = unit[partners].T
                for rows in in_parts(visitors_of_part, BLOCK):
                    best.offer(rows, partners, unit[rows] @ listed)
    _fill(unit, best, rng, most)


def _fill(unit: np.ndarray, best: Best, rng: np.random.Generator, most: float) -> None:
    """Compare rows whose lists had too few partners with all rows, or with as many random ones as `most` allows."""
    short = np.flatnonzero(best.short())
    partners = np.arange(len(unit), dtype=np.int32)
    allowed = int(max(most, 1e9) / max(1, len(short) * unit.shape[1]))
    if allowed < len(unit):
        partners = np.sort(rng.choice(partners, max(4 * BLOCK, allowed), replace=False))
    for rows in in_parts(short, 64):
        similarity = unit[rows] @ unit[partners].T
        similarity[partners == rows[:, None]] = -np.inf
        best.start(rows, partners, similarity)


def unit_rows(features: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Rows of length one, (n, d) float32; zero rows stay zero. Written to `out`, which may be the features."""
    unit = np.empty(features.shape, np.float32) if out is None else out
    for start in range(0, len(features), _UNIT):
        rows = slice(start, start + _UNIT)
        block = np.asarray(features[rows], np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", block, block))
        if not (
            np.isfinite(length) & (length > 1e-15)
        ).all():  # squares overflowed or vanished: bring each row to a maximum of one
            block = block / np.maximum(np.abs(block).max(1, keepdims=True, initial=0), np.float32(1e-30))
            length = np.maximum(np.sqrt(np.einsum("ij,ij->i", block, block)), np.float32(1e-30))
        np.divide(block, length[:, None], out=unit[rows])
    return unit


def _positions(mask: np.ndarray) -> np.ndarray:
    """Flat positions of the few true values; eight values are tested at once."""
    flat = np.ascontiguousarray(mask).reshape(-1)
    whole = len(flat) // 8 * 8
    words = np.flatnonzero(flat[:whole].view(np.uint64))
    at = (words[:, None] * 8 + np.arange(8)).reshape(-1)
    return np.concatenate([at[flat[at]], whole + np.flatnonzero(flat[whole:])])


def in_parts(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _lists(cluster: np.ndarray, clusters: int) -> list[np.ndarray]:
    """The positions of the members of each cluster, ascending."""
    order = np.argsort(cluster, kind="stable").astype(np.int32)
    return np.split(order, np.cumsum(np.bincount(cluster, minlength=clusters))[:-1])


def find_centroids(
    unit: np.ndarray, clusters: int, rng: np.random.Generator, *, steps: int = 6, per_cluster: int = 40
) -> np.ndarray:
    """Spherical k-means on a sample; a centroid without members restarts from a random row."""
    sample = unit[np.sort(rng.choice(len(unit), min(len(unit), clusters * per_cluster), replace=False))]
    centroids = sample[rng.choice(len(sample), clusters, replace=False)]
    for _ in range(steps):
        assigned = nearest_centroids(sample, centroids, 1)[:, 0]
        size = np.bincount(assigned, minlength=clusters)
        order = np.argsort(assigned, kind="stable")
        filled = np.flatnonzero(size)
        moved = sample[rng.choice(len(sample), clusters)]
        moved[filled] = np.add.reduceat(sample[order], (np.cumsum(size) - size)[filled], axis=0)
        centroids = unit_rows(moved)
    return centroids


def nearest_centroids(unit: np.ndarray, centroids: np.ndarray, probes: int) -> np.ndarray:
    """(n, probes) int32 cluster numbers, nearest first."""
    near = np.empty((len(unit), probes), np.int32)
    step = max(1, math.ceil((1 << 22) / len(centroids)))
    for start in range(0, len(unit), step):
        similarity = unit[start : start + step] @ centroids.T
        if probes == 1:
            near[start : start + step, 0] = similarity.argmax(1)
            continue
        top = np.argpartition(similarity, -probes, axis=1)[:, -probes:]
        order = np.argsort(-np.take_along_axis(similarity, top, axis=1), axis=1, kind="stable")
        near[start : start + step] = np.take_along_axis(top, order, axis=1)
    return near
