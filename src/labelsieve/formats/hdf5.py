"""HDF5 files of arrays, as h5py and PyTables write them.

The names of the arrays say what they are (see `named_arrays`); class names may stand in an array, or in an attribute of
the labels or of the file. Images stay in the file and are read when they are indexed (see `hdf5_rows`); features are
mapped from it or, if they are packed there, from a temporary file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.formats import named_arrays
from labelsieve.formats.content import Content
from labelsieve.formats.hdf5_rows import Images, Rows, arrays_in, holds_bytes, is_text, opened, rewritten, values_of
from labelsieve.formats.named_arrays import Pair
from labelsieve.formats.new_labels import NewLabels, new_labels
from labelsieve.places import paths

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
_ATTRIBUTES = ("class_names", "classes", "label_names", "names")


def recognises(place: str) -> bool:
    return paths.suffix(place) in SUFFIXES and not place.endswith(".gz") and paths.is_file(place)


def read(place: str) -> Content:
    named_arrays.require_local(place)
    with opened(place) as file:
        arrays = arrays_in(file)
        found = _pairs(file, arrays, place)
        labels, names = _labels(file, arrays, found)
        ids = [named_arrays.text(values_of(file, arrays[pair.ids]).ravel()) if pair.ids else None for pair in found]
        return content(place, arrays, found, labels, ids, names, reverse=False)


def content(
    place: str,
    arrays: Mapping[str, Any],
    found: Sequence[Pair],
    labels: Sequence[np.ndarray],
    ids: Sequence[Sequence[str] | None],
    names: Sequence[str] | None,
    reverse: bool,
) -> Content:
    """The content of pairs of HDF5 arrays; those that MATLAB wrote have their axes in reverse order."""
    others = named_arrays.unused(arrays, found)
    first = arrays[found[0].inputs]
    if is_text(first.dtype):
        texts = [text for pair in found for text in _texts(arrays[pair.inputs])]
        return named_arrays.content(found, labels, texts, "text", names, ids, others)
    parts = []
    for pair, array in zip(found, labels, strict=True):
        n, kind = len(named_arrays.given(array, pair.labels).values), arrays[pair.inputs]
        shape = kind.shape[::-1] if reverse else kind.shape
        axis = named_arrays.row_axis(shape, n, pair, place)
        rest = [i for i in range(len(shape)) if i != axis]
        if reverse:
            axis, rest = len(shape) - 1 - axis, [len(shape) - 1 - i for i in rest]
        parts.append(Rows(place, pair.inputs, axis, tuple(rest), kind.shape, kind.dtype))
    if holds_bytes(first.dtype):
        return named_arrays.content(found, labels, Images(tuple(parts), None), "image", names, ids, others)
    form = named_arrays.image_axes(parts, place)
    if form is not None:
        return named_arrays.content(found, labels, Images(tuple(parts), form), "image", names, ids, others)
    only = parts[0].mapped() if len(parts) == 1 else None
    inputs = named_arrays.matrix(parts, place) if only is None else only
    notes = (*named_arrays.flat(parts[0], found[0]), *others)
    return named_arrays.content(found, labels, inputs, "features", names, ids, notes)


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """All arrays and attributes stay; an array with one row per example loses the rows that are left out."""
    new = new_labels(content, changes, place)
    target = out / os.path.basename(place)
    shutil.copyfile(place, target)
    with opened(place) as file:
        arrays = arrays_in(file)
        found = _pairs(file, arrays, place)
        names, first = _names_beside(file, arrays, found), 0
        if names is not None:
            first = named_arrays.from_zero([values_of(file, arrays[pair.labels]) for pair in found], names)[1]
        elif codes := _enum(arrays[found[0].labels]):
            new = _of_enum(new, codes, f"{place}, {found[0].labels}")
        with opened(str(target), "r+") as copy:
            rewritten(file, copy, arrays, found, new, place, first)
            if new.classes != content.classes:
                _save_class_names(copy, arrays, found, new.classes or ())
    return ()


def _pairs(file: Any, arrays: Mapping[str, Any], place: str) -> list[Pair]:
    """As `named_arrays.pairs`, with a hint at what is in the file instead."""
    try:
        return named_arrays.pairs({name: array.shape for name, array in arrays.items()}, place)
    except UserError as error:
        import h5py

        fields = [f"{name} ({', '.join(array.dtype.names)})" for name, array in arrays.items() if array.dtype.names]
        links = [name for name in file if not isinstance(file.get(name, getlink=True), h5py.HardLink)]
        if {"model_config", "keras_version"} & {*file.attrs} or "model_weights" in file:
            raise UserError(f"{place} is a model of Keras, not data.") from error
        if fields:
            raise error.followed_by(
                f"Tables with fields are not read as they are: {'; '.join(fields)}. Pass one in Python as a frame: "
                "labelsieve.load(pandas.DataFrame(...))."
            ) from error
        raise (error.followed_by(f"Links are not followed: {', '.join(links)}.") if links else error) from error


def _labels(file: Any, arrays: Mapping[str, Any], found: Sequence[Pair]) -> tuple[list[np.ndarray], list[str] | None]:
    """The labels of each pair, and the class names in the order of their numbers, if there are any."""
    labels = [values_of(file, arrays[pair.labels]) for pair in found]
    names = _names_beside(file, arrays, found)
    codes = _enum(arrays[found[0].labels])
    if names is not None or not codes:
        return named_arrays.from_zero(labels, names)[0], names
    values = np.array([*codes.values()])
    return [np.searchsorted(values, array) for array in labels], [*codes]


def _enum(array: Any) -> dict[str, int]:
    """The names of an enumerated type and their numbers in ascending order; {} for any other type."""
    import h5py

    codes = h5py.check_enum_dtype(array.dtype) or {}
    return dict(sorted(codes.items(), key=lambda item: item[1]))


def _of_enum(new: NewLabels, codes: Mapping[str, int], what: str) -> NewLabels:
    """The new labels as numbers of an enumerated type.

    Raises:
        UserError: the type lacks a class.
    """
    missing = (new.classes or ())[len(codes) :]
    if missing:
        raise UserError(f"{what} is of an enumerated type ({', '.join(codes)}), which has no {missing[0]!r}.")
    values = [*codes.values()]
    return replace(new, changed={i: values[code] for i, code in new.changed.items()})


def _texts(array: Any) -> list[str]:
    return named_arrays.text(array.asstr(errors="backslashreplace")[()].reshape(-1).tolist())


def _names_beside(file: Any, arrays: Mapping[str, Any], found: Sequence[Pair]) -> list[str] | None:
    """Class names in an array or an attribute."""
    if found[0].classes:
        return named_arrays.text(values_of(file, arrays[found[0].classes]).ravel())
    for holder, name in _attributes(file, arrays, found):
        return named_arrays.text(np.asarray(holder.attrs[name]).ravel())
    return None


def _attributes(file: Any, arrays: Mapping[str, Any], found: Sequence[Pair]) -> list[tuple[Any, str]]:
    """Where class names stand as an attribute."""
    holders = (file[found[0].labels], file[found[0].labels].parent, file)
    listed = ((holder, name) for holder in holders for name in _ATTRIBUTES if name in holder.attrs)
    return [(holder, name) for holder, name in listed if np.ndim(holder.attrs[name])]


def _save_class_names(copy: Any, arrays: Mapping[str, Any], found: Sequence[Pair], names: Sequence[str]) -> None:
    import h5py

    if (key := found[0].classes) and key in copy:
        attributes = dict(copy[key].attrs)
        fixed = copy[key].dtype.kind == "S"
        del copy[key]
        copy[key] = np.array([name.encode() for name in names]) if fixed else np.array(names, h5py.string_dtype())
        copy[key].attrs.update(attributes)
    for holder, name in _attributes(copy, arrays, found):
        holder.attrs[name] = np.array(list(names), h5py.string_dtype())
