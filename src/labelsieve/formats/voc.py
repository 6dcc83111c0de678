"""Pascal VOC: one XML file per picture with its objects (Everingham et al., "The Pascal visual object classes
challenge", IJCV 2010), as LabelImg, CVAT and Roboflow write it, too.

The folder holds `Annotations/` and `JPEGImages/`, or each file beside its picture; splits may lie above. The id of an
object is the path of its picture and its number in the file, from 1: `JPEGImages/a.jpg#2`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.splits import is_split
from labelsieve.formats import xml_spans
from labelsieve.formats.background import decided
from labelsieve.formats.boxes import Annotated, Box, Pictures, content, copied, number, split_of
from labelsieve.formats.content import Content
from labelsieve.formats.xml_spans import Element
from labelsieve.places import paths

_FEW = 5  # folders that are looked into whatever their names are
_EDGES = ("xmin", "ymin", "xmax", "ymax")
MAP = "labelmap.txt"
_HEAD = 4096  # bytes in which the first tag stands


def recognises(place: str) -> bool:
    return paths.is_folder(place) and any(map(_is_voc, _first_files(place)))


def read(place: str) -> Content:
    pictures = Pictures(place)
    boxes: list[Box] = []
    excluded: list[Exclusion] = []
    annotated: dict[str, Annotated] = {}
    for name, _, root in _files(place):
        told = root.value("filename") or ""
        picture = pictures.find(told, name) or pictures.find(_stem(name), name)
        if picture is None:
            excluded.append(Exclusion(name, f"its picture {told or _stem(name)} is not in {place}"))
            continue
        size = number(root.value("size", "width")), number(root.value("size", "height"))
        annotated[picture] = Annotated(size, split_of(name))
        for i, item in enumerate(root.all("object"), 1):
            left, top, right, bottom = (number(item.value("bndbox", edge)) for edge in _EDGES)
            edges = left, top, right, bottom
            boxes.append(Box(f"{picture}#{i}", item.value("name"), picture, edges, size, split_of(name)))
    return content(boxes, pictures, excluded, annotated=annotated)


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """Only the names of changed objects are written anew, new objects come last, and new classes are added to a
    `labelmap.txt` (of CVAT, Datumaro); all other bytes stay."""
    pictures, to_do = Pictures(place), decided(changes)
    written = {}
    for name, raw, root in _files(place):
        picture = pictures.find(root.value("filename") or "", name) or pictures.find(_stem(name), name)
        edits = []
        for i, item in enumerate(root.all("object"), 1):
            key = f"{picture}#{i}"
            if key in to_do.boxes:
                new, named = to_do.boxes[key], item.first("name")
                if new is None:
                    edits.append(xml_spans.without(raw, item))
                elif named is not None:
                    edits.append(xml_spans.with_text(raw, named, new))
        more = "".join(_object(label, edges) for label, edges in to_do.added.get(picture or "", ()))
        edits += [xml_spans.last_inside(raw, root, more)] if more else []
        if edits:
            written[name] = xml_spans.edited(raw, edits, name)
    if paths.is_file(paths.join(place, MAP)):
        written |= {MAP: with_classes(paths.read(paths.join(place, MAP)), to_do.classes)}
    copied(place, out, written)
    return to_do.notes


def _object(label: str, edges: tuple[float, ...]) -> str:
    """A new object in the order of the tags that VOC has."""
    box = "".join(f"<{tag}>{round(edge)}</{tag}>" for tag, edge in zip(_EDGES, edges, strict=True))
    more = "<pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
    return f"<object><name>{xml_spans.escape(label)}</name>{more}<bndbox>{box}</bndbox></object>\n"


def with_classes(raw: bytes, names: Iterable[str]) -> bytes:
    """The list of classes (name:colour:parts:actions) with the new ones."""
    known = {line.partition(b":")[0].strip().decode("utf-8", "replace") for line in raw.splitlines()}
    more = [name for name in names if name not in known]
    return raw + "".join(f"{name}:::\n" for name in more).encode() if more else raw


def _files(place: str) -> Iterator[tuple[str, bytes, Element]]:
    """The name, the bytes and the root of each file of annotations."""
    names = [file.name for file in paths.files_below(place) if file.name.lower().endswith(".xml")]
    found = False
    for name in sorted(names):
        raw = paths.read(paths.join(place, name))
        if b"<annotation" in raw[:_HEAD]:
            root = xml_spans.parsed(raw, paths.join(place, name))
            if root.tag == "annotation":
                found = True
                yield name, raw, root
    if not found:
        raise UserError(f"{place} holds no XML files of Pascal VOC, whose first tag is <annotation>.")


def _first_files(place: str) -> Iterator[str]:
    """The first XML file in the folder and in each folder in it."""
    top = paths.entries(place)
    folders = [entry.name for entry in top if entry.is_folder]
    if len(folders) > _FEW:  # class folders are not looked into: in a bucket each look is a request
        folders = [name for name in folders if is_split(name) or name.lower().startswith(("annotation", "voc"))]
    inner = [paths.join(place, name) for name in folders[:10]]
    for folder in (place, *inner, *(paths.join(split, "Annotations") for split in inner)):
        if folder == place or paths.is_folder(folder):
            names = (entry.name for entry in paths.entries(folder) if entry.is_file)
            first = next((name for name in names if name.lower().endswith(".xml")), None)
            if first is not None:
                yield paths.join(folder, first)


def _is_voc(path: str) -> bool:
    with paths.opened(path) as file:
        head = file.read(_HEAD)
    return b"<annotation>" in head and (b"<object>" in head or b"<size>" in head)


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]
