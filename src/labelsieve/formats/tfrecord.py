"""TFRecord files of `tf.train.Example`, and folders of TensorFlow Datasets (TFDS) that consist of them.

A record is its length (8 bytes, little-endian), a check sum of it (4), the message, and a check sum of that (4); the
check sums are CRC-32C, masked (tensorflow.org/tutorials/load_data/tfrecord). Images are read from the files by their
place; files packed with gzip are held in memory. A folder of TFDS has `dataset_info.json` and `features.json`, and its
class names in `label.labels.txt`; its -1 stands for no label.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content
from labelsieve.formats.file_slices import Places
from labelsieve.formats.new_labels import new_labels
from labelsieve.formats.protobuf import Feature, features, replaced
from labelsieve.formats.shard_names import numbered, split_of
from labelsieve.places import paths

_SHARD = re.compile(r".*\.(tfrecords?|tfrec)([-_.]\d+(-of-\d+)?)?(\.gz)?|.*-\d+-of-\d+", re.IGNORECASE)
_LABELS = ("label", "image/class/label", "labels", "class", "target", "category", "image/class/text")
_TWINS = {"image/class/label": "image/class/text"}  # the name of the class beside its number
_IDS = ("id", "image/id", "key", "file_name", "filename", "image/filename")
_TEXTS = ("text", "sentence", "review", "content", "body")
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")
_HEAD = struct.Struct("<QI")
_MASK = 0xA282EAD8
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


@dataclass(frozen=True, slots=True)
class _Record:
    """One Example: its shard, where its message begins in the shard, and its features."""

    shard: int
    begin: int
    features: dict[str, Feature]


def recognises(place: str) -> bool:
    shards = _shards(place)
    if not shards or not paths.is_file(shards[0][1]):
        return False
    with paths.opened(shards[0][1]) as file:
        head = file.read(_HEAD.size)
    return head[:2] in (b"\x1f\x8b", *_ZLIB) or (len(head) == _HEAD.size and _checked(head[:8]) == head[8:])


def read(place: str, label: str | None = None) -> Content:
    shards = _shards(place)
    packed = [_gzipped(path) for _, path in shards]
    records = [record for i, (_, path) in enumerate(shards) for record in _examples(path, i)]
    if not records:
        raise UserError(f"{place} holds no TFRecord files with examples.")
    about = _about(place)
    field = _label_field(records, label, place)
    twin = _TWINS.get(field) if records[0].features.get(_TWINS.get(field, "")) else None
    labels = [_one(record.features.get(twin or field)) for record in records]
    names = _class_names(place, field)
    inputs, kind, used, unusable = _inputs(records, [path for _, path in shards], any(packed), {field, twin}, place)
    splits = [_split(name, about) for name, _ in shards]
    ids = _ids(records, splits)
    coded = names and all(value is None or (isinstance(value, int) and -1 <= value < len(names)) for value in labels)
    others = [name for name in records[0].features if name not in (field, twin, *used)]
    left = f"; not used: {', '.join(others)}" if others else ""
    return Content(
        ids,
        np.array([-1 if value is None else value for value in labels], np.int64) if coded else labels,
        inputs,
        kind,
        names if coded else None,
        splits=[splits[record.shard] for record in records] if any(splits) else None,
        unusable=unusable,
        notes=(f"The labels are {twin or field!r}, the inputs {', '.join(used)}{left}.",),
    )


def write(
    place: str, content: Content, changes: Mapping[str, str | None], out: Path, label: str | None = None
) -> tuple[str, ...]:
    """Records without changes keep their bytes; `dataset_info.json` gets the new numbers of records and bytes."""
    shards = _shards(place)
    new = new_labels(content, changes, place)
    records = [record for i, (_, path) in enumerate(shards) for record in _examples(path, i)]
    field = _label_field(records, label, place)
    twin = _TWINS.get(field) if records[0].features.get(_TWINS.get(field, "")) else None
    number_of = {_one(record.features[twin]): _one(record.features.get(field)) for record in records} if twin else {}
    row, lengths = 0, []
    for name, path in shards:
        kept, size = 0, 0
        opener = gzip.open if _gzipped(path) else open
        with opener(out / name, "wb") as copy:
            for _, raw, check in _messages(path):
                if new.keep[row]:
                    if row in new.changed:
                        raw = replaced(raw, _values(new.changed[row], field, twin, number_of))
                        check = _checked(raw)
                    length = struct.pack("<Q", len(raw))
                    copy.write(length + _checked(length) + raw + check)
                    kept, size = kept + 1, size + len(raw)
                row += 1
        lengths.append((name, kept, size))
    if paths.is_folder(place):
        _write_about(place, out, field, new.classes, lengths)
    return ()


def _values(value: Any, field: str, twin: str | None, number_of: dict[Any, Any]) -> dict[str, int | str]:
    if twin is None:
        return {field: value}
    if value not in number_of:
        number_of[value] = 1 + max((n for n in number_of.values() if isinstance(n, int)), default=-1)
    return {field: number_of[value], twin: value}


def _shards(place: str) -> list[tuple[str, str]]:
    if paths.is_file(place):
        name = os.path.basename(place)
        return [(name, place)] if _SHARD.fullmatch(name) else []
    if not paths.is_folder(place):
        return []
    names = [entry.name for entry in paths.entries(place) if entry.is_file and _SHARD.fullmatch(entry.name)]
    order = {"train": 0, "training": 0}
    names.sort(key=lambda name: (order.get(split_of(name), 1), name))
    return [(name, paths.join(place, name)) for name in names]


def _gzipped(path: str) -> bool:
    with paths.opened(path) as file:
        return file.read(2) == b"\x1f\x8b"


def _messages(path: str) -> Iterator[tuple[int, bytes, bytes]]:
    """Where each message begins, the message, and its check sum.

    Raises:
        UserError: the file is cut or is not a TFRecord file.
    """
    with paths.opened(path) as plain:
        file: Any = gzip.GzipFile(fileobj=plain) if _gzipped(path) else plain
        at = 0
        while head := _read(file, _HEAD.size, path):
            if at == 0 and head[:2] in _ZLIB and _checked(head[:8]) != head[8:]:
                raise UserError(f"{path} is packed with zlib, which is not read; write it with GZIP or without.")
            if len(head) < _HEAD.size or _checked(head[:8]) != head[8:]:
                raise UserError(f"{path} is damaged: the record at byte {at:,} has a false length.")
            size = _HEAD.unpack(head)[0]
            raw = _read(file, size, path)
            check = _read(file, 4, path)
            if len(raw) < size or len(check) < 4:
                raise UserError(f"{path} is cut: its last record is not complete.")
            yield at + _HEAD.size, raw, check
            at += _HEAD.size + size + 4


def _read(file: Any, size: int, path: str) -> bytes:
    try:
        return file.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged: {str(error).rstrip('.')}.") from error


def _examples(path: str, shard: int) -> Iterator[_Record]:
    for begin, raw, _ in _messages(path):
        try:
            found = features(raw)
        except ValueError as error:
            raise UserError(f"{path}: the record at byte {begin:,} is not a tf.train.Example: {error}.") from error
        yield _Record(shard, begin, {name: _light(feature) for name, feature in found.items()})


def _light(feature: Feature) -> Feature:
    """The feature without the bytes of a picture, of which the first say that it is one."""
    first = feature.values[0] if feature.kind == 1 and feature.values else b""
    if first.startswith(_PICTURES):
        return Feature(0, len(first), feature.begin)
    return feature


def _one(feature: Feature | None) -> Any:
    """The only value of a feature; None without it; several as text of a list."""
    if feature is None or feature.kind == 0 or not len(feature.values):
        return None
    plain = (
        value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value for value in feature.values
    )
    values = [value.item() if isinstance(value, np.generic) else value for value in plain]
    return values[0] if len(values) == 1 else json.dumps([str(value) for value in values], ensure_ascii=False)


def _ids(records: Sequence[_Record], splits: Sequence[str]) -> list[str] | None:
    """A feature of names that are unique, else the number in the split; None where there are no splits."""
    for name in _IDS:
        own = [_one(record.features.get(name)) for record in records]
        if None not in own and len(set(own)) == len(own):
            return [str(key) for key in own]
    return numbered([splits[record.shard] for record in records]) if any(splits) else None


def _label_field(records: Sequence[_Record], label: str | None, place: str) -> str:
    names = dict.fromkeys(name for record in records[:64] for name in record.features)
    if label is not None and label not in names:
        raise UserError(f"{place} has no feature {label!r}; there are {', '.join(names)}.")
    field = label or next((name for name in _LABELS if name in names), None)
    if field is None:
        raise UserError(
            f"No feature of {place} is clearly the label; name one with <label>. There are: {', '.join(names)}.",
            label="",
        )
    return field


def _inputs(
    records: Sequence[_Record], shards: Sequence[str], packed: bool, taken: set[str | None], place: str
) -> tuple[Any, Any, list[str], dict[int, str]]:
    """Pictures, texts or numbers, what they are, the features that they are read from, and what is unusable."""
    first = {name: feature for name, feature in records[0].features.items() if name not in taken}
    pictures = [name for name, feature in first.items() if feature.kind == 0]
    if len(pictures) > 1:
        named = [name for name in pictures if name in ("image", "image/encoded")]
        pictures = named or pictures
    if len(pictures) == 1:
        if packed:
            raise UserError(f"{place} is packed with gzip, so its images cannot be read in place; unpack it first.")
        collected, name = Places(shards), pictures[0]
        missing = {}
        for i, record in enumerate(records):
            feature = record.features.get(name)
            if feature is None or feature.kind != 0:
                missing[i] = f"its feature {name} is not an image"
                collected.add(record.shard, 0, 0)
            else:
                collected.add(record.shard, record.begin + feature.begin, feature.values)
        return collected.slices(), "image", pictures, missing
    if pictures:
        raise UserError(f"{place} has several images per example ({', '.join(pictures)}); write the one to use alone.")
    texts = [name for name, feature in first.items() if feature.kind == 1]
    text = next((name for name in _TEXTS if name in texts), texts[0] if len(texts) == 1 else None)
    numbers = [name for name, feature in first.items() if feature.kind in (2, 3)]
    if text is not None and (text in _TEXTS or not numbers):
        values = [_one(record.features.get(text)) for record in records]
        empty = {i: "the text is empty" for i, value in enumerate(values) if not value}
        return [value or "" for value in values], "text", [text], empty
    widths = {name: len(first[name].values) for name in numbers}
    if not numbers:
        listed = ", ".join(records[0].features)
        raise UserError(f"{place} has neither images, texts nor numbers; its features are {listed}.")
    out, missing = np.zeros((len(records), sum(widths.values())), np.float32), {}
    for i, record in enumerate(records):
        parts = [record.features[name].values if name in record.features else () for name in numbers]
        if [len(part) for part in parts] != list(widths.values()):
            missing[i] = "its numbers are not as many as those of the first example"
        else:
            out[i] = np.concatenate([np.asarray(part, np.float32) for part in parts])
    return out, "features", numbers, missing


def _about(place: str) -> dict[str, Any]:
    path = paths.join(place, "dataset_info.json")
    if not paths.is_folder(place) or not paths.is_file(path):
        return {}
    try:
        about = json.loads(paths.read(path))
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.") from error
    splits = about.get("splits", []) if isinstance(about, dict) else None
    return about if isinstance(splits, list) and all(isinstance(split, dict) for split in splits) else {}


def _split(name: str, about: Mapping[str, Any]) -> str:
    """The split of a shard: what TFDS says, else what the name says."""
    for split in about.get("splits", ()):
        if re.search(rf"-{re.escape(str(split.get('name')))}\.", name):
            return str(split["name"])
    return split_of(name)


def _class_names(place: str, field: str) -> tuple[str, ...]:
    path = paths.join(place, f"{field.replace('/', '-')}.labels.txt")
    if not paths.is_folder(place) or not paths.is_file(path):
        return ()
    return tuple(line for line in paths.read(path).decode("utf-8", "replace").splitlines() if line)


def _write_about(
    place: str, out: Path, field: str, classes: tuple[str, ...] | None, lengths: Sequence[tuple[str, int, int]]
) -> None:
    """The files of TFDS beside the shards; new classes join the names, and the numbers of examples are those of now."""
    for entry in paths.entries(place):
        if entry.is_file and not _SHARD.fullmatch(entry.name):
            (out / entry.name).write_bytes(paths.read(paths.join(place, entry.name)))
    if (about := _about(place)) and about.get("splits"):
        for split in about["splits"]:
            own = [(kept, size) for name, kept, size in lengths if _split(name, about) == split["name"]]
            split["shardLengths"] = [str(kept) for kept, _ in own]
            split["numBytes"] = str(sum(size for _, size in own))
        (out / "dataset_info.json").write_text(json.dumps(about, indent=2), encoding="utf-8")
    names = out / f"{field.replace('/', '-')}.labels.txt"
    if classes and names.exists() and len(classes) > len(_class_names(place, field)):
        names.write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
        form = out / "features.json"
        if form.exists():
            value = json.loads(form.read_text(encoding="utf-8"))
            inner = value.get("featuresDict", {}).get("features", {}).get(field, {}).get("classLabel")
            if inner is not None:
                inner["numClasses"] = str(len(classes))
                form.write_text(json.dumps(value, indent=4), encoding="utf-8")


def _checked(raw: bytes) -> bytes:
    """The masked CRC-32C of some bytes."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in raw:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF)


@cache
def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table
