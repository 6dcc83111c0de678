"""Which texts are the same text: typed differently, with a typo, or edited a little.

Candidates share a band of two numbers of their MinHash signatures (locality-sensitive hashing; Leskovec,
Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3). The texts of each candidate pair are then compared:

- the same plain text (`stats.plain_text`): other case, punctuation or white space;
- a typo: all words are the same except one in 25, and those differ by one letter, which makes a word that no other text
  has; or a word is doubled;
- an edit of a text of a dozen words or more: at least 85 % of the runs of three words are common, all numbers are the
  same, and the common part is not a form: passages that more than FORM texts share are ignored, and 70 % of the rest
  must be common.

So reports, invoices or messages that fill the same form with different content are different texts, even if the form is
long.
Cost: 15 sorts of the signatures, a bounded number of candidates per text, and word comparisons for those that
resemble each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from labelsieve.stats.plain_text import words

FORM = 5  # texts; a passage in more of them belongs to a form, not to the content
ALIKE, RUN, OWN = 0.85, 3, 0.7  # of an edit: share of common runs, words in a run, share in what is not a form
GRAMS, PASSAGES = 30, 16  # numbers in the signatures of 5-grams and of passages (`encode.text_keys`)
SLIPS = 25  # words for each typo beyond the first
_RESEMBLE = 0.3  # estimated share of common 5-grams, below which texts are not compared
_NEXT, _BEST = 8, 8  # texts of a bucket that each is compared with; candidates of a text that are verified
_LEAST, _WORDS = (
    4,
    12,
)  # equal numbers outside forms, and words of a text, for an edit; in a short text each word counts
_PAIRS = 1 << 16


def pairs(sketch: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Pairs of texts that are the same text, (m, 2) int64, first < second, sorted.

    Args:
        sketch: (n, 192) uint8, from `encode.text_keys.sketch`; the texts differ in content.
        texts: the n texts; only those that resemble another are read, one by one.
    """
    sketch = np.ascontiguousarray(sketch).view(np.uint32)
    same = _equal(sketch[:, 0].astype(np.uint64) << np.uint64(32) | sketch[:, 1])
    first = np.setdiff1d(np.arange(len(sketch)), same[:, 1])  # of each plain text
    signature, passages = sketch[first, 2 : 2 + GRAMS], sketch[first, 2 + GRAMS :]
    near, resemblance = _candidates(signature)
    near = near[_best(near, resemblance, len(first))]
    edited = first[near[_verified(near, passages, _Read(texts, first))]]
    edited = np.concatenate([same, np.sort(edited, axis=1)])
    return edited[np.lexsort((edited[:, 1], edited[:, 0]))]


def _equal(key: np.ndarray) -> np.ndarray:
    """(m, 2): the first with a key, and each other that has it."""
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    later = np.flatnonzero(first[inverse] != np.arange(len(key)))
    return np.stack([first[inverse[later]], later], axis=1).astype(np.int64)


def _candidates(signature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (m, 2) with one equal band, and the share of equal numbers of each."""
    pairs_by_band = [np.empty((0, 2), np.int64)]
    for band in range(0, signature.shape[1] - 1, 2):
        key = signature[:, band].astype(np.uint64) << np.uint64(32) | signature[:, band + 1]
        rest = signature[
            :, (band + 2) % signature.shape[1]
        ]  # in a bucket, texts with more in common are next to each other
        order = np.lexsort((signature[:, (band + 3) % signature.shape[1]], rest, key))
        key = key[order]
        for step in range(1, min(_NEXT, len(order) - 1) + 1):
            at = np.flatnonzero(key[step:] == key[:-step])
            if not len(at):
                break
            together = np.sort(np.stack([order[at], order[at + step]], axis=1), axis=1)
            pairs_by_band.append(together[_resemblance(signature, together) >= _RESEMBLE])
    near = np.unique(np.concatenate(pairs_by_band), axis=0)
    return near, _resemblance(signature, near)


def _resemblance(signature: np.ndarray, near: np.ndarray) -> np.ndarray:
    out = np.empty(len(near))
    for rows in _parts(len(near)):
        out[rows] = (signature[near[rows, 0]] == signature[near[rows, 1]]).mean(1)
    return out


def _best(near: np.ndarray, resemblance: np.ndarray, n: int) -> np.ndarray:
    """(m,) bool: the pairs that are among the _BEST of either text."""
    keep = np.zeros(len(near), bool)
    for side in (0, 1):
        order = np.lexsort((near[:, 1 - side], -resemblance, near[:, side]))
        start = np.searchsorted(near[order, side], np.arange(n))
        rank = np.arange(len(order)) - start[near[order, side]]
        keep[order[rank < _BEST]] = True
    return keep


def _verified(near: np.ndarray, passages: np.ndarray, read: _Read) -> np.ndarray:
    """(m,) bool: pairs of the same text."""
    own = _own(near, passages)
    same = np.zeros(len(near), bool)
    slips: dict[int, list[tuple[str, str]]] = {}
    for i, (a, b) in enumerate(near.tolist()):
        one, other = read(a), read(b)
        if abs(len(one) - len(other)) > 2 + len(one) // SLIPS and not own[i]:
            continue
        slip = _slips(one, other)
        if slip is not None:
            slips[i] = slip
            same[i] = not slip
        elif own[i]:
            same[i] = _edited(one, other)
    if any(slips.values()):
        seen = read.holders({word for slip in slips.values() for both in slip for word in both})
        for i, slip in slips.items():
            same[i] |= all(min(seen[a], seen[b]) <= 1 for a, b in slip)
    return same


def _own(near: np.ndarray, passages: np.ndarray) -> np.ndarray:
    """(m,) bool: the two texts share enough passages for an edit, ignoring those that more than FORM texts share."""
    rare = np.empty(passages.shape, bool)
    for j in range(passages.shape[1]):
        _, inverse, count = np.unique(passages[:, j], return_inverse=True, return_counts=True)
        rare[:, j] = count[inverse] <= FORM
    out = np.empty(len(near), bool)
    for rows in _parts(len(near)):
        a, b = near[rows].T
        equal = passages[a] == passages[b]
        shared, other = (equal & rare[a]).sum(1), (~equal).sum(1)
        out[rows] = (shared >= _LEAST) & (shared >= OWN * (shared + other))
    return out


def _slips(one: tuple[str, ...], other: tuple[str, ...]) -> list[tuple[str, str]] | None:
    """The words in which the texts differ, if all of them may be typos; else None.

    A doubled word is not a difference. A text needs at least three words to be recognisable."""
    if len(one) != len(other):
        one, other = _undoubled(one), _undoubled(other)
    if len(one) != len(other) or len(one) < 3:
        return None
    both = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    return both if len(both) <= 1 + len(one) // SLIPS and all(_slip(a, b) for a, b in both) else None


def _undoubled(text: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for i, word in enumerate(text) if i == 0 or text[i - 1] != word)


def _slip(a: str, b: str) -> bool:
    """Whether two words of four letters or more differ by one letter (added, removed, changed) or by a swap."""
    if max(len(a), len(b)) < 4 or abs(len(a) - len(b)) > 1 or any(c.isdigit() for c in a + b):
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[start:], b[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[2:] == b[2:] and a[:2] == b[1::-1])


def _edited(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if min(len(one), len(other)) < _WORDS or Counter(filter(_number, one)) != Counter(filter(_number, other)):
        return False
    left, right = _runs(one), _runs(other)
    return len(left & right) >= ALIKE * len(left | right)


def _number(word: str) -> bool:
    return any(c.isdigit() for c in word)


def _runs(text: tuple[str, ...]) -> set[tuple[str, ...]]:
    return set(zip(*(text[i:] for i in range(RUN)), strict=False)) or {text}


class _Read:
    """The words of texts, by their position among the distinct plain texts; recent ones are cached."""

    def __init__(self, texts: Sequence[str], first: np.ndarray):
        self._texts, self._first = texts, first
        self._words = lru_cache(4096)(lambda i: tuple(words(str(texts[int(first[i])]))))

    def __call__(self, i: int) -> tuple[str, ...]:
        return self._words(i)

    def holders(self, searched: set[str]) -> Counter[str]:
        """In how many of the texts each of the words occurs."""
        seen: Counter[str] = Counter()
        for i in range(len(self._first)):
            seen.update(searched.intersection(self(i)))
        return seen


def _parts(n: int) -> Iterator[slice]:
    return (slice(start, start + _PAIRS) for start in range(0, n, _PAIRS))
