"""A corrected copy of an Arrow table: types, metadata and the order of categories stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from labelsieve.core.added_columns import BEFORE
from labelsieve.core.errors import UserError
from labelsieve.corrections.history import History, history, is_missing, latest
from labelsieve.corrections.plan import Plan

_ENUM = b"_PL_ENUM_VALUES2"  # where Polars lists the categories of an Enum, in the metadata of a field


def corrected(table: Any, label: str, plan: Plan, fresh: Any = None) -> tuple[Any, History]:
    """The Arrow table with the column `label` corrected (its type and metadata are kept) and the two added columns.

    Args:
        fresh: the plan's new class names as values of the column, if the column is not text.
    """
    import pyarrow as pa

    given, names = table[label], table.schema.names
    fresh = pa.array(plan.fresh, pa.string()) if fresh is None else fresh
    try:
        values = _take(given, fresh, plan.take)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        new = f"The new class {plan.fresh[0]!r} does not fit" if plan.fresh else "Nothing can be changed in"
        raise UserError(f"{new} the label column {label!r} of type {given.type}.") from error
    extra = history(names, lambda name: table[name].to_pylist(), given.to_pylist() if BEFORE in names else (), label)
    before = _first(table[extra.before], given) if extra.before in names else given
    decision = latest(table[extra.decision].to_pylist(), plan.decision) if extra.decision in names else plan.decision
    field = _with_categories(table.schema.field(label), plan.fresh)
    out = table.set_column(names.index(label), field, values)
    for name, column in ((extra.before, before), (extra.decision, pa.array(decision, pa.string()))):
        added = pa.field(name, column.type, metadata=field.metadata if name == extra.before else None)
        added = table.schema.field(name) if name in names else added
        added = added.with_type(column.type)
        out = out.set_column(names.index(name), added, column) if name in names else out.append_column(added, column)
    return _filtered(out, plan.keep), extra


def _first(before: Any, given: Any) -> Any:
    """The first label of each row as an Arrow column, in the type of `before`, or as text if that type does not fit."""
    import pyarrow as pa

    missing = np.array([is_missing(value) for value in before.to_pylist()], bool)
    if not missing.any():
        return before
    rows = np.arange(len(before))
    take = np.where(missing, len(before) + rows, rows)
    try:
        return _take(before, given, take)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _take(before.cast(pa.string()), given, take)


def _with_categories(field: Any, fresh: Sequence[str]) -> Any:
    """The field with further categories where Polars lists those of an Enum: as `3;ant4;bird`."""
    listed = (field.metadata or {}).get(_ENUM)
    if listed is None:
        return field
    more = "".join(f"{len(name.encode())};{name}" for name in fresh).encode()
    return field.with_metadata({**field.metadata, _ENUM: listed + more})


def _take(column: Any, more: Any, take: np.ndarray) -> Any:
    """The entries `take` of the column followed by `more`, in the type of the column; categories keep their order, and
    new ones come last.

    Arrow cannot take from views or make dictionaries of them, so views become plain types in between.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return _take_coded(column, more, take)
    plain = _plain(column.type)
    chunks = [*column.cast(plain).chunks, *([] if not len(more) else _chunks(more.cast(plain)))]
    return pa.chunked_array(chunks, plain).take(pa.array(take)).cast(column.type)


def _take_coded(column: Any, more: Any, take: np.ndarray) -> Any:
    import pyarrow as pa

    kind, place = column.type, {}
    codes = [pa.array([], pa.int64())]
    for chunk in column.chunks:
        names = chunk.dictionary.cast(_plain(kind.value_type)).to_pylist()
        own = pa.array([place.setdefault(name, len(place)) for name in names], pa.int64())
        codes.append(own.take(chunk.indices))
    codes.append(
        pa.array([None if v is None else place.setdefault(v, len(place)) for v in more.to_pylist()], pa.int64())
    )
    taken = pa.concat_arrays(codes).take(pa.array(take)).cast(kind.index_type)
    names = pa.array([*place], _plain(kind.value_type)).cast(kind.value_type)
    return pa.chunked_array([pa.DictionaryArray.from_arrays(taken, names, ordered=kind.ordered)], kind)


def _plain(kind: Any) -> Any:
    import pyarrow as pa

    return {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}.get(kind, kind)


def _chunks(values: Any) -> list[Any]:
    return values.chunks if hasattr(values, "chunks") else [values]


def _filtered(table: Any, keep: np.ndarray) -> Any:
    """The rows where `keep` (n,) is true."""
    import pyarrow as pa

    if keep.all():
        return table
    try:
        return table.filter(pa.array(keep))
    except pa.ArrowNotImplementedError:  # Arrow cannot filter views: join the slices of kept rows
        edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]])))
        runs = [table.slice(start, stop - start) for start, stop in edges.reshape(-1, 2).tolist()]
        return pa.concat_tables(runs) if runs else table.slice(0, 0)
