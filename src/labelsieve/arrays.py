"""A data set as one array: the features of an encoder, or pixels. What cannot be read is left out, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelsieve.core.dataset import Dataset, Exclusion
from labelsieve.core.duplicates import hashes
from labelsieve.core.errors import UserError
from labelsieve.encode import encode
from labelsieve.encode import encoder as load_encoder
from labelsieve.encode.pixels import pixels as decoded
from labelsieve.encode.pixels import usual_side, without

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Arrays:
    """
    Attributes:
        data: the data set without what could not be read, with the notes of the encoder.
        values: features (n, d), or uint8 (n, C, side, side).
        content: (n,) uint64 hashes, equal for equal inputs.
        sketch: (n,) uint64, near for inputs that look or read alike; None where nothing makes one.
        encoder: the encoder's name, None without one.
        raw: (n,) uint64 hashes of the inputs as they were given (`core.content`), where encoding read them anyway; else None.
    """

    data: Dataset
    values: np.ndarray
    content: np.ndarray
    sketch: np.ndarray | None = None
    encoder: str | None = None
    raw: np.ndarray | None = None


def features(
    data: Dataset, folder: Path, *, encoder: str | None = None, side: int | None = None, progress: Progress | None = None
) -> Arrays:
    """Of any data but probabilities. `folder` caches them; `encoder` and `side` as in `find`."""
    if data.kind == "probs":
        raise UserError("Probabilities have no features.")
    model = load_encoder(encoder, data.kind, side=side)
    if model is None:
        found = data.inputs if isinstance(data.inputs, np.ndarray) else np.asarray(data.inputs)
        return Arrays(data, found, hashes(found))
    stage = None if progress is None else lambda done, total: progress("encode", done, total)
    encoded = encode(data.inputs, model, folder / "features", key="", progress=stage)
    data, keep = _readable(data, encoded.failed)
    data = replace(data, notes=(*data.notes, *getattr(model, "notes", ())))
    found = encoded.features if keep.all() else encoded.features[keep]
    return Arrays(data, found, encoded.content[keep], encoded.sketch[keep], model.name, encoded.raw[keep])


def pixels(data: Dataset, folder: Path, *, side: int | None = None, channels: int | None = None) -> Arrays:
    """Of images. `folder` maps them if they are many; `side` None is their own between 16 and 64, `channels` None what they have."""
    found, failed = decoded(data.inputs, side or usual_side(data.inputs), channels, folder)
    data, keep = _readable(data, failed)
    found = without(found, keep) if failed else found
    return Arrays(data, found, hashes(found.reshape(len(found), -1)))


def _readable(data: Dataset, failed: Sequence[tuple[int, str]]) -> tuple[Dataset, np.ndarray]:
    keep = np.ones(len(data), bool)
    keep[[i for i, _ in failed]] = False
    return data.take(keep, [Exclusion(data.ids[i], reason) for i, reason in failed]), keep
