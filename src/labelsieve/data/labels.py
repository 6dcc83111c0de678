"""Given labels and ids: what counts as missing, which numbers are names, which ids repeat, which names are similar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError, meant
from labelsieve.data.class_names import readable, word

SHOWN = 3  # rows, or ids, that a message names


@dataclass(frozen=True, eq=False)
class Repeated(Sequence):
    """Labels of which many are equal, as a sequence of n.

    Attributes:
        values: the different ones, each of which occurs.
        codes: (n,) the position of each label in them.
    """

    values: list[Any]
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, i: Any) -> Any:
        return self.values[self.codes[i]]

    def __iter__(self) -> Iterator[Any]:
        return (self.values[code] for code in self.codes.tolist())


def clean(values: Sequence[Any] | np.ndarray) -> list[Any]:
    """The labels, missing ones as None.

    Missing are None, NaN, NA and blank text; the word "nan" too, where all other labels are numbers. Text that a table
    wrote as "3.0", because its column of integers has gaps, is the class "3", if all labels have that form.
    """
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    texts = (word(value) if isinstance(value, bytes) else value for value in plain)
    cleaned = [None if is_missing(value) else value for value in texts]
    words = {value for value in cleaned if value is not None}
    odd: dict[Any, str] = {
        value: readable(value) for value in words if isinstance(value, str) and readable(value) != value
    }
    if odd:  # names of folders may be bytes that are not text
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
    twice = _repeated(ids)
    (key, rows), *rest = twice.items()
    more = "".join(f", {other!r} in rows {_listed(places)}" for other, places in rest[: SHOWN - 1])
    more += f", and {len(rest) - SHOWN + 1} more ids repeat" if len(rest) >= SHOWN else ""
    raise UserError(
        f"{where}: the id {key!r} appears twice, in rows {rows[0]} and {rows[1]} (from 0){more}; ids must be unique."
    )


def faulty(ids: Sequence[str | None] | np.ndarray) -> str | None:
    """Why the ids cannot be used (repeated or blank values, with the first rows); None if they can."""
    if len(set(ids)) == len(ids) and None not in set(ids) and "" not in set(ids):
        return None
    blank = [row for row, key in enumerate(ids) if not key]
    twice = _repeated(ids)
    listed_repeats = [f"{key!r} in rows {_listed(rows)}" for key, rows in list(twice.items())[:SHOWN]]
    others = f"; and {len(twice) - SHOWN} more" if len(twice) > SHOWN else ""
    repeats = (
        f"{len(twice)} {'value repeats' if len(twice) == 1 else 'values repeat'} ({'; '.join(listed_repeats)}{others})"
        if twice
        else ""
    )
    gaps = f"{len(blank)} {'row is' if len(blank) == 1 else 'rows are'} blank ({_listed(blank)})" if blank else ""
    return " and ".join(filter(None, [repeats, gaps])) + ", rows counted from 0"


def _repeated(ids: Sequence[str | None] | np.ndarray) -> dict[str, list[int]]:
    """The ids that occur more than once -> their rows."""
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(ids):
        if key:
            rows.setdefault(key, []).append(row)
    return {key: places for key, places in rows.items() if len(places) > 1}


def _listed(rows: Sequence[int]) -> str:
    if len(rows) > SHOWN:
        return f"{', '.join(map(str, rows[:SHOWN]))} and {len(rows) - SHOWN} more"
    return " and ".join(filter(None, [", ".join(map(str, rows[:-1])), str(rows[-1])]))


def near(name: str, names: Sequence[str]) -> str:
    """A sentence with the names that the user may have meant, and all that exist."""
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{meant(name, names, most=3, cutoff=0.5)} There are: {listed}."
