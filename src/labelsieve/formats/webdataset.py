"""WebDataset: shards, which are tar files of samples; the files of a sample share the name before the first dot.

Images are read from the shards by their place, so nothing is unpacked. The label is `.cls` (or `.cls2`, `.index`,
`.inx`: whole numbers), `.label`, `.class`, a field called like a label in `.json`, or `.txt` beside images; `label`
names another. `classnames.txt` beside the shards names the classes. The format: github.com/webdataset/webdataset.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content
from labelsieve.formats.file_slices import Places
from labelsieve.formats.new_labels import new_labels
from labelsieve.formats.shard_names import SPLITS, split_of
from labelsieve.places import paths

NUMBERS = ("cls", "cls2", "index", "inx", "id")
_FIELDS = ("cls", "label", "class", "cls2", "index", "inx")
_JSON = ("label", "labels", "class", "category", "target", "cls", "class_name", "label_name")
_IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "avif", "jp2", "jxl", "heic", "dcm")
_TEXTS = ("txt", "text", "transcript")
_NAMES = ("classnames.txt", "classes.txt", "class_names.txt")
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_LOOK = 64  # members that show whether a tar holds samples
_SMALL = 1 << 20  # bytes of a member that may be a label


@dataclass(frozen=True)
class _Member:
    """One file of a sample: its field (what follows the first dot), where it is, and its content if it is short."""

    field: str
    begin: int
    size: int
    value: bytes | None


@dataclass(frozen=True)
class _Sample:
    key: str
    shard: int
    members: tuple[_Member, ...]

    def of(self, fields: Sequence[str]) -> _Member | None:
        """The first member with a field of that kind: `seg.png` is a png."""
        plain = [member for member in self.members if member.field in fields]
        return plain[0] if plain else next((m for m in self.members if m.field.rpartition(".")[2] in fields), None)


def recognises(place: str) -> bool:
    shards = _shards(place)
    if not shards or not paths.is_file(shards[0][1]):
        return False
    seen: dict[str, set[str]] = {}
    try:
        with paths.opened(shards[0][1]) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for _, member in zip(range(_LOOK), archive, strict=False):
                if member.isfile():
                    key, field = _named(member.name)
                    seen.setdefault(key, set()).add(field)
    except (tarfile.TarError, OSError):
        return False
    return any(len(fields) > 1 for fields in seen.values())


def read(place: str, label: str | None = None) -> Content:
    shards = _shards(place)
    if not shards:
        raise UserError(f"{place} is no .tar file, no folder of them, and no name such as shard-{{000..009}}.tar.")
    samples = [sample for i, (_, path) in enumerate(shards) for sample in _samples(path, i)]
    if not samples:
        raise UserError(f"{place} holds no samples.")
    field, key = _label_field(samples, label, place)
    names = _class_names(place)
    labels: list[Any] = [_value(sample, field, key) for sample in samples]
    if names and all(value is None or (isinstance(value, int) and -1 <= value < len(names)) for value in labels):
        coded, classes = np.array([-1 if value is None else value for value in labels], np.int64), names
    else:
        coded, classes = labels, None
    inputs, kind, unusable = _inputs(samples, [path for _, path in shards], field, place)
    splits = [split_of(shard) for shard, _ in shards]
    used = f"field {key!r} of .{field}" if key else f".{field}"
    fields = ", ".join(f".{name}" for name in dict.fromkeys(m.field for s in samples[:_LOOK] for m in s.members))
    return Content(
        _ids(samples, [shard for shard, _ in shards]),
        coded,
        inputs,
        kind,
        classes,
        splits=[splits[sample.shard] for sample in samples] if any(splits) else None,
        unusable=unusable,
        notes=(f"The labels are {used}; the samples have {fields}.",),
    )


def write(
    place: str, content: Content, changes: Mapping[str, str | None], out: Path, label: str | None = None
) -> tuple[str, ...]:
    """A shard without changes is copied as it is; in others only the files with new labels differ."""
    shards = _shards(place)
    samples = [sample for i, (_, path) in enumerate(shards) for sample in _samples(path, i)]
    field, key = _label_field(samples, label, place)
    new = new_labels(content, changes, place)
    start = 0
    for number, (name, path) in enumerate(shards):
        own = [sample for sample in samples if sample.shard == number]
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        rows = range(start, start + len(own))
        start += len(own)
        left_out = {own[i - rows.start].key for i in rows if not new.keep[i]}
        changed = {own[i - rows.start].key: new.changed[i] for i in rows if i in new.changed}
        _rewrite(path, target, left_out, changed, field, key)
    for name in _NAMES:
        for folder, beside in ((place, out), (paths.parent(place), out)):
            if content.classes and paths.is_file(paths.join(folder, name)) and not (beside / name).exists():
                text = "".join(f"{name}\n" for name in new.classes or ())
                (beside / name).write_text(text, encoding="utf-8")
    return ()


def _shards(place: str) -> list[tuple[str, str]]:
    """The name below the folder and the path of each shard."""
    if found := _BRACES.search(place):
        low, high = found.groups()
        numbers = (str(i).zfill(len(low)) for i in range(int(low), int(high) + 1))
        every = [place[: found.start()] + number + place[found.end() :] for number in numbers]
        return [(os.path.basename(path), path) for path in every]
    if place.endswith(".tar"):
        return [(os.path.basename(place), place)]
    if not paths.is_folder(place):
        return []
    entries = paths.entries(place)
    own = [(entry.name, paths.join(place, entry.name)) for entry in entries if entry.name.endswith(".tar")]
    if own:
        return own
    folders = [entry.name for entry in entries if entry.is_folder and entry.name.lower() in SPLITS]
    return [
        (f"{folder}/{entry.name}", paths.join(paths.join(place, folder), entry.name))
        for folder in sorted(folders, key=lambda name: SPLITS.index(name.lower()))
        for entry in paths.entries(paths.join(place, folder))
        if entry.name.endswith(".tar")
    ]


def _named(name: str) -> tuple[str, str]:
    """The key of the sample of a file, and the field that the file is."""
    folder, _, base = name.rpartition("/")
    stem, _, field = base.partition(".")
    return f"{folder}/{stem}" if folder else stem, field.lower()


def _samples(path: str, shard: int) -> Iterator[_Sample]:
    try:
        with paths.opened(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            key, members, end = None, [], 0
            for member in archive:
                end = member.offset_data + (member.size if member.isfile() else 0)
                name, field = _named(member.name)
                if not member.isfile() or not field or name.rpartition("/")[2].startswith("__"):
                    continue
                if key is not None and name != key:
                    yield _Sample(key, shard, tuple(members))
                    members = []
                key = name
                image = field.rpartition(".")[2] in _IMAGES
                value = file_part(file, member) if not image and member.size <= _SMALL else None
                members.append(_Member(field, member.offset_data, member.size, value))
            if key is not None:
                yield _Sample(key, shard, tuple(members))
            _require_end(file, end)
    except (tarfile.TarError, OSError) as error:
        raise UserError(
            f"{path} cannot be read as a tar file: {str(error).rstrip('.')}. Packed shards (.tar.gz) are unpacked to "
            ".tar first, with gunzip."
        ) from error


def _require_end(file: Any, end: int) -> None:
    """Raise a ReadError unless the last member, which ends there, is whole and followed by zeros or by nothing: Python
    takes anything else for the end too."""
    if file.seek(0, os.SEEK_END) < end:
        raise tarfile.ReadError("it is cut")
    file.seek(-(-end // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
    if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"what follows byte {end:,} is no file of a tar")


def file_part(file: Any, member: tarfile.TarInfo) -> bytes:
    """The content of a member; the file is left where it was."""
    at = file.tell()
    file.seek(member.offset_data)
    value = file.read(member.size)
    file.seek(at)
    return value


def _label_field(samples: Sequence[_Sample], label: str | None, place: str) -> tuple[str, str]:
    """The field of the labels, and the key in it if it is JSON."""
    fields = dict.fromkeys(member.field for sample in samples[:_LOOK] for member in sample.members)
    first = next((sample.of(["json"]) for sample in samples if sample.of(["json"])), None)
    record = _json(first.value) if first is not None and first.value is not None else None
    keys = list(record) if isinstance(record, dict) else []
    if label is not None:
        if label in fields:
            return label, ""
        if label in keys and first is not None:
            return first.field, label
        raise UserError(f"{place} has no field {label!r}; there are {', '.join([*fields, *keys])}.")
    for name in _FIELDS:
        field = name if name in fields else next((own for own in fields if own.endswith(f".{name}")), None)
        if field is not None:  # `target.cls` is a cls
            return field, ""
    for name in _JSON:
        if name in keys and first is not None:
            return first.field, name
    texts = [name for name in fields if name in _TEXTS]
    if texts and any(sample.of(_IMAGES) for sample in samples[:_LOOK]):
        return texts[0], ""
    raise UserError(
        f"No field of {place} is clearly the label; name one with <label>. There are: {', '.join([*fields, *keys])}.",
        label="",
    )


def _value(sample: _Sample, field: str, key: str) -> Any:
    member = next((member for member in sample.members if member.field == field), None)
    if member is None or member.value is None:
        return None
    if key:
        record = _json(member.value)
        value = record.get(key) if isinstance(record, dict) else None
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
    text = member.value.decode("utf-8", "backslashreplace").strip()
    if field.rpartition(".")[2] in NUMBERS:
        try:
            return int(text)
        except ValueError:
            pass
    return text or None


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _inputs(
    samples: Sequence[_Sample], shards: Sequence[str], label: str, place: str
) -> tuple[Any, Any, dict[int, str]]:
    """Images, texts, or vectors in .npy."""
    choices = ((_IMAGES, "image"), (("npy",), "features"), (_TEXTS, "text"))
    found = [(sample, names, kind) for names, kind in choices for sample in samples[:_LOOK] if sample.of(names)]
    fields, kind = next(((names, k) for s, names, k in found if (m := s.of(names)) and m.field != label), ((), ""))
    if not fields:
        fields = ", ".join(dict.fromkeys(member.field for sample in samples[:_LOOK] for member in sample.members))
        raise UserError(f"The samples of {place} hold neither images, texts nor .npy; their fields are {fields}.")
    members = [sample.of(fields) for sample in samples]
    what = "image" if kind == "image" else f".{fields[0]}"
    missing = {i: f"it has no {what}" for i, member in enumerate(members) if member is None}
    if kind == "image":
        collected = Places(shards)
        for sample, member in zip(samples, members, strict=True):
            collected.add(sample.shard, *((0, 0) if member is None else (member.begin, member.size)))
        return collected.slices(), kind, missing
    values = [b"" if member is None or member.value is None else member.value for member in members]
    if kind == "text":
        return [value.decode("utf-8", "backslashreplace") for value in values], kind, missing
    try:
        vectors = [np.load(io.BytesIO(value), allow_pickle=False).ravel() for value in values]
        return np.stack(vectors).astype(np.float32, copy=False), kind, missing
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"The .npy files of {place} are not numbers of one size: {str(error).rstrip('.')}.") from error


def _ids(samples: Sequence[_Sample], shards: Sequence[str]) -> list[str]:
    """The keys; with the name of the shard before it where keys repeat."""
    keys = [sample.key for sample in samples]
    if len(set(keys)) == len(keys):
        return keys
    return [f"{shards[sample.shard].removesuffix('.tar')}/{sample.key}" for sample in samples]


def _class_names(place: str) -> tuple[str, ...]:
    folder = place if paths.is_folder(place) else paths.parent(place)
    for beside in (folder, paths.parent(folder) if not paths.is_remote(folder) else folder):
        for name in _NAMES:
            if paths.is_file(paths.join(beside, name)):
                lines = paths.read(paths.join(beside, name)).decode("utf-8", "replace").splitlines()
                return tuple(line.strip() for line in lines if line.strip())
    return ()


def _rewrite(path: str, target: Path, left_out: set[str], changed: Mapping[str, Any], field: str, key: str) -> None:
    """Copy a shard block by block; files of new labels get a header of their own."""
    with paths.opened(path) as file, open(target, "wb") as copy:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            members = archive.getmembers()
        for member in members:
            name, own = _named(member.name)
            if name in left_out:
                continue
            if name in changed and own == field:
                raw = _relabelled(file_part(file, member), changed[name], key)
                member.size = len(raw)
                member.pax_headers = {}
                copy.write(member.tobuf() + raw + bytes(-len(raw) % tarfile.BLOCKSIZE))
                continue
            file.seek(member.offset)
            left = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE - member.offset
            while left:
                block = file.read(min(left, 1 << 22))
                copy.write(block)
                left -= len(block)
        copy.write(bytes(2 * tarfile.BLOCKSIZE))
        copy.write(bytes(-copy.tell() % tarfile.RECORDSIZE))


def _relabelled(raw: bytes, label: Any, key: str) -> bytes:
    if key:
        return json.dumps({**json.loads(raw), key: label}, ensure_ascii=False).encode()
    return str(label).encode() + (b"\n" if raw.endswith(b"\n") else b"")
