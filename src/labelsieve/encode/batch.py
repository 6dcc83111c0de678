"""Raw inputs to a batch for an encoder: read, hash, decode, compute duplicate keys, list unusable inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.content_hash import digest, tagged
from labelsieve.core.read_many import UNREAD, read_many
from labelsieve.encode import text_keys
from labelsieve.encode.decode_image import DecodeError, decode
from labelsieve.encode.image_processor import BICUBIC
from labelsieve.encode.pixel_levels import Levels
from labelsieve.stats import same_picture

Failure = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some consecutive inputs, ready for the encoder.

    Attributes:
        positions: (g,) int64 positions in the data set of the inputs that can be encoded.
        values: the input of the encoder, one per position: pixels (g, side, side, 3) or a list of g texts.
        content: (g,) uint64 duplicate key.
        sketch: (g, sketch_bytes(kind)) uint8, to detect near-duplicates.
        reading: (g,) uint16, for images EIGHT, DEEP or UNSCALED (`encode.decode_image`).
        failed: (position, reason) of the other inputs.
        digests: a digest of the raw bytes of every input of the batch, joined.
    """

    positions: np.ndarray
    values: Any
    content: np.ndarray
    sketch: np.ndarray
    reading: np.ndarray
    failed: tuple[Failure, ...]
    digests: bytes


def digests(inputs: Sequence[Any] | np.ndarray, span: range) -> bytes:
    """Digests of the raw inputs at `span`, 16 bytes each."""
    return b"".join(_read(value)[1] for value in read_many(inputs, span))


def joined(digests: bytes) -> str:
    """One digest for a block of inputs."""
    return hashlib.blake2b(digests, digest_size=16).hexdigest()


def prepare(
    inputs: Sequence[Any] | np.ndarray,
    span: range,
    kind: str,
    side: int,
    resample: int = BICUBIC,
    levels: Levels | None = None,
) -> Batch:
    """Read and prepare the inputs at `span`. Never raises for a bad input: it is listed in `failed`."""
    values, keys, sketches, bits, failed, digests = [], [], [], [], [], []
    for position, given in zip(span, read_many(inputs, span), strict=True):
        value, raw, reason = _read(given)
        digests.append(raw)
        if not reason and kind == "image":
            try:
                image = decode(value, side, resample, levels)
                values.append(image.pixels)
                keys.append((position, image.content))
                sketches.append(image.sketch)
                bits.append(image.bits)
            except DecodeError as error:
                reason = f"the image is {error}"
        elif not reason:
            if isinstance(value, str) and value.strip():
                values.append(value.encode("utf-8", "replace").decode())  # half a surrogate pair stops every tokenizer
                keys.append((position, 0))
            else:
                reason = "the text is empty" if isinstance(value, str) else f"not a text but {type(value).__name__}"
        if reason:
            failed.append((position, reason))
    columns = np.array(keys, np.uint64).reshape(-1, 2).T
    positions, content = columns[0].astype(np.int64), columns[1]
    sketch = np.array(sketches, np.uint8).reshape(-1, sketch_bytes(kind))
    if kind == "text":
        content, sketch = text_keys.content(values), text_keys.sketch(values)
    elif values:
        values = np.stack(values)
    reading = np.array(bits, np.uint16) if kind == "image" else np.zeros(len(positions), np.uint16)
    return Batch(positions, values, content, sketch, reading, tuple(failed), b"".join(digests))


def sketch_bytes(kind: str) -> int:
    return text_keys.BYTES if kind == "text" else same_picture.BYTES


def _read(value: Any) -> tuple[Any, bytes, str]:
    """One raw input (or the error with which it was not read), its digest, and the reason if it is unusable (or "")."""
    if isinstance(value, UNREAD):
        reason = f"it could not be read ({value or type(value).__name__})"
        return None, tagged(b"unread", reason.encode("utf-8", "backslashreplace")), reason
    hashed = digest(value)
    if hashed is not None:
        return value, hashed, ""
    reason = "it is missing" if value is None else f"it is a {type(value).__name__}"
    return None, tagged(b"other", repr(type(value)).encode()), reason
