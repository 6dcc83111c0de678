"""Encode a data set once: read and decode in threads, encode, store finished blocks.

While the encoder works on one batch, threads read and decode the next ones; a bounded number of batches is in progress,
so memory does not grow with the data set. Finished blocks are stored on disk (`feature_blocks.py`). On a later run the
raw inputs are read and hashed again, which costs about a thousandth of encoding them, and only blocks whose bytes
changed are encoded again: a changed file never yields a stale feature.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from labelsieve.core.content_hash import numbered
from labelsieve.encode.batch import Batch, Failure, digests, joined, prepare, sketch_bytes
from labelsieve.encode.encoder import Encoder, threads
from labelsieve.encode.feature_blocks import Blocks, Finished, Header
from labelsieve.encode.image_processor import BICUBIC
from labelsieve.encode.pixel_levels import Levels

Progress = Callable[[int, int], None]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
LOG = logging.getLogger(__name__)
_FLOAT16_MAX = float(np.finfo(np.float16).max)
BLOCK = 1024  # examples that are finished together; a killed run repeats one block at most


@dataclass(frozen=True, eq=False)
class Encoded:
    """The result of encoding n examples.

    Attributes:
        features: (n, d) float16, memory-mapped; zeros where encoding failed.
        content: (n,) uint64, equal for equal inputs (decoded pixels, folded text); 0 where encoding failed.
        sketch: (n, s) uint8, to detect near-duplicates (`stats.same_text`, `stats.same_picture`); 0 where
            encoding failed.
        failed: (position, reason) of each example that could not be encoded, in order.
        raw: (n,) uint64, a hash of each original input (`core.content_hash`).
        reading: (n,) uint16, how many parts each text has; for images EIGHT, DEEP or UNSCALED (`encode.decode_image`).
    """

    features: np.ndarray
    content: np.ndarray
    sketch: np.ndarray
    failed: tuple[Failure, ...]
    raw: np.ndarray
    reading: np.ndarray


def encode(
    inputs: Sequence[Any] | np.ndarray,
    encoder: Encoder,
    folder: Path,
    *,
    key: str,
    levels: Levels | None = None,
    progress: Progress | None = None,
    block: int = BLOCK,
) -> Encoded:
    """Encode every input, except for blocks in `folder` that an earlier run finished.

    Args:
        inputs: n images (bytes or uint8 arrays) or texts, as `encoder.kind` says. They are read from several threads.
        key: anything else that features depend on; a different key discards the content of `folder`.
        levels: the values shown as black and white in images of more than 8 bits per channel; part of the key.
        progress: called with (examples done, n) after each block.
        block: examples that are finished together; a killed run repeats one block at most.

    Raises:
        UserError: the folder cannot be written, or the disk is full; finished blocks are kept.
    """
    n = len(inputs)
    if n == 0:
        none = np.zeros(0, np.uint64)
        sketch = np.zeros((0, sketch_bytes(encoder.kind)), np.uint8)
        return Encoded(np.zeros((0, encoder.width), np.float16), none, sketch, (), none, none.astype(np.uint16))
    blocks = Blocks(Path(folder), header(encoder, n, key, levels, block))
    spans = blocks.spans()
    done, raw = 0, np.zeros(n, np.uint64)

    with decoding_threads() as pool:
        unchanged = []
        for number, block_digests in _ahead(
            pool, lambda i: (i, digests(inputs, spans[i])), sorted(blocks.finished), threads() + 1
        ):
            if joined(block_digests) == blocks.finished[number].inputs:
                raw[spans[number].start : spans[number].stop] = numbered(block_digests)
                unchanged.append(number)
                done = _report(progress, done + len(spans[number]), n)

        todo = sorted(set(range(len(spans))) - set(unchanged))
        LOG.info("%s: %d of %d blocks were encoded before", encoder.name, len(unchanged), len(spans))
        if todo:
            blocks.start(keep=unchanged)
        parts = (
            (i, spans[i][start : start + encoder.batch])
            for i in todo
            for start in range(0, len(spans[i]), encoder.batch)
        )
        ready = prepared(pool, inputs, parts, encoder, levels)
        for number, batches in groupby(ready, key=lambda pair: pair[0]):
            rows = encode_rows(encoder, spans[number], (batch for _, batch in batches))
            block_digests = rows.digests
            blocks.write(number, Finished(joined(block_digests), rows.failed), **rows.columns)
            raw[spans[number].start : spans[number].stop] = numbered(block_digests)
            done = _report(progress, done + len(spans[number]), n)

    return loaded(blocks, raw)


def header(encoder: Encoder, n: int, key: str, levels: Levels | None, block: int = BLOCK) -> Header:
    """What stored features of n inputs must match."""
    return Header(
        encoder.name, key + (levels.key if levels else ""), n, encoder.width, block, sketch_bytes(encoder.kind)
    )


def is_encoded(
    inputs: Sequence[Any] | np.ndarray, encoder: Encoder, folder: Path, levels: Levels | None = None
) -> bool:
    """Whether `encode` would find every block finished in `folder`, if no input has changed."""
    blocks = Blocks(folder, header(encoder, len(inputs), "", levels))
    return len(blocks.finished) == len(blocks.spans())


def loaded(blocks: Blocks, raw: np.ndarray) -> Encoded:
    """The result, once every block is finished."""
    failed = tuple(chain.from_iterable(blocks.finished[number].failed for number in range(len(blocks.spans()))))
    features, content, sketch, reading = (blocks.load(name) for name in ("features", "content", "sketch", "reading"))
    return Encoded(features, content, sketch, failed, raw, reading)


def _report(progress: Progress | None, done: int, total: int) -> int:
    if progress:
        progress(done, total)
    return done


def decoding_threads() -> AbstractContextManager[ThreadPoolExecutor | None]:
    """The threads that read and decode ahead of the encoder; None if there is only one thread for both."""
    return ThreadPoolExecutor(threads()) if threads() > 1 else nullcontext()


def _ahead(
    pool: ThreadPoolExecutor | None, work: Callable[[_Item], _Result], items: Iterable[_Item], depth: int
) -> Iterator[_Result]:
    """Results of `work` in the order of the items, with at most `depth` of them in progress."""
    if pool is None:
        yield from map(work, items)
        return
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def prepared(
    pool: ThreadPoolExecutor | None,
    inputs: Sequence[Any] | np.ndarray,
    parts: Iterable[tuple[_Item, range]],
    encoder: Encoder,
    levels: Levels | None,
) -> Iterator[tuple[_Item, Batch]]:
    """A batch of the inputs in each span, read and decoded ahead of the encoder; each with its own mark."""
    resample = getattr(encoder, "resample", BICUBIC)
    return _ahead(
        pool,
        lambda part: (part[0], prepare(inputs, part[1], encoder.kind, encoder.side, resample, levels)),
        parts,
        threads() + 2,
    )


@dataclass(frozen=True, eq=False)
class Rows:
    """Some consecutive inputs, encoded.

    Attributes:
        columns: features, content, sketch and reading, as in `Encoded`.
        failed: (position, reason), in order.
        digests: of the inputs, 16 bytes each, joined.
    """

    columns: dict[str, np.ndarray]
    failed: tuple[Failure, ...]
    digests: bytes


def encode_rows(encoder: Encoder, span: range, batches: Iterable[Batch]) -> Rows:
    """Encode the batches of a span; failed rows stay zero, and a row of features that is not finite counts as
    failed."""
    features = np.zeros((len(span), encoder.width), np.float16)
    content, sketch = np.zeros(len(span), np.uint64), np.zeros((len(span), sketch_bytes(encoder.kind)), np.uint8)
    reading = np.zeros(len(span), np.uint16)
    failed: list[Failure] = []
    digests: list[bytes] = []
    for batch in batches:
        failed += batch.failed
        digests.append(batch.digests)
        if len(batch.positions):
            values, per_input = _read(encoder, batch)
            finite = np.isfinite(values).all(1)
            failed += [
                (int(p), f"the encoder {encoder.name} gave no finite features for it") for p in batch.positions[~finite]
            ]
            rows = batch.positions[finite] - span.start
            features[rows] = np.clip(values[finite], -_FLOAT16_MAX, _FLOAT16_MAX)
            content[rows], sketch[rows], reading[rows] = batch.content[finite], batch.sketch[finite], per_input[finite]
    columns = {"features": features, "content": content, "sketch": sketch, "reading": reading}
    return Rows(columns, tuple(sorted(failed)), b"".join(digests))


def _read(encoder: Encoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Features (g, d), and per input (g,) the number of parts of a text or the bits of an image."""
    read = getattr(encoder, "read", None)
    values, parts = (encoder(batch.values), batch.reading) if read is None else read(batch.values)
    return values, np.minimum(parts, np.iinfo(np.uint16).max).astype(np.uint16)
