"""Arrays: .npz and .npy files, and NumPy arrays or lists of texts in memory. Nothing is ever unpickled."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelsieve.core import added_columns, memory_map
from labelsieve.core.arguments import shown
from labelsieve.core.errors import UserError
from labelsieve.core.plain_values import plain_array, plain_labels
from labelsieve.data.class_names import readable, word
from labelsieve.data.labels import is_missing
from labelsieve.data.raw_data import Draft
from labelsieve.places import paths
from labelsieve.places.numpy_files import read_npy, read_npz

_KINDS = {"U": "texts", "S": "bytes", "O": "Python objects", "V": "records", "M": "dates", "m": "spans of time"}
_BLOCK = 1 << 22  # values checked at once
KEYS = ("features", "images", "labels", "ids", "classes", "groups", "splits")


def load_arrays(path: str) -> Draft:
    """The draft of an .npz file (keys: see `KEYS`), or of a memory-mapped .npy file of features or images."""
    if paths.suffix(path) == ".npy":
        return from_values(read_npy(path), path)
    arrays = read_npz(path)
    inputs = [key for key in ("features", "images") if key in arrays]
    if len(inputs) != 1:
        both = "both features and images" if inputs else "neither features nor images"
        raise UserError(
            f"{path} holds {both}; it should hold one of them. Its keys are: {', '.join(arrays) or 'none'}."
        )
    kind = inputs[0]
    classes = class_names(arrays["classes"]) if "classes" in arrays else None
    draft = _images(arrays[kind], path) if kind == "images" else _features(arrays[kind], path)
    one_each = "splits" in arrays and arrays["splits"].shape == (len(draft.inputs),)
    return Draft(
        draft.inputs,
        draft.kind,
        path,
        plain_labels(arrays["labels"], f"labels in {path}") if "labels" in arrays else None,
        ids=names_in(arrays["ids"]) if "ids" in arrays else None,
        id_place="'ids'",
        groups=names_in(arrays["groups"]) if "groups" in arrays else None,
        classes=classes,
        unusable=draft.unusable,
        splits=names_in(arrays["splits"]) if one_each else None,
        notes=added_columns.passed_over(added_columns.added(arrays, KEYS)),
    )


def from_values(values: Any, source: str | None = None) -> Draft:
    """The draft, without labels, of features (n, d), of images (n, H, W[, C]) uint8, or of a list of texts."""
    source = source or "the array"
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "USO":
        values = values.tolist()
    if isinstance(values, (list, tuple)) and values and all(isinstance(value, bytes) for value in values):
        values = [word(value) for value in values]
    if (
        isinstance(values, (list, tuple))
        and values
        and all(value is None or isinstance(value, str) for value in values)
    ):
        empty = {i: "the text is empty" for i, value in enumerate(values) if is_missing(value)}
        return Draft(list(values), "text", "the list of texts", None, unusable=empty)
    if values is None:
        raise UserError("The data are None; give a path, an array, a list of texts, or a frame.")
    array = plain_array(values, f"The {type(values).__name__}")
    if array.dtype.kind not in "fiub" or not array.ndim:
        what = shown(values) + (f" of {_KINDS.get(array.dtype.kind, array.dtype)}" if array.ndim else "")
        records = isinstance(values, dict) or array.dtype.kind in "VO" or array.ndim > 1
        way = " Of records or columns make a frame: pandas.DataFrame(VALUES)." if records else ""
        raise UserError(
            f"{what[:1].upper()}{what[1:]} cannot be read as data; load reads a path, an array of features (n, d) or "
            f"of images (n, H, W[, C]) uint8, a list of texts or of paths of images, or a frame.{way}"
        )
    if not array.size and array.ndim == 1:
        raise UserError(f"The data are an empty {type(values).__name__}; give one example or more.")
    return _images(array, source) if array.ndim > 2 else _features(array, source)


def unusable_rows(matrix: np.ndarray, reason: str) -> dict[int, str]:
    """The rows (n, d) that hold a NaN or an infinity, found in blocks so that a memory map stays on disk."""
    if matrix.dtype.kind != "f":
        return {}
    step = max(1, _BLOCK // max(1, matrix.shape[1]))
    bad = [
        rows.start + np.flatnonzero(~np.isfinite(matrix[rows]).all(axis=1)) for rows in memory_map.blocks(matrix, step)
    ]
    return {int(i): reason for rows in bad for i in rows}


def _features(array: np.ndarray, source: str) -> Draft:
    array = plain_array(array, source)
    if array.ndim != 2 or array.dtype.kind not in "fiub" or not array.shape[1]:
        raise UserError(
            f"The features of {source} have shape {array.shape} and type {array.dtype}; they should be numbers (n, d)."
        )
    features = array if array.dtype.kind == "f" else array.astype(np.result_type(np.float32, array.dtype))
    return Draft(
        features, "features", source, None, unusable=unusable_rows(features, "a feature is missing, NaN or infinite")
    )


def _images(array: np.ndarray, source: str) -> Draft:
    if (
        array.dtype != np.uint8
        or array.ndim not in (3, 4)
        or (array.ndim == 4 and array.shape[3] not in (1, 3, 4))
        or 0 in array.shape[1:]
    ):
        first = array.ndim == 4 and array.shape[1] in (1, 3, 4) and array.shape[3] not in (1, 3, 4)
        way = " images.transpose(0, 2, 3, 1) moves the channels last." if first else ""
        way += " Of values from 0 to 1 (images * 255).astype('uint8') makes bytes." if array.dtype.kind == "f" else ""
        raise UserError(
            f"The images of {source} have shape {array.shape} and type {array.dtype}; they should be uint8 of shape "
            f"(n, H, W) or (n, H, W, C) with 1, 3 or 4 channels last.{way}"
        )
    return Draft(array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array, "image", source, None)


def class_names(values: np.ndarray) -> tuple[str, ...]:
    """The class names in an array, as text."""
    return tuple(str(name) for name in names_in(values))


def names_in(values: np.ndarray) -> list[str | None]:
    """Ids, classes or groups as text, None where missing."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "surrogateescape")
    return [None if is_missing(value) else readable(str(value)) for value in values.ravel().tolist()]
