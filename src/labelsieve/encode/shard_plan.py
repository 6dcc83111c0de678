"""Cuts a data set into shards, which workers encode one by one: a pure function of the data and the encoder.

Whoever makes the plan of the same data makes the same one, so jobs on several machines need no other agreement. Rows
are dealt to the shards at random, because folders are sorted by class. They are dealt in the batches that one process
would give to the encoder: features of some encoders differ in the last bit with the other examples of the batch, and
these shards give the same bits. Rows that are read from a file at once (a row group of Parquet) stay together, cut only
if there are more than a shard holds.

The manifest is a Parquet file with one row group for each shard (columns shard, row, source, id), which any program can
read. Its footer says what the plan depends on.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.content_hash import numbered, tagged
from labelsieve.core.dataset import Dataset
from labelsieve.core.input_parts import groups, row_bytes
from labelsieve.encode.encoder import Encoder
from labelsieve.encode.feature_blocks import writing
from labelsieve.encode.stream import BLOCK
from labelsieve.places import paths

MANIFEST, FOOTER = "manifest.parquet", b"labelsieve"
VERSION = 1
MOST = {"image": 4096, "text": 16_384}  # rows of a shard
LEAST = {"image": 256, "text": 1024}
SHARDS = 32  # that a smaller data set is cut into, so that every worker has some
HEAVIEST = 256 << 20  # bytes of the values in memory that travel to a worker
_IDS = 1 << 16  # hashed at once
_SHARD = re.compile(r"shard-(\d{5,})\.parquet")


@dataclass(frozen=True, eq=False)
class Plan:
    """The shards of n rows.

    Attributes:
        order: (n,) int64, the rows of the data, shard after shard, ascending in each.
        starts: (s + 1,) int64, where each shard begins in `order`.
        batch: rows of one call of the encoder.
        settings: what the plan depends on.
        identity: a hash of all of it.
    """

    order: np.ndarray
    starts: np.ndarray
    batch: int
    settings: Mapping[str, Any]
    identity: str

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rows(self, shard: int) -> np.ndarray:
        """(m,) int64 the rows of a shard, ascending."""
        return self.order[self.starts[shard] : self.starts[shard + 1]]


def plan_of(data: Dataset, encoder: Encoder, key: str, *, most: int | None = None) -> Plan:
    """The plan for a data set of images or texts.

    Args:
        key: anything else that features depend on, as in `encode`.
        most: rows of a shard, about; None: 4,096 images or 16,384 texts, fewer if there are few or heavy ones.
    """
    n = len(data)
    begins = batch_starts(n, encoder.batch)
    at, size = groups(data.inputs), most or _size(data, encoder.batch)
    units = np.arange(len(begins)) if at is None else _runs(at[begins], max(1, size // encoder.batch))
    mixed = np.argsort(_mixed(np.arange(units.max(initial=-1) + 1)), kind="stable")  # the units in random order
    lengths = np.diff(begins, append=n)
    weight = np.bincount(units, lengths, len(mixed)).astype(np.int64)[mixed]
    shard = np.empty(len(mixed), np.int64)
    shard[mixed] = np.unique((np.cumsum(weight) - weight) // size, return_inverse=True)[1]  # of each unit
    of_row = np.repeat(shard[units], lengths)
    order = np.argsort(of_row, kind="stable")
    starts = np.searchsorted(of_row[order], np.arange(of_row.max(initial=-1) + 2))
    settings = {
        "version": VERSION,
        "n": n,
        "kind": data.kind,
        "encoder": encoder.name,
        "key": key,
        "ids": _hash_of_ids(data.ids),
        "shards": len(starts) - 1,
    }
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16)
    digest.update(order.astype("<i8").data)
    digest.update(starts.astype("<i8").data)
    return Plan(order, starts, encoder.batch, settings, digest.hexdigest())


def batch_starts(n: int, batch: int) -> np.ndarray:
    """Where the batches begin that `encode` gives to the encoder."""
    begins = (np.arange(0, n, BLOCK)[:, None] + np.arange(0, BLOCK, batch)).ravel()
    return begins[begins < n]


def batches_of(rows: np.ndarray, batch: int) -> list[range]:
    """The same batches in the rows of a shard, as spans of its positions."""
    begins = np.flatnonzero(rows % BLOCK % batch == 0).tolist()
    return [range(*pair) for pair in zip(begins, [*begins[1:], len(rows)], strict=True)]


def start(plan: Plan, data: Dataset, place: str) -> dict[str, Any]:
    """Write the manifest into a folder or at an address, and remove shards of an earlier plan that had more; returns
    what `planned` does.

    Raises:
        UserError: it cannot be written.
    """
    write_manifest(plan, data, place)
    with writing(place):
        for file in paths.files_below(place):
            if (name := _SHARD.fullmatch(file.name)) and int(name[1]) >= len(plan):
                paths.remove(paths.join(place, file.name))
    return {**plan.settings, "plan": plan.identity}


def shard_name(number: int) -> str:
    return f"shard-{number:05d}.parquet"


def write_manifest(plan: Plan, data: Dataset, place: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    at, names = groups(data.inputs), getattr(data.inputs, "paths", None)
    settings = {**plan.settings, "plan": plan.identity}
    schema = pa.schema(
        [("shard", pa.int32()), ("row", pa.int64()), ("source", pa.string()), ("id", pa.uint64())],
        {FOOTER: json.dumps(settings).encode()},
    )
    file = io.BytesIO()
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for shard in range(len(plan)):
            rows = plan.rows(shard)
            if names is not None:
                source = [_utf8(str(names[row])) for row in rows.tolist()]
            else:
                source = ["" if at is None else f"row group {at[row]}" for row in rows.tolist()]
            ids = numbered(b"".join(tagged(b"id", key.encode("utf-8", "surrogatepass")) for key in data.ids[rows]))
            columns = [
                pa.array(np.full(len(rows), shard, np.int32)),
                pa.array(rows),
                pa.array(source, pa.string()),
                pa.array(ids),
            ]
            writer.write_table(pa.table(columns, schema=schema))
    with writing(place):
        paths.write(paths.join(place, MANIFEST), file.getvalue())


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def planned(place: str) -> dict[str, Any] | None:
    """The settings in the footer of the manifest, with the identity "plan" of its plan; None if there is none, or it is
    damaged."""
    return footer(paths.join(place, MANIFEST))


def footer(path: str) -> dict[str, Any] | None:
    """What Labelsieve wrote into the footer of a Parquet file; None if there is no such file, or it is damaged."""
    import pyarrow.parquet as pq

    try:
        with paths.opened(path) as file:
            return json.loads((pq.read_metadata(file).metadata or {})[FOOTER])
    except Exception:  # no file, a file that was cut, and what each storage raises
        return None


def _size(data: Dataset, batch: int) -> int:
    """Rows of a shard."""
    some = max(LEAST[data.kind], -(-len(data) // SHARDS))
    weight = row_bytes(data.inputs)
    heavy = int(HEAVIEST / weight) if weight else some
    return max(batch, min(some, heavy, MOST[data.kind]))


def _runs(at: np.ndarray, most: int) -> np.ndarray:
    """(b,) int64 the number of the unit of each batch: batches in a row with the same `at`, cut at `most`."""
    begins = np.flatnonzero(np.diff(at, prepend=at[:1] - 1))
    within = np.arange(len(at)) - np.repeat(begins, np.diff(begins, append=len(at)))
    return np.cumsum(within % most == 0) - 1


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Numbers that look random and are the same on every machine and in every version of NumPy (SplitMix64: Steele,
    Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014)."""
    z = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _hash_of_ids(ids: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for start in range(0, len(ids), _IDS):
        digest.update("\0".join(ids[start : start + _IDS]).encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()
