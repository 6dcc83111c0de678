"""The k nearest neighbours from features in shards, by several workers: the inverted lists of `stats.neighbours` on
disk.

This process finds the principal directions, and the centroids of a sample. Then

1. workers bring each shard's rows into these directions, and find the nearest centroids of each row;
2. this process writes the rows in the order of their nearest centroids to files that all workers read;
3. workers search some lists each (`stats.neighbours.search`).

A worker compares the members of its lists with their visitors and with the lists that they visit, so that each pair of
rows in lists of different workers is compared twice. The neighbours are those of one process with these lists, and do
not depend on who answers.
Cost: n (clusters + 2 n probes / clusters) width multiply-adds. Memory of a worker: the results of some 260,000 rows,
their visits, blocks. On disk: n rows of `width` float16 and `PROBES` numbers of lists, twice for a while.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.evidence import Neighbours
from labelsieve.core.memory_map import blocks, release, take
from labelsieve.core.workers import Workers
from labelsieve.engine.standardise import ROTATE, WIDTH, Standardiser, directions
from labelsieve.evidence.feature_shards import Shard, Shards, divided, standardised
from labelsieve.places import paths
from labelsieve.places.local_copy import local_copy
from labelsieve.places.transfer import upload
from labelsieve.stats.neighbours import (
    BLOCK,
    Lists,
    find_centroids,
    in_parts,
    nearest_centroids,
    numbered,
    search,
    unit_rows,
)

CLUSTER = 250  # average rows of a list; above (4 * 250)^2 rows the lists grow with sqrt(n)
PROBES = 64  # lists in which a row looks for neighbours: recall .988 on clusters that overlap, .999 on photos
_TOGETHER = 1 << 18  # rows that a worker answers at once
_SAMPLED = 40  # rows a cluster, by which centroids are found
_FILL = 2e11  # multiply-adds for rows with few partners, of a worker's lists
_WRITTEN = 1 << 16  # rows written at once
_WHAT = "the search for neighbours"
_FILES = ("unit", "near", "order", "groups")
LISTS = "lists-"  # how the names of files begin that are needed only during the search


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
        k: neighbours of a row; n - 1 if there are fewer.
        apart: groupings, each (n,) int; two rows with the same number in any of them are never neighbours.
        probes: lists in which a row looks for neighbours.
        cluster: average rows of a list.
        seed: of the samples.
        folder: for the result, and for files that are removed afterwards.

    Raises:
        UserError: a part failed each time.
        OSError: a file cannot be written.
    """
    n, token = len(features), secrets.token_hex(8)
    k = min(k, n - 1)
    away = paths.is_remote(shards.place)
    here = folder if away else Path(shards.place)
    for place in (folder, here):
        place.mkdir(parents=True, exist_ok=True)
    for place in {str(folder), shards.place}:
        sweep(place)
    local = {part: here / f"{LISTS}{token}-{part}.npy" for part in _FILES}
    addresses = {part: paths.join(shards.place, file.name) for part, file in local.items()}
    unsorted = [folder / f"{LISTS}{token}-unsorted-{part}.npy" for part in ("unit", "near")]
    try:
        lookup = _lookup(features, scale, probes, cluster, seed)
        unit = _mapped(unsorted[0], np.float16, (n, lookup.directions.shape[1]))
        near = _mapped(unsorted[1], np.int32, (n, lookup.probes))
        _look_up(shards, lookup, unit, near, workers)
        order = np.argsort(near[:, 0], kind="stable").astype(np.int32)
        clusters = len(lookup.centroids)
        _write(local["unit"], unit, order, np.float16)
        near = _write(local["near"], near, order, np.uint16 if clusters <= 1 << 16 else np.int32)
        groups = [own[order] for own in map(numbered, apart) if (own >= 0).any()]
        np.save(local["groups"], np.array(groups, np.int32).reshape(-1, n))
        np.save(local["order"], order)
        if away:
            upload(here, [file.name for file in local.values()], shards.place)
        found = _Search(addresses, Lists.of(near, clusters), k, seed)
        return _answered(found, order, workers, folder)
    finally:
        for file in (*unsorted, *local.values()):
            file.unlink(missing_ok=True)
        for address in addresses.values() if away else ():
            with suppress(OSError, UserError):  # the next search removes it
                paths.remove(address)


def sweep(place: str) -> None:
    """Remove the files of a killed search from a folder, a path or an address."""
    for left in paths.files_below(place):
        if left.name.startswith(LISTS):
            paths.remove(paths.join(place, left.name))


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


def _write(file: Path, array: np.ndarray, order: np.ndarray, kind: type) -> np.ndarray:
    """The rows in this order, in a file."""
    out = _mapped(file, kind, array.shape)
    for rows in blocks(out, _WRITTEN):
        out[rows] = take(array, order[rows])
    out.flush()
    return out


def _mapped(file: Path, kind: Any, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(file, mode="w+", dtype=kind, shape=shape)


@dataclass(frozen=True, eq=False)
class _Search:
    """What a worker needs to search lists.

    Attributes:
        addresses: of the arrays, in the order of the lists: unit (n, w), near (n, probes), groups (g, n), and order
            (n,), where each row is in the data.
        lists: where they begin.
        k: neighbours of a row.
        seed: of the rows that are compared with those whose lists have too few partners.
    """

    addresses: dict[str, str]
    lists: Lists
    k: int
    seed: int


def _answered(found: _Search, order: np.ndarray, workers: Workers, folder: Path) -> Neighbours:
    shape = len(order), found.k
    index, similarity = (
        _mapped(folder / "neighbours.npy", np.int32, shape),
        _mapped(folder / "similarity.npy", np.float32, shape),
    )
    runs = found.lists.runs(_TOGETHER)
    for i, part in divided(workers, _answer, runs, start=partial(_opened, found), what=_WHAT):
        members = found.lists.members(runs[i])
        rows = order[members.start : members.stop]
        ascending = np.argsort(rows)
        for column, values in ((index, part.index), (similarity, part.similarity)):
            column[rows[ascending]] = values[ascending]
            release(column)
    return Neighbours(index, similarity)


@dataclass(frozen=True, eq=False)
class _Opened:
    """The search, and its arrays, mapped."""

    found: _Search
    arrays: dict[str, np.ndarray]


def _opened(found: _Search) -> _Opened:
    files = {part: local_copy(address) for part, address in found.addresses.items()}
    return _Opened(found, {part: np.load(file, mmap_mode="r") for part, file in files.items()})


def _answer(opened: _Opened, own: range) -> Neighbours:
    """The neighbours of the members of consecutive lists."""
    found, arrays = opened.found, opened.arrays
    rng = np.random.default_rng([found.seed, own.start])
    apart = list(arrays["groups"])
    best = search(arrays["unit"], arrays["near"], apart, found.lists, own, found.k, rng, _FILL)
    for array in arrays.values():
        release(array)
    return best.result(arrays["order"])
