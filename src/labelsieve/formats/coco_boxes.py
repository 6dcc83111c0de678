"""COCO instances: boxes with classes in JSON (cocodataset.org/#format-data), as most tools export them.

The place is a JSON file, or a folder with one or several: `annotations/instances_val2017.json`,
`train/_annotations.coco.json` (Roboflow). The pictures are found by their `file_name` beside the file, or beside its
folder. The id of a box is that of its annotation; with several files the split or the name of the file stands before
it: `train/17`.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError, first_line
from labelsieve.core.splits import is_split
from labelsieve.formats.background import decided
from labelsieve.formats.boxes import Annotated, Box, Pictures, content, copied, number
from labelsieve.formats.content import Content
from labelsieve.formats.json_file import JsonFile
from labelsieve.places import paths

_KEYS = ("images", "annotations", "categories")
_HEAD = 1 << 16  # bytes in which one of the keys stands
_ABOVE = {"annotations", "annotation", "labels", "json"}  # folders of annotations, whose pictures lie beside them
_PREFIX = re.compile(r"^(instances|annotations?)[_.-]|[_.-](instances|annotations?|coco)$", re.IGNORECASE)
_LARGEST = 200 << 20  # bytes of a file that is read only to recognise it


@dataclass(frozen=True, eq=False)
class _File:
    """One file: its name below the folder, its split ("" for a single file), what it holds."""

    name: str
    split: str
    value: dict[str, Any]
    raw: bytes


def recognises(place: str) -> bool:
    if paths.is_folder(place):
        return any(_several(paths.join(place, name)) for name in _names(place)[:5])
    return paths.suffix(place) == ".json" and paths.is_file(place) and _several(place)


def read(place: str) -> Content:
    folder, files = _files(place)
    pictures = Pictures(folder)
    boxes: list[Box] = []
    excluded: list[Exclusion] = []
    notes: list[str] = []
    classes: dict[str, None] = {}
    seen: set[str] = set()
    annotated: dict[str, Annotated] = {}
    crowds: list[tuple[str, tuple[float, float, float, float]]] = []
    for file in files:
        images, names = _tables(file)
        notes += _twice(file)
        classes |= dict.fromkeys(names.values())
        found = {key: pictures.find(str(image.get("file_name")), file.name) for key, image in images.items()}
        sizes = {key: (number(image.get("width")), number(image.get("height"))) for key, image in images.items()}
        annotated |= {name: Annotated(sizes[key], file.split) for key, name in found.items() if name is not None}
        for position, note in enumerate(file.value["annotations"]):
            key = _id(file, note, position)
            image = images.get(note.get("image_id"))
            if image is None:
                excluded.append(Exclusion(key, f"{file.name} has no image {note.get('image_id')!r}"))
                continue
            told = str(image.get("file_name"))
            picture, why = found[image["id"]], _unusable(note)
            if picture and note.get("iscrowd") == 1 and (edges := _edges(note)) is not None:
                crowds.append((picture, edges))
            why = why or ("" if picture else f"its picture {told} is not in {folder}")
            why = why or (f"{file.name} has two annotations with this id" if key in seen else "")
            seen.add(key)
            if why or picture is None:
                excluded.append(Exclusion(key, why))
                continue
            edges, label = _edges(note), names.get(note.get("category_id"))
            assert edges is not None
            boxes.append(Box(key, label, picture, edges, sizes[image["id"]], file.split))
    return content(boxes, pictures, excluded, notes, list(classes), annotated=annotated, crowds=crowds)


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """Changed annotations get the id of their new category, those left out are removed, new ones are the last; all
    other values stay."""
    folder, files = _files(place)
    pictures, to_do, written = Pictures(folder), decided(changes), {}
    added = dict(to_do.added)
    for file in files:
        images, names = _tables(file)
        category = partial(_category, file, {name: key for key, name in reversed(names.items())})
        kept, touched = [], False
        for position, note in enumerate(file.value["annotations"]):
            new = to_do.boxes.get(_id(file, note, position), "")
            touched |= new != ""
            if new:
                note["category_id"] = category(new)
            if new is not None:
                kept.append(note)
        ids = (note.get("id") for note in file.value["annotations"])
        following = 1 + max((id for id in ids if isinstance(id, int)), default=0)
        for key, image in images.items() if added else ():
            for label, edges in added.pop(pictures.find(str(image.get("file_name")), file.name) or "", ()):
                kept.append(_annotation(following, key, category(label), edges))
                following, touched = following + 1, True
        if touched:
            file.value["annotations"] = kept
            written[file.name] = JsonFile(file.name, file.value, file.raw).dumped()
    copied(folder, out, written)
    return to_do.notes


def _category(file: _File, code: dict[str, Any], name: str) -> Any:
    """The id of a category; a new name is added to the file."""
    if name not in code:
        numbers = [one["id"] for one in file.value["categories"] if isinstance(one["id"], int)]
        code[name] = 1 + max(numbers, default=0)
        file.value["categories"].append({"id": code[name], "name": name, "supercategory": ""})
    return code[name]


def _annotation(id: int, image: Any, category: Any, edges: tuple[float, float, float, float]) -> dict[str, Any]:
    left, top, right, bottom = (round(edge, 2) for edge in edges)
    width, height = round(right - left, 2), round(bottom - top, 2)
    box = {"bbox": [left, top, width, height], "area": round(width * height, 2), "segmentation": [], "iscrowd": 0}
    return {"id": id, "image_id": image, "category_id": category, **box}


def _edges(note: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of an annotation; None if it has no bbox."""
    box = note.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        return None
    left, top, width, height = map(number, box)
    return left, top, left + width, top + height


def _files(place: str) -> tuple[str, list[_File]]:
    """The folder that holds files and pictures, and the files.

    Raises:
        UserError: there is none, or one is damaged.
    """
    if paths.is_folder(place):
        names, folder = _names(place), place
    else:
        folder, name = paths.parent(place) or ".", os.path.basename(place)
        if os.path.basename(folder).lower() in _ABOVE:
            name, folder = f"{os.path.basename(folder)}/{name}", paths.parent(folder) or "."
        names = [name]
    files: list[tuple[str, dict[str, Any], bytes]] = []
    for name in names:
        if len(names) > 1 and not _is_coco(paths.join(folder, name)):
            continue
        raw = paths.read(paths.join(folder, name))
        try:
            value = json.loads(raw)
        except ValueError as error:
            raise UserError(f"{paths.join(folder, name)} is not JSON: {first_line(error)}.") from error
        if _is_instances(value):
            files.append((name, value, raw))
    if not files:
        raise UserError(f"{place} holds no COCO, which is a JSON file with the lists {', '.join(_KEYS)}.")
    return folder, [_File(name, _split(name) if len(files) > 1 else "", value, raw) for name, value, raw in files]


def _names(folder: str) -> list[str]:
    """The JSON files in the folder, in `annotations/` and in splits."""
    top = paths.entries(folder)
    inner = [entry.name for entry in top if entry.is_folder and (entry.name.lower() in _ABOVE or is_split(entry.name))]
    names = [entry.name for entry in top if entry.is_file]
    for name in inner:
        names += [f"{name}/{entry.name}" for entry in paths.entries(paths.join(folder, name)) if entry.is_file]
    names = [name for name in names if name.lower().endswith(".json")]
    instances = [name for name in names if name.rpartition("/")[2].lower().startswith("instances")]
    return instances or names  # beside the instances of COCO lie the same persons with keypoints


def _split(name: str) -> str:
    """The split of one of several files: its folder if that is a split, else its name without what is usual."""
    above, _, base = name.rpartition("/")
    return above if is_split(above) else _PREFIX.sub("", base.rpartition(".")[0]) or base


def _is_coco(path: str) -> bool:
    """Whether a JSON file begins as COCO does."""
    with paths.opened(path) as file:
        head = file.read(_HEAD)
    return any(f'"{key}"'.encode() in head for key in (*_KEYS, "licenses"))


def _several(path: str) -> bool:
    """Whether it is COCO, and a picture has several boxes: one box per picture is read as the label of the picture."""
    if not _is_coco(path):
        return False
    with paths.opened(path) as file:
        raw = file.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        return b'"bbox"' in raw
    try:
        value = json.loads(raw)
    except ValueError:
        return False
    if not _is_instances(value):
        return False
    places = {(str(note.get("image_id")), str(note["bbox"])) for note in value["annotations"] if note.get("bbox")}
    return len({picture for picture, _ in places}) < len(places)


def _is_instances(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(key), list) for key in _KEYS)
        and all(isinstance(row, dict) for key in _KEYS for row in value[key])
    )


def _tables(file: _File) -> tuple[dict[Any, dict[str, Any]], dict[Any, str]]:
    """Image id -> image, category id -> name."""
    try:
        images = {image["id"]: image for image in file.value["images"]}
        return images, {one["id"]: str(one["name"]) for one in file.value["categories"]}
    except KeyError as error:
        raise UserError(f"{file.name} is COCO, but an image or a category has no {error}.") from error


def _id(file: _File, note: dict[str, Any], position: int) -> str:
    key = note.get("id", f"number {position}")
    return f"{file.split}/{key}" if file.split else str(key)


def _unusable(note: dict[str, Any]) -> str:
    """Why an annotation is no box of one object; "" if it is."""
    if _edges(note) is None:
        return "it has no bbox"
    return "it marks a crowd of objects (iscrowd)" if note.get("iscrowd") == 1 else ""


def _twice(file: _File) -> Iterator[str]:
    """A note about categories that share a name."""
    names = Counter(str(one["name"]) for one in file.value["categories"])
    for name in (name for name, count in names.items() if count > 1):
        yield f"{file.name} has {names[name]} categories called {name!r}; they are one class here."
