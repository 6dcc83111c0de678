"""MDS, the shards of MosaicML's streaming: `index.json`, and shards of samples whose columns it names.

A shard begins with the number of samples and where each begins and the last ends (32 bits each, little-endian). A
sample is the sizes of its columns that have no fixed size, then the columns one after the other. Images are read from
plain shards by their place; shards packed with zstd, gzip or brotli are unpacked in memory. A folder may hold a folder
per split. The format: docs.mosaicml.com/projects/streaming/en/stable/preparing_datasets/dataset_format.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content
from labelsieve.formats.file_slices import Places
from labelsieve.formats.new_labels import new_labels
from labelsieve.formats.shard_names import SPLITS, numbered
from labelsieve.places import paths

_LABELS = ("label", "labels", "class", "target", "category", "cls", "y")
_IDS = ("id", "key", "name", "file_name", "filename")
_IMAGES = ("jpeg", "png", "jpeg_array")
_CODECS = {"zstd": "zstd", "gz": "gzip", "br": "brotli"}
_KEYS = {"column_names", "column_encodings", "column_sizes", "raw_data"}  # of a shard in the index
_NUMBERS = ("int", "float16", "float32", "float64")
_NUMBERS += tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


@dataclass(frozen=True)
class _Shard:
    """One shard: the folder of its index, what the index says of it, and its name below the place."""

    folder: str
    about: Mapping[str, Any]
    split: str

    @property
    def packed(self) -> bool:
        return bool(self.about.get("zip_data"))

    @property
    def name(self) -> str:
        return self.about["zip_data" if self.packed else "raw_data"]["basename"]

    @property
    def encodings(self) -> dict[str, str]:
        return dict(zip(self.about["column_names"], self.about["column_encodings"], strict=True))


def recognises(place: str) -> bool:
    return paths.is_folder(place) and any(_index(folder) for folder, _ in _folders(place))


def read(place: str, label: str | None = None) -> Content:
    shards = _shards(place)
    field = _label_column(shards, label, place)
    kinds = shards[0].encodings
    named = [name for name, kind in kinds.items() if kind == "str" and name != field]
    images = [name for name, kind in kinds.items() if kind in _IMAGES and name != field]
    key = next((name for name in _IDS if name in kinds and kinds[name] in ("str", "int")), None)
    numbers = [name for name, kind in kinds.items() if kind in _NUMBERS or kind.startswith("ndarray:")]
    vectors = [name for name in numbers if name not in (field, key)]
    texts = [name for name in named if name != key]
    wanted = images[:1] or texts[:1] or vectors
    if len(images) > 1 or (not images and len(texts) > 1):
        raise UserError(f"{place} has several columns that may be the input: {', '.join(images or texts)}.")
    if not wanted:
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise UserError(f"{place} has no columns of jpeg, png, text or numbers; there are {listed}.")
    if images and any(shard.packed for shard in shards):
        wanted_places = None  # the images of packed shards are in memory
    else:
        wanted_places = Places([paths.join(shard.folder, shard.name) for shard in shards])
    labels, ids, values, splits = [], [], [], []
    for number, shard in enumerate(shards):
        raw = _unpacked(shard)
        for columns in _samples(shard, raw):
            labels.append(_value(raw, columns[field], kinds[field], place))
            splits.append(shard.split)
            if key:
                ids.append(str(_value(raw, columns[key], kinds[key], place)))
            if images and wanted_places is not None:
                begin, end = columns[images[0]]
                wanted_places.add(number, begin, end - begin)
            elif images:
                values.append(bytes(raw[slice(*columns[images[0]])]))
            else:
                values.append([_value(raw, columns[name], kinds[name], place) for name in wanted])
    inputs, kind = _inputs(values, wanted_places if images else None, bool(images), bool(texts) and not images, place)
    if not key or len(set(ids)) < len(ids):
        ids = numbered(splits)
    note = f"The labels are the column {field!r}, the inputs {', '.join(wanted)}."
    return Content(ids, labels, inputs, kind, splits=splits if any(splits) else None, notes=(note,))


def write(
    place: str, content: Content, changes: Mapping[str, str | None], out: Path, label: str | None = None
) -> tuple[str, ...]:
    """Shards without changes are copied; others are written anew, unpacked, and the index says so."""
    shards = _shards(place)
    field = _label_column(shards, label, place)
    new = new_labels(content, changes, place)
    start, unpacked = 0, 0
    indexes: dict[str, list[Mapping[str, Any]]] = {}
    for shard in shards:
        folder = out / shard.split
        folder.mkdir(exist_ok=True)
        rows = range(start, start + int(shard.about["samples"]))
        start = rows.stop
        about = shard.about
        if new.keep[rows].all() and not any(row in new.changed for row in rows):
            (folder / shard.name).write_bytes(paths.read(paths.join(shard.folder, shard.name)))
        else:
            raw = _rewritten(shard, rows, field, new, place)
            unpacked += shard.packed
            basename = about["raw_data"]["basename"]
            (folder / basename).write_bytes(raw)
            data = {"basename": basename, "bytes": len(raw), "hashes": {}}
            kept = int(new.keep[rows].sum())
            about = {**about, "compression": None, "hashes": [], "raw_data": data, "samples": kept, "zip_data": None}
        indexes.setdefault(shard.split, []).append(about)
    for split, abouts in indexes.items():
        index = {"version": 2, "shards": abouts}
        (out / split / "index.json").write_text(json.dumps(index, sort_keys=True), encoding="utf-8")
    return (f"Shards with new labels are not packed in the copy: {unpacked:,} of {len(shards):,}.",) if unpacked else ()


def _folders(place: str) -> list[tuple[str, str]]:
    """The folders that may have an index of MDS, and the splits that they are."""
    if paths.is_file(paths.join(place, "index.json")):
        return [(place, "")]
    names = [entry.name for entry in paths.entries(place) if entry.is_folder and entry.name.lower() in SPLITS]
    names.sort(key=lambda name: SPLITS.index(name.lower()))
    return [(paths.join(place, name), name) for name in names]


def _index(folder: str) -> list[Any]:
    path = paths.join(folder, "index.json")
    if not paths.is_file(path):
        return []
    try:
        value = json.loads(paths.read(path))
    except (ValueError, RecursionError):
        return []
    shards = value.get("shards") if isinstance(value, dict) else None
    plain = isinstance(shards, list) and all(
        isinstance(shard, dict) and shard.get("format") == "mds" and shard.keys() >= _KEYS for shard in shards
    )
    return shards if plain and shards else []


def _shards(place: str) -> list[_Shard]:
    shards = [_Shard(folder, about, split) for folder, split in _folders(place) for about in _index(folder)]
    for folder, _ in _folders(place) if shards else ():
        if paths.is_file(path := paths.join(folder, "index.json")) and not _index(folder):
            raise UserError(f"{path} is not an index of MDS; it should have shards of the format mds with columns.")
    if not shards:
        raise UserError(f"{place} holds no index.json of MDS, and no folders train, val or test that do.")
    if len({json.dumps(shard.encodings) for shard in shards}) > 1:
        raise UserError(f"The shards of {place} have different columns; name one of its folders.")
    return shards


def _label_column(shards: Sequence[_Shard], label: str | None, place: str) -> str:
    names = list(shards[0].encodings)
    if label is not None and label not in names:
        raise UserError(f"{place} has no column {label!r}; there are {', '.join(names)}.")
    field = label or next((name for name in _LABELS if name in names), None)
    if field is None:
        raise UserError(
            f"No column of {place} is clearly the label; name one with <label>. There are: {', '.join(names)}.",
            label="",
        )
    return field


def _unpacked(shard: _Shard) -> memoryview:
    """The content of a shard.

    Raises:
        UserError: it is missing, cut, or packed in a way that is not read.
    """
    path = paths.join(shard.folder, shard.name)
    size = int(shard.about["raw_data"]["bytes"])
    try:
        raw = paths.read(path)
        if shard.packed:
            import pyarrow as pa

            codec = _CODECS.get(str(shard.about.get("compression")).partition(":")[0])
            if codec is None:
                how = shard.about.get("compression")
                raise UserError(f"{path} is packed with {how}, which is not read; unpack it.")
            raw = pa.decompress(raw, decompressed_size=size, codec=codec, asbytes=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {str(error).rstrip('.')}.") from error
    if len(raw) != size:
        raise UserError(f"{path} is damaged: it has {len(raw):,} bytes, but the index tells of {size:,}.")
    return memoryview(raw)


def _offsets(raw: memoryview) -> list[int]:
    """Where each sample begins and the last one ends."""
    count = int(np.frombuffer(raw, "<u4", 1)[0])
    return np.frombuffer(raw, "<u4", count + 1, 4).tolist()


def _samples(shard: _Shard, raw: memoryview) -> list[dict[str, tuple[int, int]]]:
    """Begin and end of each column of each sample.

    Raises:
        UserError: they are not within the shard.
    """
    try:
        found = _spans(shard, raw)
        if all(end <= len(raw) for columns in found for _, end in columns.values()):
            return found
    except ValueError:  # a number of samples, or a place, that cannot be
        pass
    raise UserError(f"{paths.join(shard.folder, shard.name)} is damaged: its samples are not where it says.")


def _spans(shard: _Shard, raw: memoryview) -> list[dict[str, tuple[int, int]]]:
    names, sizes = shard.about["column_names"], shard.about["column_sizes"]
    found, offsets = [], _offsets(raw)
    for at in offsets[:-1]:
        free = sum(size is None for size in sizes)
        own = iter(np.frombuffer(raw, "<u4", free, at).tolist())
        at += 4 * free
        columns = {}
        for name, size in zip(names, sizes, strict=True):
            size = next(own) if size is None else size
            columns[name] = (at, at + size)
            at += size
        found.append(columns)
    return found


def _value(raw: memoryview, span: tuple[int, int], kind: str, place: str) -> Any:
    part = raw[slice(*span)]
    if kind == "str":
        return bytes(part).decode("utf-8", "backslashreplace")
    if kind in _NUMBERS:
        return np.frombuffer(part, np.dtype("<i8" if kind == "int" else kind))[0].item()
    if kind in ("str_int", "str_float", "str_decimal"):
        return bytes(part).decode()
    if kind == "json":
        value = json.loads(bytes(part))
        return value if isinstance(value, str | int | float | type(None)) else json.dumps(value, ensure_ascii=False)
    if kind.startswith("ndarray:") and kind.count(":") == 2:
        return np.frombuffer(part, kind.split(":")[1])
    raise UserError(f"{place} has a column of the encoding {kind}, which is not read.")


def _inputs(values: list[Any], found: Places | None, images: bool, texts: bool, place: str) -> tuple[Any, Any]:
    if images:
        return (values if found is None else found.slices()), "image"
    if texts:
        return [value[0] for value in values], "text"
    try:
        rows = [np.concatenate([np.ravel(part) for part in value]).astype(np.float32) for value in values]
        return np.stack(rows), "features"
    except ValueError as error:
        raise UserError(f"The numbers of {place} are not as many in every sample.") from error


def _rewritten(shard: _Shard, rows: range, field: str, new: Any, place: str) -> bytes:
    """The shard with new labels and without the samples that are left out."""
    raw, kind = _unpacked(shard), shard.encodings[field]
    offsets, samples = _offsets(raw), []
    sizes = shard.about["column_sizes"]
    names = shard.about["column_names"]
    head = bytes(raw[4 + 4 * len(offsets) : offsets[0]])  # the settings of the writer
    for row, columns, begin, end in zip(rows, _samples(shard, raw), offsets[:-1], offsets[1:], strict=True):
        if not new.keep[row]:
            continue
        if row not in new.changed:
            samples.append(bytes(raw[begin:end]))
            continue
        parts = {name: bytes(raw[slice(*columns[name])]) for name in names}
        parts[field] = _encoded(new.changed[row], kind, place)
        free = [len(parts[name]) for name, size in zip(names, sizes, strict=True) if size is None]
        samples.append(np.array(free, "<u4").tobytes() + b"".join(parts.values()))
    first = 4 + 4 * (len(samples) + 1) + len(head)
    ends = first + np.cumsum([0, *map(len, samples)])
    return np.uint32(len(samples)).tobytes() + ends.astype("<u4").tobytes() + head + b"".join(samples)


def _encoded(value: Any, kind: str, place: str) -> bytes:
    if kind in _NUMBERS:
        form = np.dtype("<i8" if kind == "int" else kind)
        if form.kind in "iu" and not np.iinfo(form).min <= value <= np.iinfo(form).max:
            raise UserError(f"{place} holds labels of type {kind}, so {value} cannot be one of them.")
        return np.array(value, form).tobytes()
    return json.dumps(value).encode() if kind == "json" else str(value).encode()
