"""What the formats of boxes share: boxes as inputs, pictures found by their names, a copy of a folder.

Every box is one example: the picture around it, with its class as the label. All boxes of a picture are one group, so
that none is judged by what was learned from its neighbours in the same picture.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.crop import Crop, Whole
from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.image_names import is_image, without_suffix
from labelsieve.formats.content import Content
from labelsieve.places import paths
from labelsieve.places.many_files import Files

_NO_AREA = "its box has no area"
_SIZES = "its box is not made of numbers"


@dataclass(frozen=True)
class Box:
    """One object in a picture as a file of annotations tells it.

    Attributes:
        id: its id.
        label: its class; None if it has none.
        picture: the name of the picture below the folder of the data, and the group of the box.
        edges: left, top, right, bottom, in the unit of `size`.
        size: the width and height of the picture: in pixels, (1, 1) for fractions, (0, 0) if unknown.
        split: train, val, ...; "" if there are none.
    """

    id: str
    label: str | None
    picture: str
    edges: tuple[float, float, float, float]
    size: tuple[float, float] = (0, 0)
    split: str = ""


@dataclass(frozen=True)
class Annotated:
    """A picture that somebody annotated: `size` and `split` as of its boxes."""

    size: tuple[float, float]
    split: str = ""


@dataclass(frozen=True, eq=False)
class Boxes(Sequence):
    """n boxes in m pictures as inputs, each a `Crop`, cut out when it is decoded. Boxes of one picture that follow each
    other share it, so it is read and decoded once.

    Attributes:
        pictures: the m files.
        picture: (n,) int64, the position of the picture of each box.
        edges: (n, 4) float64: left, top, right, bottom.
        size: (m, 2) float64 width and height of each picture in the unit of the edges; zeros if unknown.
        names: the names of the m pictures below the folder of the data; () of a part.
        splits: their splits, "" without one; () of a part.
        crowds: (picture, edges) of regions with objects that are no boxes of one object.
    """

    pictures: Files
    picture: np.ndarray
    edges: np.ndarray
    size: np.ndarray
    names: Sequence[str] = ()
    splits: Sequence[str] = ()
    crowds: Sequence[tuple[int, tuple[float, float, float, float]]] = ()

    row_bytes = 48  # its numbers; of the pictures only paths travel

    def __len__(self) -> int:
        return len(self.picture)

    def __getitem__(self, i: int) -> Crop:
        return self._crop(i, Whole(self.pictures[int(self.picture[i])]))

    def many(self, positions: Sequence[int], again: bool = False) -> Iterator[Crop | Exception]:
        """As `core.read_many`."""
        runs = [(p, list(run)) for p, run in groupby(positions, key=lambda i: int(self.picture[i]))]
        for (_, run), content in zip(runs, self.pictures.many([p for p, _ in runs], again), strict=True):
            whole = None if isinstance(content, Exception) else Whole(content)
            for i in run:
                yield content if whole is None else self._crop(i, whole)  # pyright: ignore[reportReturnType]

    def part(self, rows: np.ndarray) -> Boxes:
        """As `core.input_parts`."""
        used, at = np.unique(self.picture[rows], return_inverse=True)
        return Boxes(self.pictures.part(used), at.astype(np.int64), self.edges[rows], self.size[used])

    @property
    def groups(self) -> np.ndarray:
        """(n,) int64: the boxes of one picture are read at once."""
        return self.picture

    @property
    def paths(self) -> list[str]:
        """The path of the picture of each box."""
        return [str(self.pictures.paths[p]) for p in self.picture.tolist()]

    def _crop(self, i: int, whole: Whole) -> Crop:
        left, top, right, bottom = self.edges[i].tolist()
        width, height = self.size[self.picture[i]].tolist()
        return Crop(whole, (left, top, right, bottom), (width, height) if width > 0 and height > 0 else None)


class Pictures:
    """The image files below a folder, found by names as annotations tell them.

    Attributes:
        root: the folder.
        names: their paths below it.
    """

    def __init__(self, root: str):
        self.root = root
        self._sizes = {file.name: file.size for file in paths.files_below(root) if is_image(file.name)}
        self.names = list(self._sizes)
        self._by_base: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            base = name.rpartition("/")[2]
            self._by_base[base].append(name)
            self._by_stem[without_suffix(base)].append(name)

    def find(self, name: str, beside: str = "") -> str | None:
        """The path below the root of the picture `name` (perhaps without its suffix) that the file `beside` names. Of
        several pictures of a name, the one whose folders are most like those of the two names; None if there is none,
        or no single one."""
        name = name.replace("\\", "/")
        base = name.rpartition("/")[2]
        found = self._by_base.get(base) or self._by_stem.get(without_suffix(base), [])
        if len(found) < 2:
            return found[0] if found else None
        ends = [one for one in found if f"/{one}".endswith(f"/{name}")] if "/" in name else []
        words = _words(f"{name} {beside}")
        likeness = {one: sum((_words(one) & words).values()) for one in ends or found}
        most = max(likeness.values())
        best = [one for one, common in likeness.items() if common == most]
        shortest = [one for one in best if one.count("/") == min(other.count("/") for other in best)]
        return shortest[0] if len(shortest) == 1 else None

    def files(self, names: Sequence[str]) -> Files:
        """The files of these paths below the root."""
        sizes = np.array([self._sizes[name] for name in names], np.int64)
        return Files([paths.join(self.root, name) for name in names], sizes)


def content(
    found: Iterable[Box],
    pictures: Pictures,
    excluded: Iterable[Exclusion] = (),
    notes: Iterable[str] = (),
    classes: Sequence[str] = (),
    *,
    annotated: Mapping[str, Annotated] | None = None,
    crowds: Iterable[tuple[str, tuple[float, float, float, float]]] = (),
) -> Content:
    """The boxes as examples, those of one picture after each other.

    Args:
        classes: the class names in the order of the format; those without a box are left out.
        annotated: every picture that somebody annotated, also those without a box.
        crowds: (picture, edges) of regions with objects that are no boxes of one object.
    """
    by_picture: dict[str, list[Box]] = defaultdict(list)
    left = list(excluded)
    for box in found:
        x, y, right, bottom = box.edges
        if not np.isfinite(box.edges).all() or x >= right or y >= bottom:
            left.append(Exclusion(box.id, _NO_AREA if np.isfinite(box.edges).all() else _SIZES))
        else:
            by_picture[box.picture].append(box)
    boxed = list(by_picture)
    seen = {name: Annotated(some[0].size, some[0].split) for name, some in by_picture.items()} | dict(annotated or {})
    names = [*boxed, *(name for name in seen if name not in by_picture)]
    place = {name: i for i, name in enumerate(names)}
    boxes = [box for name in boxed for box in by_picture[name]]
    if not boxes:
        why = f"; the first was left out because {left[0].reason}" if left else ""
        raise UserError(f"{pictures.root} holds no boxes in pictures{why}.")
    told_beyond = _beyond(boxes, pictures.root)
    inputs = Boxes(
        pictures.files(names),
        np.repeat(np.arange(len(boxed)), [len(by_picture[name]) for name in boxed]),
        np.array([box.edges for box in boxes], np.float64),
        np.array([seen[name].size for name in names], np.float64),
        names,
        [seen[name].split for name in names],
        [(place[name], edges) for name, edges in crowds if name in place],
    )
    used = {box.label for box in boxes}
    empty = len(set(pictures.names) - set(boxed))
    told = f"{len(boxes):,} boxes in {len(boxed):,} pictures; each box is one example."
    without = f"{empty:,} pictures below {pictures.root} have no box." if empty else ""
    return Content(
        [box.id for box in boxes],
        [box.label for box in boxes],
        inputs,
        "image",
        tuple(name for name in dict.fromkeys(classes) if name in used) if used <= {*classes, None} else None,
        [box.split for box in boxes] if any(box.split for box in boxes) else None,
        [box.picture for box in boxes],
        excluded=tuple(left),
        notes=(told, *([without] if without else []), *told_beyond, *notes),
    )


def _beyond(boxes: Sequence[Box], root: str) -> list[str]:
    """A note about boxes that reach beyond their pictures.

    Raises:
        UserError: all are in another unit than the format tells them in.
    """
    known = [box for box in boxes if box.size[0] > 0 and box.size[1] > 0]
    if not known:
        return []
    edges, size = np.array([box.edges for box in known]), np.array([box.size for box in known])
    parts = (size == 1).all()
    wrong = "pixels" if parts and np.median(edges.max(1)) > 2 else "parts of the picture" if edges.max() <= 1 else ""
    if wrong and bool(parts) == (wrong == "pixels"):
        right = "parts of the picture, 0 to 1" if parts else "pixels"
        first = ", ".join(f"{edge:g}" for edge in known[0].edges)
        raise UserError(
            f"The boxes in {root} look like {wrong} (left, top, right, bottom of the first: {first}); this format has "
            f"them in {right}."
        )
    over = int(((edges[:, 2:] > 1.02 * size).any(1) | (edges[:, :2] < -0.02 * size).any(1)).sum())
    several = "1 box reaches" if over == 1 else f"{over:,} boxes reach"
    doubt = " Are the last two numbers of a box what the format says?" if over > 0.2 * len(known) else ""
    return [f"{several} beyond the edge of the picture, which cuts them.{doubt}"] if over else []


def copied(root: str, out: Path, written: Mapping[str, bytes], without: Collection[str] = ()) -> None:
    """Copy every file below `root` into the folder `out`, those in `written` with their new content.

    Args:
        without: names of files that are left out.

    Raises:
        UserError: a file cannot be copied.
    """
    inside = os.path.realpath(out)
    for file in paths.files_below(root):
        if file.name in without:
            continue
        source, target = paths.join(root, file.name), out / file.name
        if not paths.is_remote(root) and os.path.realpath(source).startswith(inside + os.sep):
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.name in written:
                target.write_bytes(written[file.name])
            elif paths.is_remote(root):
                target.write_bytes(paths.read(source))
            else:
                shutil.copy2(source, target)
        except OSError as error:
            raise UserError(f"{source} cannot be copied ({error.strerror or error}); nothing was written.") from error


def split_of(name: str) -> str:
    """The split that a path names; "" if it names none."""
    from labelsieve.core.splits import is_split

    return next((part for part in name.split("/")[:-1] if is_split(part)), "")


def _words(name: str) -> Counter[str]:
    return Counter(word for word in re.split(r"[/\\_.\s-]+", name.lower()) if word)


def number(value: Any) -> float:
    """A number in a file of annotations; NaN for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
