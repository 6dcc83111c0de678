"""FiftyOne's FiftyOneImageClassificationDataset: `labels.json` beside the folder `data/` of the images
(docs.voxel51.com, "FiftyOneImageClassificationDataset"), also one such folder per split.

`{"classes": [...] or null, "labels": {name without suffix: label}}`; a label is the name or the position of a class, an
object with `label`, a list of these, or null.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.boxes import Pictures
from labelsieve.formats.content import Content
from labelsieve.formats.json_file import JsonFile, json_file
from labelsieve.formats.labelled_images import Entry, content, copy, found, fresh, head

_FILE = "labels.json"
_BEGIN = re.compile(rb'\s*\{\s*"(classes|labels)"\s*:')


def recognises(place: str) -> bool:
    return bool(found(place, _is_ours)[1])


def read(place: str) -> Content:
    folder, files = _files(place)
    entries = (
        Entry(name, [one for one in _names(value, file) if one], file.name)
        for file in files
        for name, value in file.value["labels"].items()
    )
    classes = dict.fromkeys(name for file in files for name in file.value.get("classes") or ())
    return content(Pictures(folder), entries, list(classes))


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """Changed labels are written in the form they had; their other fields stay, a confidence included. A new class is
    added to `classes` where there are some."""
    folder, files = _files(place)
    pictures = Pictures(folder)
    new_names = fresh(changes, {name for file in files for name in file.value.get("classes") or ()})
    written = {}
    for file in files:
        labels, classes = file.value["labels"], file.value.get("classes")
        if classes is not None and new_names:
            classes += new_names
            written[file.name] = b""
        for name, value in list(labels.items()):
            key = pictures.find(name, file.name)
            if key is None or key not in changes:
                continue
            new = changes[key]
            if new is None:
                del labels[name]
            else:
                labels[name] = _changed(value, new, classes)
            written[file.name] = b""
        written |= {file.name: file.dumped()} if file.name in written else {}
    copy(pictures, out, written, changes)
    return ()


def _files(place: str) -> tuple[str, list[JsonFile]]:
    folder, names = found(place, _is_ours)
    files = [json_file(folder, name) for name in names]
    if not files or not all(isinstance(file.value.get("labels"), dict) for file in files):
        raise UserError(f"{place} holds no {_FILE} of a FiftyOneImageClassificationDataset.")
    return folder, files


def _is_ours(path: str) -> bool:
    if re.split(r"[/\\]", path)[-1] != _FILE:
        return False
    begin = head(path)
    return _BEGIN.match(begin) is not None and b'"labels"' in begin and b'"bounding_box"' not in begin


def _names(value: Any, file: JsonFile) -> Iterator[str | None]:
    """The class names of one label."""
    for one in value if isinstance(value, list) else [value]:
        label = one.get("label") if isinstance(one, dict) else one
        if isinstance(label, int):
            classes = file.value.get("classes") or []
            if not 0 <= label < len(classes):
                raise UserError(f"{file.name} has the label {label}, but its list of classes has {len(classes)}.")
            label = classes[label]
        yield None if label is None else str(label)


def _changed(value: Any, new: str, classes: list[str] | None) -> Any:
    """The label `value` with another class, in its form."""
    if isinstance(value, list):
        return [_changed(value[0], new, classes)]
    old = value.get("label") if isinstance(value, dict) else value
    label = classes.index(new) if isinstance(old, int) and classes is not None else new
    return {**value, "label": label} if isinstance(value, dict) else label
