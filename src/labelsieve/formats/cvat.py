"""CVAT for images 1.1: one XML file, `annotations.xml`, with the boxes of all pictures (docs.cvat.ai, format-cvat).

The pictures lie beside it or in `images/`. The id of a box is the path of its picture and its number among the boxes of
the picture, from 1: `images/a.jpg#2`. A turned box is read as the upright one around it. Other shapes stay as they are.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.formats import xml_spans
from labelsieve.formats.background import decided
from labelsieve.formats.boxes import Annotated, Box, Pictures, content, copied, number, split_of
from labelsieve.formats.content import Content
from labelsieve.formats.xml_spans import Element
from labelsieve.places import paths

_FILE = "annotations.xml"
_HEAD = 4096  # bytes in which the first tag stands
_EDGES = ("xtl", "ytl", "xbr", "ybr")
_COLOURS = ("#fa3253", "#33ddff", "#fafa37", "#83e070", "#2a7dd1")  # of new labels


def recognises(place: str) -> bool:
    file = _file(place)
    if file is None:
        return False
    with paths.opened(file) as opened:
        head = opened.read(_HEAD)
    return b"<annotations>" in head and b"<version>1.1</version>" in head and b"<box " in paths.read(file)


def read(place: str) -> Content:
    file, folder, _, root = _opened(place)
    pictures = Pictures(folder)
    boxes: list[Box] = []
    excluded: list[Exclusion] = []
    others: Counter[str] = Counter()
    annotated: dict[str, Annotated] = {}
    for image in root.all("image"):
        told = image.attributes.get("name", "")
        others.update(child.tag for child in image.children if child.tag != "box")
        picture = pictures.find(told, f"images/{told}")
        if picture is None:
            excluded.append(Exclusion(told, f"the picture is not in {folder}"))
            continue
        size = number(image.attributes.get("width")), number(image.attributes.get("height"))
        annotated[picture] = Annotated(size, _split(image, told))
        for i, box in enumerate(image.all("box"), 1):
            label = box.attributes.get("label") or None
            boxes.append(Box(f"{picture}#{i}", label, picture, _edges(box), size, _split(image, told)))
    listed = ", ".join(f"{count:,} {tag}" for tag, count in others.most_common())
    notes = [f"Not read, but kept: {listed}."] if others else []
    return content(boxes, pictures, excluded, notes, declared(root), annotated=annotated)


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """Only the labels of changed boxes are written anew, new boxes are the last of their picture, and new classes are
    added to the list of labels; all other bytes stay."""
    file, folder, raw, root = _opened(place)
    pictures, to_do = Pictures(folder), decided(changes)
    edits = []
    for image in root.all("image"):
        told = image.attributes.get("name", "")
        picture = pictures.find(told, f"images/{told}")
        for i, box in enumerate(image.all("box"), 1):
            key = f"{picture}#{i}"
            if key in to_do.boxes:
                new = to_do.boxes[key]
                edits.append(
                    xml_spans.without(raw, box) if new is None else xml_spans.with_attribute(raw, box, "label", new)
                )
        more = "".join(_box(label, edges) for label, edges in to_do.added.get(picture or "", ()))
        edits += [xml_spans.last_inside(raw, image, more)] if more else []
    edits += new_labels(raw, root, to_do.classes)
    copied(folder, out, {os.path.basename(file): xml_spans.edited(raw, edits, file)})
    return to_do.notes


def declared(root: Element) -> list[str]:
    """The names of classes that a file lists."""
    return [name for one in _lists(root) for label in one.all("label") if (name := label.value("name"))]


def new_labels(raw: bytes, root: Element, names: Sequence[str]) -> list[tuple[int, int, bytes]]:
    """The edits that add classes to the lists of a file, but those that are there."""
    edits = []
    for one in _lists(root):
        known = {label.value("name") for label in one.all("label")}
        fresh = b"".join(_label(raw, name, i) for i, name in enumerate(name for name in names if name not in known))
        if fresh and one.children:
            at = raw.rindex(b"</labels>", one.begin, one.end)
            edits.append((at, at, fresh))
    return edits


def _lists(root: Element) -> list[Element]:
    owners = (root.first("meta", owner, "labels") for owner in ("task", "project", "job"))
    return [one for one in owners if one is not None]


def _opened(place: str) -> tuple[str, str, bytes, Element]:
    """The file, its folder, its bytes and its root."""
    file = _file(place)
    if file is None:
        raise UserError(f"{place} holds no {_FILE}; export it from CVAT as 'CVAT for images 1.1', with the images.")
    raw = paths.read(file)
    root = xml_spans.parsed(raw, file)
    if root.tag != "annotations" or next(root.all("track"), None) is not None:
        raise UserError(f"{file} is not 'CVAT for images 1.1'; export it in that format.")
    return file, paths.parent(file) or ".", raw, root


def _file(place: str) -> str | None:
    """The XML file: `annotations.xml` in a folder, or its only XML file."""
    if not paths.is_folder(place):
        return place if paths.suffix(place) == ".xml" and paths.is_file(place) else None
    names = [entry.name for entry in paths.entries(place) if entry.is_file and entry.name.lower().endswith(".xml")]
    name = _FILE if _FILE in names else names[0] if len(names) == 1 else None
    return None if name is None else paths.join(place, name)


def _edges(box: Element) -> tuple[float, float, float, float]:
    left, top, right, bottom = (number(box.attributes.get(edge)) for edge in _EDGES)
    angle = math.radians(number(box.attributes.get("rotation", "0")))
    if not angle:
        return left, top, right, bottom
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    width, height = right - left, bottom - top
    across, down = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - across, y - down, x + across, y + down


def _split(image: Element, name: str) -> str:
    return image.attributes.get("subset") or split_of(name)


def _box(label: str, edges: tuple[float, ...]) -> str:
    where = " ".join(f'{edge}="{value:.2f}"' for edge, value in zip(_EDGES, edges, strict=True))
    named = xml_spans.quoteattr(label)
    return f'<box label={named} source="manual" occluded="0" {where} z_order="0">\n    </box>\n'


def _label(raw: bytes, name: str, i: int) -> bytes:
    text = xml_spans.escape(name)
    colour = _COLOURS[i % len(_COLOURS)]
    inner = f"<name>{text}</name><color>{colour}</color><type>any</type><attributes></attributes>"
    return xml_spans.encoded(raw, f"<label>{inner}</label>\n")
