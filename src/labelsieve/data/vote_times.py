"""The order in time of votes: numbers, dates and times, or strings that hold one of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError


def ranks(values: Sequence[Any], column: str, source: str) -> np.ndarray:
    """(r,) int64 the order of r times: larger is later, equal is the same time, -1 is none.

    Args:
        values: numbers, dates, times, or strings of them in ISO 8601.
        column, source: where they are from, for messages.

    Raises:
        UserError: a value is no time, or the times cannot be compared.
    """
    read = {value: _moment(value) for value in values}
    kinds: dict[str, Any] = {}
    for value, (kind, _) in read.items():
        if kind == UNCLEAR:
            raise UserError(
                f"The column {column!r} of {source} holds {_shown(value)}, whose place in time is not clear. Write "
                "times as numbers or like 2024-01-31 17:05:00.",
                time="",
            )
        if kind != NONE:
            kinds.setdefault(kind, value)
    if len(kinds) > 1:
        one, other = map(_shown, list(kinds.values())[:2])
        raise UserError(
            f"The column {column!r} of {source} holds times that cannot be compared, such as {one} and {other}. Write "
            "all of them in one form.",
            time="",
        )
    known = sorted({moment for kind, moment in read.values() if kind != NONE})
    place = {moment: rank for rank, moment in enumerate(known)}
    return np.array([place.get(read[value][1], -1) for value in values], np.int64)


NONE, UNCLEAR = "none", "unclear"


def _moment(value: Any) -> tuple[str, Any]:
    """The kind of a time and what is compared."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        value = _read(value.strip())
    if value is None or value != value:  # not a number, not a time
        return NONE, None
    if isinstance(value, datetime):
        return ("date", value) if value.tzinfo is None else ("date with a time zone", value.astimezone(UTC))
    if isinstance(value, date):
        return "date", datetime(value.year, value.month, value.day)
    for kind in ((int, float, Decimal), time, timedelta):
        if isinstance(value, kind) and not isinstance(value, bool):
            return str(kind), value
    return UNCLEAR, None


def _read(text: str) -> Any:
    """The number or the time that a string holds, None for an empty one; the string where it holds neither."""
    if not text:
        return None
    for kind in (int, float, datetime.fromisoformat, time.fromisoformat):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _shown(value: Any) -> str:
    return repr(value if isinstance(value, str) else str(value))
