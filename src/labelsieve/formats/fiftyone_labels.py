"""FiftyOne's FiftyOneImageClassificationDataset: `labels.json` beside the folder `data/` of the images
(docs.voxel51.com, "FiftyOneImageClassificationDataset"), also one such folder per split.

`{"classes": [...] or null, "labels": {name without suffix: label}}`; a label is the name or the position of a class, an
object with `label`, a list of these, or null. An empty list says that none of the classes is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.boxes import Pictures
from labelsieve.formats.content import Content, Names, changed
from labelsieve.formats.json_file import JsonFile, json_file
from labelsieve.formats.labelled_images import Entry, content, copy, found, fresh, head

_FILE = "labels.json"
_BEGIN = re.compile(rb'\s*\{\s*"(classes|labels)"\s*:')


def recognises(place: str) -> bool:
    return bool(found(place, _is_ours)[1])


def read(place: str) -> Content:
    folder, files = _files(place)
    entries = (
        Entry(name, _given(value, file), file.name) for file in files for name, value in file.value["labels"].items()
    )
    classes = dict.fromkeys(name for file in files for name in file.value.get("classes") or ())
    return content(Pictures(folder), entries, list(classes))


def write_sets(place: str, content: Content, changes: Mapping[str, Names | None], out: Path) -> tuple[str, ...]:
    """Changed labels are written in the form they had; their other fields stay, a confidence included. Labels that are
    added have no other fields. A new class is added to `classes` where there are some."""
    folder, files = _files(place)
    pictures = Pictures(folder)
    new_names = fresh(changes, {name for file in files for name in file.value.get("classes") or ()})
    written = {}
    for file in files:
        labels, classes = file.value["labels"], file.value.get("classes")
        if classes is not None and new_names:
            classes += new_names
            written[file.name] = b""
        parts = [one for value in labels.values() for one in (value if isinstance(value, list) else [value])]
        form = next((one for one in parts if one is not None), "")
        for name, value in list(labels.items()):
            key = pictures.find(name, file.name)
            if key is None or key not in changes:
                continue
            new = changes[key]
            if new is None:
                del labels[name]
            else:
                labels[name] = _changed(value, new, file, form)
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


def _given(value: Any, file: JsonFile) -> Names | None:
    """The class names of a label, without repeats."""
    if isinstance(value, list) and not value:
        return ()
    names = [_name(one, file) for one in (value if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(name for name in names if name)) or None


def _name(one: Any, file: JsonFile) -> str | None:
    label = one.get("label") if isinstance(one, dict) else one
    if isinstance(label, int):
        classes = file.value.get("classes") or []
        if not 0 <= label < len(classes):
            raise UserError(f"{file.name} has the label {label}, but its list of classes has {len(classes)}.")
        label = classes[label]
    return None if label is None else str(label)


def _changed(value: Any, new: Names, file: JsonFile, form: Any) -> Any:
    """The label `value` with other classes; `form` is a label of one class as the file writes it."""
    classes = file.value.get("classes")

    def written(one: Any, name: str) -> Any:
        old = one.get("label") if isinstance(one, dict) else one
        label = classes.index(name) if isinstance(old, int) and classes is not None else name
        return {**one, "label": label} if isinstance(one, dict) else label

    if not isinstance(value, list):
        return written(form if value is None else value, *new)
    renamed, added = changed(_given(value, file) or (), new)
    kept = [(one, renamed.get(name, name)) for one in value if (name := _name(one, file)) is not None]
    bare = {"label": form["label"]} if isinstance(form, dict) else form
    return [*(written(one, name) for one, name in kept if name), *(written(bare, name) for name in added)]
