"""Arrays that are read whole (MATLAB's, `.npz`): their content, and their labels corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labelsieve.formats import named_arrays
from labelsieve.formats.content import Content
from labelsieve.formats.named_arrays import Pair
from labelsieve.formats.new_labels import NewLabels

Holders = Mapping[str, tuple[Any, str]]  # path of an array -> what holds it, and its name there


def content(
    arrays: Mapping[str, Any],
    found: Sequence[Pair],
    labels: Sequence[np.ndarray],
    names: Sequence[str] | None,
    ids: Sequence[Sequence[str] | None],
    place: str,
    notes: Sequence[str] = (),
) -> Content:
    """The content of pairs of arrays; a sparse matrix of SciPy gets its zeros.

    Args:
        labels: of each pair, from 0 if they are numbers that stand for `names`.
        names, ids: of the classes; of the examples of each pair.
    """
    if _is_text(arrays[found[0].inputs]):
        texts = [text for pair in found for text in named_arrays.text(_flat(arrays[pair.inputs]))]
        return named_arrays.content(found, labels, texts, "text", names, ids, notes)
    parts = []
    for pair, given in zip(found, labels, strict=True):
        array, n = arrays[pair.inputs], len(named_arrays.given(given, pair.labels).values)
        array = named_arrays.dense(array, place) if hasattr(array, "toarray") else array
        parts.append(np.moveaxis(array, named_arrays.row_axis(array.shape, n, pair, place), 0))
    form = named_arrays.image_axes(parts, place)
    if form is None:
        notes = (*named_arrays.flat(parts[0], found[0]), *notes)
        return named_arrays.content(found, labels, named_arrays.matrix(parts, place), "features", names, ids, notes)
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    images = whole.transpose(0, *(axis + 1 for axis in form))
    images = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
    return named_arrays.content(found, labels, images, "image", names, ids, notes)


def _is_text(array: Any) -> bool:
    """Whether it is an array of texts, or a cell array of them."""
    return array.dtype.kind in "SU" or (array.dtype.kind == "O" and np.asarray(array.reshape(-1)[0]).dtype.kind == "U")


def _flat(array: Any) -> list[Any]:
    """Texts in a list; a cell is an array of one text, or of none."""
    cells = [np.asarray(cell).reshape(-1).tolist() for cell in array.reshape(-1)]
    return [cell[0] if cell else "" for cell in cells]


def corrected(holders: Holders, pair: Pair, new: NewLabels, start: int, first: int, place: str, alone: bool) -> int:
    """Correct the labels of one split in what holds them, and take out what is left out; returns their number.

    Args:
        start: the position of its first label among all.
        first: the number of the first class.
        alone: whether it is the only split, so that every array with one entry per example belongs to it.
    """
    holder, key = holders[pair.labels]
    labels = holder[key]
    n = named_arrays.count(labels)
    if labels.dtype.kind == "O":  # a cell array of texts
        for i, value in new.changed.items():
            if start <= i < start + n:
                labels.reshape(-1)[i - start] = np.array([value])
    else:
        holder[key] = new.into(labels, start, f"{place}, {pair.labels}", first)
    keep = new.keep[start : start + n]
    if keep.all():
        return n
    others = {pair.inputs, pair.labels, pair.ids} - {""}
    if alone:
        others |= {name for name, (at, of) in holders.items() if at[of].shape[:1] == (n,)} - {pair.classes}
    for name in others:
        at, of = holders[name]
        array = at[of]
        axis = next((axis for axis in (0, array.ndim - 1) if array.shape[axis] == n), None)
        if axis is not None:
            rows = np.flatnonzero(keep)
            at[of] = array[rows] if axis == 0 else array[(slice(None),) * axis + (rows,)]
    return n
