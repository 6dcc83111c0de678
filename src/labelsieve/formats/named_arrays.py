"""Which of the named arrays of a file are the inputs, which the labels: the names that people use in HDF5 and MATLAB
files.

`X` and `y`, `images` and `labels`, `x_train` and `y_train`, `train_set_x` and `train_set_y`, `train/images` and
`train/labels`, `fea` and `gnd`: a name is its words without that of a split. Text arrays called `ids`, `classes` or
`class_names` belong to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.memory_map import temporary
from labelsieve.formats.content import Content
from labelsieve.places import paths

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_SPLITS |= {"testing": "test", "dev": "dev", "eval": "eval", "extra": "extra"}
_INPUTS = ("x", "data", "images", "image", "imgs", "img", "features", "feats", "fea", "inputs", "embeddings", "samples")
_TEXTS = ("text", "texts", "sentence", "sentences", "document", "documents")  # inputs if there are no others
_LABELS = ("y", "labels", "label", "targets", "target", "gnd")
_CLASSES = ("classes", "class_names", "classnames", "label_names", "list_classes", "target_names")
_IDS = ("ids", "id", "filenames", "file_names", "keys")
_SHOWN = 8
_DENSEST = 4_000_000_000  # bytes
_GLUED = re.compile(rf"({'|'.join(_SPLITS)})({'|'.join(_INPUTS + _LABELS)})|([xy])({'|'.join(_SPLITS)})")


@dataclass(frozen=True)
class Pair:
    """The names of the arrays of one split; "" for a split, ids or classes that there are not."""

    split: str
    inputs: str
    labels: str
    ids: str = ""
    classes: str = ""


@dataclass(frozen=True)
class Given:
    """Labels of an array: n codes or values, and whether they stood as one column of 0 and 1 per class."""

    values: np.ndarray
    one_hot: bool = False


def pairs(shapes: Mapping[str, tuple[int, ...]], place: str) -> list[Pair]:
    """The pairs of inputs and labels among arrays of these shapes, train first.

    Raises:
        UserError: there is none, or it is not clear which arrays belong together.
    """
    roles: dict[tuple[str, str], dict[str, list[str]]] = {}
    for name in shapes:
        prefix, split, role = _role(name)
        if role:
            roles.setdefault((prefix, split), {}).setdefault(role, []).append(name)
    for found in roles.values():
        if "inputs" not in found and "texts" in found:
            found["inputs"] = found["texts"]
    complete = {key: found for key, found in roles.items() if {"inputs", "labels"} <= found.keys()}
    listed = ", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:12])
    if not complete:
        raise UserError(
            f"{place} holds no arrays that are called like inputs and labels (X and y, images and labels, x_train and "
            f"y_train). There are: {listed or 'none'}. Rename them, or read them in Python: "
            "labelsieve.load(X, labels=y)."
        )
    for (_, split), found in complete.items():
        for role in ("inputs", "labels"):
            if len(found[role]) > 1:
                where = f" of {split}" if split else ""
                raise UserError(
                    f"{place} has several arrays that may be the {role}{where} ({', '.join(found[role])}); read one in "
                    "Python: labelsieve.load(X, labels=y)."
                )
    if len({split for _, split in complete}) < len(complete):
        several = ", ".join(found["inputs"][0] for found in complete.values())
        raise UserError(
            f"{place} holds several data sets ({several}); read one in Python: labelsieve.load(X, labels=y)."
        )
    return sorted(
        (
            Pair(
                split,
                found["inputs"][0],
                found["labels"][0],
                *(_beside(roles, prefix, split, role) for role in ("ids", "classes")),
            )
            for (prefix, split), found in complete.items()
        ),
        key=lambda pair: list(_SPLITS).index(pair.split) if pair.split else -1,
    )


def _beside(roles: Mapping[tuple[str, str], dict[str, list[str]]], prefix: str, split: str, role: str) -> str:
    """The array of ids of the split itself, or of classes of the split, of the data set, or of the file."""
    keys = [(prefix, split)] if role == "ids" else [(prefix, split), (prefix, ""), ("", "")]
    return next((roles[key][role][0] for key in keys if role in roles.get(key, {})), "")


def _role(name: str) -> tuple[str, str, str]:
    """The words before, the split and the role that a name speaks of."""
    words = re.split(r"[/_.\-\s]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    if glued := _GLUED.fullmatch(words[-1]):
        words[-1:] = [part for part in glued.groups() if part]
    split = next((word for word in words if word in _SPLITS), "")
    rest = [word for word in words if word and word != split and word != "set"]
    for role, names in (
        ("classes", _CLASSES),
        ("ids", _IDS),
        ("inputs", _INPUTS),
        ("labels", _LABELS),
        ("texts", _TEXTS),
    ):
        for length in (2, 1):
            if len(rest) >= length and "_".join(rest[-length:]) in names:
                return "/".join(rest[:-length]), _SPLITS.get(split, ""), role
    return "", "", ""


def row_axis(shape: Sequence[int], n: int, pair: Pair, place: str) -> int:
    """The axis of the examples in an array of inputs: the first, or the last, as in MATLAB's images.

    Raises:
        UserError: neither has n examples.
    """
    if n in (shape[0], shape[-1]):
        return 0 if shape[0] == n else len(shape) - 1
    raise UserError(f"{place} has {n:,} labels in {pair.labels}, but {pair.inputs} has the shape {tuple(shape)}.")


def given(labels: np.ndarray, name: str) -> Given:
    """n labels: an array of n values with any axes of length 1, or of one column of 0 and 1 per class.

    Raises:
        UserError: it is neither.
    """
    if labels.size == max(labels.shape, default=0):
        return Given(labels.reshape(-1))
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and ((labels == 0) | (labels == 1)).all():
        if (labels.sum(axis=1) == 1).all():
            return Given(labels.argmax(axis=1), True)
        raise UserError(
            f"{name} has one column of 0 and 1 per class, but a row with several classes or none; each example needs "
            "exactly one."
        )
    raise UserError(f"{name} has shape {labels.shape}; it should hold one label per example.")


def from_zero(labels: list[np.ndarray], names: Sequence[str] | None) -> tuple[list[np.ndarray], int]:
    """Labels that are whole numbers as positions in K class names, -1 for NaN; and the number of the first class, 1 if
    they go from 1 to K. Other labels as they are."""
    labels = [array.astype(np.int64) if array.dtype.kind == "b" else array for array in labels] if names else labels
    plain = all(array.dtype.kind in "iuf" and array.size == max(array.shape) > 0 for array in labels)
    if names is None or not plain or any((array % 1 > 0).any() for array in labels):
        return labels, 0
    first = int(
        min(np.nanmin(array) for array in labels) >= 1 and max(np.nanmax(array) for array in labels) == len(names)
    )
    return [np.where(np.isnan(array), -1, array - first).astype(np.int64) for array in labels], first


def count(labels: Any) -> int:
    """How many labels an array has: its values, or the rows of one column of 0 and 1 per class."""
    return labels.size if labels.size == max(labels.shape) else labels.shape[0]


def image_axes(parts: Sequence[Any], place: str) -> tuple[int, ...] | None:
    """How to order the axes of one example (H, W), (H, W, C) or (C, H, W) so that it is an image; None if it is not.

    Args:
        parts: arrays of examples, (n, ...) each.

    Raises:
        UserError: their examples have different sizes.
    """
    shapes = [tuple(part.shape[1:]) for part in parts]
    if len(set(shapes)) > 1:
        raise UserError(f"The inputs of {place} have different sizes: {', '.join(map(str, sorted(set(shapes))))}.")
    shape = shapes[0]
    if any(part.dtype != np.uint8 for part in parts) or len(shape) not in (2, 3) or 0 in shape:
        return None
    if len(shape) == 2 or shape[2] in (1, 3, 4):
        return tuple(range(len(shape)))
    return (1, 2, 0) if shape[0] in (1, 3, 4) else None


def flat(part: Any, pair: Pair) -> tuple[str, ...]:
    """A note if examples of several axes are read as features."""
    if len(part.shape) < 3:
        return ()
    return (
        f"{pair.inputs} holds arrays {tuple(part.shape[1:])} of type {part.dtype}, which are read as "
        f"{int(np.prod(part.shape[1:])):,} features; images are uint8 (H, W) or (H, W, C).",
    )


def unused(names: Iterable[str], found: Sequence[Pair]) -> tuple[str, ...]:
    """A note about the arrays of a file that are read as nothing."""
    read = {name for pair in found for name in (pair.inputs, pair.labels, pair.ids, pair.classes)}
    left = [name for name in names if name not in read]
    listed = ", ".join(left[:_SHOWN]) + (f" and {len(left) - _SHOWN:,} more" if len(left) > _SHOWN else "")
    read_as = ", ".join(f"{pair.inputs} with {pair.labels}" for pair in found)
    return (f"Read {read_as}; not used: {listed}.",) if left else ()


def require_local(place: str) -> None:
    """Raise a UserError if the file is at an address."""
    if paths.is_remote(place):
        raise UserError(f"{place} is at an address; such files are read in place, so copy it to this machine first.")


def text(values: Iterable[Any]) -> list[str]:
    """Ids or class names as text."""
    return [value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value) for value in values]


def matrix(parts: Sequence[Any], name: str) -> np.ndarray:
    """Features (n, d) of arrays (n, ...) that are read some rows at a time; a large matrix is in a temporary file."""
    n, d = sum(len(part) for part in parts), int(np.prod(parts[0].shape[1:]))
    odd = next((part.dtype for part in parts if part.dtype.kind not in "biuf"), None)
    if odd is not None:
        raise UserError(f"The inputs of {name} are of type {odd}; they should be numbers.")
    whole = np.result_type(*(part.dtype for part in parts))
    kind = whole if whole.kind == "f" else np.result_type(np.float32, whole)
    out, at = temporary((n, d), kind.newbyteorder("="), Path(gettempdir())), 0
    step = max(1, (1 << 24) // max(1, d * kind.itemsize))
    for part in parts:
        for start in range(0, len(part), step):
            rows = np.asarray(part[start : min(start + step, len(part))])
            out[at : at + len(rows)] = rows.reshape(len(rows), -1)
            at += len(rows)
    return out


def dense(sparse: Any, place: str) -> np.ndarray:
    """A SciPy matrix with its zeros.

    Raises:
        UserError: it would take more than 4 GB.
    """
    n, d = sparse.shape
    size = n * d * np.dtype(np.float32).itemsize
    if size > _DENSEST:
        raise UserError(
            f"{place} is sparse, {n:,} rows of {d:,} features; with its zeros it would take {size / 1e9:,.0f} GB, "
            "and 4 are read. Reduce the features first, as with scikit-learn's TruncatedSVD, and pass the result."
        )
    sparse, step = sparse.tocsr(), max(1, (1 << 24) // max(1, d))
    out = temporary((n, d), np.float32, Path(gettempdir()))
    for start in range(0, n, step):
        out[start : start + step] = sparse[start : start + step].toarray()
    return out


def content(
    found: Sequence[Pair],
    labels: Sequence[np.ndarray],
    inputs: Any,
    kind: Any,
    names: Sequence[str] | None,
    ids: Sequence[Sequence[str] | None],
    notes: Sequence[str] = (),
) -> Content:
    """The content of pairs of arrays, one after the other; ids without an array of them are `train/0`, or positions."""
    parts = [given(array, pair.labels) for array, pair in zip(labels, found, strict=True)]
    values = [part.values for part in parts]
    own = any(part is not None for part in ids) or len(found) > 1 or found[0].split != ""
    splits = [pair.split for pair, array in zip(found, values, strict=True) for _ in range(len(array))]
    keys: list[str] = []
    for pair, part, array in zip(found, ids, values, strict=True):
        before = f"{pair.split}/" if pair.split else ""
        keys += part if part is not None else [f"{before}{i}" for i in range(len(array))]
    named = [pair.labels for pair, part in zip(found, parts, strict=True) if part.one_hot]
    hot = [f"{name} has one column of 0 and 1 per class." for name in named]
    whole = np.concatenate(values)
    if whole.dtype.kind in "SO":
        whole = text(whole.tolist())
    classes = None if names is None else tuple(names)
    if classes is not None and not _fits(whole, classes):
        if not {*whole} <= {*classes}:
            notes = (
                *notes,
                f"The {len(classes):,} class names ({found[0].classes or 'an attribute'}) do not fit the labels.",
            )
        classes = None
    return Content(
        keys if own else None,
        whole,
        inputs,
        kind,
        classes,
        splits=splits if own else None,
        notes=(*hot, *notes),
    )


def _fits(labels: np.ndarray | list[str], names: tuple[str, ...]) -> bool:
    return isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and bool(labels.max(initial=0) < len(names))
