"""Pandas frames: their index names the rows, unless it has no name and only numbers them 0, 1, 2, ..."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.data.labels import faulty, is_missing

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 3
_PLAIN = (
    str,
    bytes,
    bool,
    int,
    float,
    Decimal,
    date,
    time,
    timedelta,
    np.generic,
)  # types of cells that have a plain text form


def is_indexed(frame: Any) -> bool:
    """Whether it is a pandas frame or Series, or something that works like one."""
    return hasattr(frame, "reset_index") and hasattr(getattr(frame, "index", None), "is_unique")


def is_frame(value: Any) -> bool:
    """Whether it is a frame: pandas, anything with an Arrow interface, or a lazy Polars frame."""
    frame = hasattr(value, "__arrow_c_stream__") or (is_indexed(value) and hasattr(value, "columns"))
    return (frame and getattr(value, "ndim", 2) == 2) or (
        type(value).__name__ == "LazyFrame" and hasattr(value, "collect")
    )


def index_of(frame: Any) -> list[str | None] | None:
    """The index as n texts (levels joined by "/", None if missing); None if the index only numbers the rows."""
    if not is_indexed(frame) or _only_counts(frame.index):
        return None
    if frame.index.nlevels > 1:
        rows = [[_text(part) for part in row] for row in frame.index.tolist()]
        return [None if None in parts else "/".join(map(str, parts)) for parts in rows]
    return [_text(value) for value in frame.index.tolist()]


def row_names(frame: Any) -> np.ndarray | None:
    """The index as ids (n,), if it names each row exactly once, else None."""
    names = index_of(frame)
    return None if names is None or faulty(names) else np.array([*names, None], object)[:-1]


def index_ids(frame: Any, source: str) -> tuple[list[str | None] | None, tuple[str, ...]]:
    """The ids from the index, and a note about it; None if the index only numbers the rows.

    Raises:
        UserError: the index has repeated or missing values.
    """
    names = index_of(frame)
    if names is None:
        return None, ()
    fault = faulty(names)
    if fault:
        raise UserError(
            f"The index of {source} cannot be the ids: {fault}. Name a column with <id>, or call "
            "reset_index(drop=True) to number the rows.",
            id="",
        )
    return names, (f"The ids are {_called(frame.index)} ({_first(names)}).",)


def categories_of(labels: Any) -> tuple[str, ...] | None:
    """The categories of a pandas, Polars or Arrow categorical in their order; None for other labels."""
    categories = getattr(getattr(labels, "dtype", None), "categories", getattr(labels, "dictionary", None))
    if categories is None or not hasattr(categories, "__len__"):
        return None
    return tuple(str(name) for name in (categories.to_pylist() if hasattr(categories, "to_pylist") else categories))


def to_arrow(frame: Any, named: Sequence[str]) -> pa.Table:
    """A pandas frame as a table, without its index, except for levels that the user `named` as columns."""
    import warnings

    import pyarrow as pa

    if not frame.columns.is_unique:
        twice = next(name for name, repeated in zip(frame.columns, frame.columns.duplicated(), strict=True) if repeated)
        raise UserError(f"The frame has two columns called {str(twice)!r}; column names must be unique.")
    levels = [name for name in frame.index.names if name in named and name not in frame.columns]
    frame = frame.reset_index(levels) if levels else frame
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # column names that are numbers become text
        try:
            return pa.Table.from_pandas(_written(frame), preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return pa.Table.from_pandas(_written(frame, mixed=True), preserve_index=False)


def _written(frame: Any, mixed: bool = False) -> Any:
    """The frame in a form that Arrow reads: intervals and periods as text, sparse columns as dense ones. If `mixed`,
    columns of numbers and texts become text."""
    changed = {}
    for name, dtype in frame.dtypes.items():
        kind = str(getattr(getattr(dtype, "categories", None), "dtype", dtype))
        if kind.startswith(("interval", "period")):
            changed[name] = frame[name].astype(object).map(str, na_action="ignore")
        elif kind.startswith("Sparse"):
            changed[name] = frame[name].sparse.to_dense()
        elif mixed and kind == "object":
            changed[name] = _as_text(frame[name], str(name))
    if changed:
        frame = frame.copy(deep=False)
        for name, column in changed.items():
            frame[name] = column
    return frame


def _as_text(column: Any, name: str) -> Any:
    """A column with several types of plain values as text; any other column unchanged.

    Raises:
        UserError: it holds Python objects.
    """
    kinds = {type(value) for value in column if not is_missing(value)}
    if kinds and kinds <= {list, tuple, np.ndarray, dict} or len(kinds) == 1 and kinds <= set(_PLAIN):
        return column
    odd = next((kind for kind in kinds if not issubclass(kind, _PLAIN)), None)
    if odd is not None:
        raise UserError(
            f"The column {name!r} of the frame holds Python objects ({odd.__name__}), which cannot be read; leave the "
            "column out, or give plain values (of pictures: paths or encoded bytes)."
        )
    return column.map(str, na_action="ignore")


def aligned(
    labels: Any, frame: Any, ids: Sequence[str | None] | None
) -> tuple[Any, list[str | None] | None, tuple[str, ...]]:
    """A Series of labels in the order of the data.

    Args:
        labels: the labels argument; only a pandas Series has an index.
        frame: the data argument.
        ids: the ids of the data, None for row numbers.

    Returns:
        The labels, the ids from their index if the data have none, and notes.

    Raises:
        UserError: the index of the labels does not name the rows of the data.
    """
    if not is_indexed(labels) or getattr(labels, "ndim", 0) != 1:
        return labels, None, ()
    names, rows = index_of(labels), index_of(frame)
    if (
        is_indexed(frame)
        and (names is None) != (rows is None)
        and set(names or rows or ()) == {str(i) for i in range(len(labels))}
    ):
        raise UserError(
            "The index of the labels and that of the data hold the row numbers in different orders, so it is not "
            "clear whether labels belong to rows by order or by index. To match by order, call reset_index(drop=True) "
            "on both; to match by index, sort_index()."
        )
    if names is None:
        return labels, None, ()
    known = rows or (None if ids is None else list(ids))
    if known == names:
        return labels, None, ()
    if known is None:
        return labels, *_own(names, labels.index)
    if faulty(names) or faulty(known) or not set(known) <= set(names):
        if rows is None:
            return (
                labels,
                None,
                ("The labels were matched to the data by order; their index does not name the same rows as the ids.",),
            )
        raise UserError(
            f"The index of the labels ({_first(names)}) does not name each row of the data once ({_first(known)}); "
            "give labels with the index of the data, or call reset_index(drop=True) on both if they are in the same "
            "order."
        )
    place = {name: i for i, name in enumerate(names)}
    values = labels.iloc[[place[name] for name in known]]
    return values, None, ("The labels were matched to the data by their index, which is in a different order.",)


def _own(names: list[str | None], index: Any) -> tuple[list[str | None] | None, tuple[str, ...]]:
    """The ids that the index of the labels gives to data without ids, and notes."""
    fault = faulty(names)
    if fault:
        return None, (f"The ids are the row numbers, because {_called(index)} of the labels cannot be used: {fault}.",)
    return names, (
        f"The ids are {_called(index)} of the labels ({_first(names)}); the rows were matched to them by order.",
    )


def _only_counts(index: Any) -> bool:
    unnamed = all(name is None for name in index.names)
    return unnamed and index.dtype.kind in "iu" and np.array_equal(index.to_numpy(), np.arange(len(index)))


def _called(index: Any) -> str:
    names = [repr(str(name)) for name in index.names if name is not None]
    return f"the index {' / '.join(names)}" if names else "the index"


def _first(names: Sequence[str | None]) -> str:
    return ", ".join(map(str, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")


def _text(value: Any) -> str | None:
    if is_missing(value) or value == "":
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
