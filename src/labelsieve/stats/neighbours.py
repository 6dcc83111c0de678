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
The members of a list are stored beside each other, and the best partners of some million rows at a time are in memory:
for those the lists of all other rows are visited too, so the result does not depend on that number.
Cost: exact n^2 d multiply-adds; approximate about n d (n probes / clusters + 2 clusters), up to twice that if the rows
are not searched at once.
Memory: exact 4 n d bytes, n k results, a block; approximate, with a folder, 12 bytes per row and about 400 MB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelsieve.core.evidence import Neighbours
from labelsieve.core.memory_map import blocks, release, take, temporary

BLOCK = 1024
_UNIT = 128  # rows normalised together: they stay in the cache
_OWN = 1 << 21  # rows whose best partners are in memory at a time
_VISITS = 1 << 21  # visits (a row, a list) that are sorted at a time
_UNSORTED = 1 << 18  # rows of the result that are written at a time
_GROUP = 8  # similarities that are compared by their maximum


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
    folder: Path | None = None,
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
        folder: where large arrays are in temporary files; None keeps all in memory.

    Returns:
        Neighbours, nearest first; among equally similar ones, the smaller position first. A row with fewer than k rows
        outside its own groups has its last places empty: index -1, similarity 0.
    """
    n, d = features.shape
    k, apart = min(k, n - 1), [numbered(groups) for groups in apart]
    into = features if overwrite and features.dtype == np.float32 else temporary((n, d), np.float32, folder)
    unit, rng = unit_rows(features, into), np.random.default_rng(seed)
    if k <= 0:
        return Neighbours(np.empty((n, 0), np.int32), np.empty((n, 0), np.float32))
    if float(n) * n * d <= exact_up_to or n < 4 * cluster_size:
        best = Best(n, k, apart)
        _meet(unit, _alike_together(unit, rng), best)
        return best.result()
    clusters = min(n // cluster_size, 4 * math.isqrt(n))
    return _approximate(unit, k, apart, clusters, min(probes, clusters), rng, exact_up_to, folder)


def numbered(groups: np.ndarray) -> np.ndarray:
    """(n,) int32: the number of each row's group; a row that is alone in its group has a unique negative number."""
    _, number, size = np.unique(groups, return_inverse=True, return_counts=True)
    return np.where(size[number] > 1, number, -1 - np.arange(len(number))).astype(np.int32)


class Best:
    """The k best partners so far of the n rows from number `first` on, unordered; `floor` (n,) is the worst of them."""

    def __init__(self, n: int, k: int, apart: Sequence[np.ndarray] = (), *, first: int = 0):
        self.own, self.k = range(first, first + n), k
        self._apart = [groups for groups in apart if (groups >= 0).any()]
        self.index = np.full((n, k), -1, np.int32)
        self.similarity = np.full((n, k), -np.inf, np.float32)
        self.floor = np.full(n, -np.inf, np.float32)

    def start(self, rows: np.ndarray, partners: np.ndarray, similarity: np.ndarray) -> None:
        """First block of own `rows` with similarity (rows, partners): select the k best by partition."""
        self._part(rows, partners, similarity)
        at, width = rows - self.own.start, similarity.shape[1]
        few = min(self.k, width)
        top = np.argpartition(similarity, width - few, axis=1)[:, width - few :]
        self.index[at, :few] = partners[top]
        self.similarity[at, :few] = np.take_along_axis(similarity, top, axis=1)
        self.floor[at] = self.similarity[at].min(1)

    def offer(self, rows: np.ndarray, partners: np.ndarray, similarity: np.ndarray) -> None:
        """Use similarity (rows, partners) to improve the k best of the rows and, in the other direction, of the
        partners, as far as they are own ones."""
        self._part(rows, partners, similarity)
        first, width = self.own.start, similarity.shape[1]
        mine = np.flatnonzero((rows >= first) & (rows < self.own.stop))
        if len(mine):
            whole = len(mine) == len(rows)
            self.improve(rows if whole else rows[mine], partners, similarity if whole else similarity[mine])
        if first <= partners[0] < self.own.stop:  # they are all own ones, or none
            better = _positions(similarity > self.floor[partners - first])
            self._insert(partners[better % width] - first, rows[better // width], similarity.reshape(-1)[better])

    def improve(self, rows: np.ndarray, partners: np.ndarray, similarity: np.ndarray) -> None:
        """Use similarity (rows, partners) to improve the k best of the own rows alone; the partners may have any
        numbers."""
        at, width = rows - self.own.start, similarity.shape[1]
        better = _positions(similarity > self.floor[at][:, None])
        self._insert(at[better // width], partners[better % width], similarity.reshape(-1)[better])

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

    def result(self, names: np.ndarray | None = None) -> Neighbours:
        """The partners, nearest first; `names` are what the positions are called, None if they keep their numbers."""
        for start in range(0, len(self.index), 4096):  # in place, because there are many numbers
            index, similarity = self.index[start : start + 4096], self.similarity[start : start + 4096]
            if names is not None:
                index[:] = names[index]
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
    own = nearest_centroids(unit, find_centroids(unit, clusters, rng), 1)[:, 0]
    return np.argsort(own, kind="stable").astype(np.int32)


def _meet(unit: np.ndarray, members: np.ndarray, best: Best) -> None:
    """Compare all pairs among `members`, each once."""
    blocks = in_parts(members, max(BLOCK, best.k + 1))
    for rows in blocks:
        similarity = wide(unit[rows]) @ wide(unit[rows]).T
        np.fill_diagonal(similarity, -np.inf)
        best.start(rows, rows, similarity)
    for i, rows in enumerate(blocks):
        mine = wide(unit[rows])
        for partners in blocks[:i]:
            best.offer(rows, partners, mine @ wide(unit[partners]).T)


def _approximate(
    unit: np.ndarray,
    k: int,
    apart: Sequence[np.ndarray],
    clusters: int,
    probes: int,
    rng: np.random.Generator,
    most: float,
    folder: Path | None,
) -> Neighbours:
    """The neighbours by inverted lists, for runs of lists whose members' best partners are in memory."""
    n = len(unit)
    near = nearest_centroids(unit, find_centroids(unit, clusters, rng), probes, folder)
    kind = np.uint16 if clusters <= 1 << 16 else np.int32  # a stable sort of 16 bits is ten times faster
    listed = np.concatenate([near[rows, 0].astype(kind) for rows in blocks(near, 1 << 16)])
    order = np.argsort(listed, kind="stable").astype(np.int32)
    # In the order of the lists, their members are beside each other.
    unit, near, apart = _sorted(unit, order, folder), _sorted(near, order, folder, kind), [of[order] for of in apart]
    lists = Lists.of(near, clusters)
    out = Neighbours(temporary((n, k), np.int32, folder), temporary((n, k), np.float32, folder))
    for own in lists.runs(_OWN):
        rows = lists.members(own)
        best = search(unit, near, apart, lists, own, k, rng, most)
        found, rows = best.result(order), order[rows.start : rows.stop]
        for some in in_parts(np.argsort(rows), _UNSORTED):
            for column, part in ((out.index, found.index), (out.similarity, found.similarity)):
                column[rows[some]] = part[some]
                release(column)
        del best, found  # before the next run needs as much
    return out


def search(
    unit: np.ndarray,
    near: np.ndarray,
    apart: Sequence[np.ndarray],
    lists: Lists,
    own: range,
    k: int,
    rng: np.random.Generator,
    most: float,
) -> Best:
    """The k best partners of the members of consecutive lists.

    Args:
        unit: (n, d) rows of length one, in the order of their lists; float32 or float16.
        near: (n, probes) int, the nearest lists of each, its own first.
        apart: groupings as from `numbered`, in the same order.
        own: the lists.
        rng: chooses the rows with which those are compared whose lists have too few partners.
        most: multiply-adds for those.
    """
    rows = lists.members(own)
    best = Best(len(rows), k, apart, first=rows.start)
    # Own list first: it fills every example's k best, so that later blocks have few candidates.
    for cluster in own:
        for members in lists.pieces(cluster):
            _meet(unit, members, best)
    for other in (range(own.start), own, range(own.stop, len(lists.start) - 1)):
        _visit(unit, near, lists, lists.members(other), own, best)
        if other != own:
            _visit(unit, near, lists, rows, other, best)
    _fill(unit, best, rng, most)
    return best


def _visit(unit: np.ndarray, near: np.ndarray, lists: Lists, rows: range, visited: range, best: Best) -> None:
    """Compare the members of the `visited` lists with those of the `rows` that have them among their nearest ones."""
    if not len(rows):
        return
    for some in lists.windows(visited, _VISITS * len(unit) // max(1, len(rows))):
        for cluster, visitors in zip(some, _visitors(near, rows, some), strict=True):
            pieces = lists.pieces(cluster)
            for members, guests in zip(pieces, np.array_split(visitors, len(pieces)), strict=True):
                for partners in in_parts(members, BLOCK):
                    listed = wide(unit[partners]).T
                    for block in in_parts(guests, BLOCK):
                        best.offer(block, partners, wide(unit[block]) @ listed)
        release(unit)


@dataclass(frozen=True, eq=False)
class Lists:
    """The inverted lists of rows in the order of their own lists.

    Attributes:
        start: (clusters + 1,) where the members of each list begin.
        visits: (clusters + 1,) how many visits the lists before each one have.
    """

    start: np.ndarray
    visits: np.ndarray

    @classmethod
    def of(cls, near: np.ndarray, clusters: int) -> Lists:
        """`near` (n, probes) are the nearest lists of each row, its own first."""
        own, visits = np.zeros(clusters, np.int64), np.zeros(clusters, np.int64)
        for rows in blocks(near, 1 << 16):
            own += np.bincount(near[rows, 0], minlength=clusters)
            visits += np.bincount(near[rows, 1:].ravel(), minlength=clusters)
        return cls(np.append(0, np.cumsum(own)), np.append(0, np.cumsum(visits)))

    def members(self, lists: range) -> range:
        """The rows in consecutive lists."""
        return range(int(self.start[lists.start]), int(self.start[lists.stop]))

    def pieces(self, cluster: int) -> list[np.ndarray]:
        """The members of a list, of which thousands of identical rows share one: in one piece it would be quadratic."""
        members = np.arange(self.start[cluster], self.start[cluster + 1], dtype=np.int32)
        return np.array_split(members, 1 + len(members) * (len(self.start) - 1) // (16 * int(self.start[-1])))

    def runs(self, size: int) -> list[range]:
        """All lists, in runs of about `size` members."""
        return _cut(self.start, range(len(self.start) - 1), size)

    def windows(self, lists: range, size: int) -> list[range]:
        """Consecutive lists, in runs of about `size` visits."""
        return _cut(self.visits, lists, size)


def _cut(total: np.ndarray, lists: range, size: int) -> list[range]:
    """Runs of lists between which `total` grows by about `size`."""
    cuts = np.searchsorted(total, np.arange(total[lists.start] + size, total[lists.stop], size))
    ends = np.unique(np.concatenate([[lists.start], cuts, [lists.stop]])).tolist()
    return [range(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]


def _sorted(array: np.ndarray, order: np.ndarray, folder: Path | None, kind: type = np.float32) -> np.ndarray:
    """A copy of the rows in this order."""
    out = temporary(array.shape, kind, folder)
    for rows in blocks(out, 1 << 16):
        out[rows] = take(array, order[rows])
    return out


def _visitors(near: np.ndarray, rows: range, lists: range) -> list[np.ndarray]:
    """Of each of some lists the ones among `rows` that visit it, ascending; (n, probes) `near` begins with the own."""
    at, visited = [], []
    for block in blocks(near[rows.start : rows.stop], 1 << 16):
        some = near[rows.start + block.start : rows.start + block.stop]
        hit = (some >= lists.start) & (some < lists.stop)
        hit[:, 0] = False
        flat = _positions(hit)
        at.append((rows.start + block.start + flat // some.shape[1]).astype(np.int32))
        visited.append(some.reshape(-1)[flat])
    row, number = np.concatenate(at), np.concatenate(visited)
    count = np.bincount(number - lists.start, minlength=len(lists))
    return np.split(row[np.argsort(number, kind="stable")], np.cumsum(count)[:-1])


def _fill(unit: np.ndarray, best: Best, rng: np.random.Generator, most: float) -> None:
    """Compare rows whose lists had too few partners with all rows, or with as many random ones as `most` allows."""
    short = best.own.start + np.flatnonzero(best.short())
    partners = np.arange(len(unit), dtype=np.int32)
    allowed = int(max(most, 1e9) / max(1, len(short) * unit.shape[1]))
    if allowed < len(unit):
        partners = np.sort(rng.choice(partners, max(4 * BLOCK, allowed), replace=False))
    for rows in in_parts(short, 64):
        similarity = wide(unit[rows]) @ wide(unit[partners]).T
        similarity[partners == rows[:, None]] = -np.inf
        best.start(rows, partners, similarity)


def wide(rows: np.ndarray) -> np.ndarray:
    """The rows as float32, in which products are fast."""
    return np.asarray(rows, np.float32)


def unit_rows(features: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Rows of length one, (n, d) float32; zero rows stay zero. Written to `out`, which may be the features."""
    unit = np.empty(features.shape, np.float32) if out is None else out
    for rows, _ in zip(blocks(features, _UNIT), blocks(unit, _UNIT), strict=True):
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


def find_centroids(
    unit: np.ndarray, clusters: int, rng: np.random.Generator, *, steps: int = 6, per_cluster: int = 40
) -> np.ndarray:
    """Spherical k-means on a sample; a centroid without members restarts from a random row."""
    sample = take(unit, np.sort(rng.choice(len(unit), min(len(unit), clusters * per_cluster), replace=False)))
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


def nearest_centroids(unit: np.ndarray, centroids: np.ndarray, probes: int, folder: Path | None = None) -> np.ndarray:
    """(n, probes) int32 cluster numbers, nearest first."""
    near = temporary((len(unit), probes), np.int32, folder)
    for rows, _ in zip(
        blocks(unit, step := max(1, math.ceil((1 << 21) / len(centroids)))), blocks(near, step), strict=True
    ):
        similarity = unit[rows] @ centroids.T
        if probes == 1:
            near[rows, 0] = similarity.argmax(1)
            continue
        top = _largest(similarity, probes)
        order = np.argsort(-np.take_along_axis(similarity, top, axis=1), axis=1, kind="stable")
        near[rows] = np.take_along_axis(top, order, axis=1)
    return near


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """(b, k) the columns of the k largest values of each row (b, m). They are in the k groups of columns with the
    largest maxima, and a maximum costs a tenth of a partition."""
    m = values.shape[1]
    groups = m // _GROUP
    if groups < 4 * k:
        return np.argpartition(values, m - k, axis=1)[:, m - k :]
    most = values[:, : groups * _GROUP].reshape(-1, _GROUP, groups).max(1)
    chosen = np.argpartition(most, groups - k, axis=1)[:, groups - k :]
    columns = (chosen[:, None, :] + groups * np.arange(_GROUP)[:, None]).reshape(len(values), -1)
    rest = np.broadcast_to(np.arange(groups * _GROUP, m), (len(values), m % _GROUP))
    columns = np.concatenate([columns, rest], axis=1)
    inside = np.take_along_axis(values, columns, axis=1)
    return np.take_along_axis(
        columns, np.argpartition(inside, inside.shape[1] - k, axis=1)[:, inside.shape[1] - k :], axis=1
    )
