"""A map-style torch `Dataset` of (input, label): torchvision's, a `TensorDataset`, a `Subset`, or the user's own.

Inputs may be Pillow images, image tensors (C, H, W) of bytes or of values 0 to 1, arrays (H, W[, C]) of bytes, texts,
or features (d,). Images are read when they are needed, so the data set's transform should neither be random nor
normalise. Its `targets`, if it has them, are the labels; otherwise every item is read once for its label. Its `classes`
are the class names. A `Subset` or a `ConcatDataset` has those of the data sets in it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError, cause
from labelsieve.core.plain_values import plain_label
from labelsieve.data import array_file
from labelsieve.data.raw_data import Draft


def is_torch(source: Any) -> bool:
    """Whether it is a torch Dataset; does not import torch."""
    return any(kind.__module__.startswith("torch.utils.data") for kind in type(source).__mro__)


def from_torch(dataset: Any) -> Draft:
    """The draft of a map-style torch Dataset.

    Raises:
        UserError: it has no length or no items, or its items are not readable pairs (input, label).
    """
    source = f"the {type(dataset).__name__}"
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        way = "pass its dataset" if hasattr(dataset, "dataset") else "give a map-style torch Dataset"
        raise UserError(f"{source} has no length and no items by number; {way}.")
    n = len(dataset)
    if n == 0:
        raise UserError(f"{source} is empty.")
    known, names = _known(dataset)
    labels, broken = _read(dataset, n, source) if known is None else (known, {})
    if len(broken) == n:
        raise UserError(f"{source} has no item that can be read; {broken[0]}.")
    first = _pair(dataset[next(i for i in range(n) if i not in broken)], source)[0]
    classes = (
        tuple(map(str, names))
        if names is not None and labels.dtype.kind in "iu" and labels.max() < len(names)
        else None
    )
    if isinstance(first, str):
        draft = array_file.from_values([None if i in broken else dataset[i][0] for i in range(n)])
    elif not _is_image(first) and np.asarray(first).ndim == 1:
        gap = np.full_like(np.asarray(first, np.float32), np.nan)
        rows = [gap if i in broken else np.asarray(dataset[i][0]) for i in range(n)]
        draft = array_file.from_values(np.stack(rows), source)
    else:
        pixels(first, source)
        draft = Draft(Images(dataset, source), "image", source, None)
    unusable = {**draft.unusable, **broken}
    return Draft(draft.inputs, draft.kind, source, labels, classes=classes, unusable=unusable)


class Images(Sequence):
    """The images of a data set, each read when indexed: uint8 (H, W[, C]), or the bytes of one with more than 8
    bits."""

    def __init__(self, dataset: Any, source: str):
        self._dataset, self._source = dataset, source

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, i: int) -> np.ndarray | bytes:
        return pixels(self._dataset[int(i)][0], self._source)


def pixels(image: Any, source: str) -> np.ndarray | bytes:
    """Uint8 (H, W) or (H, W, C) of a Pillow image, a tensor with channels first, or an array with channels last. A grey
    image of more than 8 bits becomes a TIFF file in memory, which is read like any other file: with one scale for the
    data set.

    Raises:
        UserError: it is none of these, or its values are not 0 to 1.
    """
    if _is_image(image) and image.mode.startswith(("I", "F")):
        return _file(image)
    if _is_image(image):
        return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    values = np.asarray(image)
    if _is_tensor(image) and values.ndim == 3:
        values = values.transpose(1, 2, 0)
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if (
        values.ndim not in (2, 3)
        or (values.ndim == 3 and values.shape[2] not in (3, 4))
        or values.dtype.kind not in "fu"
    ):
        raise UserError(
            f"{source} has an item of shape {values.shape} and type {values.dtype}, which is not an image, a text or a "
            "row of features."
        )
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16 and values.ndim == 2:
        from PIL.Image import fromarray

        return _file(fromarray(values))
    low, high = float(values.min()), float(values.max())
    if not 0 <= low <= high <= 1:
        raise UserError(
            f"{source} has an image of values {low:.3g} to {high:.3g}, not 0 to 1; leave Normalize out of its "
            "transform."
        )
    return (values * 255).round().astype(np.uint8)


def _file(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "TIFF")
    return file.getvalue()


def _known(dataset: Any) -> tuple[np.ndarray | None, Sequence[Any] | None]:
    """(n,) labels that need no item to be read, or None: the `targets`, also of what a `Subset` (`random_split` makes
    them) or a `ConcatDataset` consists of; and the class names, or None."""
    kind = type(dataset).__module__.startswith("torch.utils.data") and type(dataset).__name__
    if kind == "Subset":
        labels, names = _known(dataset.dataset)
        return None if labels is None else labels[np.asarray(dataset.indices, np.int64)], names
    if kind == "ConcatDataset":
        parts = [_known(part) for part in dataset.datasets]
        names = None if any(part[1] is None for part in parts) else list(parts[0][1] or ())
        same = names is not None and all(list(part[1] or ()) == names for part in parts)
        if names is not None and not same:  # each part has codes of its own
            return _of_names(parts), None
        labels = [part[0] for part in parts if part[0] is not None]
        return np.concatenate(labels) if len(labels) == len(parts) else None, names
    labels = getattr(dataset, "targets", None)
    fits = labels is not None and np.ndim(labels) == 1 and len(labels) == len(dataset)
    return np.asarray(labels) if fits else None, getattr(dataset, "classes", None)


def _of_names(parts: Sequence[tuple[np.ndarray | None, Sequence[Any] | None]]) -> np.ndarray | None:
    """The labels of several data sets as names of classes."""
    if any(labels is None or labels.dtype.kind not in "iu" for labels, _ in parts):
        return None
    return np.array([str((names or ())[k]) for labels, names in parts for k in np.asarray(labels).tolist()])


def _read(dataset: Any, n: int, source: str) -> tuple[np.ndarray, dict[int, str]]:
    """(n,) labels of the items, each of which is read; and the items that cannot be read -> why.

    Raises:
        UserError: an item has several labels, or one column of 0 and 1 per class.
    """
    labels: dict[int, Any] = {}
    broken: dict[int, str] = {}
    for i in range(n):
        try:
            item = dataset[i]
        except Exception as error:  # of the user's code
            broken[i] = f"the item cannot be read ({cause(error)})"
            continue
        label = _pair(item, source)[1]
        try:
            labels[i] = plain_label(label, f"The labels of {source}", i)
        except UserError as error:
            raise error.followed_by(
                "Pass labels of your own, one per example: of one-hot rows the argmax; of several labels one class at "
                "a time, 1 where the example has it and 0 where not."
            ) from error
    filler = next(iter(labels.values()), 0)
    return np.asarray([labels.get(i, filler) for i in range(n)]), broken


def _is_tensor(value: Any) -> bool:
    """Whether it is a torch tensor, or of a class of its own such as torchvision's `Image`."""
    return any(kind.__module__.partition(".")[0] == "torch" for kind in type(value).__mro__)


def _pair(item: Any, source: str) -> tuple[Any, Any]:
    if not isinstance(item, (tuple, list)) or len(item) < 2:
        raise UserError(f"{source} has items of type {type(item).__name__}; they should be pairs (input, label).")
    return item[0], item[1]


def _is_image(value: Any) -> bool:
    return hasattr(value, "convert") and hasattr(value, "mode")
