"""Given labels and ids: what counts as missing, which numbers are names, what must be unique, and what a user may have meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.data.words import readable, word


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
