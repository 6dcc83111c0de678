"""Exact and near-duplicate keys of texts.

`content` is a hash of the text with white space collapsed and case folded. `sketch` is a 64-bit simhash over character 5-grams of
the same (Charikar, "Similarity Estimation Techniques from Rounding Algorithms", STOC 2002): near-duplicates differ in few bits.
Whole batches are hashed at once; cost is one pass, about 64 byte operations a character.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

SHINGLE = 5  # characters; shorter ones make short texts of one language look alike
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def fold(text: str) -> str:
    """White space collapsed, case folded."""
    return " ".join(text.split()).casefold()


def content(texts: Sequence[str]) -> np.ndarray:
    """(n,) uint64, equal for texts that differ only in white space and case."""
    digests = (hashlib.blake2b(fold(text).encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def sketch(texts: Sequence[str]) -> np.ndarray:
    """(n,) uint64 simhash; the Hamming distance of two of them grows with the share of 5-grams that differ."""
    grams, starts = ngrams([fold(text) for text in texts], SHINGLE)
    if not len(texts):
        return np.zeros(0, np.uint64)
    bits = np.unpackbits(grams.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1)
    ones = np.add.reduceat(bits, starts[:-1], axis=0, dtype=np.int32)
    majority = 2 * ones > np.diff(starts)[:, None]
    return np.packbits(majority, axis=1).view("<u8")[:, 0].astype(np.uint64)


def ngrams(texts: Sequence[str], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all character n-grams of a batch.

    Returns:
        grams: (g,) uint64, text after text. A text shorter than n is filled up with zeros, so each text has at least one.
        starts: (b + 1,) int64, the grams of text i are grams[starts[i] : starts[i + 1]].
    """
    raw = [text.encode("utf-32-le", "surrogatepass").ljust(4 * n, b"\0") for text in texts]
    points = np.frombuffer(b"".join(raw), "<u4").astype(np.uint64)
    lengths = np.array([len(item) // 4 for item in raw], np.int64)
    count = max(0, len(points) - n + 1)
    rolled = np.zeros(count, np.uint64)
    for offset in range(n):
        rolled = rolled * np.uint64(0x100000001B3) + points[offset : offset + count]
    ends = np.cumsum(lengths)
    inside = np.ones(count, bool)
    for gap in range(1, n):  # grams that would reach into the next text
        inside[ends[:-1] - gap] = False
    starts = np.concatenate([[0], np.cumsum(lengths - n + 1)]).astype(np.int64)
    return mix(rolled[inside]), starts


def mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele et al. 2014): every input bit stirs every output bit."""
    x = (x ^ (x >> np.uint64(30))) * _MIX[0]
    x = (x ^ (x >> np.uint64(27))) * _MIX[1]
    return x ^ (x >> np.uint64(31))
