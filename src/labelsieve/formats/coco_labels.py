"""COCO with classes of images: JSON of `images`, `annotations` and `categories` (cocodataset.org/#format-data), such
as Datumaro's `labels_train.json`, Roboflow's `_annotations.coco.json`, or one box around each image.

The class is the category of the annotations of an image. With `label` named, it is the value of that name in
`attributes` of the annotation, in the annotation itself or in the image; if all annotations have one category and one
attribute tells them apart, that attribute. An image without an annotation has no label. Files with several boxes per
image are read by `coco-boxes`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.boxes import Pictures
from labelsieve.formats.content import Content, Names, changed
from labelsieve.formats.json_file import JsonFile, json_file
from labelsieve.formats.labelled_images import Entry, content, copy, found, fresh
from labelsieve.places import paths

_KEYS = ("images", "annotations", "categories")
_ABOVE = ("annotations", "labels")  # folders of annotations, whose images lie beside them


def recognises(place: str) -> bool:
    folder, names = found(place, _is_coco, above=_ABOVE)
    return any(b'"category_id"' in paths.read(paths.join(folder, name)) for name in names)


def read(place: str, *, label: str | None = None) -> Content:
    folder, files = _files(place)
    attribute = label or _attribute(files)
    entries = []
    classes: dict[str, None] = {}
    for file in files:
        names = {one["id"]: str(one["name"]) for one in file.value["categories"]}
        classes |= dict.fromkeys(names.values())
        notes = _by_image(file)
        for image in file.value["images"]:
            own = notes[image["id"]]
            if attribute is None:
                labels = [names[note["category_id"]] for note in own if note.get("category_id") in names]
            else:
                labels = [name for part in _parts(image, own, attribute) for name in _listed(part[attribute])]
            entries.append(Entry(str(image["file_name"]), labels or None, file.name))
    told = f"The labels are the attribute {attribute!r}; there is one category only." if attribute and not label else ""
    if label and not any(entry.labels for entry in entries):
        raise UserError(f"No image or annotation of {place} has {label!r}; name another attribute.", label=label)
    return content(Pictures(folder), entries, () if attribute else list(classes), [told] if told else [])


def write_sets(
    place: str, content: Content, changes: Mapping[str, Names | None], out: Path, *, label: str | None = None
) -> tuple[str, ...]:
    """Changed annotations get the id of their new category, or the new value of the attribute; annotations of classes
    that are gone go, and new ones have nothing but their class. Images that are left out go with their annotations; all
    other values stay.

    Raises:
        UserError: a class would have to be added that is the value of an attribute.
    """
    folder, files = _files(place)
    attribute = label or _attribute(files)
    pictures = Pictures(folder)
    known = {str(one["name"]) for file in files for one in file.value["categories"]}
    new_names = [] if attribute else fresh(changes, known)
    written = {}
    for file in files:
        codes = _codes(file, new_names)
        written |= {file.name: b""} if new_names else {}
        notes = _by_image(file)
        gone, dropped, more = set(), set(), []
        for image in file.value["images"]:
            key = pictures.find(str(image["file_name"]), file.name)
            if key is None or key not in changes:
                continue
            new, own = changes[key], notes[image["id"]]
            if new is None:
                gone.add(image["id"])
            elif attribute is None:
                named = {code: name for name, code in codes.items()}
                told = [(note, named[note["category_id"]]) for note in own if note.get("category_id") in named]
                renamed, added = changed([name for _, name in told], new)
                dropped |= {id(note) for note, name in told if renamed.get(name, name) is None}
                for note, name in told:
                    note["category_id"] = codes[renamed.get(name) or name]
                more += [{"image_id": image["id"], "category_id": codes[name]} for name in added]
            else:
                _in_attribute(image, own, attribute, new)
            written[file.name] = b""
        if file.name in written:
            file.value["images"] = [one for one in file.value["images"] if one["id"] not in gone]
            notes = file.value["annotations"]
            last = max((one["id"] for one in notes if isinstance(one.get("id"), int)), default=0)
            kept = [one for one in notes if one["image_id"] not in gone and id(one) not in dropped]
            file.value["annotations"] = [*kept, *({"id": last + i, **one} for i, one in enumerate(more, 1))]
            written[file.name] = file.dumped()
    copy(pictures, out, written, changes)
    return ()


def _files(place: str) -> tuple[str, list[JsonFile]]:
    folder, names = found(place, _is_coco, above=_ABOVE)
    if not names:
        raise UserError(f"{place} holds no COCO, which is a JSON file with the lists {', '.join(_KEYS)}.")
    files = [json_file(folder, name) for name in names]
    needed = {"images": ("id", "file_name"), "annotations": ("image_id",), "categories": ("id", "name")}
    for file in files:
        for part, fields in needed.items():
            rows = file.value.get(part) if isinstance(file.value, dict) else None
            if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= {*fields} for row in rows):
                raise UserError(f"{file.name} is not complete COCO: each of its {part} needs {' and '.join(fields)}.")
    return folder, files


def _is_coco(path: str) -> bool:
    if paths.suffix(path) != ".json":
        return False
    raw = paths.read(path)
    return all(f'"{key}"'.encode() in raw for key in _KEYS)


def _by_image(file: JsonFile) -> dict[Any, list[dict[str, Any]]]:
    """The annotations of each image."""
    notes = defaultdict(list)
    for note in file.value["annotations"]:
        notes[note["image_id"]].append(note)
    return notes


def _parts(image: dict[str, Any], notes: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """The objects that hold the value `name`: the attributes of annotations, annotations, or the image."""
    for part in [*(note.get("attributes") or {} for note in notes), *notes, image]:
        if isinstance(part, dict) and part.get(name) is not None:
            yield part


def _listed(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value])]


def _in_attribute(image: dict[str, Any], notes: list[dict[str, Any]], name: str, new: Names) -> None:
    """Write the classes `new` into the values `name`; lists stay lists."""
    parts = list(_parts(image, notes, name))
    renamed, added = changed([one for part in parts for one in _listed(part[name])], new)
    for part in parts:
        kept = [after for one in _listed(part[name]) if (after := renamed.get(one, one)) is not None]
        if isinstance(part[name], list):
            part[name], added = [*kept, *added], ()
        elif kept:
            part[name] = kept[0]
        else:
            del part[name]
    if added:
        raise UserError(
            f"{image['file_name']!r} cannot get the class {added[0]!r}, because {name!r} holds one class, not a list."
        )


def _attribute(files: list[JsonFile]) -> str | None:
    """The attribute that tells annotations of one category apart, if there is just one."""
    notes = [note for file in files for note in file.value["annotations"]]
    if len({note.get("category_id") for note in notes}) != 1:
        return None
    values = defaultdict(set)
    for note in notes:
        for name, value in (note.get("attributes") or {}).items():
            values[name] |= {value} if isinstance(value, str) else set()
    several = [name for name, found in values.items() if len(found) > 1]
    return several[0] if len(several) == 1 else None


def _codes(file: JsonFile, new: Sequence[str]) -> dict[str, Any]:
    """The id of each category of a file, after adding the new ones."""
    categories = file.value["categories"]
    last = max((one["id"] for one in categories if isinstance(one["id"], int)), default=0)
    for i, name in enumerate(new, 1):
        categories.append({"id": last + i, "name": name, "supercategory": ""})
    return {str(one["name"]): one["id"] for one in reversed(categories)}
