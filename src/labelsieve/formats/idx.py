"""IDX, the format of MNIST, Fashion-MNIST, KMNIST and EMNIST.

A file begins with two zero bytes, a code of the type and the number of dimensions; then each size as a big-endian
32-bit integer, then the values in C order, big-endian (LeCun, Cortes and Burges, yann.lecun.com/exdb/mnist). Labels lie
beside the images: `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, each perhaps with `.gz`. A folder may hold
several splits; ids are then `train/0`, `t10k/0`. Names of the classes may stand in `labels.txt` (Datumaro).
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content
from labelsieve.places import paths

_NAME = re.compile(r"(?P<split>.*?)[-_.]?(?P<what>images|labels)(?P<rest>[-.]idx\d[-_.]ubyte(?:\.gz)?)", re.IGNORECASE)
_FILE, _META = "labels.txt", {"t10k": "test"}
_NONE = 255  # no label
_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def recognises(place: str) -> bool:
    return bool(_NAME.fullmatch(os.path.basename(place))) if paths.is_file(place) else bool(_pairs(place))


def read(place: str) -> Content:
    pairs = _pairs(place)
    if not pairs:
        raise UserError(
            f"{place} holds no IDX files in pairs; they should be called train-images-idx3-ubyte and "
            "train-labels-idx1-ubyte, or the same with .gz."
        )
    parts = {split: (_array(images), _array(labels)) for split, images, labels in pairs}
    for split, images, labels in pairs:
        inputs, given = parts[split]
        if len(inputs) != len(given):
            raise UserError(f"{images} holds {len(inputs):,} examples and {labels} {len(given):,} labels.")
    shapes = {inputs.shape[1:] for inputs, _ in parts.values()}
    if len(shapes) > 1:
        raise UserError(f"The files of {place} hold examples of different sizes: {', '.join(map(str, shapes))}.")
    inputs = np.concatenate([inputs for inputs, _ in parts.values()])
    kind = "image" if inputs.ndim in (3, 4) and inputs.dtype == np.uint8 else "features"
    labels = np.concatenate([given for _, given in parts.values()])
    names = _names(place)
    if names:
        labels = np.where(labels == _NONE, -1, labels.astype(np.int64))
        if labels.max() >= len(names):
            raise UserError(f"{place} has the label {labels.max()}, but {_FILE} names {len(names)} classes.")
    named = len(parts) > 1
    return Content(
        [f"{split}/{i}" if named else str(i) for split, (given, _) in parts.items() for i in range(len(given))],
        labels,  # of bytes, 255 stands for no label
        inputs if kind == "image" else inputs.reshape(len(inputs), -1).astype(np.float32),
        kind,
        tuple(names) or None,
        splits=[split for split, (given, _) in parts.items() for _ in range(len(given))] if named else None,
    )


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """Images keep their bytes unless some are left out; a file that was packed is packed again. A new class is added to
    the names, if there are some.

    Raises:
        UserError: a new class is not a whole number, and there are no names.
    """
    pairs = _pairs(place)
    names = _names(place)
    names += [name for name in dict.fromkeys(changes.values()) if names and name and name not in names]
    if names:
        (out / _FILE).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    for split, images, labels in pairs:
        new = _array(labels).copy()
        ids = [f"{split}/{i}" if len(pairs) > 1 else str(i) for i in range(len(new))]
        for i, key in enumerate(ids):
            if (name := changes.get(key)) is not None:
                new[i] = _code(str(names.index(name)) if names else name, new.dtype, labels)
        keep = np.array([changes.get(key, "") is not None for key in ids])
        _save(out / os.path.basename(labels), new[keep])
        if keep.all():
            (out / os.path.basename(images)).write_bytes(paths.read(images))
        else:
            _save(out / os.path.basename(images), _array(images)[keep])
        _copy_meta(paths.parent(labels), _META.get(split, split), keep, out)
    return ()


def _names(place: str) -> list[str]:
    """The names of the classes in `labels.txt`; none without it."""
    file = paths.join(place if paths.is_folder(place) else paths.parent(place), _FILE)
    return paths.read(file).decode("utf-8", "replace").strip().splitlines() if paths.is_file(file) else []


def _copy_meta(folder: str, split: str, keep: np.ndarray, out: Path) -> None:
    """Copy Datumaro's names and sizes of the images, (n, fields) of 32 characters, those that are kept."""
    name = f"{split}-meta.gz"
    if paths.is_file(paths.join(folder, name)):
        rows = np.frombuffer(gzip.decompress(paths.read(paths.join(folder, name))), "<U32")
        kept = rows.reshape(len(keep), -1)[keep] if len(rows) % len(keep) == 0 else rows
        (out / name).write_bytes(gzip.compress(kept.tobytes(), mtime=0))


def _pairs(place: str) -> list[tuple[str, str, str]]:
    """The name of each split, its file of inputs and its file of labels."""
    folder, only = place, None
    if paths.is_file(place):
        folder, only = paths.parent(place), os.path.basename(place)
    elif not paths.is_folder(place):
        return []
    names = {entry.name for entry in paths.entries(folder) if entry.is_file}
    pairs = []
    for name in sorted(names):
        match = _NAME.fullmatch(name)
        if match is None or match["what"].lower() != "images":
            continue
        beside = [other for other in sorted(names) if _labels_of(other, match["split"])]
        if beside and only in (None, name, beside[0]):
            pairs.append((match["split"], paths.join(folder, name), paths.join(folder, beside[0])))
    return sorted(pairs, key=lambda pair: pair[0] != "train")  # train comes first


def _labels_of(name: str, split: str) -> bool:
    match = _NAME.fullmatch(name)
    return match is not None and (match["what"].lower(), match["split"]) == ("labels", split)


def _array(path: str) -> np.ndarray:
    raw = paths.read(path)
    try:
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError) as error:
        raise UserError(f"{path} is damaged: {error}.") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _TYPES:
        raise UserError(f"{path} is not an IDX file; it should begin with two zero bytes and the code of a type.")
    begin = 4 + 4 * raw[3]
    shape = np.frombuffer(raw[4:begin], ">u4").astype(int).tolist()
    kind = np.dtype(_TYPES[raw[2]])
    if len(shape) > 1 and shape[0] == len(raw) - begin:  # Datumaro 1.13 writes the number of pixels there
        shape[0] //= max(1, int(np.prod(shape[1:])))
    needed = begin + int(np.prod(shape)) * kind.itemsize
    if len(raw) != needed:
        raise UserError(f"{path} is damaged: it has {len(raw):,} bytes, but its header tells of {needed:,}.")
    return np.frombuffer(raw, kind, offset=begin).reshape(shape)


def _save(path: Path, values: np.ndarray) -> None:
    code = next(code for code, kind in _TYPES.items() if np.dtype(kind) == values.dtype)
    raw = bytes([0, 0, code, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)


def _code(name: str, kind: np.dtype, labels: str) -> int:
    try:
        value = int(name)
        if kind.kind in "iu" and not np.iinfo(kind).min <= value <= np.iinfo(kind).max:
            raise OverflowError
    except (ValueError, OverflowError) as error:
        raise UserError(f"{labels} holds numbers of type {kind.name}, so {name!r} cannot be a label in it.") from error
    return value
