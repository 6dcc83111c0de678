"""MATLAB files: versions 4 and 5 through SciPy, version 7.3, which is HDF5, through h5py.

The names of the variables say what they are (see `named_arrays`); fields of structs are named `data/train/images`.
Examples may be on the first axis or, as in SVHN, on the last. Class names are a cell array or a char matrix; labels
from 1 to K are positions in them that begin at 1, as MATLAB counts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.extras import need
from labelsieve.formats import arrays_in_memory, hdf5, named_arrays
from labelsieve.formats.content import Content
from labelsieve.formats.hdf5_rows import arrays_in, opened, rewritten
from labelsieve.formats.named_arrays import Pair
from labelsieve.formats.new_labels import NewLabels, new_labels
from labelsieve.places import paths

_COMPRESSED = 15  # code of a packed variable
_HEADER = 128  # bytes before the first variable


def recognises(place: str) -> bool:
    return paths.suffix(place) == ".mat" and paths.is_file(place)


def read(place: str) -> Content:
    named_arrays.require_local(place)
    if _is_hdf5(place):
        with opened(place) as file:
            arrays = arrays_in(file)
            found = _pairs_7_3(arrays, place)
            labels = [_stored(file, arrays[pair.labels]) for pair in found]
            ids = [_texts(_stored(file, arrays[pair.ids])) if pair.ids else None for pair in found]
            names = _texts(_stored(file, arrays[found[0].classes])) if found[0].classes else None
            labels, _ = named_arrays.from_zero(labels, names)
            return hdf5.content(place, arrays, found, labels, ids, names, reverse=True)
    variables = _loaded(place)
    arrays = {name: holder[key] for name, holder, key in _leaves(variables)}
    found = _pairs({name: array.shape for name, array in arrays.items()}, place, _closed(variables))
    labels = [_plain(arrays[pair.labels]) for pair in found]
    names = _texts(arrays[found[0].classes]) if found[0].classes else None
    ids = [_texts(arrays[pair.ids]) if pair.ids else None for pair in found]
    labels, _ = named_arrays.from_zero(labels, names)
    return arrays_in_memory.content(arrays, found, labels, names, ids, place, named_arrays.unused(arrays, found))


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    """All variables stay; an array with one entry per example loses those that are left out."""
    new, target = new_labels(content, changes, place), out / os.path.basename(place)
    if _is_hdf5(place):
        if new.classes != content.classes:
            added = ", ".join((new.classes or ())[len(content.classes or ()) :])
            raise UserError(f"{place} has no class {added}, and its class names are cells; add it in MATLAB first.")
        shutil.copyfile(place, target)
        with opened(place) as file, opened(str(target), "r+") as copy:
            arrays = arrays_in(file)
            found = _pairs_7_3(arrays, place)
            labels = [_stored(file, arrays[pair.labels]) for pair in found]
            new = _cells(arrays, found, labels, new, place) if labels[0].dtype.kind == "O" else new
            rewritten(file, copy, arrays, found, new, place, named_arrays.from_zero(labels, content.classes)[1])
        return ()
    io, variables = _scipy_io(place), _loaded(place)
    leaves = {name: (holder, key) for name, holder, key in _leaves(variables)}
    found = named_arrays.pairs({name: holder[key].shape for name, (holder, key) in leaves.items()}, place)
    first = named_arrays.from_zero([_plain(leaves[p.labels][0][leaves[p.labels][1]]) for p in found], content.classes)[
        1
    ]
    start = 0
    for pair in found:
        start += arrays_in_memory.corrected(leaves, pair, new, start, first, place, alone=len(found) == 1)
    if new.classes != content.classes and found[0].classes:
        holder, key = leaves[found[0].classes]
        holder[key] = _more_names(holder[key], (new.classes or ())[len(content.classes or ()) :])
    with paths.opened(place) as file:
        packed = int.from_bytes(file.read(_HEADER + 4)[_HEADER:], "little") == _COMPRESSED
    old = io.matlab.matfile_version(place)[0] == 0
    plain = {name: value for name, value in variables.items() if not name.startswith("__")}
    io.savemat(
        target, plain, appendmat=False, format="4" if old else "5", do_compression=packed, long_field_names=not old
    )
    return ()


def _is_hdf5(place: str) -> bool:
    with paths.opened(place) as file:
        return file.read(10) == b"MATLAB 7.3"


def _scipy_io(place: str) -> Any:
    _ = need("scipy.io.matlab", f"{place} is a MATLAB file, which", "arrays", "SciPy")
    import scipy.io

    return scipy.io


def _loaded(place: str) -> dict[str, Any]:
    io = _scipy_io(place)
    try:
        return io.loadmat(place, appendmat=False)
    except Exception as error:  # a damaged file raises almost anything
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise UserError(f"{place} cannot be read as a MATLAB file: {reason}.") from error


def _leaves(holder: Any, before: str = "") -> Iterator[tuple[str, Any, str]]:
    """The arrays of variables and of fields of structs: their path, what holds them, and their name in it."""
    for key in holder if isinstance(holder, dict) else holder.dtype.names:
        value = holder[key]
        if key.startswith("__") or not getattr(value, "shape", ()):
            continue
        if getattr(value, "dtype", None) is not None and value.dtype.names:
            if value.size == 1:
                yield from _leaves(value.reshape(-1)[0], f"{before}{key}/")
        else:
            yield f"{before}{key}", holder, key


def _closed(variables: Mapping[str, Any]) -> list[str]:
    """The variables that only MATLAB opens: objects of its classes, and arrays of structs."""
    kinds = {name: getattr(getattr(value, "dtype", None), "names", None) for name, value in variables.items()}
    return [
        name
        for name, fields in kinds.items()
        if fields and (type(variables[name]).__name__ == "MatlabOpaque" or variables[name].size > 1)
    ]


def _pairs_7_3(arrays: Mapping[str, Any], place: str) -> list[Pair]:
    """As `named_arrays.pairs`, without objects, whose array holds nothing but numbers of MATLAB's own."""
    closed = [name for name, array in arrays.items() if "MATLAB_object_decode" in array.attrs]
    return _pairs({name: array.shape[::-1] for name, array in arrays.items() if name not in closed}, place, closed)


def _pairs(shapes: Mapping[str, tuple[int, ...]], place: str, closed: Sequence[str]) -> list[Pair]:
    try:
        return named_arrays.pairs(shapes, place)
    except UserError as error:
        if not closed:
            raise
        raise error.followed_by(
            f"Objects of MATLAB (categorical, string, table) and arrays of structs are not read: {', '.join(closed)}. "
            "In MATLAB save cellstr(y) or double(y) instead."
        ) from error


def _cells(
    arrays: Mapping[str, Any], found: Sequence[Pair], labels: Sequence[np.ndarray], new: NewLabels, place: str
) -> NewLabels:
    """The new labels as references to the cells that hold these texts.

    Raises:
        UserError: no cell holds one of them.
    """
    references = [cell for pair in found for cell in arrays[pair.labels][()].T.reshape(-1)]
    cell_of = dict(zip(np.concatenate(labels).tolist(), references, strict=True))
    missing = next((name for name in new.changed.values() if name not in cell_of), None)
    if missing is not None:
        raise UserError(f"{place} has no class {missing!r}, and its labels are cells; add it in MATLAB first.")
    return replace(new, changed={i: cell_of[name] for i, name in new.changed.items()})


def _plain(labels: Any) -> np.ndarray:
    """Labels with the texts of cells, or of a char matrix without the blanks that fill it, as texts."""
    return np.array(_texts(labels), object) if labels.dtype.kind in "OU" else labels


def _texts(values: np.ndarray) -> list[str]:
    """The texts of a cell array or a char matrix, without the blanks that fill it."""
    cells = [np.asarray(value).reshape(-1) for value in values.reshape(-1)]
    return ["".join(map(str, cell.tolist())).rstrip() for cell in cells]


def _more_names(names: np.ndarray, more: tuple[str, ...]) -> np.ndarray:
    if names.dtype.kind != "O":
        return np.array([*names.tolist(), *more])
    cells = np.empty(len(more), object)
    cells[:] = [np.array([name]) for name in more]
    flat = np.concatenate([names.reshape(-1), cells])
    return flat.reshape(1, -1) if names.shape[0] == 1 else flat.reshape(-1, 1)


def _stored(file: Any, array: Any) -> np.ndarray:
    """An array of a 7.3 file as MATLAB has it; cells of texts as texts."""
    values = array[()].T
    if array.dtype.kind == "O":
        return np.array(["".join(map(chr, file[cell][()].ravel().tolist())) for cell in values.reshape(-1)], object)
    if array.attrs.get("MATLAB_class") == b"char":
        return np.array(["".join(map(chr, row)).rstrip() for row in values.tolist()])
    return values
