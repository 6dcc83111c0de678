"""Several processes read the inputs of a training: each decodes or encodes its part, and all get the whole.

The result is that of one process, to the bit: the batches of an encoder are the same. No disk is shared: the parts are
sent, and the features of a part stay in a folder of its process until the training has finished.
Cost: each input is read once among all processes, the first few by all; every process holds all of them afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.dataset import Subset
from labelsieve.core.errors import UserError
from labelsieve.encode import Encoded, Encoder, stream
from labelsieve.encode import pixels as whole
from labelsieve.encode.pixel_levels import Levels
from labelsieve.engine import distributed
from labelsieve.engine.watch import Place


def pixels(
    inputs: Sequence[Any] | np.ndarray, side: int, channels: int | None, folder: Path | None, levels: Levels | None
) -> tuple[np.ndarray, list[tuple[int, str]], np.ndarray]:
    """As `encode.pixels.pixels`."""
    if distributed.size() == 1:
        return whole.pixels(inputs, side, channels, folder, levels)
    n = len(inputs)
    if channels is None and not whole.fits((n, 3, side, side), folder):
        channels = 3  # as one process would
    rows = distributed.part(n)
    own, failed, bits = whole.pixels(_at(inputs, rows), side, channels, folder, levels)
    told = distributed.exchange((own.shape[1], [(rows.start + i, why) for i, why in failed], bits))
    most = max(channels for channels, _, _ in told)
    own = own if own.shape[1] == most else np.repeat(own, most, 1)  # grey, where another process met colours
    out = whole.room((n, most, side, side), np.uint8, folder)
    distributed.spread(own, out)
    return out, [one for _, part, _ in told for one in part], np.concatenate([bits for _, _, bits in told])


def encode(
    inputs: Sequence[Any] | np.ndarray,
    encoder: Encoder,
    folder: Path,
    *,
    key: str,
    levels: Levels | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Encoded:
    """As `encode.encode`; `folder` keeps the part of this process.

    Raises:
        UserError: the machines have different encoders.
    """
    if distributed.size() == 1:
        return stream.encode(inputs, encoder, folder, key=key, levels=levels, progress=progress)
    n, unit = len(inputs), encoder.batch if stream.BLOCK % encoder.batch == 0 else stream.BLOCK
    rows = distributed.part(n, unit=unit)
    names = distributed.exchange((Place.own(), encoder.name))
    for place, name in names:
        if name != names[0][1]:
            raise UserError(
                f"{str(place).capitalize()} encodes with {name} and {names[0][0]} with {names[0][1]}; use machines of "
                "one kind with the same packages."
            )
    done = stream.encode(_at(inputs, rows), encoder, folder, key=f"{key} {rows}", levels=levels, progress=progress)
    failed = tuple((rows.start + i, why) for i, why in done.failed)
    told = distributed.exchange((failed, done.content, done.sketch, done.raw, done.reading))
    every_failed, *columns = zip(*told, strict=True)
    features = whole.room((n, encoder.width), np.float16, folder)
    distributed.spread(done.features, features, unit=unit)
    content, sketch, raw, reading = (np.concatenate(parts) for parts in columns)
    return Encoded(features, content, sketch, tuple(one for part in every_failed for one in part), raw, reading)


def _at(inputs: Sequence[Any] | np.ndarray, rows: range) -> Sequence[Any] | np.ndarray:
    if isinstance(inputs, np.ndarray):
        return inputs[rows.start : rows.stop]
    return Subset(inputs, np.arange(rows.start, rows.stop))
