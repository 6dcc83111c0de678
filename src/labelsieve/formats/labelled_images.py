"""What the formats of labelled images share: entries of label files, matched to the pictures below a folder.

Every picture is one example; its id is its path below the folder. A picture that no file names has no label.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.splits import is_split
from labelsieve.formats.boxes import Pictures, copied, split_of
from labelsieve.formats.content import Content, Names
from labelsieve.places import paths

_SHOWN = 3
_HEAD = 1 << 16  # bytes by which a file is recognised


@dataclass(frozen=True)
class Entry:
    """What a file says about one picture.

    Attributes:
        told: the name of the picture, perhaps with folders or without suffix.
        labels: its classes; () if the file says that it has none of them, None if it says nothing.
        file: the name of the file below the folder of the data.
    """

    told: str
    labels: Sequence[str] | None
    file: str


def head(path: str) -> bytes:
    """The first bytes of a file, to recognise it."""
    with paths.opened(path) as file:
        return file.read(_HEAD)


def found(
    place: str, is_one: Callable[[str], bool], inner: Sequence[str] = (), above: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """The folder of the data and the names of its label files below it; no names if there are none.

    Args:
        place: the folder, or one of its label files.
        is_one: whether the file at a path is such a file.
        inner: folders in which label files lie, besides the folder itself and its splits.
        above: folders of label files whose pictures lie beside them.
    """
    if not paths.is_folder(place):
        if not paths.is_file(place) or not is_one(place):
            return "", []
        folder, base = paths.parent(place) or ".", re.split(r"[/\\]", place)[-1]
        last = re.split(r"[/\\]", folder)[-1]
        return (paths.parent(folder) or ".", [f"{last}/{base}"]) if last in above else (folder, [base])
    entries = paths.entries(place)
    names = [one.name for one in entries if one.is_file]
    for one in entries:
        if one.is_folder and (one.name in inner or one.name in above or is_split(one.name)):
            names += [f"{one.name}/{file.name}" for file in paths.entries(paths.join(place, one.name)) if file.is_file]
    return place, [name for name in sorted(names) if is_one(paths.join(place, name))]


def content(
    pictures: Pictures, entries: Iterable[Entry], classes: Sequence[str] = (), notes: Iterable[str] = ()
) -> Content:
    """The pictures below the folder with their labels, in the order of their paths.

    Args:
        classes: the class names in the order of the format; those without a picture are left out.

    Raises:
        UserError: no picture is named.
    """
    labels: dict[str, dict[str, None]] = {}
    first: dict[str, str] = {}  # picture -> the first file that names it
    lost: dict[str, str] = {}
    for entry in entries:
        picture = pictures.find(entry.told, entry.file)
        if picture is None:
            lost[entry.told] = entry.file
            continue
        first.setdefault(picture, entry.file)
        if entry.labels is not None:
            labels.setdefault(picture, {}).update(dict.fromkeys(entry.labels))
    if not first:
        why = f": {next(iter(lost))}, ..." if lost else ""
        raise UserError(f"{pictures.root} holds none of the pictures that its label files name{why}.")
    ids = sorted(pictures.names)
    missing = [key for key in ids if key not in first]
    told = list(notes)
    if missing:
        told.append(f"No label file names {_listed(missing)}; such pictures have no label.")
    if lost:
        told.append(f"Named, but not in {pictures.root}: {_listed(list(lost))}.")
    used = {name for names in labels.values() for name in names}
    splits = [split_of(key) or _split(first.get(key, "")) or None for key in ids]
    return Content(
        ids,
        None,
        pictures.files(ids),
        "image",
        tuple(name for name in dict.fromkeys(classes) if name in used) if used <= {*classes} else None,
        splits if any(splits) else None,
        sets=[None if key not in labels else tuple(labels[key]) for key in ids],
        excluded=tuple(Exclusion(name, f"{file} names it, but it is not there") for name, file in lost.items()),
        notes=tuple(told),
    )


def fresh(changes: Mapping[str, Names | None], known: Collection[str]) -> list[str]:
    """The new class names among the changes. They are added to every file, because tools want the same classes in all
    splits."""
    names = dict.fromkeys(name for new in changes.values() for name in new or ())
    return [name for name in names if name not in known]


def copy(pictures: Pictures, out: Path, written: Mapping[str, bytes], changes: Mapping[str, Names | None]) -> None:
    """Copy the folder into `out`, with new label files and without the pictures that are left out."""
    copied(pictures.root, out, written, {key for key, new in changes.items() if new is None})


def _split(file: str) -> str:
    """The split that the name of a label file tells: "train" of `labels_train.json`, "" if none."""
    stem = file.rpartition("/")[2].partition(".")[0]
    return split_of(file) or next((word for word in re.split(r"[_\W]+", stem) if is_split(word)), "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
