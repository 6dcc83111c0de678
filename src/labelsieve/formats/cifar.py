"""CIFAR-10 and CIFAR-100 in their binary version (cs.toronto.edu/~kriz/cifar.html): `data_batch_1.bin` to
`data_batch_5.bin` and `test_batch.bin`, or `train.bin` and `test.bin`, beside the names of the classes.

A row is the label in one byte (CIFAR-100: the coarse and the fine one, of which the fine one is read), then 3,072 bytes
of a picture, (3, 32, 32). The Python version is read by `cifar_python`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content
from labelsieve.places import paths

_PICTURE = 3072  # bytes
_NAMES = {"batches.meta.txt": 1, "fine_label_names.txt": 2}  # file of names -> bytes of labels
_BINARY = re.compile(r"(data_batch_\d+|test_batch|train|test)\.bin")
_OTHERS = ("coarse_label_names.txt", "readme.html")


def recognises(place: str) -> bool:
    names = _entries(place)
    return bool(_NAMES.keys() & names) and any(map(_BINARY.fullmatch, names))


def read(place: str) -> Content:
    names, files, bytes_of_label = _opened(place)
    rows = np.concatenate(list(files.values()))
    labels = rows[:, bytes_of_label - 1].astype(np.int64)
    if labels.max() >= len(names):
        raise UserError(f"{place} has the label {labels.max()}, but only {len(names)} classes have names.")
    pictures = rows[:, bytes_of_label:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    ids = [f"{name.removesuffix('.bin')}/{i}" for name, part in files.items() for i in range(len(part))]
    splits = ["test" if key.startswith("test") else "train" for key in ids]
    return Content(ids, labels, np.ascontiguousarray(pictures), "image", tuple(names), splits)


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """Only the bytes of changed labels are new; the coarse labels of CIFAR-100 stay.

    Raises:
        UserError: a new class, which the format has no room for.
    """
    names, files, bytes_of_label = _opened(place)
    for name, rows in files.items():
        rows, keep = rows.copy(), np.ones(len(rows), bool)
        for i in range(len(rows)):
            new = changes.get(f"{name.removesuffix('.bin')}/{i}", "")
            keep[i] = new is not None
            if new:
                if new not in names:
                    raise UserError(f"{place} has the classes {', '.join(names[:10])}, ..., so {new!r} cannot be one.")
                rows[i, bytes_of_label - 1] = names.index(new)
        (out / name).write_bytes(rows[keep].tobytes())
    for name in _entries(place) & {*_NAMES, *_OTHERS}:
        (out / name).write_bytes(paths.read(paths.join(place, name)))
    return ("The coarse labels are unchanged.",) if bytes_of_label == 2 and any(changes.values()) else ()


def _opened(place: str) -> tuple[list[str], dict[str, np.ndarray], int]:
    """The class names, the rows (n, bytes) uint8 of each file, and the bytes of labels before each picture."""
    entries = _entries(place)
    named = next((name for name in _NAMES if name in entries), None)
    if named is None:
        raise UserError(f"{place} holds no CIFAR in its binary version: data_batch_1.bin beside batches.meta.txt.")
    text = paths.read(paths.join(place, named)).decode("utf-8", "replace")
    size = _NAMES[named] + _PICTURE
    files = {}
    for name in sorted(filter(_BINARY.fullmatch, entries), key=lambda name: (name.startswith("test"), name)):
        raw = paths.read(paths.join(place, name))
        if not raw or len(raw) % size:
            raise UserError(f"{paths.join(place, name)} is damaged: its {len(raw):,} bytes are not rows of {size:,}.")
        files[name] = np.frombuffer(raw, np.uint8).reshape(-1, size)
    return text.split(), files, _NAMES[named]


def _entries(place: str) -> set[str]:
    return {one.name for one in paths.entries(place) if one.is_file} if paths.is_folder(place) else set()
