"""Datumaro's own format: `annotations/SPLIT.json` and `images/SPLIT/` (open-edge-platform.github.io/datumaro).

`{"categories": {"label": {"labels": [{"name": ...}]}}, "items": [{"id", "annotations": [{"type": "label", "label_id"}],
"image": {"path"}}]}`. Of the annotations only those of type `label` are read and changed; an item without one has no
label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.boxes import Pictures
from labelsieve.formats.content import Content, Names, changed
from labelsieve.formats.json_file import JsonFile, json_file
from labelsieve.formats.labelled_images import Entry, content, copy, found, fresh, head

_FOLDER = "annotations"


def recognises(place: str) -> bool:
    return bool(found(place, _is_ours, above=[_FOLDER])[1])


def read(place: str) -> Content:
    folder, files = _files(place)
    entries, classes = [], {}
    for file in files:
        names = _categories(file)
        classes |= dict.fromkeys(names)
        for item in file.value["items"]:
            codes = [note["label_id"] for note in _labels(item)]
            if any(not 0 <= code < len(names) for code in codes):
                raise UserError(
                    f"{file.name} gives {item['id']!r} the label {codes[0]}, but names {len(names)} classes."
                )
            entries.append(Entry(_told(item), [names[code] for code in codes] or None, file.name))
    return content(Pictures(folder), entries, list(classes))


def write_sets(place: str, content: Content, changes: Mapping[str, Names | None], out: Path) -> tuple[str, ...]:
    """Changed items get the labels of their new categories, items left out are removed; all other values stay."""
    folder, files = _files(place)
    pictures = Pictures(folder)
    new_names = fresh(changes, {name for file in files for name in _categories(file)})
    written = {}
    for file in files:
        items, touched = [], bool(new_names)
        for name in new_names:
            file.value["categories"]["label"]["labels"].append({"name": name, "parent": "", "attributes": []})
        names = _categories(file)
        for item in file.value["items"]:
            key = pictures.find(_told(item), file.name)
            if key is None or key not in changes:
                items.append(item)
            elif (new := changes[key]) is not None:
                items.append(item)
                item["annotations"] = _corrected(item, new, names)
                touched = True
        if touched or len(items) < len(file.value["items"]):
            file.value["items"] = items
            written[file.name] = file.dumped()
    copy(pictures, out, written, changes)
    return ()


def _files(place: str) -> tuple[str, list[JsonFile]]:
    folder, names = found(place, _is_ours, above=[_FOLDER])
    files = [json_file(folder, name) for name in names]
    for file in files:
        try:
            _categories(file)
            for item in file.value["items"]:
                _told(item)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{file.name} is not complete for Datumaro: {error} is missing.") from error
    if not files:
        raise UserError(f"{place} holds no {_FOLDER}/*.json of Datumaro.")
    return folder, files


def _is_ours(path: str) -> bool:
    begin = head(path) if path.endswith(".json") else b""
    return (
        b'"categories"' in begin and (b'"dm_format_version"' in begin or b'"items"' in begin) and b'"label_id"' in begin
    )


def _categories(file: JsonFile) -> list[str]:
    return [one["name"] for one in file.value["categories"]["label"]["labels"]]


def _labels(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [note for note in item["annotations"] if note["type"] == "label"]


def _corrected(item: dict[str, Any], new: Names, names: Sequence[str]) -> list[dict[str, Any]]:
    """The annotations of an item, with labels of the classes `new`."""
    renamed, added = changed([names[int(note["label_id"])] for note in _labels(item)], new)
    kept = []
    for note in item["annotations"]:
        name = names[int(note["label_id"])] if note["type"] == "label" else None
        after = name if name is None else renamed.get(name, name)
        if after is None and name is not None:
            continue
        kept.append(note if after == name or after is None else {**note, "label_id": names.index(after)})
    last = max((note.get("id", 0) for note in item["annotations"]), default=-1)
    more = [{"id": last + i, "type": "label", "attributes": {}, "group": 0} for i in range(1, len(added) + 1)]
    return [*kept, *({**one, "label_id": names.index(name)} for one, name in zip(more, added, strict=True))]


def _told(item: dict[str, Any]) -> str:
    return (item.get("image") or {}).get("path") or item["id"]
