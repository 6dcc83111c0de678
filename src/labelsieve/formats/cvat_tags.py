"""CVAT for images 1.1 with one tag per image: XML files in which `<image name=...>` holds `<tag label=...>`
(docs.cvat.ai, "CVAT for images"); the images lie beside the file or in `images/`.

With `label` named, the class is the value of the tag's attribute of that name. An image without a tag has no label.
Files with boxes are read by `cvat`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.formats import xml_spans
from labelsieve.formats.boxes import Pictures
from labelsieve.formats.content import Content, Names, changed
from labelsieve.formats.cvat import declared, new_labels
from labelsieve.formats.labelled_images import Entry, content, copy, found, fresh, head
from labelsieve.formats.xml_spans import Element
from labelsieve.places import paths


def recognises(place: str) -> bool:
    return bool(found(place, _is_ours)[1])


def read(place: str, *, label: str | None = None) -> Content:
    folder, files = _files(place)
    entries = []
    classes: dict[str, None] = {}
    others: Counter[str] = Counter()
    for name, (_, root) in files.items():
        for image in root.all("image"):
            tags = [_class(tag, label) for tag in image.all("tag")]
            others.update(child.tag for child in image.children if child.tag != "tag")
            entries.append(Entry(image.attributes.get("name", ""), [tag for tag in tags if tag] or None, name))
        classes |= dict.fromkeys(declared(root))
    listed = ", ".join(f"{count:,} {tag}" for tag, count in others.most_common())
    notes = [f"Not read, but kept: {listed}."] if others else []
    return content(Pictures(folder), entries, () if label else list(classes), notes)


def write_sets(
    place: str, content: Content, changes: Mapping[str, Names | None], out: Path, *, label: str | None = None
) -> tuple[str, ...]:
    """Only changed tags are written anew, and new classes into the list of labels; all other bytes stay. Images that
    are left out go.

    Raises:
        UserError: a class would have to be added that is the value of an attribute.
    """
    folder, files = _files(place)
    pictures = Pictures(folder)
    written = {}
    for name, (raw, root) in files.items():
        edits = []
        for image in root.all("image"):
            key = pictures.find(image.attributes.get("name", ""), name)
            if key is None or key not in changes:
                continue
            new = changes[key]
            edits += [xml_spans.without(raw, image)] if new is None else _edits(raw, image, new, label)
        edits += [] if label else new_labels(raw, root, fresh(changes, ()))
        if edits:
            written[name] = xml_spans.edited(raw, edits, name)
    copy(pictures, out, written, changes)
    return ()


def _edits(raw: bytes, image: Element, new: Names, label: str | None) -> Iterator[tuple[int, int, bytes]]:
    """The edits that give an image the tags of the classes `new`."""
    tags = [(tag, name) for tag in image.all("tag") if (name := _class(tag, label))]
    renamed, added = changed([name for _, name in tags], new)
    for tag, name in tags:
        after = renamed.get(name, name)
        value = None if label is None else _attribute(tag, label)
        if after is None:
            yield xml_spans.without(raw, tag)
        elif after != name and value is not None:
            yield xml_spans.with_text(raw, value, after)
        elif after != name:
            yield xml_spans.with_attribute(raw, tag, "label", after)
    if added and label is not None:
        name = image.attributes.get("name")
        raise UserError(f"{name!r} cannot get the class {added[0]!r}, because classes are values of {label!r} of tags.")
    if added:
        lines = "".join(f'  <tag label={xml_spans.quoteattr(name)} source="manual">\n    </tag>\n  ' for name in added)
        yield xml_spans.last_inside(raw, image, lines)


def _files(place: str) -> tuple[str, dict[str, tuple[bytes, Element]]]:
    """The folder, and the bytes and the root of each file."""
    folder, names = found(place, _is_ours)
    if not names:
        raise UserError(f"{place} holds no XML file of 'CVAT for images 1.1' whose images have tags.")
    raws = {name: paths.read(paths.join(folder, name)) for name in names}
    return folder, {name: (raw, xml_spans.parsed(raw, name)) for name, raw in raws.items()}


def _is_ours(path: str) -> bool:
    if paths.suffix(path) != ".xml" or b"<annotations>" not in head(path):
        return False
    raw = paths.read(path)
    return b"<image " in raw and b"<tag " in raw and b"<box " not in raw


def _class(tag: Element, label: str | None) -> str | None:
    if label is None:
        return tag.attributes.get("label")
    value = _attribute(tag, label)
    return None if value is None else value.text.strip() or None


def _attribute(tag: Element, name: str) -> Element | None:
    return next((one for one in tag.all("attribute") if one.attributes.get("name") == name), None)
