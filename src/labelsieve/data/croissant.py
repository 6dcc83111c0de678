"""Croissant: a JSON-LD file beside a table that says what its columns are (docs.mlcommons.org/croissant, 1.0 and 1.1).

The record set with a label (`cr:Label`, or a field called like one) is read from its table, which lies beside the file;
its key is the id, and a field of pictures or the only other field of text is the input. What a user names goes first.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.data.columns import LABELS
from labelsieve.data.readers import READERS
from labelsieve.places import paths

NAME = "croissant.json"
_MARK = b"mlcommons.org/croissant"
_HEAD = 1 << 14


def is_croissant(place: str) -> bool:
    """Whether a file describes data in Croissant."""
    if not place.endswith(".json") or not paths.is_file(place):
        return False
    with paths.opened(place) as file:
        return _MARK in file.read(_HEAD)


def resolved(place: Any, named: Mapping[str, str | None]) -> tuple[Any, dict[str, str | None], tuple[str, ...]]:
    """The table that a Croissant file describes in place of the file or its folder, the roles of its columns, and a
    note; any other place as it is.

    Raises:
        UserError: the file has no label in a table beside it.
    """
    inner = paths.join(place, NAME) if isinstance(place, str) and not place.startswith("hf:") else ""
    if not isinstance(place, str) or not (is_croissant(place) or (paths.is_folder(place) and is_croissant(inner))):
        return place, dict(named), ()
    file = place if is_croissant(place) else inner
    try:
        table, roles = _table(file, named.get("label"))
    except UserError:
        if file is place:
            raise
        return place, dict(named), ()  # a folder of pictures
    if named.get("text") or named.get("image"):
        roles = {role: name for role, name in roles.items() if role not in ("text", "image")}
    said = ", ".join(f"{role} {name}" for role, name in roles.items())
    note = f"{file} describes {os.path.basename(table)}: {said}."
    return table, {**named, **{role: name for role, name in roles.items() if not named.get(role)}}, (note,)


def _table(file: str, label: str | None) -> tuple[str, dict[str, str]]:
    about = _parsed(file)
    holders = {str(one.get("@id", one.get("name"))): one for one in _list(about.get("distribution"))}
    for records in _list(about.get("recordSet")):
        fields = {str(one.get("@id", one.get("name"))): one for one in _list(records.get("field"))}
        chosen = next((one for one in fields.values() if _is_label(one, label)), None)
        if chosen is None:
            continue
        holder = holders.get(_holder(chosen), {})
        table = _beside(file, holder)
        keys = [fields[key["@id"]] for key in _list(records.get("key")) if key.get("@id") in fields]
        mine = [one for one in fields.values() if _holder(one) == _holder(chosen) and _column(one)]
        rest = [one for one in mine if one is not chosen and one not in keys and "Split" not in _kinds(one)]
        roles = {"label": _column(chosen)} | ({"id": _column(keys[0])} if len(keys) == 1 else {})
        pictures = [one for one in rest if "ImageObject" in _kinds(one)]
        texts = [one for one in rest if "Text" in _kinds(one)]
        if pictures or len(texts) == len(rest) == 1:
            roles |= {"image": _column(pictures[0])} if pictures else {"text": _column(texts[0])}
        return table, {role: name for role, name in roles.items() if name}
    tables = [
        str(one.get("contentUrl", ""))
        for one in holders.values()
        if paths.suffix(str(one.get("contentUrl"))) in READERS
    ]
    listed = f" Name a table with <label>: {', '.join(tables)}." if tables else ""
    raise UserError(f"No field of {file} is a label (cr:Label, or a field called label).{listed}", label="")


def _parsed(file: str) -> dict[str, Any]:
    try:
        value = json.loads(paths.read(file))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is not JSON: {error}.") from error
    return value if isinstance(value, dict) else {}


def _beside(file: str, holder: Mapping[str, Any]) -> str:
    """The path of a table.

    Raises:
        UserError: it is elsewhere, or no table.
    """
    folder, url = paths.parent(file), str(holder.get("contentUrl", ""))
    if "FileSet" in str(holder.get("@type")) or not url:
        raise UserError(
            f"The labels of {file} are in a set of files ({holder.get('includes', 'without a name')}), not in one "
            f"table; if they are folders of pictures, or tables of Hugging Face, name the folder, or hf:{folder}."
        )
    for name in (url, url.rpartition("/")[2], str(holder.get("name", ""))):
        table = paths.join(folder, name)
        if name and not paths.is_remote(name) and paths.is_file(table):
            if paths.suffix(table) not in READERS:
                raise UserError(f"{file} describes {table}, which is no table; unpack it and name what is in it.")
            return table
    raise UserError(f"{file} describes {url}, which is not beside it; download it into that folder.")


def renewed(table: str, new: Path) -> tuple[str, bytes] | None:
    """The name and the content of the Croissant file beside a table, with the size and the hashes of its new content;
    None if none describes it."""
    for entry in paths.entries(paths.parent(table) or "."):
        file = paths.join(paths.parent(table), entry.name)
        if not entry.is_file or not is_croissant(file):
            continue
        about = _parsed(file)
        for holder in _list(about.get("distribution")):
            if str(holder.get("contentUrl", "")).rpartition("/")[2] == os.path.basename(table):
                content = new.read_bytes()
                hashes = {"sha256": hashlib.sha256, "md5": lambda raw: hashlib.md5(raw, usedforsecurity=False)}
                holder |= {key: make(content).hexdigest() for key, make in hashes.items() if key in holder}
                holder |= {"contentSize": f"{len(content)} B"} if "contentSize" in holder else {}
                return entry.name, json.dumps(about, indent=2, ensure_ascii=False).encode()
    return None


def _list(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    return [item for item in items if isinstance(item, dict)]


def _is_label(field: Mapping[str, Any], label: str | None) -> bool:
    name = str(field.get("name", field.get("@id"))).rpartition("/")[2]
    if label is not None:
        return label in (name, _column(field))
    return "Label" in _kinds(field) or name.lower() in LABELS


def _kinds(field: Mapping[str, Any]) -> set[str]:
    """The last words of the data types: Label of `cr:Label` and of `http://mlcommons.org/croissant/Label`."""
    kinds = field.get("dataType")
    return {str(kind).replace(":", "/").rpartition("/")[2] for kind in (kinds if isinstance(kinds, list) else [kinds])}


def _holder(field: Mapping[str, Any]) -> str:
    source = field.get("source")
    held = source.get("fileObject", source.get("fileSet")) if isinstance(source, dict) else None
    return str(held.get("@id")) if isinstance(held, dict) else str(held or "")


def _column(field: Mapping[str, Any]) -> str:
    source = field.get("source")
    extract = source.get("extract") if isinstance(source, dict) else None
    return str(extract.get("column", "")) if isinstance(extract, dict) else ""
