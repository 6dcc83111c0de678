"""Given labels: what counts as missing, and a file or sequence of labels that replaces those of a source."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.data import places
from labelsieve.data.words import readable, word

NAMED = 3  # how many ids or names a message lists


def clean(values: Sequence[Any] | np.ndarray) -> list[Any]:
    """The labels, missing ones as None.

    Missing are None, NaN, NA and blank text; the word "nan" too, where all other labels are numbers. Text that a table wrote as
    "3.0" because its column of integers has gaps is the class "3", if all labels are of that form.
    """
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    texts = (word(value) if isinstance(value, bytes) else value for value in plain)
    cleaned = [None if is_missing(value) else value for value in texts]
    words = {value for value in cleaned if value is not None}
    odd: dict[Any, str] = {value: readable(value) for value in words if isinstance(value, str) and readable(value) != value}
    if odd:  # folders, whose names need not be text
        cleaned, words = [odd.get(value, value) for value in cleaned], {odd.get(value, value) for value in words}
    if words and all(isinstance(value, str) for value in words):
        rest = {value for value in words if value.lower() != "nan"}
        if rest and len(rest) < len(words) and all(_NUMBER.fullmatch(value) for value in rest):
            cleaned = [None if value in words - rest else value for value in cleaned]
        if rest and all(_WHOLE.fullmatch(value) for value in rest):
            cleaned = [value and value.partition(".")[0] for value in cleaned]
    return cleaned


_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_WHOLE = re.compile(r"-?\d+\.0")


def is_missing(value: Any) -> bool:
    """None, NaN, NA, NaT or blank text."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, (float, np.floating)) and value != value


def positions(names: Sequence[str], classes: Sequence[str], first: int = 0) -> np.ndarray | None:
    """Each name's position in the classes, counted from `first`; None if one is not among them."""
    place = {name: i for i, name in enumerate(classes, first)}
    return np.array([place[name] for name in names], np.int64) if all(name in place for name in names) else None


def replacement(labels: Any, ids: np.ndarray) -> tuple[Sequence[Any] | np.ndarray, str]:
    """The labels for the examples `ids` (n,), in their order.

    Args:
        labels: a sequence of n labels; or a file: a table with a column `label` and perhaps a column `id` (then matched by it),
            an .npy array, a .txt file of one label a line.

    Returns:
        n labels, None for an example that the file does not name, and the reason to give for those.

    Raises:
        UserError: the file cannot be read, names an id that the data do not have, or names one twice.
    """
    if not isinstance(labels, (str, os.PathLike)):
        return one_dimension(labels, "labels"), "the label is missing"
    path = os.fspath(labels)
    keys, values = read_labels(path)
    if keys is not None:
        values = matched(path, keys, values, ids)
    elif len(values) != len(ids):
        raise UserError(f"{path} has {len(values)} labels for {len(ids)} examples; give one a row, or add a column id.")
    return values, f"{path} gives it no label"


def matched(path: str, keys: Sequence[str | None], values: Sequence[Any] | np.ndarray, ids: Sequence[Any] | np.ndarray) -> list[Any]:
    """The `values` of the file at `path`, whose ids are `keys`, in the order of `ids`; None for an id that is not in the file."""
    require_unique(keys, path)
    by_id = dict(zip(keys, values.tolist() if isinstance(values, np.ndarray) else values, strict=True))
    known = set(ids)
    unknown = [key for key in keys if key not in known]
    if unknown:
        listed = ", ".join(repr(key) for key in unknown[:NAMED]) + (", ..." if len(unknown) > NAMED else "")
        example = f"; ids there look like {ids[0]!r}" if len(ids) else ""
        raise UserError(f"{path} names {len(unknown)} ids that the data do not have: {listed}{example}.")
    return [by_id.get(key) for key in ids]


def read_labels(path: str, label: str | None = None, id: str | None = None) -> tuple[list[str | None] | None, Sequence[Any] | np.ndarray]:
    """Ids (None if the file has none) and labels of a file: a table, an .npy array, a .txt file."""
    if not places.is_file(path):
        raise UserError(f"There is no file of labels {path}.")
    suffix = places.suffix(path)
    if suffix in (".npy", ".txt") and (label or id):
        raise UserError(f"{path} has no columns, so no column {(label or id)!r}.")
    if suffix == ".npy":
        from labelsieve.data.arrays import read_npy

        return None, one_dimension(read_npy(path), path)
    if suffix == ".txt":
        lines = places.read(path).removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n")
        return None, [line.removesuffix(b"\r") for line in lines]
    from labelsieve.data.readers import READERS
    from labelsieve.data.table import read_columns

    if suffix not in READERS:
        raise UserError(f"{path} is no file of labels; give a table ({', '.join(READERS)}), an .npy array or a .txt file.")
    return read_columns(path, label, id)


def one_dimension(labels: Any, what: str) -> np.ndarray | list[Any]:
    """The labels, if they are one a row."""
    array = labels if isinstance(labels, list) else np.asarray(labels)
    if isinstance(array, np.ndarray) and array.ndim != 1:
        raise UserError(f"{what} has shape {array.shape}; give one label a row (for one-hot rows: argmax over the last axis).")
    return array


def require_unique(ids: Sequence[str | None] | np.ndarray, where: str) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: dict[str | None, int] = {}
    for row, key in enumerate(ids):
        if key in seen:
            raise UserError(f"{where}: the id {key!r} appears twice, in rows {seen[key]} and {row} (from 0); ids must be unique.")
        seen[key] = row


def near(name: str, names: Sequence[str]) -> str:
    """A sentence that names what the user may have meant, and what there is."""
    close = get_close_matches(name, names, n=3, cutoff=0.5)
    lower = [other for other in names if other.lower() == name.lower() and other not in close]
    meant = f" Did you mean {' or '.join(repr(other) for other in [*lower, *close])}?" if close or lower else ""
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{meant} There are: {listed}."
