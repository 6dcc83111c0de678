"""YOLO: one text file per picture with a line per object, `class x y width height` in fractions of the picture
(docs.ultralytics.com/datasets/detect), as Ultralytics, Roboflow, CVAT, Label Studio and LabelImg write it.

Text files lie in `labels/` where the pictures lie in `images/`, or beside them; splits may lie above or below. Names of
classes are in `data.yaml` (`names`), `classes.txt` or `obj.names`; without them the classes are their numbers. A line
with a polygon is read as the box around it. The id of an object is the path of its picture and the number of its line,
from 1: `train/images/a.jpg#2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError, first_line
from labelsieve.core.extras import need
from labelsieve.core.image_names import is_image
from labelsieve.core.splits import is_split
from labelsieve.formats.background import decided
from labelsieve.formats.boxes import Annotated, Box, Pictures, content, copied, number, split_of
from labelsieve.formats.content import Content
from labelsieve.places import paths

_LISTS = ("classes.txt", "obj.names")  # one name per line
_DARKNET = "obj_train_data"  # the folder of CVAT's and Datumaro's "YOLO 1.1"
_LINE = re.compile(rb"\s*\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*", re.IGNORECASE)
_OTHER_TEXT = {*_LISTS, "train.txt", "valid.txt", "val.txt", "test.txt", "requirements.txt"}


def recognises(place: str) -> bool:
    if not paths.is_folder(place):
        return False
    entries = paths.entries(place)
    top = {entry.name for entry in entries if entry.is_folder}
    files = [entry.name for entry in entries if entry.is_file]
    labels = [] if "labels" not in top else [paths.join(place, "labels")]
    named = any(name in _LISTS or name.endswith((".yaml", ".yml")) for name in files)
    # Class folders are not looked into: in a bucket each look is a request.
    splits = sorted(name for name in top if named or is_split(name))[:10]
    labels += [paths.join(paths.join(place, name), "labels") for name in splits]
    for folder in filter(paths.is_folder, labels):
        for inner in (folder, *(paths.join(folder, one.name) for one in paths.entries(folder)[:3] if one.is_folder)):
            if _has_lines(inner):
                return True
    beside = [place] if any(map(is_image, files)) else []
    beside += [paths.join(place, _DARKNET)] if _DARKNET in top else []
    return named and any(map(_has_lines, beside))


def read(place: str) -> Content:
    pictures = Pictures(place)
    names, details = _names(place)
    boxes: list[Box] = []
    excluded: list[Exclusion] = []
    lost: list[str] = []
    annotated: dict[str, Annotated] = {}
    for name, raw in _files(place):
        picture = _picture(pictures, name)
        if picture is None:
            lost.append(name)
            continue
        annotated[picture] = Annotated((1, 1), split_of(name))
        for i, line in enumerate(raw.split(b"\n"), 1):
            if not line.strip():
                continue
            key = f"{picture}#{i}"
            code, *values = line.split()
            numbers = [number(value) for value in values]
            if not code.isdigit() or len(numbers) < 4:
                excluded.append(Exclusion(key, f"line {i} of {name} is not a class and a box"))
                continue
            label = names.get(int(code), str(int(code)))
            boxes.append(Box(key, label, picture, _edges(numbers, "kpt_shape" in details), (1, 1), split_of(name)))
    excluded += [Exclusion(name, "no picture of its name is in the folder") for name in lost]
    notes = [] if names else [f"{place} has no data.yaml or classes.txt with names, so classes are their numbers."]
    unnamed = sorted({box.label for box in boxes if box.label} - set(names.values()), key=str) if names else []
    if unnamed:
        notes.append(f"Classes without a name in {place}: {', '.join(unnamed[:5])}.")
    ordered = [*dict.fromkeys(names.values()), *unnamed] if names else sorted({b.label or "" for b in boxes}, key=int)
    return content(boxes, pictures, excluded, notes, ordered, annotated=annotated)


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """Only the class at the beginning of changed lines is written anew; lines left out go, new ones are the last; all
    other bytes stay. A new class is added to the names."""
    pictures, to_do = Pictures(place), decided(changes)
    names, details = _names(place)
    codes = _Codes(place, names)
    files = list(_files(place))
    polygons = any(len(line.split()) >= 7 for _, raw in files for line in raw.split(b"\n"))
    written: dict[str, bytes] = {}
    for name, raw in files:
        picture = _picture(pictures, name)
        lines = raw.split(b"\n")
        kept = []
        for i, line in enumerate(lines, 1):
            new = to_do.boxes.get(f"{picture}#{i}", "") if line.strip() else ""
            if new is None:
                continue
            kept.append(re.sub(rb"^(\s*)\S+", rb"\g<1>%s" % codes.of(new).encode(), line) if new else line)
        more = [_line(codes.of(label), edges, details, polygons) for label, edges in to_do.added.get(picture or "", ())]
        if more:
            end = b"\r\n" if raw.endswith(b"\r\n") else b"\n"
            while kept and not kept[-1].strip():
                kept.pop()
            kept = [*kept, *(line.encode() + end[:-1] for line in more), b""]
        if kept != lines:
            written[name] = b"\n".join(kept)
    notes = to_do.notes
    if codes.fresh:
        file, listed = _with_names(place, codes.fresh)
        written[file] = listed
        notes += (f"New classes were added to {file}: {', '.join(codes.fresh.values())}.",)
    copied(place, out, written)
    return notes


class _Codes:
    """The numbers of the classes.

    Attributes:
        fresh: number -> name of those that the data did not have.
    """

    def __init__(self, place: str, names: Mapping[int, str]):
        self._place, self._named = place, bool(names)
        self._code = {name: number for number, name in reversed(list(names.items()))}
        self._next = 1 + max(names, default=-1)
        self.fresh: dict[int, str] = {}

    def of(self, name: str) -> str:
        if not self._named:
            if not name.isdigit():
                raise UserError(f"{self._place} has no names of classes, so {name!r} cannot be one; take a number.")
            return name
        if name not in self._code:
            self._code[name] = self._next + len(self.fresh)
            self.fresh[self._code[name]] = name
        return str(self._code[name])


def _line(code: str, edges: tuple[float, ...], details: Mapping[str, Any], polygons: bool) -> str:
    """The line of a new box in the form of the others; its keypoints are not labelled."""
    left, top, right, bottom = edges
    values: list[float] = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
    if shape := details.get("kpt_shape"):
        values += [0.0] * (int(shape[0]) * int(shape[1]))
    elif polygons:
        values = [left, top, right, top, right, bottom, left, bottom]
    return " ".join([code, *(f"{value:.6g}" for value in values)])


def _files(place: str) -> Iterator[tuple[str, bytes]]:
    """The name and the bytes of each file of lines."""
    names = [file.name for file in paths.files_below(place)]
    texts = [name for name in names if name.endswith(".txt") and name.rpartition("/")[2] not in _OTHER_TEXT]
    inside = [name for name in texts if "labels" in name.split("/")[:-1]]
    chosen = sorted(inside or texts)
    for name, raw in zip(chosen, paths.read_all([paths.join(place, name) for name in chosen]), strict=True):
        if isinstance(raw, OSError):
            raise UserError(f"{paths.join(place, name)} cannot be read: {first_line(raw)}.") from raw
        if not raw.strip() or inside or _LINE.fullmatch(raw.strip().partition(b"\n")[0]):
            yield name, raw
    if not chosen:
        raise UserError(f"{place} holds no text files of YOLO; they should lie in labels/ or beside the pictures.")


def _picture(pictures: Pictures, name: str) -> str | None:
    """The picture of a file of lines: `labels/` in its path stands for `images/`."""
    stem = name.removesuffix(".txt")
    parts = stem.split("/")
    if "labels" in parts[:-1]:
        at = len(parts) - 2 - parts[-2::-1].index("labels")
        stem = "/".join([*parts[:at], "images", *parts[at + 1 :]])
    return pictures.find(stem, stem)


def _edges(numbers: list[float], keypoints: bool) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a line: a box, perhaps with a confidence or keypoints behind it, or a polygon."""
    if len(numbers) >= 6 and len(numbers) % 2 == 0 and not keypoints:
        return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    x, y, width, height = numbers[:4]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _names(place: str) -> tuple[dict[int, str], dict[str, Any]]:
    """Number -> name of the classes, and what else `data.yaml` says."""
    file = _named_file(place)
    if file is None:
        return {}, {}
    raw = paths.read(paths.join(place, file)).decode("utf-8-sig", "replace")
    if not file.endswith((".yaml", ".yml")):
        return dict(enumerate(line.strip() for line in raw.strip().splitlines())), {}
    value = _yaml(raw, paths.join(place, file))
    names = value.get("names")
    try:
        named = names.items() if isinstance(names, dict) else enumerate(names or ())
        return {int(code): str(name) for code, name in named}, value
    except (TypeError, ValueError) as error:
        raise UserError(f"{paths.join(place, file)} has names that are no list of classes: {error}.") from error


def _named_file(place: str) -> str | None:
    """The file with the names of the classes: YAML with names, else a list."""
    top = [entry.name for entry in paths.entries(place) if entry.is_file]
    for name in sorted((one for one in top if one.endswith((".yaml", ".yml"))), key=lambda one: one != "data.yaml"):
        if re.search(rb"^names\s*:", paths.read(paths.join(place, name)), re.MULTILINE):
            return name
    inner = ["", *(f"{name}/" for name in ("labels", "images", _DARKNET))]
    return next(
        (f"{at}{name}" for at in inner for name in _LISTS if paths.is_file(paths.join(place, f"{at}{name}"))), None
    )


def _with_names(place: str, more: Mapping[int, str]) -> tuple[str, bytes]:
    """The file of names and its bytes with more classes."""
    file = _named_file(place)
    assert file is not None
    raw = paths.read(paths.join(place, file))
    if not file.endswith((".yaml", ".yml")):
        return file, raw.rstrip(b"\r\n") + "".join(f"\n{name}" for name in more.values()).encode() + b"\n"
    value = _yaml(raw.decode("utf-8-sig", "replace"), paths.join(place, file))
    names = value["names"]
    if isinstance(names, dict):
        names |= more
    else:
        names += more.values()
    if "nc" in value:
        value["nc"] = len(names)
    yaml = need("yaml", "Writing data.yaml", "images", "PyYAML")
    return file, yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()


def _yaml(text: str, path: str) -> dict[str, Any]:
    yaml = need("yaml", f"Reading {path}", "images", "PyYAML")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {first_line(error)}.") from error
    return value if isinstance(value, dict) else {}


def _has_lines(folder: str) -> bool:
    """Whether the first text files of a folder hold lines of YOLO."""
    names = [entry.name for entry in paths.entries(folder) if entry.is_file and entry.name.endswith(".txt")]
    for name in [name for name in names if name not in _OTHER_TEXT][:20]:
        with paths.opened(paths.join(folder, name)) as file:
            first = file.read(4096).strip().partition(b"\n")[0]
        if first:
            return _LINE.fullmatch(first) is not None
    return False
