"""Labels in files beside the images of a folder.

For `photos/train/1.jpg` they are read from a table in `photos/train` (`_classes.csv`, `_annotations.coco.json`,
`labels.csv`, `metadata.jsonl`, ...) or beside it (`photos/train.csv`, `photos/labels.csv`, ...) that names the images
by path, base name or stem. Without class folders, or if the user names a column, images may lie at any depth.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from labelsieve.core.added_columns import FILES
from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.image_names import is_image
from labelsieve.core.splits import is_split
from labelsieve.data.columns import Columns, require_column
from labelsieve.data.label_file import NOBODY, column_of_names, keyed, require_named
from labelsieve.data.label_sets import of_table
from labelsieve.data.readers import READERS, open_table
from labelsieve.data.split_folder import Labelled, counted
from labelsieve.data.table import names_of
from labelsieve.places import paths
from labelsieve.places.paths import Entry
from labelsieve.places.tree import Tree

_USUAL = ("_classes.csv", "_annotations.coco.json", "labels.csv", "labels.json", "metadata.csv", "metadata.jsonl")
_PLAIN = {"images", "image", "imgs", "img", "photos", "pictures", "jpg", "jpeg", "png"}  # folders that are no class
_UNLABELLED = "no file of labels beside it names it"
_WHOLE = 0.9  # of the images in class folders; a table that names fewer does not say what the classes are
_NONE = Columns()


def labelled_beside(
    tree: Tree, columns: Columns = _NONE, anywhere: bool = False, several: bool = False
) -> Labelled | None:
    """The images that lie directly in the folder or in folders of splits, with the labels of files beside them; None if
    other folders hold images, or no file names the images.

    Args:
        columns: the label, id and group that the user named; without a label the column with a usual name.
        anywhere: read images in folders of any name and depth.
        several: each image may have several labels; those of an image are then a tuple of names.

    Raises:
        UserError: the only file that names the images cannot be read as labels, or lacks a column.
    """
    folders = [entry.name for entry in tree.entries() if entry.is_folder]
    places: dict[str, list[tuple[str, int]]] = {}
    for name in ("", *folders):
        images = list(_images(tree, name, anywhere and bool(name)))
        if images and name and not anywhere and not is_split(name) and name.lower() not in _PLAIN:
            return None
        places |= {name: images} if images else {}
    if not places:
        return None
    beside = _Beside(tree.root, columns, several)
    top = _tables(tree, "")
    common = [file for file in top if _stem(file) not in folders]
    for name, images in places.items():
        own = [file for file in top if name and _stem(file) == name]
        beside.read([*_tables(tree, name), *own] if name else common, [key for key, _ in images])
    rest = [key for images in places.values() for key, _ in images if key not in beside.labels]
    if rest and any(places) and common:
        beside.read(common, rest)
    return beside.labelled(places)


def instead_of_folders(tree: Tree, ids: Sequence[str], labels: Sequence[str]) -> tuple[Labelled | None, str]:
    """What a table beside class folders says about their images, if it names nearly all of them and its labels are not
    the names of the folders; and a note about it, or "".

    Raises:
        UserError: the folders are only numbered parts, and the table has no column that is clearly the label.
    """
    if not _tables(tree, ""):
        return None, ""
    classes = list(dict.fromkeys(labels))
    doubtful = len(classes) < 2 or _numbered(classes)
    try:
        beside = labelled_beside(tree, anywhere=True)
    except UserError as error:
        if doubtful:
            raise
        return None, f"The labels are the names of the folders. Those of a table were not read: {error.in_words()}"
    if beside is None:
        return None, ""
    given = dict(zip(beside.ids, beside.labels, strict=True))
    told = [key for key, label in given.items() if label is not None]
    known = dict(zip(ids, labels, strict=True))
    if not doubtful and len(told) < _WHOLE * len(ids) or all(_plain(given[key]) == known.get(key) for key in told):
        return None, ""
    listed = ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
    return beside, (
        f"The labels are those of {' and '.join(beside.files)}, not the names of the folders ({listed}). If the "
        "folders are the classes, move that file away."
    )


class _Beside:
    """Labels by id, collected from one file after the other."""

    def __init__(self, root: str, columns: Columns, several: bool):
        self.root, self.columns, self.sets = root, columns, several
        self.labels: dict[str, Any] = {}
        self.groups: dict[str, str | None] = {}
        self.files: dict[str, list[str]] = {}
        self.notes: list[str] = []
        self.several: list[Exclusion] = []
        self.failures: list[UserError] = []

    def read(self, files: Sequence[str], ids: list[str]) -> None:
        """Read the first of the files that names images."""
        for file in files:
            path = paths.join(self.root, file)
            if "submission" in file.lower():  # Kaggle's sample_submission.csv
                if column_of_names(path, ids) is not None:
                    self.notes.append(f"{file} is not read, because the labels of a submission are not given ones.")
                continue
            try:
                require_named(path, self.columns.label, self.columns.id)
                read = self._sets if self.sets else self._labels
                keys, values, about = read(path, ids)
            except UserError as error:
                named = column_of_names(path, ids)
                if named is not None:
                    hint = f"Its column {named!r} names the images; name the one of their labels with <label>."
                    self.failures.append(error.followed_by(hint, label="") if self.columns.label is None else error)
                continue
            if keys is not None and not set(keys).isdisjoint(ids):
                conflicting = _labelled(self.labels, keys, values)
                why = f"{file} gives it labels twice, which differ" if self.sets else f"{file} gives it several labels"
                self.several += [Exclusion(key, why) for key in conflicting]
                self._group(path, keys)
                self.files[file] = ids
                self.notes.extend(about)
                return

    def _labels(self, path: str, ids: list[str]) -> tuple[list[str | None] | None, Any, tuple[str, ...]]:
        return keyed(path, ids, self.columns.label, self.columns.id)

    def _sets(self, path: str, ids: list[str]) -> tuple[list[str | None] | None, Any, tuple[str, ...]]:
        """As `keyed`, with sets of names for labels, None for one that is not known."""
        file, taken = open_table(path), [self.columns.id, self.columns.group, "id"]
        sets = of_table(file, self.columns.label, path, taken)
        keys, _, about = keyed(path, ids, sets.columns[0], self.columns.id)
        return keys, sets.names_in_rows(), (*sets.notes, *about)

    def _group(self, path: str, keys: Sequence[str | None]) -> None:
        name = self.columns.group
        if name is None:
            return
        file = open_table(path)
        require_column(name, tuple(file.schema.names), path, "group")
        self.groups |= {
            key: group for key, group in zip(keys, names_of(file.read(Columns(group=name))[name]), strict=True) if key
        }

    def labelled(self, places: dict[str, list[tuple[str, int]]]) -> Labelled | None:
        """The images with the labels that were read; None if no file names one."""
        if not self.labels:
            if self.failures:
                raise self.failures[0]
            return None
        excluded, notes = [*self.several], [*self.notes]
        conflicting = {item.id for item in excluded}
        ids, given, sizes = [], [], []
        without: dict[str, int] = {}
        for name, images in places.items():
            if self.labels.keys().isdisjoint(key for key, _ in images):
                without[name] = len(images)
                excluded += [Exclusion(key, _UNLABELLED) for key, _ in images]
                continue
            for key, size in images:
                if key not in conflicting:
                    ids.append(key)
                    given.append(self.labels.get(key))
                    sizes.append(size)
        if without:
            notes.append(f"Left out, because no file of labels names them: images in {counted(without)}.")
        groups = [self.groups.get(key) for key in ids] if self.columns.group else None
        return Labelled(ids, given, sizes, excluded, tuple(dict.fromkeys(notes)), groups, self.files)


def _images(tree: Tree, place: str, deep: bool) -> Iterator[tuple[str, int]]:
    """The images in a folder, perhaps at any depth: path below the root, and size."""
    for entry in tree.entries(place):
        if entry.is_file and is_image(entry.name):
            yield _joined(place, entry.name), entry.size
        elif deep and entry.is_folder:
            yield from _images(tree, _joined(place, entry.name), True)


def _tables(tree: Tree, place: str) -> list[str]:
    """The files in a folder that may hold labels: those with usual names first."""
    names = [entry.name for entry in tree.entries(place) if _may_label(entry)]
    tables = [name for name in names if name not in _USUAL]
    return [_joined(place, name) for name in (*(name for name in _USUAL if name in names), *tables)]


def _may_label(entry: Entry) -> bool:
    return entry.is_file and entry.name not in FILES and paths.suffix(entry.name) in READERS


def _labelled(labels: dict[str, Any], keys: Sequence[str | None], values: Any) -> list[str]:
    """Add labels by id; returns the ids that have several."""
    several: dict[str, None] = {}
    for key, value in zip(keys, values, strict=True):
        if key is not None and key is not NOBODY and labels.setdefault(key, value) != value:
            several[key] = None
    return list(several)


def _numbered(classes: Sequence[str]) -> bool:
    """Whether names differ in a number alone: part_1, part_2."""
    return len({name.strip("0123456789") for name in classes}) == 1


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _joined(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _stem(file: str) -> str:
    return os.path.splitext(file.removesuffix(".gz"))[0]
