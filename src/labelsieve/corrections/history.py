"""The two columns that a corrected copy has more than its source, and how they go on from one round to the next.

`label_before` holds the first label that a row was ever given, `label_decision` who changed it last and why. A source that is itself a
corrected copy has them already: the first label stays, and so does the decision of a row that this round does not change. A column of
that name that is the user's own is never lost: it stays as it is, and the two columns get the prefix `labelsieve_`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from labelsieve.core.added_columns import BEFORE, DECISION, PREFIX


@dataclass(frozen=True)
class History:
    """
    Attributes:
        before, decision: the names of the two columns.
        carried: the source has the first of them already.
        note: what the user should know of it, "" where there is nothing.
    """

    before: str = BEFORE
    decision: str = DECISION
    carried: bool = False
    note: str = ""


def history(
    names: Sequence[str], column: Callable[[str], Iterable[Any]], labels: Iterable[Any], label: str = ""
) -> History:
    """The two columns for a source with the columns `names`.

    Args:
        column: gives the values of a column of the source.
        labels: the labels that the source has now.
        label: the column that they stand in.
    """
    prefixed = PREFIX + BEFORE, PREFIX + DECISION
    if any(name in names for name in prefixed):
        return History(*prefixed, prefixed[0] in names, _carried(*prefixed))
    if (
        BEFORE in names
        and label not in (BEFORE, DECISION)
        and (DECISION in names or _are_labels(column(BEFORE), labels))
    ):
        return History(carried=True, note=_carried(BEFORE, DECISION))
    own = next((name for name in (BEFORE, DECISION) if name in names), None)
    if own is None:
        return History()
    return History(
        *prefixed,
        note=f"The data have a column {own} of their own, which stays as it is; the first labels are in {prefixed[0]}, "
        f"who changed them in {prefixed[1]}.",
    )


def is_missing(value: Any) -> bool:
    """None, NaN or blank text."""
    return value is None or (isinstance(value, (str, bytes)) and not value.strip()) or value != value


def first(before: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """The first label of each row: that of an earlier copy, or, where it has none, the label that the source has now."""
    return [label if is_missing(old) else old for old, label in zip(before, given, strict=True)]


def latest(before: Sequence[Any], now: Sequence[str]) -> list[str]:
    """The latest decision of each row: that of this round, or, where it did not change the row, that of an earlier one."""
    return [new or ("" if is_missing(old) else str(old)) for old, new in zip(before, now, strict=True)]


def _carried(before: str, decision: str) -> str:
    return f"The data are a corrected copy: {before} keeps the first label of each row, {decision} the latest decision."


def _are_labels(values: Iterable[Any], labels: Iterable[Any]) -> bool:
    known = {str(label) for label in labels}
    filled = [value for value in values if not is_missing(value)]
    return bool(filled) and all(str(value) in known for value in filled)
