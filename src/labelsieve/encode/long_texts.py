"""Texts longer than an encoder reads at once are read in parts, whose features are averaged.

A text of up to MOST parts is read whole, cut into equal pieces between words. Of a longer text, MOST parts are read,
spread evenly from beginning to end, so that the cost per text is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

MOST = 16


def count(length: int, size: int) -> int:
    """How many parts of at most `size` a text of some length has."""
    return max(1, math.ceil(length / size))


def chosen(parts: int) -> list[int]:
    """Which of a text's parts are read."""
    return np.linspace(0, parts - 1, min(parts, MOST)).round().astype(int).tolist()


def cut(text: str, size: int) -> tuple[list[str], int]:
    """The parts of a text that are read, each of at most `size` characters, and how many it has."""
    parts = count(len(text), size)
    if parts == 1:
        return [text], 1
    bounds = [len(text) * i // parts for i in range(parts + 1)]
    for i in range(1, parts):
        space = text.rfind(" ", max(bounds[i] - size // 20, bounds[i - 1] + 1, bounds[i + 1] - size), bounds[i])
        bounds[i] = space + 1 if space >= 0 else bounds[i]
    return [text[bounds[i] : bounds[i + 1]] for i in chosen(parts)], parts


def tokenized(
    texts: Sequence[str], tokens: int, tokenize: Callable[[list[str]], list[list[Any]]]
) -> tuple[list[tuple[int, Any]], np.ndarray]:
    """The parts of tokenized texts that are read, each with the position of its text, and the number of parts per text
    (n,).

    Args:
        tokens: how many fit into one part. A text that surely has too many parts is cut before it is tokenized.
        tokenize: texts -> the tokenized parts of each.
    """
    pieces, total = zip(*(cut(text, MOST * tokens) for text in texts), strict=True)
    made = iter(tokenize([piece for of_text in pieces for piece in of_text]))
    out, parts = [], np.zeros(len(texts), np.int64)
    for i, of_text in enumerate(pieces):
        whole = [part for _ in of_text for part in next(made)]
        out += [(i, whole[p]) for p in chosen(len(whole))]
        parts[i] = len(whole) * total[i] // len(of_text)
    return out, parts


def averaged(features: np.ndarray, owner: np.ndarray, n: int, weight: np.ndarray | None = None) -> np.ndarray:
    """(n, d) float32: the mean of the features (p, d) of each text's parts, of unit length. Features of a text in one
    part are unchanged.

    Args:
        owner: (p,) the text of each part, ascending; each has one.
        weight: (p,) of each part, its length for example; None weighs all alike.
    """
    if len(features) == n:
        return features
    weighed = features.astype(np.float64) * (1.0 if weight is None else np.asarray(weight, np.float64)[:, None])
    starts = np.searchsorted(owner, np.arange(n))
    mean = np.add.reduceat(weighed, starts, axis=0)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    single = np.flatnonzero(np.bincount(owner, minlength=n) == 1)
    mean[single] = features[starts[single]]
    return mean.astype(np.float32)
