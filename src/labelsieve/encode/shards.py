"""Encode a data set in shards: workers write one file for each, then the columns are put together in the order of the
data.

A shard is finished when its file exists and its footer names this plan; the file appears whole or not at all. Whoever
is given a finished shard reads and hashes its raw inputs again, as `encode` does, and encodes it again if one of them
has changed: a changed input never yields a stale feature.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.content_hash import numbered
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError, first_line
from labelsieve.core.input_parts import Inputs, part
from labelsieve.core.progress_callback import Progress
from labelsieve.core.workers import PATIENCE, TRIES, GivenUp, Workers
from labelsieve.encode.batch import digests, joined
from labelsieve.encode.encoder import Encoder
from labelsieve.encode.feature_blocks import Blocks, writing
from labelsieve.encode.pixel_levels import Levels
from labelsieve.encode.shard_plan import FOOTER, Plan, batches_of, footer, shard_name
from labelsieve.encode.stream import Encoded, Rows, decoding_threads, encode_rows, header, loaded, prepared
from labelsieve.places import paths

LOG = logging.getLogger(__name__)
_NAMED = 3  # shards in a message


@dataclass(frozen=True)
class Loader:
    """Loads the encoder in a worker, as the driver did.

    Attributes:
        option, kind, side: as in `encode.encoder`.
        name: of the driver's encoder.
    """

    option: str | None
    kind: str
    side: int | None
    name: str

    def __call__(self) -> Encoder:
        from labelsieve.encode import encoder

        made = encoder(self.option, self.kind, side=self.side)
        if made is None or made.name != self.name:
            raise UserError(
                f"A worker's encoder is {getattr(made, 'name', None)}, not {self.name} as here, so its features would "
                "differ; use workers with the same packages and the same kind of processor."
            )
        return made


@dataclass(frozen=True, eq=False)
class Job:
    """One shard for a worker.

    Attributes:
        number: of the shard.
        place: the folder or address of the shards.
        plan: the identity of the plan.
        rows: (m,) int64 of the data.
        inputs: of these rows.
        batch: as in the plan.
        levels: as in `encode`.
    """

    number: int
    place: str
    plan: str
    rows: np.ndarray
    inputs: Inputs
    batch: int
    levels: Levels | None


@dataclass(frozen=True, eq=False)
class Jobs(Sequence):
    """The jobs of some shards, made when they are given to a worker."""

    data: Dataset
    plan: Plan
    place: str
    levels: Levels | None
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, i: int) -> Job:
        number = self.numbers[i]
        rows = self.plan.rows(number)
        inputs = part(self.data.inputs, rows)
        return Job(number, self.place, self.plan.identity, rows, inputs, self.plan.batch, self.levels)


def run(jobs: Jobs, workers: Workers, start: Any, progress: Progress | None = None) -> int:
    """Finish the shards.

    Args:
        start: makes the encoder in a worker.
        progress: called with ("encode", rows done, rows of these shards).

    Returns:
        How many shards were encoded; the others had been finished before.

    Raises:
        UserError: the disk is full, or shards were given up; those that are finished are kept.
    """
    done, encoded, given_up = 0, 0, []
    total = sum(len(jobs.plan.rows(number)) for number in jobs.numbers)

    def waiting(positions: Sequence[int]) -> None:
        listed = ", ".join(str(jobs.numbers[i]) for i in positions)
        LOG.warning("No shard was finished for %d seconds; waiting for shard %s.", PATIENCE, listed)
        if progress:
            progress(f"encode: waiting for shard {listed}", done, total)

    for position, result in workers.run(finish, jobs, start=start, waiting=waiting):
        number = jobs.numbers[position]
        if isinstance(result, GivenUp):
            LOG.warning("shard %d was given up: %s", number, result.reason)
            given_up.append((number, result.reason))
            continue
        encoded += result
        done += len(jobs.plan.rows(number))
        if progress:
            progress("encode", done, total)
    if given_up:
        listed = "; ".join(f"shard {number}: {reason}" for number, reason in sorted(given_up)[:_NAMED])
        more = "; ..." if len(given_up) > _NAMED else ""
        raise UserError(
            f"{len(given_up):,} of {len(jobs):,} shards could not be encoded in {TRIES} tries ({listed}{more}). What "
            "is finished is kept; run the same command again for the rest."
        ) from OSError(given_up[0][1])
    LOG.info("%d of %d shards were finished before", len(jobs) - encoded, len(jobs))
    return encoded


def finish(encoder: Encoder, job: Job) -> bool:
    """Encode a shard, unless it is finished and its inputs are the same; returns whether it was encoded."""
    path = paths.join(job.place, shard_name(job.number))
    old = footer(path)
    with decoding_threads() as pool:
        if old is not None and (old["plan"], old["encoder"]) == (job.plan, encoder.name):
            spans = batches_of(job.rows, job.batch)
            read = map if pool is None else pool.map
            now = b"".join(read(lambda span: digests(job.inputs, span), spans))
            if joined(now) == old["inputs"]:
                return False
        parts = ((None, span) for span in batches_of(job.rows, job.batch))
        batches = (batch for _, batch in prepared(pool, job.inputs, parts, encoder, job.levels))
        rows = encode_rows(encoder, range(len(job.rows)), batches)
    content = _file(job, encoder, rows)
    if paths.is_remote(path):
        paths.write(path, content)
    else:
        with writing(job.place):
            paths.write(path, content)
    return True


def collect(
    plan: Plan, place: str, encoder: Encoder, folder: Path, *, key: str = "", levels: Levels | None = None
) -> Encoded:
    """Put finished shards together: the columns that `encode` leaves in `folder`, and its result.

    Raises:
        UserError: a shard is missing or damaged, or the disk is full.
    """
    n = len(plan.order)
    blocks, raw = Blocks(folder, header(encoder, n, key, levels)), np.zeros((n, 16), np.uint8)
    blocks.start(keep=())
    failed: list[tuple[int, str]] = []
    for number in range(len(plan)):
        columns, failures = _read(paths.join(place, shard_name(number)), plan, number)
        raw[plan.rows(number)] = columns.pop("raw")
        blocks.scatter(plan.rows(number), **columns)
        failed += failures
    blocks.close(lambda span: joined(raw[span.start : span.stop].tobytes()), failed)
    return loaded(blocks, numbered(raw.tobytes()))


def files(plan: Plan, place: str, keep: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The file of each shard, with the positions (m,) int64 of its rows among those to keep (n,) bool, else -1."""
    position = np.where(keep, np.cumsum(keep) - 1, -1)
    return [(paths.join(place, shard_name(number)), position[plan.rows(number)]) for number in range(len(plan))]


def _file(job: Job, encoder: Encoder, rows: Rows) -> bytes:
    """A finished shard as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = rows.columns
    arrays = {
        "row": pa.array(job.rows),
        "content": pa.array(columns["content"]),
        "raw": _binary(np.frombuffer(rows.digests, np.uint8).reshape(len(job.rows), -1)),
        "sketch": _binary(columns["sketch"]),
        "reading": pa.array(columns["reading"]),
        "features": _lists(columns["features"]),
    }
    about = {
        "plan": job.plan,
        "shard": job.number,
        "encoder": encoder.name,
        "inputs": joined(rows.digests),
        "failed": [(int(job.rows[position]), reason) for position, reason in rows.failed],
    }
    fields = [pa.field(name, array.type, nullable=False) for name, array in arrays.items()]
    schema = pa.schema(fields, {FOOTER: json.dumps(about).encode()})
    file = io.BytesIO()
    pq.write_table(
        pa.table(list(arrays.values()), schema=schema),
        file,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )
    return file.getvalue()


def _binary(rows: np.ndarray) -> Any:
    import pyarrow as pa

    kind = pa.binary(rows.shape[1])
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))])


def _lists(rows: np.ndarray) -> Any:
    import pyarrow as pa

    kind = pa.list_(pa.field("element", pa.float16(), nullable=False), rows.shape[1])
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), type=kind)


def _read(path: str, plan: Plan, number: int) -> tuple[dict[str, np.ndarray], list[tuple[int, str]]]:
    """The columns of a finished shard, and its failures."""
    try:
        content = paths.read(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        return _parsed(content, plan, number)
    except Exception as error:  # damaged behind its footer, so that it would count as finished
        paths.remove(path)
        raise _unreadable(path, error) from OSError(str(error))


def _unreadable(path: str, error: Exception) -> UserError:
    return UserError(f"The shard {path} cannot be read ({first_line(error)}); run the same command again.")


def _parsed(content: bytes, plan: Plan, number: int) -> tuple[dict[str, np.ndarray], list[tuple[int, str]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = plan.rows(number)
    table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    about = json.loads(table.schema.metadata[FOOTER])
    if about["plan"] != plan.identity or not np.array_equal(table["row"].to_numpy(), rows):
        raise ValueError("it belongs to another plan")
    one = {name: table[name].combine_chunks() for name in table.column_names}
    columns = {
        "features": one["features"].flatten().to_numpy().reshape(len(rows), -1),
        "content": one["content"].to_numpy(),
        "sketch": _bytes(one["sketch"]),
        "reading": one["reading"].to_numpy(),
        "raw": _bytes(one["raw"]),
    }
    return columns, [(int(row), reason) for row, reason in about["failed"]]


def _bytes(array: Any) -> np.ndarray:
    if array.offset:
        raise ValueError("its rows begin in the middle")
    width = array.type.byte_width
    return np.frombuffer(array.buffers()[1], np.uint8, len(array) * width).reshape(len(array), width)
