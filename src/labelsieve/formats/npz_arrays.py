"""`.npz` files whose arrays have names of their own: MedMNIST's `train_images` and `train_labels`, Keras' `x_train` and
`y_train`, `X` and `y` (see `named_arrays`). Files with Labelsieve's own names are read by `data.array_file`.

A corrected copy has the same members, packed in the same way; those without changes keep their bytes.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.plain_values import plain_array
from labelsieve.formats import arrays_in_memory, named_arrays
from labelsieve.formats.content import Content
from labelsieve.formats.named_arrays import Pair
from labelsieve.formats.new_labels import new_labels
from labelsieve.places import paths
from labelsieve.places.numpy_files import npz_keys, read_npz

Notes = tuple[str, ...]


def recognises(place: str) -> bool:
    if paths.suffix(place) != ".npz" or not paths.is_file(place):
        return False
    keys = npz_keys(place)
    if not keys or {"features", "images"} & {*keys}:
        return False
    try:
        return bool(_pairs(keys, place))
    except UserError:
        return False


def read(place: str) -> Content:
    keys = npz_keys(place)
    found = _pairs(keys, place)
    arrays = {key: plain_array(value, key) for key, value in read_npz(place, _needed(found)).items()}
    labels = [arrays[pair.labels] for pair in found]
    names = named_arrays.text(arrays[found[0].classes].ravel()) if found[0].classes else None
    labels, _ = named_arrays.from_zero(labels, names)
    ids = [named_arrays.text(arrays[pair.ids].ravel()) if pair.ids else None for pair in found]
    return arrays_in_memory.content(arrays, found, labels, names, ids, place, named_arrays.unused(keys, found))


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    new = new_labels(content, changes, place)
    keys = npz_keys(place)
    found = _pairs(keys, place)
    old, notes = dict(read_npz(place, _needed(found))), ()
    if len(found) == 1 and not new.keep.all():
        beside, notes = _beside(keys, old, place)
        old |= beside
    arrays = dict(old)
    start, first = 0, named_arrays.from_zero([old[pair.labels] for pair in found], content.classes)[1]
    for pair in found:
        holders = {key: (arrays, key) for key in arrays}
        start += arrays_in_memory.corrected(holders, pair, new, start, first, place, alone=len(found) == 1)
    if new.classes != content.classes and found[0].classes:
        more = np.array((new.classes or ())[len(content.classes or ()) :])
        names = arrays[found[0].classes]
        arrays[found[0].classes] = np.concatenate([names, more.astype(names.dtype.kind)])
    with (
        paths.opened(place) as file,
        zipfile.ZipFile(file) as source,
        zipfile.ZipFile(out / os.path.basename(place), "w") as copy,
    ):
        for member in source.infolist():
            key = member.filename.removesuffix(".npy")
            same = key not in arrays or arrays[key] is old[key]
            copy.writestr(member, source.read(member) if same else _bytes(arrays[key]), member.compress_type)
    return notes


def _beside(keys: list[str], known: Mapping[str, np.ndarray], place: str) -> tuple[dict[str, np.ndarray], Notes]:
    """The other arrays, of which each may have one entry per example, and a note about those that are not opened."""
    found, closed = {}, []
    for key in keys:
        try:
            found |= {} if key in known else read_npz(place, {key})
        except UserError:  # Python objects
            closed.append(key)
    listed = ", ".join(closed)
    return found, (f"Copied whole, because it holds Python objects, which are not opened: {listed}.",) if closed else ()


def _pairs(keys: list[str], place: str) -> list[Pair]:
    return named_arrays.pairs(dict.fromkeys(keys, ()), place)


def _needed(found: list[Pair]) -> set[str]:
    return {name for pair in found for name in (pair.inputs, pair.labels, pair.ids, pair.classes)} - {""}


def _bytes(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
