"""The two columns that a corrected copy adds to its source, and how they continue from one round to the next.

`label_before` holds the first label that a row ever had, `label_decision` who changed it last and why. A source that is
itself a corrected copy has them already: the first label stays, and so does the decision of a row that this round does
not change. If the user's data have a column of that name, it stays as it is, and the two columns get the prefix
`labelsieve_`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from labelsieve.core.added_columns import BEFORE, DECISION, PREFIX


@dataclass(frozen=True)
class History:
    """The names and the state of the two columns.

    Attributes:
        before, decision: the names of the two columns.
        carried: whether the source has the first of them already.
        note: a note for the user, "" where there is none.
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
        column: returns the values of a column of the source.
        labels: the current labels of the source.
        label: the column of these labels.
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
        note=f"The data already have a column {own}, which stays as it is; the first labels are in {prefixed[0]}, "
        f"and {prefixed[1]} says who changed them.",
    )


def is_missing(value: Any) -> bool:
    """None, NaN or blank text."""
    return value is None or (isinstance(value, (str, bytes)) and not value.strip()) or value != value


def first(before: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """The first label of each row: that of an earlier copy, or, where it has none, the current label of the source."""
    return [label if is_missing(old) else old for old, label in zip(before, given, strict=True)]


def latest(before: Sequence[Any], now: Sequence[str]) -> list[str]:
    """The latest decision of each row: that of this round or, if it did not change the row, of an earlier round."""
    return [new or ("" if is_missing(old) else str(old)) for old, new in zip(before, now, strict=True)]


def _carried(before: str, decision: str) -> str:
    return f"The data are a corrected copy: {before} keeps the first label of each row, {decision} its latest decision."


def _are_labels(values: Iterable[Any], labels: Iterable[Any]) -> bool:
    known = {str(label) for label in labels}
    filled = [value for value in values if not is_missing(value)]
    return bool(filled) and all(str(value) in known for value in filled)
