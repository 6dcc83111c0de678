"""Folders whose class folders lie in folders of splits (train, valid, test): `photos/train/cat/1.jpg` has the id
"train/cat/1.jpg" and the label "cat".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labelsieve.core.dataset import Exclusion
from labelsieve.core.image_names import is_image
from labelsieve.core.splits import is_split
from labelsieve.places.tree import Tree

OUTSIDE = "it lies outside the class folders"


@dataclass(frozen=True, eq=False)
class Labelled:
    """n images of a folder with their labels.

    Attributes:
        ids, labels, sizes: of each image; its size in bytes.
        excluded: images that were left out.
        notes: what the user should know.
        groups: n names, or None.
        files: the files of labels that were read -> the ids that each was matched with.
    """

    ids: list[str]
    labels: list[Any]
    sizes: list[int]
    excluded: list[Exclusion]
    notes: tuple[str, ...] = ()
    groups: list[str | None] | None = None
    files: Mapping[str, list[str]] = field(default_factory=dict)


def splits_with_classes(tree: Tree, folders: Sequence[str]) -> Labelled | None:
    """The images of folders of splits that hold class folders; None if the folders with images are not only splits, or
    no split has two class folders."""
    deep, loose, classes = {}, {}, set()
    for name in folders:
        entries = tree.entries(name)
        loose[name] = [entry for entry in entries if entry.is_file and is_image(entry.name)]
        if loose[name] and not is_split(name):
            return None
        inner = {entry.name: tree.entries(f"{name}/{entry.name}") for entry in entries if entry.is_folder}
        found = {key: [one for one in within if one.is_file and is_image(one.name)] for key, within in inner.items()}
        deep[name] = {key: images for key, images in found.items() if images}
        if deep[name] and not is_split(name):
            return None
        classes |= deep[name].keys()
    if len(classes) < 2 or classes <= {"images", "masks", "labels"}:
        return None
    rows = [
        (f"{split}/{name}/{entry.name}", name, entry.size)
        for split, inner in deep.items()
        for name, images in inner.items()
        for entry in images
    ]
    left = [Exclusion(f"{name}/{entry.name}", OUTSIDE) for name, entries in loose.items() for entry in entries]
    notes: tuple[str, ...] = ()
    if left:
        missing = {name: len(entries) for name, entries in loose.items() if entries}
        notes = (f"Left out, because they are in no class folder: images in {counted(missing)}.",)
    ids, labels, sizes = zip(*rows, strict=True)
    return Labelled(list(ids), list(labels), list(sizes), left, notes)


def counted(counts: Mapping[str, int]) -> str:
    """Folders with their numbers of images."""
    return ", ".join(f"{name or 'the folder'} ({count:,})" for name, count in counts.items())
