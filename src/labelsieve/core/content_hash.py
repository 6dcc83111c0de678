"""A 64-bit hash of an example itself, by which it is recognised in another row or file.

Images are hashed exactly as passed in (the bytes of the file, or the pixels of an array), boxes by their picture and
their edges, texts by every character, rows of features and of probabilities by their values. Numbers are compared to 32
bits of mantissa (one part in four billion): a table that another program has read and written again still holds the
same rows, whether it was stored as float32 or as float64. 0 stands for "unknown": an input that cannot be read. Two
different examples share a hash with a chance of 5e-20.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core import memory_map
from labelsieve.core.crop import Crop
from labelsieve.core.read_many import read_many

if TYPE_CHECKING:
    from labelsieve.core.dataset import Dataset

_HEX = re.compile("[0-9a-f]{16}")
BITS = 32  # of the mantissa of a number
_ROWS = 512  # at a time: they stay in the cache


def digest(value: Any) -> bytes | None:
    """16 bytes for one image (bytes, an array or a crop) or text exactly as passed in; None for anything else."""
    if isinstance(value, Crop):
        whole = value.whole.once("digest", lambda data: tagged(b"bytes", data))
        return tagged(b"crop", whole + repr((value.box, value.size)).encode())
    if isinstance(value, np.ndarray):
        return tagged(f"{value.dtype} {value.shape}".encode(), np.ascontiguousarray(value).data)
    if isinstance(value, str):
        return tagged(b"text", value.encode("utf-8", "surrogatepass"))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return tagged(b"bytes", value)
    return None


def tagged(kind: bytes, data: Any) -> bytes:
    """16 bytes for `data`; the same bytes of another `kind` give another digest."""
    hashed = hashlib.blake2b(kind + b"\0", digest_size=16)
    hashed.update(data)
    return hashed.digest()


def numbered(digests: bytes) -> np.ndarray:
    """Digests of 16 bytes, joined -> (n,) uint64, none of them 0."""
    numbers = np.frombuffer(digests, "<u8")[::2].astype(np.uint64)
    numbers[numbers == 0] = 1
    return numbers


def of_inputs(inputs: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Images or texts -> (n,) uint64; 0 where one cannot be read. Cost: each is read once."""
    out = np.zeros(len(inputs), np.uint64)
    for i, value in enumerate(read_many(inputs, range(len(inputs)))):
        out[i] = _content(value)
    return out


def of_input(inputs: Sequence[Any] | np.ndarray, i: int) -> int:
    """The content of one image or text; 0 where it cannot be read."""
    return _content(next(read_many(inputs, [i])))


def _content(value: Any) -> int:
    own = digest(value)
    return 0 if own is None else int(numbered(own)[0])


def of_rows(rows: np.ndarray) -> np.ndarray:
    """Numbers (n, d) -> (n,) uint64. The type in which they are stored does not matter."""
    out = np.empty(len(rows), np.uint64)
    for own in memory_map.blocks(rows, _ROWS):
        block = _rounded(np.asarray(rows[own]))
        raw = block.tobytes()
        size = block.shape[1] * 8
        hashed = (hashlib.blake2b(raw[i * size : (i + 1) * size], digest_size=16).digest() for i in range(len(block)))
        out[own] = numbered(b"".join(hashed))
    return out


def of(inputs: Sequence[Any] | np.ndarray, kind: str, *, named: bool = False) -> np.ndarray:
    """The content (n,) uint64 of inputs of a kind, as in `Dataset`; 0 where one cannot be read. If `named`, the ids are
    the user's own and probabilities have no content: training again changes the values of the same example, and the id
    identifies it."""
    if kind == "probs" and named:
        return np.zeros(len(inputs), np.uint64)
    return of_rows(np.asarray(inputs)) if kind in ("features", "probs") else of_inputs(inputs)


def of_data(data: Dataset) -> np.ndarray:
    """`of` the inputs of a data set; each example is read once for all questions about it."""
    if data.questions is not None:
        return of_data(data.questions.examples)[data.questions.example]
    return of(data.inputs, data.kind, named=data.named)


def is_hex(value: object) -> bool:
    """Whether it is a content hash in the form that files use."""
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def hexed(content: int) -> str:
    """The content as 16 hex digits, the form that files use."""
    return f"{int(content):016x}"


def _rounded(block: np.ndarray) -> np.ndarray:
    """Float64 with 32 bits of mantissa; all zeros alike, and all NaN."""
    values = block.astype("<f8")
    if block.dtype.itemsize > 4 or block.dtype.kind != "f":  # narrower floats have fewer bits as they are
        with np.errstate(invalid="ignore", over="ignore"):
            mantissa, exponent = np.frexp(values)
            whole = np.isfinite(values)
            values[whole] = np.ldexp(np.rint(np.ldexp(mantissa[whole], BITS)), exponent[whole] - BITS)
    values += 0.0  # -0.0 becomes 0.0
    values[np.isnan(values)] = np.nan
    return values
