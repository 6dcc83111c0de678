"""Whether a table that is read as one example per row looks like votes of several annotators."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.data.frames import is_frame
from labelsieve.data.readers import READERS
from labelsieve.data.vote_columns import codes_of
from labelsieve.data.vote_table import opened
from labelsieve.places import paths

if TYPE_CHECKING:
    import pyarrow as pa

_WHO = ("annotator", "worker", "rater", "labeler", "labeller", "coder", "judge", "user")  # also with _id, id, _name
_ONCE = 0.95  # of the rows: pairs of an example and an annotator that differ
_ROWS = 1000  # of a frame
_EACH = 1.5  # votes on an example, at least


def annotators_column(source: Any, named: set[str]) -> str | None:
    """The column that seems to say who gave each vote, None if there is none: one with such a name, beside a column
    whose values repeat, each time with another annotator. Only the first rows are looked at.

    Args:
        named: columns that the user named; those are no annotators.
    """
    source = os.fspath(source) if isinstance(source, os.PathLike) else source
    if isinstance(source, str):
        if paths.suffix(source) not in READERS or not paths.is_file(source):
            return None
    elif is_frame(source) and hasattr(source, "head"):
        source = source.head(_ROWS)
    else:
        return None
    try:
        file, _ = opened(source)
        names = [field.name for field in file.schema if _is_name(field.type)]
        who = next((name for name in names if _is_who(name) and name not in named), None)
        return who if who is not None and _are_votes(file.first(names), who) else None
    except UserError:
        return None  # what is wrong with the table is told where it is read


def _are_votes(table: pa.Table, who: str) -> bool:
    """Whether the values of a column repeat, each time with another annotator."""
    person, _ = codes_of(table[who])
    for name in table.column_names:
        value, different = codes_of(table[name])
        pairs = np.unique(np.stack([value, person]), axis=1).shape[1]
        if name != who and pairs >= _ONCE * len(value) and 0 < len(different) * _EACH <= len(value):
            return True
    return False


def _is_name(kind: pa.DataType) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)


def _is_who(name: str) -> bool:
    plain = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    return any(plain in (one, f"{one}id", f"{one}name") for one in _WHO)
