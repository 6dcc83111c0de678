"""Crops of pictures where no box is, as a class of their own, `(nothing)`; and what decisions on them mean.

A box that looks like them is a box on nothing; one of them that looks like an object is an overlooked object. The crops
lie on a grid, in three sizes: the median width and height of the small, the middle and the large boxes of the data.
Their id tells where they are: `images/a.jpg@40,8,96,64`, left, top, right, bottom in the unit of the annotations.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from labelsieve.core.box_formats import NOTHING
from labelsieve.formats.boxes import Boxes

Edges = tuple[float, float, float, float]
_KEY = re.compile(r"(.*)@([\d.]+),([\d.]+),([\d.]+),([\d.]+)", re.DOTALL)
_SIZES = 3
_STEP = 0.5  # of the width and height of a crop, to the next one: an object is at most a quarter of them off
_SPARE = 4  # crops of the grid for each one that is chosen
_TOUCH = 0.2  # of the area of a crop or of a box: crops that share more are not on nothing
_ONE = 0.3  # intersection over union: accepted crops of a class that share more show one object


@dataclass(frozen=True)
class Decided:
    """What is decided: boxes and new objects.

    Attributes:
        boxes: id of a box -> its new class, None where it is removed.
        added: picture -> (class, edges) of each object that gets a box.
    """

    boxes: Mapping[str, str | None]
    added: Mapping[str, list[tuple[str, Edges]]]

    @property
    def classes(self) -> list[str]:
        """The classes that are written, without repetition."""
        new = [*self.boxes.values(), *(label for some in self.added.values() for label, _ in some)]
        return [name for name in dict.fromkeys(new) if name]

    @property
    def notes(self) -> tuple[str, ...]:
        count = sum(map(len, self.added.values()))
        return (f"Boxes added: {count:,}.",) if count else ()


def decided(changes: Mapping[str, str | None]) -> Decided:
    """The changes of a corrected copy. Overlapping crops that got one class become one box, in their middle."""
    boxes: dict[str, str | None] = {}
    places: dict[str, list[tuple[str, Edges]]] = defaultdict(list)
    for key, new in changes.items():
        match = _KEY.fullmatch(key)
        if match is None:
            boxes[key] = None if new == NOTHING else new
        elif new is not None and new != NOTHING:
            left, top, right, bottom = map(float, match.groups()[1:])
            places[match[1]].append((new, (left, top, right, bottom)))
    return Decided(boxes, {picture: list(_merged(some)) for picture, some in places.items()})


def crops(boxes: Boxes, many: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `many` crops of each picture whose size is known that share little with its boxes.

    Returns:
        The position of the picture of each crop (c,) int64, and its edges (c, 4) float64.
    """
    shapes = _shapes(boxes)
    at, edges = [np.zeros(0, np.int64)], [np.zeros((0, 4))]
    if not len(shapes):
        return at[0], edges[0]
    taken: dict[int, list] = defaultdict(list)
    for picture, box in zip(boxes.picture.tolist(), boxes.edges, strict=True):
        taken[picture].append(box)
    for picture, box in boxes.crowds:
        taken[picture].append(box)
    grids = [_grid(width, height, _SPARE * many) for width, height in shapes.tolist()]
    for picture, path in enumerate(boxes.pictures.paths):
        size = boxes.size[picture]
        if not (size > 0).all():
            continue
        scale, digits = np.tile(size, 2), 0 if size.max() > 1 else 6
        rng = np.random.default_rng(zlib.crc32(str(path).rpartition("/")[2].encode("utf-8", "replace")))
        there = np.array(taken[picture]).reshape(-1, 4)
        chosen: list[np.ndarray] = []
        for i, grid in enumerate(grids):
            own = np.unique(np.round(grid * scale, digits), axis=0)
            own = own[_area(own) > 0]
            own = own[_free(own, there)]
            left = (many - sum(map(len, chosen))) // (len(grids) - i)
            chosen.append(own[np.sort(rng.permutation(len(own))[:left])])
        found = np.concatenate(chosen)
        at.append(np.full(len(found), picture, np.int64))
        edges.append(found)
    return np.concatenate(at), np.concatenate(edges)


def key(picture: str, edges: Iterable[float]) -> str:
    """The id of a crop."""
    return f"{picture}@{','.join(f'{edge:.10g}' for edge in edges)}"


def is_crop(key: str) -> bool:
    """Whether an id is that of a crop without a box."""
    return _KEY.fullmatch(key) is not None


def _shapes(boxes: Boxes) -> np.ndarray:
    """(s, 2) widths and heights of crops, as parts of a picture."""
    size = boxes.size[boxes.picture]
    known = (size > 0).all(1)
    shape = np.clip((boxes.edges[known, 2:] - boxes.edges[known, :2]) / size[known], 1e-3, 1)
    if not len(shape):
        return shape
    parts = np.array_split(np.argsort(shape.prod(1), kind="stable"), min(_SIZES, len(shape)))
    return np.unique([np.median(shape[part], axis=0) for part in parts], axis=0)


def _grid(width: float, height: float, most: int) -> np.ndarray:
    """(g, 4) edges of crops of one shape, as parts of a picture; about `most`, or fewer where they are large."""
    step = _STEP
    while (count := _count(width, step) * _count(height, step)) > max(4, most):
        step *= max(1.02, min(2.0, (count / max(4, most)) ** 0.5))
    left, top = (np.linspace(0, 1 - side, _count(side, step)) for side in (width, height))
    x, y = (axis.ravel() for axis in np.meshgrid(left, top))
    return np.stack([x, y, x + width, y + height], 1)


def _count(side: float, step: float) -> int:
    return 1 + int(np.ceil((1 - side) / (step * side) - 1e-9)) if side < 1 else 1


def _free(crop: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(g,) bool: the crops that share little with every box."""
    if not len(boxes):
        return np.ones(len(crop), bool)
    shared = _shared(crop, boxes)
    least = np.minimum(_area(crop)[:, None], np.maximum(_area(boxes), 1e-12))
    return np.asarray((shared <= _TOUCH * least).all(1))


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) area that two lists of boxes (n, 4), (m, 4) share."""
    ends = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    return np.clip(ends, 0, None).prod(2)


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(1))


def _merged(some: list[tuple[str, Edges]]) -> Iterable[tuple[str, Edges]]:
    groups: list[tuple[str, list[Edges]]] = []
    for label, edges in some:
        same = (group for name, group in groups if name == label and _overlap(group[0], edges) > _ONE)
        group = next(same, None)
        if group is None:
            groups.append((label, [edges]))
        else:
            group.append(edges)
    for label, group in groups:
        left, top, right, bottom = np.mean(group, axis=0).tolist()
        yield label, (left, top, right, bottom)


def _overlap(a: Edges, b: Edges) -> float:
    one, two = np.array([a]), np.array([b])
    shared = float(_shared(one, two)[0, 0])
    return shared / (float(_area(one)[0] + _area(two)[0]) - shared)
