"""A data set as one array: the features of an encoder, or pixels. Unreadable examples are left out, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from labelsieve.core.dataset import Dataset, Exclusion, Subset
from labelsieve.core.errors import UserError
from labelsieve.core.progress_callback import Progress
from labelsieve.core.read_many import UNREAD
from labelsieve.core.workers import Workers
from labelsieve.encode import Encoded, Encoder, encode, shard_plan, shards
from labelsieve.encode import encoder as load_encoder
from labelsieve.encode.decode_image import BANDS, DEPTH, EIGHT, PAGES, UNSCALED, DecodeError, Header, header
from labelsieve.encode.deep_pixels import look
from labelsieve.encode.long_texts import MOST
from labelsieve.encode.pixel_levels import Levels
from labelsieve.encode.pixels import pixels as decoded
from labelsieve.encode.pixels import sketches, usual_side, without
from labelsieve.encode.shards import Loader
from labelsieve.encode.stream import is_encoded
from labelsieve.places.working_copy import origin
from labelsieve.stats import same_picture, same_text
from labelsieve.stats.duplicates import grouped, hashes
from labelsieve.workers.in_turn import InTurn

FEATURES = "features"  # their folder in the run folder


@dataclass(frozen=True, eq=False)
class Arrays:
    """The array of a data set.

    Attributes:
        data: the data set without unreadable examples, with the notes of the encoder.
        values: features (n, d), or uint8 (n, C, side, side).
        content: (n,) uint64 hashes, equal for equal inputs.
        sketch: (n, s) uint8 of images and texts, to detect near-duplicates; None for features and pixels.
        encoder: the encoder's name, None without one.
        raw: (n,) uint64 hashes of the original inputs (`core.content_hash`), if encoding read them anyway; else None.
        levels: the values shown as black and white in pictures of more than 8 bits per channel.
        option: the name to load the encoder by (`encode.encoder`); None is the default.
        shards: the file of each shard that holds features, with the rows (m,) int64 of `values` that are in it, -1
            where an example was left out; none if they were not encoded in shards.
    """

    data: Dataset
    values: np.ndarray
    content: np.ndarray
    sketch: np.ndarray | None = None
    encoder: str | None = None
    raw: np.ndarray | None = None
    levels: Levels = Levels()
    option: str | None = None
    shards: Sequence[tuple[str, np.ndarray]] = ()


def features(
    data: Dataset,
    folder: Path,
    *,
    encoder: str | None = None,
    side: int | None = None,
    levels: Levels | None = None,
    workers: Workers | None = None,
    run: Callable[..., Encoded] | None = None,
    progress: Progress | None = None,
) -> Arrays:
    """The features of any data except probabilities. `folder` caches them; `encoder` and `side` as in `find`; `levels`
    are the scales for pictures of more than 8 bits, None fits them to the data. `workers` encode in shards; None is
    this process, which uses the shards that there are; `run`, if given, does what `encode` does instead."""
    if data.kind == "probs":
        raise UserError("Probabilities have no features.")
    model = load_encoder(encoder, data.kind, side=side, inputs=data.inputs)
    option = getattr(model, "option", encoder)
    if model is None:
        if workers is not None:
            raise UserError(
                f"Workers share the encoding of images and texts, and these are {data.kind}; leave out <workers> "
                "and <ray>.",
                workers="",
                ray="",
            )
        values = data.inputs if isinstance(data.inputs, np.ndarray) else np.asarray(data.inputs)
        return Arrays(data, values, hashes(values))
    levels, cache = levels_of(data, levels), folder / FEATURES
    load = Loader(option, data.kind, side, model.name)
    encoded, plan = _encoded(data, model, load, cache, levels, workers, run, progress)
    if data.kind == "image" and len(
        more := np.flatnonzero(encoded.reading & DEPTH == UNSCALED)
    ):  # none of those was in the sample for the levels
        levels = levels.filled(look(data.inputs, more, levels.bands))
        encoded, plan = _encoded(data, model, load, cache, levels, workers, run, progress)
    data, keep = _readable(data, encoded.failed)
    data = replace(data, notes=(*data.notes, *getattr(model, "notes", ())))
    reading = encoded.reading[keep]
    reading_notes = _read_as(data, reading, levels) if data.kind == "image" else _long(reading, model)
    data = replace(data, notes=(*data.notes, *reading_notes))
    values = encoded.features if keep.all() else encoded.features[keep]
    content, sketch, raw = encoded.content[keep], encoded.sketch[keep], encoded.raw[keep]
    files = () if plan is None else shards.files(plan, origin(cache), keep)
    return Arrays(data, values, content, sketch, model.name, raw, levels, option, files)


def _encoded(
    data: Dataset,
    model: Encoder,
    load: Loader,
    folder: Path,
    levels: Levels,
    workers: Workers | None,
    run: Callable[..., Encoded] | None,
    progress: Progress | None,
) -> tuple[Encoded, shard_plan.Plan | None]:
    """Encode here, or in shards if there are workers, or if somebody has planned the same shards in this folder; with
    the plan of the shards."""
    stage = None if progress is None else lambda done, total: progress("encode", done, total)
    if run is not None:
        return run(data.inputs, model, folder, key="", levels=levels, progress=stage), None
    place = origin(folder)  # of a run at an address that address, where every worker sees it
    found = shard_plan.planned(place)
    if len(data) and (
        found is not None or (workers is not None and not is_encoded(data.inputs, model, folder, levels))
    ):
        plan = shard_plan.plan_of(data, model, levels.key)
        if found is None or found["plan"] != plan.identity:
            found = None if workers is None else shard_plan.start(plan, data, place)
        if found is not None:
            jobs, start = shards.Jobs(data, plan, place, levels, range(len(plan))), load
            shards.run(jobs, workers or InTurn(), start if workers else lambda: model, progress)
            return shards.collect(plan, place, model, folder, levels=levels), plan
    return encode(data.inputs, model, folder, key="", levels=levels, progress=stage), None


def pixels(
    data: Dataset,
    folder: Path,
    *,
    side: int | None = None,
    channels: int | None = None,
    levels: Levels | None = None,
    read: Callable[..., tuple[np.ndarray, list[tuple[int, str]], np.ndarray]] = decoded,
) -> Arrays:
    """The pixels of images. Many are memory-mapped in `folder`; `side` None uses their own size, between 16 and 64,
    `channels` None their own; `levels` as in `features`; `read` does what `encode.pixels.pixels` does."""
    side, levels = side or usual_side(data.inputs), levels_of(data, levels)
    values, failed, bits = read(data.inputs, side, channels, folder, levels)
    if len(more := np.flatnonzero(bits & DEPTH == UNSCALED)):
        levels = levels.filled(look(data.inputs, more, levels.bands))
        values, failed, bits = read(data.inputs, side, channels, folder, levels)
    data, keep = _readable(data, failed)
    data = replace(data, notes=(*data.notes, *_read_as(data, bits[keep], levels)))
    values = without(values, keep) if failed else values
    return Arrays(data, values, hashes(values.reshape(len(values), -1)), levels=levels)


def copies(arrays: Arrays) -> np.ndarray:
    """(n,) int64 groups of exact and near duplicates: the smallest position in each. Features have no
    near-duplicates."""
    content = np.asarray(arrays.content)
    if arrays.data.kind not in ("image", "text"):
        return grouped(content)
    first = np.sort(np.unique(content, return_index=True)[1])
    sketch = sketches(arrays.values, first) if arrays.sketch is None else np.asarray(arrays.sketch[first])
    if arrays.data.kind == "image":
        return grouped(content, first[same_picture.pairs(sketch)])
    return grouped(content, first[same_text.pairs(sketch, Subset(cast("Sequence[str]", arrays.data.inputs), first))])


def levels_of(data: Dataset, given: Levels | None = None) -> Levels:
    """The scales for pictures of more than 8 bits: those that are given, or fitted to the data."""
    if data.kind != "image":
        return Levels()
    return look(data.inputs, bands=data.bands) if given is None else given


def _read_as(data: Dataset, bits: np.ndarray, levels: Levels) -> list[str]:
    """Notes about pictures of which only a part is shown, and on which scale. `bits` (n,) as in `Decoded`."""
    return [*_first_pages(data, bits), *_some_bands(data, bits, levels), *_deep(bits, levels)]


def _first_pages(data: Dataset, bits: np.ndarray) -> list[str]:
    n = int((bits & PAGES > 0).sum())
    if not n:
        return []
    name, head = _first(data, bits & PAGES > 0)
    some = f"{n:,} pictures are files" if n > 1 else "1 picture is a file"
    return [
        f"{some} of several pages or frames ({name} has {head.pages if head else 'several'}), of which the first is "
        "read."
    ]


def _some_bands(data: Dataset, bits: np.ndarray, levels: Levels) -> list[str]:
    n = int((bits & BANDS > 0).sum())
    if not n:
        return []
    name, head = _first(data, bits & BANDS > 0)
    some = f"{n:,} pictures have" if n > 1 else "1 picture has"
    shown = ", ".join(map(str, levels.bands or (1, 2, 3)))
    how = f"band {shown} is read as grey." if len(levels.bands) == 1 else f"bands {shown} are read as colours."
    return [f"{some} more than 3 bands ({name} has {head.bands if head else 'more'}): {how}"]


def _first(data: Dataset, which: np.ndarray) -> tuple[str, Header | None]:
    """The id and header of the first picture of a mask (n,)."""
    i = int(np.flatnonzero(which)[0])
    try:
        value = data.inputs[i]
        return str(data.ids[i]), header(value) if isinstance(value, bytes) else None
    except (DecodeError, *UNREAD):
        return str(data.ids[i]), None


def _deep(bits: np.ndarray, levels: Levels) -> list[str]:
    """A note about pictures of more than 8 bits per channel, and how they are shown."""
    n = int((bits & DEPTH > EIGHT).sum())
    if not n:
        return []
    parts = [f"{low:,.6g} to {high:,.6g}" for low, high in filter(None, (levels.whole, levels.decimal))]
    pictures, both = (
        "1 picture has" if n == 1 else f"{n:,} pictures have",
        " and, of decimals, " if levels.whole else "",
    )
    return [
        f"{pictures} more than 8 bits per channel: values of {both.join(parts)} are shown as black to white, with one "
        "scale for all."
    ]


def _long(parts: np.ndarray, encoder: Encoder) -> list[str]:
    """A note about texts that were read in parts."""
    n, cut = int((parts > 1).sum()), int((parts > MOST).sum())
    if not n:
        return []
    some = f" Of {cut:,} with more, {MOST} parts were read, spread evenly from beginning to end." if cut else ""
    texts, size = "1 text is" if n == 1 else f"{n:,} texts are", getattr(encoder, "size", "one part")
    return [f"{texts} longer than {size}; each was read in up to {MOST} parts, whose features are averaged.{some}"]


def _readable(data: Dataset, failed: Sequence[tuple[int, str]]) -> tuple[Dataset, np.ndarray]:
    keep = np.ones(len(data), bool)
    keep[[i for i, _ in failed]] = False
    return data.take(keep, [Exclusion(data.ids[i], reason) for i, reason in failed]), keep
