"""A map of examples: two numbers for each, so that examples with similar features lie together.

It begins with the two leading principal components. Where the nearest neighbours are known, points are then pulled to
their neighbours and pushed from random others, with the gradients of the curve 1 / (1 + d^2) as in UMAP (McInnes, Healy
and Melville 2018, arXiv:1802.03426, a = b = 1, five negative samples). It shows which examples are close to each other;
distances between groups, and their sizes, mean little.

Cost: n edges and 5 n negative samples in each epoch, vectorised; a million points take one to two minutes on two cores.
"""

from __future__ import annotations

import numpy as np

NEGATIVES = 5
SAMPLE = 20_000  # rows from which the principal directions are computed
WIDE = 1024  # features; more are first projected at random onto half as many
BLOCK = 65_536  # rows at a time
STEPS = 4_000_000  # updates of all points together, but between FEWEST and MOST epochs
FEWEST, MOST = 60, 400


def layout(features: np.ndarray, neighbours: np.ndarray | None = None, *, seed: int = 0) -> np.ndarray:
    """Positions in the unit square.

    Args:
        features: (n, d) numbers, maybe memory-mapped.
        neighbours: (n, k) positions of the nearest examples of each, or None: then the map is the two principal
            components.
        seed: the same seed gives the same map.

    Returns:
        (n, 2) float32 in [0, 1], both axes on the same scale.
    """
    rng = np.random.default_rng(seed)
    place = _principal(features, rng)
    if neighbours is not None and len(place) > 2:
        place = _drawn_together(place, neighbours, rng)
    return _unit_square(place)


def inside(place: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """(n,) bool, which of the points (n, 2) lie in the polygon (m, 2), by the even-odd rule."""
    x, y = place[:, 0], place[:, 1]
    low, high = polygon.min(0), polygon.max(0)
    near = np.flatnonzero((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
    px, py = x[near], y[near]
    odd = np.zeros(len(near), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            odd ^= ((y0 > py) != (y1 > py)) & (px < (x1 - x0) * (py - y0) / (y1 - y0) + x0)
    out = np.zeros(len(place), bool)
    out[near] = odd
    return out


def _principal(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 2) float32, the leading principal components of standardised features."""
    n, d = features.shape
    some = np.nan_to_num(np.asarray(features[:: max(1, n // SAMPLE)], np.float32))
    mean, spread = some.mean(0), some.std(0)
    scale = 1 / np.where(spread > 0, spread, 1)
    mix = rng.standard_normal((d, WIDE // 2), np.float32) if d > WIDE else None

    def prepared(rows: np.ndarray) -> np.ndarray:
        rows = (np.nan_to_num(np.asarray(rows, np.float32)) - mean) * scale
        return rows if mix is None else rows @ mix

    ready = prepared(some)
    _, directions = np.linalg.eigh(ready.T @ ready)
    two = directions[:, : -min(3, directions.shape[1] + 1) : -1].astype(np.float32)
    if two.shape[1] < 2:  # one feature: the second axis is empty
        two = np.concatenate([two, np.zeros((len(two), 2 - two.shape[1]), np.float32)], axis=1)
    two *= np.where(two.sum(0) < 0, -1, 1)  # the sign of an eigenvector is arbitrary
    out = np.empty((n, 2), np.float32)
    for start in range(0, n, BLOCK):
        out[start : start + BLOCK] = prepared(features[start : start + BLOCK]) @ two
    return out


def _drawn_together(place: np.ndarray, neighbours: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n, k = neighbours.shape
    spread = place.std(0)
    place = (place - place.mean(0)) / (spread.max() or 1) * 5
    place += rng.normal(0, 1e-3, place.shape).astype(np.float32)  # points at the same place could not separate
    epochs = int(np.clip(STEPS // n, FEWEST, MOST))
    everyone = np.arange(n)
    for epoch in range(epochs):
        rate = np.float32(1 - epoch / epochs)
        near = np.asarray(neighbours[everyone, rng.integers(0, k, n)], np.int64)
        gap = place - place[near]
        pull = np.clip(-2 / (1 + (gap**2).sum(1, keepdims=True)) * gap, -4, 4)
        step = pull.copy()
        for axis in (0, 1):
            step[:, axis] -= np.bincount(near, pull[:, axis], n).astype(np.float32)
        for _ in range(NEGATIVES):
            gap = place - place[rng.integers(0, n, n)]
            far = (gap**2).sum(1, keepdims=True)
            step += np.clip(2 / ((0.001 + far) * (1 + far)) * gap, -4, 4)
        place += rate * np.clip(step, -4, 4)
    return place


def _unit_square(place: np.ndarray) -> np.ndarray:
    """Both axes on the same scale; the outermost thousandth on either side is moved to the edge."""
    low, high = np.quantile(place, (0.001, 0.999), axis=0) if len(place) > 1000 else (place.min(0), place.max(0))
    size = float((high - low).max()) or 1.0
    middle = (low + high) / 2
    return np.clip(0.5 + 0.96 * (place - middle) / size, 0, 1).astype(np.float32)
