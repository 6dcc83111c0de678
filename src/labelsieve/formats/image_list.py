"""Lists of images: text files with a line `path label` per image, as Datumaro's imagenet_txt, Clothing1M and WebVision.

The place is a list, or a folder with lists, whose images lie beside them or below. The path ends with the suffix of an
image and may have blanks. What follows is the label; several numbers are several labels. Numbers are positions in
`synsets.txt` (or `classes.txt`, `labels.txt`) beside the list, where a line is the name of a class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.core.image_names import SUFFIXES
from labelsieve.formats.boxes import Pictures
from labelsieve.formats.content import Content, Names
from labelsieve.formats.labelled_images import Entry, content, copy, found, head
from labelsieve.places import paths

_NAMES = ("synsets.txt", "classes.txt", "labels.txt")
_SUFFIX = "|".join(map(re.escape, SUFFIXES))
_LINE = re.compile(rf'(?P<told>.*?({_SUFFIX})"?)(\s+(?P<label>\S.*?))?(?P<end>\s*)', re.IGNORECASE)
_ENOUGH = 5  # lines of a file by which it is recognised


@dataclass(frozen=True, eq=False)
class _List:
    """A list: its name below the folder, and its lines."""

    name: str
    lines: Sequence[str]

    def parts(self) -> list[tuple[str, str] | None]:
        """The path and the label ("" for none) of each line; None for a line without a path."""
        matches = map(_LINE.fullmatch, self.lines)
        return [None if one is None else (one["told"].replace('"', ""), one["label"] or "") for one in matches]


def recognises(place: str) -> bool:
    return bool(found(place, _is_list)[1])


def read(place: str) -> Content:
    folder, lists = _lists(place)
    _, names = _class_names(folder, lists)
    entries, odd = [], []
    for one in lists:
        for parts, line in zip(one.parts(), one.lines, strict=True):
            if parts is not None:
                entries.append(Entry(parts[0], _labels(parts[1], names, one.name), one.name))
            elif line.strip():
                odd.append(line.strip())
    notes = [f"Lines that name no image are not read: {odd[0]!r}, ... ({len(odd):,})."] if odd else []
    return content(Pictures(folder), entries, names, notes)


def write_sets(place: str, content: Content, changes: Mapping[str, Names | None], out: Path) -> tuple[str, ...]:
    """Only the labels of changed lines are written anew; lines that are left out go. A new class is added to the file
    of names."""
    folder, lists = _lists(place)
    file, names = _class_names(folder, lists)
    pictures = Pictures(folder)
    known, written = len(names), {}
    for one in lists:
        lines = []
        for parts, line in zip(one.parts(), one.lines, strict=True):
            key = None if parts is None else pictures.find(parts[0], one.name)
            if key is None or key not in changes:
                lines.append(line)
            elif (new := changes[key]) is not None:
                lines.append(_line(line, new, names))
        if lines != one.lines:
            written[one.name] = "".join(lines).encode("utf-8", "surrogateescape")
    if len(names) > known:
        raw = paths.read(paths.join(folder, file)).rstrip(b"\r\n")
        written[file] = raw + "".join(f"\n{name}" for name in names[known:]).encode() + b"\n"
    copy(pictures, out, written, changes)
    return ()


def _line(line: str, new: Names, names: list[str]) -> str:
    """A line that has a label, with the classes `new`; those that `names` does not have are added to it.

    Raises:
        UserError: not one class, and classes are words, of which a line holds only one.
    """
    match = _LINE.fullmatch(line)
    assert match is not None
    if not names and len(new) != 1 and not all(name.isdigit() for name in (*new, *match["label"].split())):
        raise UserError(
            f"A line such as {line.strip()!r} holds one class, not {len(new)}; only numbers can be several."
        )
    names += [name for name in new if names and name not in names]
    text = " ".join(str(names.index(name)) if names else name for name in new)
    return line[: match.start("label")] + text + match["end"]


def _lists(place: str) -> tuple[str, list[_List]]:
    folder, names = found(place, _is_list)
    if not names:
        raise UserError(f"{place} is no list of images, a .txt file with lines such as `images/1.jpg cat`.")
    texts = [paths.read(paths.join(folder, name)).decode("utf-8-sig", "surrogateescape") for name in names]
    return folder, [_List(name, text.splitlines(keepends=True)) for name, text in zip(names, texts, strict=True)]


def _is_list(path: str) -> bool:
    """Whether the first lines of a text file are paths of images, each with a label."""
    if paths.suffix(path) != ".txt" or re.split(r"[/\\]", path)[-1] in _NAMES:
        return False
    lines = head(path).decode("utf-8-sig", "surrogateescape").splitlines()[:_ENOUGH]
    found = [_LINE.fullmatch(line) for line in lines]
    return all(found) and any(one is not None and one["label"] for one in found)


def _class_names(folder: str, lists: Sequence[_List]) -> tuple[str, list[str]]:
    """The file of the names of classes and the names; none where labels are not numbers."""
    file = next((name for name in _NAMES if paths.is_file(paths.join(folder, name))), "")
    labels = {word for one in lists for parts in one.parts() if parts is not None for word in parts[1].split()}
    if not file or not all(word.isdigit() for word in labels):
        return "", []
    text = paths.read(paths.join(folder, file)).decode("utf-8-sig", "replace")
    return file, [line.strip() for line in text.strip().splitlines()]


def _labels(label: str, names: Sequence[str], file: str) -> list[str] | None:
    """The class names of a label as it is written; None for none."""
    if not label:
        return None
    if not all(word.isdigit() for word in label.split()):
        return [label]
    codes = [int(word) for word in label.split()]
    if names and max(codes, default=0) >= len(names):
        raise UserError(f"{file} has the label {max(codes)}, but only {len(names)} classes have names.")
    return [names[code] if names else str(code) for code in codes]
