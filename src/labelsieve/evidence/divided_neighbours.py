"""The k nearest neighbours from features in shards, by several workers: inverted lists on disk.

Sivic and Zisserman 2003; Jegou, Douze and Schmid, "Product quantization for nearest neighbor search", TPAMI 2011
("inverted file"). This process finds the principal directions and the centroids of a sample. Then

1. workers bring each shard's rows into these directions, and find the `PROBES` nearest centroids of each row;
2. this process writes the rows in the order of their nearest centroids, so that a list is a stretch of one file, which
   all workers read;
3. workers answer the rows of some lists each: for every list that some of these rows probe, one product of them with
   the list, while each row keeps its k best so far (`stats.neighbours.Best`).

`stats.neighbours` uses each product for the rows and for the list's members too. Here the members belong to somebody
else, so that twice the probes find as much. Long lists (thousands of equal rows) are cut, as there, and a row visits
one piece. The result does not depend on who answers.
Cost: n (clusters + n probes / clusters) width multiply-adds. Memory of a worker: some 16,000 rows with their results, a
list, a block. On disk: n rows of `width` float16 and `PROBES` int32, and the rows once more by list.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.evidence import Neighbours
from labelsieve.core.memory_map import release
from labelsieve.core.workers import Workers
from labelsieve.engine.standardise import ROTATE, WIDTH, Standardiser, directions
from labelsieve.evidence.feature_shards import Made, Shard, Shards, divided, standardised
from labelsieve.places import paths
from labelsieve.places.local_copy import local_copy
from labelsieve.stats.neighbours import (
    BLOCK,
    Best,
    find_centroids,
    in_parts,
    keep_apart,
    nearest_centroids,
    numbered,
    unit_rows,
)

CLUSTER = 250  # average rows of a list; above (4 * 250)^2 rows the lists grow with sqrt(n)
PROBES = 48  # lists in which a row looks for neighbours
_TOGETHER = 16_384  # rows that a worker answers at once
_LONG = 8  # times the average, above which a list is cut
_SAMPLED = 40  # rows a cluster, by which centroids are found
_FILL = 1 << 16  # random rows that a row with few partners is compared with
_WRITTEN = 1 << 16  # rows written at once
_WHAT = "the search for neighbours"


def nearest(
    shards: Shards,
    features: np.ndarray,
    scale: Standardiser,
    k: int,
    workers: Workers,
    *,
    apart: Sequence[np.ndarray] = (),
    probes: int = PROBES,
    cluster: int = CLUSTER,
    seed: int = 0,
    folder: Path,
) -> Neighbours:
    """What `stats.neighbours.nearest` returns, about, memory-mapped in `folder`.

    Args:
        shards: the features.
        features: (n, d) the same; only samples of them are read here.
        scale: what standardises them.
        k: neighbours of a row.
        apart: groupings, each (n,) int; two rows with the same number in any of them are never neighbours.
        probes: lists in which a row looks for neighbours.
        cluster: average rows of a list.
        seed: of the samples.
        folder: for the result, and for files that are removed afterwards.

    Raises:
        UserError: a part failed each time.
        OSError: a file cannot be written.
    """
    n, name = len(features), f"lists-{secrets.token_hex(8)}.npy"
    folder.mkdir(parents=True, exist_ok=True)
    files = {part: folder / f"{part}.npy" for part in ("unit", "near")}
    address = paths.join(shards.place, name)
    lists = folder / name if paths.is_remote(address) else Path(address)
    lists.parent.mkdir(parents=True, exist_ok=True)
    try:
        lookup = _lookup(features, scale, probes, cluster, seed)
        unit = _mapped(files["unit"], np.float16, (n, lookup.directions.shape[1]))
        near = _mapped(files["near"], np.int32, (n, lookup.probes))
        _look_up(shards, lookup, unit, near, workers)
        first = _cut(near, len(lookup.centroids))
        order = np.argsort(near[:, 0], kind="stable").astype(np.int32)
        groups = [number for number in map(numbered, apart) if (number >= 0).any()]
        _write(lists, unit, order, groups)
        del unit
        if address != str(lists):
            paths.upload(lists, address)
        return _answered(address, near, order, np.searchsorted(near[:, 0][order], first), k, seed, workers, folder)
    finally:
        for file in (*files.values(), lists):
            file.unlink(missing_ok=True)
        paths.remove(address)


@dataclass(frozen=True, eq=False)
class _Lookup:
    """What a worker needs to find the lists of rows.

    Attributes:
        scale: what standardises features.
        directions: (d, w) float32.
        centroids: (clusters, w) float32 of length one.
        probes: how many lists.
    """

    scale: Standardiser
    directions: np.ndarray
    centroids: np.ndarray
    probes: int

    def unit(self, standardised: np.ndarray) -> np.ndarray:
        """(b, w) float16 rows of length one, in the directions."""
        return unit_rows(standardised.astype(np.float32) @ self.directions).astype(np.float16)


def _lookup(features: np.ndarray, scale: Standardiser, probes: int, cluster: int, seed: int) -> _Lookup:
    """The directions and the centroids of random rows."""
    n, d = features.shape
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(n, min(n, ROTATE), replace=False))
    leading = np.eye(d, dtype=np.float32) if d <= WIDTH else directions(_rows(features, scale, rows), WIDTH, seed)
    clusters = max(1, min(n // cluster, 4 * math.isqrt(n)))
    found = _Lookup(scale, leading, np.zeros((clusters, 0)), min(probes, clusters))
    rows = np.sort(rng.choice(n, min(n, clusters * _SAMPLED), replace=False))
    sample = np.empty((len(rows), leading.shape[1]), np.float32)
    for part in in_parts(np.arange(len(rows)), BLOCK):
        sample[part] = found.unit(_rows(features, scale, rows[part]))
    return _Lookup(scale, leading, find_centroids(sample, clusters, rng), found.probes)


def _rows(features: np.ndarray, scale: Standardiser, rows: np.ndarray) -> np.ndarray:
    taken = scale.of(features, rows).astype(np.float16)
    release(features)
    return taken


def _look_up(shards: Shards, lookup: _Lookup, unit: np.ndarray, near: np.ndarray, workers: Workers) -> None:
    """Write each row's unit vector and the numbers of its nearest centroids."""
    for i, (units, lists) in divided(workers, _looked_up, shards.parts, start=partial(_same, lookup), what=_WHAT):
        unit[shards.rows[i]], near[shards.rows[i]] = units, lists
        if i % 64 == 0:
            release(unit)
            release(near)


def _same(value: Any) -> Any:
    return value


def _looked_up(lookup: _Lookup, shard: Shard) -> tuple[np.ndarray, np.ndarray]:
    (x,) = standardised([shard], lookup.scale)
    unit = lookup.unit(x)
    return unit, nearest_centroids(unit.astype(np.float32), lookup.centroids, lookup.probes)


def _cut(near: np.ndarray, clusters: int) -> np.ndarray:
    """Cut lists that are far longer than the average, and replace in `near` the numbers of the lists by those of their
    pieces. A row belongs to, or visits, the piece of its position modulo the number of pieces.

    Returns:
        (pieces + 1,) all numbers of pieces and the one after the last.
    """
    n = len(near)
    pieces = 1 + np.bincount(near[:, 0], minlength=clusters) * clusters // (_LONG * n)
    first = np.concatenate([[0], np.cumsum(pieces)])
    if first[-1] > clusters:
        for start in range(0, n, _WRITTEN):
            lists = near[start : start + _WRITTEN]
            position = np.arange(start, start + len(lists))[:, None]
            near[start : start + _WRITTEN] = first[lists] + position % pieces[lists]
    return np.arange(first[-1] + 1)


def _write(lists: Path, unit: np.ndarray, order: np.ndarray, groups: list[np.ndarray]) -> None:
    """The rows by list, in one file that can be mapped."""
    row = np.dtype(
        [
            ("unit", np.float16, (unit.shape[1],)),
            ("row", np.int32),
            *((f"group{g}", np.int32) for g in range(len(groups))),
        ]
    )
    out = _mapped(lists, row, (len(order),))
    for at in in_parts(np.arange(len(order)), _WRITTEN):
        rows = order[at]
        out["unit"][at], out["row"][at] = unit[rows], rows
        for g, group in enumerate(groups):
            out[f"group{g}"][at] = group[rows]
        release(unit)
        release(out)
    out.flush()


def _mapped(file: Path, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    return np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)


@dataclass(frozen=True, eq=False)
class _Search:
    """What a worker needs to answer rows.

    Attributes:
        address: of the rows by list.
        starts: (pieces + 1,) int64, where each list begins in them.
        k: neighbours of a row.
        seed: of the random rows that are compared with those whose lists were too short.
    """

    address: str
    starts: np.ndarray
    k: int
    seed: int


@dataclass(frozen=True, eq=False)
class _Asked:
    """Rows to be answered.

    Attributes:
        start: where they begin in the rows by list.
        near: (b, probes) int32, their lists.
    """

    start: int
    near: np.ndarray


@dataclass(frozen=True, eq=False)
class _Listed:
    """The rows by list, mapped, and the search."""

    search: _Search
    rows: np.ndarray


def _answered(
    address: str,
    near: np.ndarray,
    order: np.ndarray,
    starts: np.ndarray,
    k: int,
    seed: int,
    workers: Workers,
    folder: Path,
) -> Neighbours:
    n = len(order)
    result = Neighbours(
        _mapped(folder / "neighbours.npy", np.int32, (n, k)), _mapped(folder / "similarity.npy", np.float32, (n, k))
    )
    # whole lists together, as far as they are not longer than that
    ends = np.unique(np.concatenate([starts[np.searchsorted(starts, np.arange(0, n, _TOGETHER))], [n]]))
    begins = np.concatenate([[0], ends[ends > 0][:-1]])
    ends = ends[ends > 0]

    def asked(i: int) -> _Asked:
        lists = near[order[begins[i] : ends[i]]]
        release(near)
        return _Asked(int(begins[i]), lists)

    start = partial(_listed, _Search(address, starts, k, seed))
    for i, (index, similarity) in divided(workers, _answer, Made(len(begins), asked), start=start, what=_WHAT):
        rows = order[begins[i] : ends[i]]
        result.index[rows], result.similarity[rows] = index, similarity
        if i % 16 == 0:
            release(result.index)
            release(result.similarity)
    return result


def _listed(search: _Search) -> _Listed:
    return _Listed(search, np.load(local_copy(search.address), mmap_mode="r"))


def _answer(listed: _Listed, asked: _Asked) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest neighbours (b, k) of some rows, and their similarities."""
    search, rows = listed.search, listed.rows
    own = rows[asked.start : asked.start + len(asked.near)]
    unit, ids = own["unit"].astype(np.float32), own["row"]
    groups = [np.ascontiguousarray(own[name]) for name in own.dtype.names if name.startswith("group")]
    best = Best(len(own), search.k)

    def compare(queries: np.ndarray, partners: np.ndarray, *, first: bool = False) -> None:
        listed_unit, listed_ids = partners["unit"].astype(np.float32).T, np.ascontiguousarray(partners["row"])
        listed_groups = [np.ascontiguousarray(partners[name]) for name in partners.dtype.names[2:]]
        for mine in in_parts(queries, BLOCK):
            similarity = unit[mine] @ listed_unit
            for one, other in zip(groups, listed_groups, strict=True):
                keep_apart(similarity, one[mine], other)
            if first:
                similarity[listed_ids == ids[mine][:, None]] = -np.inf
                best.start(mine, listed_ids, similarity)
            else:
                best.improve(mine, listed_ids, similarity)

    # Each row's own list first: it fills the k best, so that later lists have few candidates.
    for step, column in enumerate((asked.near[:, :1], asked.near[:, 1:])):
        flat = column.reshape(-1)
        by_list = np.argsort(flat, kind="stable")
        which, begin = np.unique(flat[by_list], return_index=True)
        for piece, queries in zip(which, np.split(by_list // max(1, column.shape[1]), begin[1:]), strict=True):
            compare(queries, rows[search.starts[piece] : search.starts[piece + 1]], first=step == 0)
    short = np.flatnonzero(best.short())
    if len(short):
        some = np.arange(len(rows))
        if len(rows) > _FILL:
            some = np.sort(np.random.default_rng([search.seed, asked.start]).choice(len(rows), _FILL, replace=False))
        for queries in in_parts(short, 64):
            compare(queries, rows[some], first=True)
    release(rows)
    found = best.result()
    return found.index, found.similarity
