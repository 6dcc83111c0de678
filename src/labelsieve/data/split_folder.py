"""Folders whose images are not in class folders at the top: splits (train, valid, test) and label files beside images.

`photos/train/cat/1.jpg` has the id "train/cat/1.jpg" and the label "cat". For `photos/train/1.jpg` labels are read from
a table in `photos/train` (`_classes.csv`, `_annotations.coco.json`, `labels.csv`, `metadata.jsonl`, ...) or beside it
(`photos/train.csv`, `photos/labels.csv`, ...) that names the images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelsieve.core.added_columns import FILES
from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.image_names import is_image
from labelsieve.core.splits import is_split
from labelsieve.data.label_file import NOBODY, keyed
from labelsieve.data.readers import READERS
from labelsieve.places import paths
from labelsieve.places.paths import Entry
from labelsieve.places.tree import Tree

_USUAL = ("_classes.csv", "_annotations.coco.json", "labels.csv", "labels.json", "metadata.csv", "metadata.jsonl")
_PLAIN = {"images", "image", "imgs", "img", "photos", "pictures", "jpg", "jpeg", "png"}  # folders that are no class
_UNLABELLED = "no file of labels beside it names it"
OUTSIDE = "it lies outside the class folders"
Read = tuple[list[str], list[Any], list[int], list[Exclusion], tuple[str, ...]]


def splits_with_classes(tree: Tree, folders: Sequence[str]) -> Read | None:
    """Ids, labels, sizes, exclusions and notes of folders of splits that hold class folders; None if the folders with
    images are not only splits, or no split has two class folders."""
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
        notes = (f"Left out, because they are in no class folder: images in {_counted(missing)}.",)
    ids, labels, sizes = zip(*rows, strict=True)
    return list(ids), list(labels), list(sizes), left, notes


def labelled_beside(tree: Tree, folders: Sequence[str], used: dict[str, list[str]] | None = None) -> Read | None:
    """Ids, labels, sizes, exclusions and notes of images that lie directly in the folder or in folders of splits, with
    files of labels beside them; None if there are class folders, or no file names the images.

    Args:
        used: gets the files of labels that were read, each with the ids that it was matched with.

    Raises:
        UserError: the only file that names the images cannot be read as labels.
    """
    places: dict[str, list[Entry]] = {}
    for name in ("", *folders):
        images = [entry for entry in tree.entries(name) if entry.is_file and is_image(entry.name)]
        if images and name and not is_split(name) and name.lower() not in _PLAIN:
            return None
        places |= {name: images} if images else {}
    if not places:
        return None
    top = _tables(tree, "")
    labels: dict[str, Any] = {}
    notes: list[str] = []
    excluded: list[Exclusion] = []
    failures: list[UserError] = []
    common = [file for file in top if _stem(file) not in folders]

    def read(files: Sequence[str], ids: list[str]) -> None:
        for file in files:
            try:
                keys, values, about = keyed(paths.join(tree.root, file), ids)
            except UserError as error:
                failures.append(error)
                continue
            if keys is not None and not set(keys).isdisjoint(ids):
                several = _labelled(labels, keys, values)
                excluded.extend(Exclusion(key, f"{file} gives it several labels") for key in several)
                if used is not None:
                    used[file] = ids
                notes.extend(about)
                return

    for name, images in places.items():
        own = [file for file in top if name and _stem(file) == name]
        read([*_tables(tree, name), *own] if name else common, [_joined(name, entry.name) for entry in images])
    rest = [key for name, images in places.items() for key in (_joined(name, e.name) for e in images)]
    rest = [key for key in rest if key not in labels]
    if rest and any(places) and common:
        read(common, rest)
    if not labels:
        if failures:
            raise failures[0]
        return None
    conflicting = {item.id for item in excluded}
    ids, given, sizes = [], [], []
    without: dict[str, int] = {}
    for name, images in places.items():
        keys = [_joined(name, entry.name) for entry in images]
        if labels.keys().isdisjoint(keys):
            without[name] = len(keys)
            excluded += [Exclusion(key, _UNLABELLED) for key in keys]
            continue
        for key, entry in zip(keys, images, strict=True):
            if key not in conflicting:
                ids.append(key)
                given.append(labels.get(key))
                sizes.append(entry.size)
    if without:
        notes.append(f"Left out, because no file of labels names them: images in {_counted(without)}.")
    return ids, given, sizes, excluded, tuple(notes)


def _tables(tree: Tree, place: str) -> list[str]:
    """The files in a folder that may hold labels: those with usual names first."""
    names = [entry.name for entry in tree.entries(place) if entry.is_file and entry.name not in FILES]
    tables = [name for name in names if name not in _USUAL and paths.suffix(name) in READERS]
    return [_joined(place, name) for name in (*(name for name in _USUAL if name in names), *tables)]


def _labelled(labels: dict[str, Any], keys: Sequence[str | None], values: Any) -> list[str]:
    """Add labels by id; returns the ids that have several."""
    several: dict[str, None] = {}
    for key, value in zip(keys, values, strict=True):
        if key is not None and key is not NOBODY and labels.setdefault(key, value) != value:
            several[key] = None
    return list(several)


def _joined(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name or 'the folder'} ({count:,})" for name, count in counts.items())


def _stem(file: str) -> str:
    return file.removesuffix(".gz").rpartition(".")[0]
