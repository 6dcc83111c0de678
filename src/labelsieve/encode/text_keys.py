"""Exact and near-duplicate keys of texts.

`content` is a hash of the text with white space collapsed and case folded. `sketch` holds a hash of the plain text
(`stats.plain_text`) and MinHash signatures of its character 5-grams and of its passages (Broder, "On the resemblance
and containment of documents", 1997): the share of equal numbers in two signatures estimates the share of 5-grams, or of
passages, that two texts have in common. `stats.same_text` decides which of the texts that share many are the same text.
Whole batches are hashed at once; cost is one pass, 46 multiplications per character.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from labelsieve.stats.plain_text import plain, unspaced_share
from labelsieve.stats.same_text import GRAMS, PASSAGES

SHINGLE = 5  # characters; shorter ones make short texts of one language look alike
PASSAGE, PASSAGE_UNSPACED = (
    16,
    6,
)  # characters of a passage, without spaces: about three words; and in scripts without spaces
BYTES = 4 * (2 + GRAMS + PASSAGES)
_TOGETHER = 1 << 16  # characters
_FACTORS = np.random.default_rng(0).integers(0, 1 << 63, GRAMS, np.uint64) * np.uint64(2) + np.uint64(1)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def fold(text: str) -> str:
    """White space collapsed, case folded."""
    return " ".join(text.split()).casefold()


def content(texts: Sequence[str]) -> np.ndarray:
    """(n,) uint64, equal for texts that differ only in white space and case."""
    digests = (hashlib.blake2b(fold(text).encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def sketch(texts: Sequence[str]) -> np.ndarray:
    """(n, BYTES) uint8, which are 48 uint32. Two hash the plain text; 30 and 16 are the minima of as many hashes over
    its character 5-grams and its passages."""
    plains = [plain(text) or fold(text) for text in texts]
    out = np.empty((len(texts), 2 + GRAMS + PASSAGES), np.uint32)
    if not plains:
        return out.view(np.uint8)
    whole = b"".join(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in plains)
    out[:, :2] = np.frombuffer(whole, "<u4").reshape(-1, 2)
    start = 0
    while start < len(plains):  # some characters at a time, so that the hashes of a batch of long texts stay small
        end = start + 1
        room = _TOGETHER - len(plains[start])
        while end < len(plains) and len(plains[end]) <= room:
            room -= len(plains[end])
            end += 1
        out[start:end, 2 : 2 + GRAMS] = _minima(plains[start:end], SHINGLE, GRAMS)
        out[start:end, 2 + GRAMS :] = _minima(plains[start:end], PASSAGE, PASSAGES)
        start = end
    unspaced = np.flatnonzero([unspaced_share(text) > 0.5 for text in plains])
    if len(unspaced):
        out[unspaced, 2 + GRAMS :] = _minima([plains[i] for i in unspaced], PASSAGE_UNSPACED, PASSAGES)
    return out.view(np.uint8)


def _minima(texts: Sequence[str], n: int, numbers: int) -> np.ndarray:
    """(b, numbers) uint32: the minimum of each of `numbers` hashes over the character n-grams of each text."""
    grams, starts = ngrams(texts, n)
    return np.stack(
        [np.minimum.reduceat((grams * factor) >> np.uint64(32), starts[:-1]) for factor in _FACTORS[:numbers]], axis=1
    )


def ngrams(texts: Sequence[str], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all character n-grams of a batch.

    Returns:
        grams: (g,) uint64, text after text. A text shorter than n is filled up with zeros, so each text has at least
            one.
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
    """The finaliser of splitmix64 (Steele et al. 2014): every input bit affects every output bit."""
    x = (x ^ (x >> np.uint64(30))) * _MIX[0]
    x = (x ^ (x >> np.uint64(27))) * _MIX[1]
    return x ^ (x >> np.uint64(31))
