"""Pascal VOC's classification: `ImageSets/Main/CLASS_SPLIT.txt`, with a line `picture 1` or `picture -1` for each
picture of the split in `JPEGImages/` (Everingham et al., "The Pascal visual object classes challenge", IJCV 2010), as
Datumaro writes it as `voc_classification`. 0 says that the class is hard to see: no label where each picture has one,
no answer where it may have several.

VOC with boxes in `Annotations/` is read by `voc`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.formats.boxes import Pictures
from labelsieve.formats.content import Content, Names
from labelsieve.formats.labelled_images import Entry, content, copy, fresh
from labelsieve.formats.voc import MAP, with_classes
from labelsieve.places import paths

_LISTS = "ImageSets/Main"
_NAME = re.compile(r"(?P<class>.+)_(?P<split>train|val|test|trainval)\.txt")
_LINE = re.compile(r"(?P<told>\S.*?)(?P<blank>\s+)(?P<mark>-1|0|1)(?P<end>\s*)")


@dataclass(frozen=True, eq=False)
class _List:
    """A list of one class, or of a split (no class): its name below the folder, and its lines."""

    name: str
    label: str
    split: str
    lines: list[str]


def recognises(place: str) -> bool:
    return bool(_lists(place))


def read(place: str) -> Content:
    lists = _opened(place)
    entries, odd, hard = [], [], {}
    for one in lists:
        for line in one.lines if one.label else ():
            match = _LINE.fullmatch(line)
            if match is not None:
                entries.append(Entry(_told(match["told"]), [one.label] * (match["mark"] == "1"), one.name))
                if match["mark"] == "0":
                    hard[match["told"]] = f"its mark for {one.label!r} is 0, hard to see"
            elif line.strip():
                odd.append(f"{one.name}: {line.strip()!r}")
    notes = [f"Lines that are not a picture and 1, 0 or -1 are not read: {odd[0]}, ... ({len(odd):,})."] if odd else []
    pictures = Pictures(place)
    found = content(pictures, entries, sorted({one.label for one in lists if one.label}), notes)
    at = {key: i for i, key in enumerate(found.ids or ())}
    keys = ((pictures.find(_told(told), _LISTS), why) for told, why in hard.items())
    return replace(found, partly={at[key]: why for key, why in keys if key is not None})


def write_sets(place: str, content: Content, changes: Mapping[str, Names | None], out: Path) -> tuple[str, ...]:
    """Only marks that change are written anew; lines of pictures that are left out go. A new class gets a list in each
    split."""
    lists = _opened(place)
    pictures = Pictures(place)
    written = {}
    new_names = fresh(changes, {one.label for one in lists})
    for split in dict.fromkeys(one.split for one in lists):
        first = next((one for one in lists if one.split == split and one.label), None)
        if first is not None:
            lines = _without_marks(first)
            lists += [_List(f"{_LISTS}/{name}_{split}.txt", name, split, lines) for name in new_names]
    for one in lists:
        lines, touched = [], one.label in new_names
        for line in one.lines:
            match = _LINE.fullmatch(line)
            told = line.strip() if match is None else match["told"]
            key = pictures.find(_told(told), one.name) if told else None
            new = changes.get(key or "", ())
            touched |= key in changes
            if key in changes and new is not None and match is not None:
                mark = "1" if one.label in new else "-1"
                if (mark == "1") != (match["mark"] == "1"):
                    line = f"{match['told']}{' ' * (3 - len(mark))}{mark}{match['end']}"
            lines += [line] if new is not None else []
        if touched:
            written[one.name] = "".join(lines).encode("utf-8", "surrogateescape")
    if paths.is_file(paths.join(place, MAP)):
        written[MAP] = with_classes(paths.read(paths.join(place, MAP)), new_names)
    copy(pictures, out, written, changes)
    for name, raw in written.items():
        (out / name).write_bytes(raw)  # lists of new classes are not in the source
    return ()


def _without_marks(one: _List) -> list[str]:
    """The lines of a list, in which no picture shows the class."""
    matches = map(_LINE.fullmatch, one.lines)
    return [f"{match['told']} -1{match['end']}" for match in matches if match is not None]


def _told(stem: str) -> str:
    return f"JPEGImages/{stem}"


def _opened(place: str) -> list[_List]:
    names = _lists(place)
    if not names:
        raise UserError(
            f"{place} holds no lists of Pascal VOC, {_LISTS}/CLASS_SPLIT.txt with lines such as `000012 -1`."
        )
    lists = []
    for name in names:
        match = _NAME.fullmatch(name)
        raw = paths.read(paths.join(place, f"{_LISTS}/{name}"))
        lines = raw.decode("utf-8", "surrogateescape").splitlines(keepends=True)
        label, split = (match["class"], match["split"]) if match is not None else ("", name.removesuffix(".txt"))
        lists.append(_List(f"{_LISTS}/{name}", label, split, lines))
    return lists


def _lists(place: str) -> list[str]:
    """The lists of classes and of splits; none if no class has one."""
    folder = paths.join(place, _LISTS)
    if not paths.is_folder(place) or not paths.is_folder(folder):
        return []
    names = sorted(one.name for one in paths.entries(folder) if one.is_file and one.name.endswith(".txt"))
    return names if any(map(_NAME.fullmatch, names)) else []
