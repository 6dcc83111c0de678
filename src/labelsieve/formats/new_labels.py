"""The labels of a corrected copy, in the type and the spelling of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.dataset import encode_labels
from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content


@dataclass(frozen=True, eq=False)
class NewLabels:
    """For a source of n examples.

    Attributes:
        changed: position -> its new label: a position in `classes` if there are any, else a value of the source's type.
        keep: (n,) bool, false where the example is left out.
        classes: the class names with new ones at the end; None if the labels say them.
    """

    changed: Mapping[int, Any]
    keep: np.ndarray
    classes: tuple[str, ...] | None

    def into(self, values: np.ndarray, start: int, place: str, first: int = 0) -> np.ndarray:
        """The labels in an array that has m of them in any shape, or one column of 0 and 1 per class, corrected; they
        are those from `start` on. Texts get the width that the longest needs; codes count from `first`.

        Raises:
            UserError: a new label does not fit the array.
        """
        hot = values.size > max(values.shape)
        m = len(values) if hot else values.size
        new = {i - start: value for i, value in self.changed.items() if start <= i < start + m}
        if values.dtype.kind in "SU" and new:
            texts = np.array([value.encode() if values.dtype.kind == "S" else value for value in new.values()])
            values = values.astype(max(values.dtype, texts.dtype, key=lambda kind: kind.itemsize))
        out = values.copy()
        flat = out if hot else out.reshape(-1)
        for i, value in new.items():
            if hot:
                if not 0 <= value < values.shape[1]:
                    raise UserError(f"{place} has {values.shape[1]} columns, so it has none for another class.")
                flat[i] = np.arange(values.shape[1]) == value
                continue
            if isinstance(value, str):
                flat[i] = value.encode() if values.dtype.kind == "S" else value
                continue
            if values.dtype.kind in "iub":
                truth = values.dtype.kind == "b"
                low, high = (0, 1) if truth else (np.iinfo(values.dtype).min, np.iinfo(values.dtype).max)
                if not low <= value + first <= high:
                    raise UserError(f"{place} holds numbers of type {values.dtype}, so {value} cannot be one of them.")
            flat[i] = value + first if first else value
        return out


def new_labels(content: Content, changes: Mapping[str, str | None], place: str) -> NewLabels:
    """The new labels of the examples that `changes` name. A changed example gets the label that another of its new
    class has; a class that no example has is written from its name.

    Raises:
        UserError: the labels are numbers, and a new class is not one.
    """
    n = len(content.inputs)
    place_of = {key: i for i, key in enumerate(content.ids)} if content.ids is not None else None
    at = {int(key) if place_of is None else place_of[key]: name for key, name in changes.items()}
    keep = np.ones(n, bool)
    keep[[i for i, name in at.items() if name is None]] = False
    named = {i: name for i, name in at.items() if name is not None}
    if content.classes is not None:
        classes = (*content.classes, *dict.fromkeys(name for name in named.values() if name not in content.classes))
        code_of = {name: code for code, name in enumerate(classes)}
        return NewLabels({i: code_of[name] for i, name in named.items()}, keep, classes)
    given = [] if content.labels is None else content.labels
    given = np.unique(given).tolist() if isinstance(given, np.ndarray) else list({v for v in given if v is not None})
    value_of = {encode_labels([value])[1][0]: value for value in given}
    if value_of and all(name.endswith(".0") for name in value_of):  # read as whole numbers
        value_of = {name.removesuffix(".0"): value for name, value in value_of.items()}
    numbers = bool(given) and all(isinstance(value, int | float) for value in given)
    fresh = {name for name in named.values() if name not in value_of}
    value_of |= {name: _number(name, place) if numbers else name for name in fresh}
    return NewLabels({i: value_of[name] for i, name in named.items()}, keep, None)


def _number(name: str, place: str) -> int | float:
    try:
        value = float(name)
        return int(value) if value.is_integer() else value
    except (ValueError, OverflowError) as error:
        raise UserError(f"The labels of {place} are numbers, so {name!r} cannot be one of them.") from error
