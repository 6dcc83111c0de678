"""How boxes lie on their objects: judged by crops that were moved, narrowed and widened on purpose.

For each box three crops are cut at places where it does not fit: beside it, inside it and around it. A linear
discriminant learns in the other folds to tell the four kinds apart, most given boxes being well placed, and judges each
box as it is. It knows nothing of classes.
Cost: three more crops per box are encoded; one discriminant of four classes.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.input_parts import part
from labelsieve.core.memory_map import allocate
from labelsieve.core.progress_callback import Progress
from labelsieve.encode import arrays
from labelsieve.encode.arrays import Arrays
from labelsieve.engine.standardise import standardise
from labelsieve.evidence import linear_discriminant
from labelsieve.evidence.folds import assign
from labelsieve.evidence.from_features import FOLDS
from labelsieve.formats.background import NOTHING
from labelsieve.formats.boxes import Boxes

KINDS = ("well placed", "beside", "too small", "too large")
_MOVED = (0.25, 0.5)  # of the sides of a box
_NARROW, _WIDE = (0.5, 0.75), (1.35, 2.0)  # times its sides
_SAME = 0.8  # intersection over union with the box: at the edge of a picture a wider crop may be the box itself


def gather(
    found: Arrays, bound: np.ndarray | None, folder: Path, *, side: int | None, seed: int, progress: Progress | None
) -> np.ndarray:
    """Out-of-sample probabilities (n, 4) float32 of the `KINDS`; NaN for examples that are no boxes.

    Args:
        found: the features of the n examples, whose inputs are `Boxes`.
        bound: (n,) examples with the same number share a fold, or None.
        folder: for large arrays; what is written there is removed.
        side: of the pictures for the encoder, as in `find`.
    """
    data, place = found.data, folder / "views"
    rows = np.flatnonzero(np.array(data.classes, object)[data.labels] != NOTHING)
    boxes = part(data.inputs, rows)
    assert isinstance(boxes, Boxes)
    of, kind, edges = _views(boxes, np.random.default_rng(seed))
    cut = replace(boxes, picture=boxes.picture[of], edges=edges)
    names = np.arange(len(of)).astype(str).astype(object)
    views = Dataset(names, kind, KINDS, cut, "image", data.source, bands=data.bands)
    told = None if progress is None else lambda _, done, total: progress("encode (placement)", done, total)
    seen = arrays.features(views, place, encoder=found.option, side=side, levels=found.levels, progress=told)
    read = seen.data.ids.astype(np.int64)  # those that could be encoded
    m, width = len(rows), found.values.shape[1]
    features = allocate((m + len(read), width), np.float16, place, "boxes_and_views")
    features[:m], features[m:] = found.values[rows], seen.values
    kinds = np.concatenate([np.zeros(m, np.int64), kind[read]])
    owner = np.concatenate([np.arange(m), of[read]])
    groups = (rows if bound is None else bound[rows])[owner]
    fold = assign(kinds, FOLDS, groups=groups, seed=seed)
    judged = linear_discriminant.out_of_fold(standardise(features, place), kinds, len(KINDS), fold, folder=place)
    out = np.full((len(data), len(KINDS)), np.nan, np.float32)
    out[rows] = judged[:m]
    shutil.rmtree(place, ignore_errors=True)
    return out


def _views(boxes: Boxes, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crops at wrong places: the position of the box of each (v,), its kind (v,) from 1 on, and its edges (v, 4)."""
    n = len(boxes)
    sides = boxes.edges[:, 2:] - boxes.edges[:, :2]
    middle = boxes.edges[:, :2] + sides / 2
    size = boxes.size[boxes.picture]
    angle, length = rng.uniform(0, 2 * np.pi, n), rng.uniform(*_MOVED, n)
    narrow, wide = rng.uniform(*_NARROW, (n, 1)), rng.uniform(*_WIDE, (n, 1))
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    moved = ray / np.abs(ray).max(1, keepdims=True) * length[:, None]
    free = rng.uniform(-0.5, 0.5, (2, n, 2))
    shifts = (moved, free[0] * (1 - narrow), free[1] * (wide - 1))
    cut = []
    for shift, scale in zip(shifts, (np.ones((n, 1)), narrow, wide), strict=True):
        centre, half = middle + shift * sides, scale * sides / 2
        edges = np.concatenate([centre - half, centre + half], 1)
        limit = np.where(size > 0, size, np.inf)
        cut.append(np.concatenate([np.maximum(edges[:, :2], 0), np.minimum(edges[:, 2:], limit)], 1))
    edges, of, kind = np.concatenate(cut), np.tile(np.arange(n), 3), np.repeat([1, 2, 3], n)
    kept = _overlap(edges, boxes.edges[of]) < _SAME
    order = np.argsort(of[kept], kind="stable")  # a picture is read once for all its crops
    return of[kept][order], kind[kept][order], edges[kept][order]


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) intersection over union of two lists of boxes (n, 4); 1 for an empty one."""
    shared = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(1)
    area = [np.clip(one[:, 2:] - one[:, :2], 0, None).prod(1) for one in (a, b)]
    return np.where(area[0] > 0, shared / np.maximum(area[0] + area[1] - shared, 1e-12), 1.0)
