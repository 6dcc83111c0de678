"""A corrected copy of a table: the same columns in the same order and of the same types, the label corrected, two columns more (see
`history`).

CSV and TSV are copied cell by cell as they are written, bytes that are no UTF-8 included; JSON Lines object by object; Parquet column
by column. Rows that the run could not use stay as they are.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from labelsieve.core.added_columns import BEFORE
from labelsieve.core.errors import UserError
from labelsieve.corrections.history import History, first, history, is_missing, latest
from labelsieve.corrections.plan import Plan

Opened = Callable[[str], IO[bytes]]


def apply_table(path: str, label: str, plan: Plan, out: Path, opened: Opened) -> History:
    """Write the table at `path`, with the plan carried out on its column `label`, to the file `out`; returns the two columns added.

    Raises:
        UserError: the table has no longer as many rows as the plan, or a new class does not fit the type of the column.
    """
    suffix = Path(path.removesuffix(".gz")).suffix.lower()
    if suffix == ".parquet":
        return _parquet(path, label, plan, out, opened)
    with opened(path) as file:
        raw = gzip.decompress(file.read()) if path.endswith(".gz") else file.read()
    data, told = (
        _jsonl(raw, label, plan, path) if suffix == ".jsonl" else _csv(raw, label, plan, path, suffix == ".tsv")
    )
    out.write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)
    return told


def _csv(raw: bytes, label: str, plan: Plan, path: str, tab: bool) -> tuple[bytes, History]:
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    text = raw[len(mark) :].decode("utf-8", "surrogateescape")
    first = text.partition("\n")[0]
    comma = "\t" if tab else next((c for c in ",;\t" if c in first), ",")  # as the reader of tables decides
    before = csv.field_size_limit(1 << 30)
    try:
        header, *rows = (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=comma) if row)
    except csv.Error as error:
        raise UserError(f"{path} cannot be read as a table: {error}.") from error
    finally:
        csv.field_size_limit(before)
    _require_rows(len(rows), plan, path)
    at = header.index(label)
    given = [row[at] for row in rows]

    def column(name: str) -> list[str]:
        return [row[header.index(name)] for row in rows]

    told = history(header, column, given, label)
    added = _added(told, header, column, given, plan)
    values = given + [name.encode("utf-8", "backslashreplace").decode() for name in plan.fresh]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=comma, lineterminator="\r\n" if first.endswith("\r") else "\n")
    names = [*header, *(name for name in added if name not in header)]
    places = {name: names.index(name) for name in added}
    writer.writerow(names)
    for i, (row, take, keep) in enumerate(zip(rows, plan.take.tolist(), plan.keep.tolist(), strict=True)):
        if keep:
            row[at] = values[take]
            row += [""] * (len(names) - len(row))
            for name, cells in added.items():
                row[places[name]] = cells[i]
            writer.writerow(row)
    return mark + out.getvalue().encode("utf-8", "surrogateescape"), told


def _added(
    told: History, names: Sequence[str], column: Callable[[str], Sequence[Any]], given: Sequence[Any], plan: Plan
) -> dict[str, Any]:
    """The values of the two columns for every row of the source, by name."""
    return {
        told.before: first(column(told.before), given) if told.before in names else list(given),
        told.decision: latest(column(told.decision), plan.decision) if told.decision in names else plan.decision,
    }


def _jsonl(raw: bytes, label: str, plan: Plan, path: str) -> tuple[bytes, History]:
    rows: list[dict[str, Any]] = [json.loads(line) for line in raw.split(b"\n") if line.strip()]
    _require_rows(len(rows), plan, path)
    given, names = [row.get(label) for row in rows], list(dict.fromkeys(name for row in rows for name in row))

    def column(name: str) -> list[Any]:
        return [row.get(name) for row in rows]

    told = history(names, column, given, label)
    added = _added(told, names, column, given, plan)
    values = given + list(plan.fresh)
    lines = []
    for i, row in enumerate(rows):
        if plan.keep[i]:
            if plan.take[i] != i:
                row[label] = values[plan.take[i]]
            lines.append(json.dumps({**row, **{name: cells[i] for name, cells in added.items()}}, ensure_ascii=False))
    return "".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace"), told


def _parquet(path: str, label: str, plan: Plan, out: Path, opened: Opened) -> History:
    import pyarrow.parquet as pq

    with opened(path) as file:
        parquet = pq.ParquetFile(file)
        codec = parquet.metadata.row_group(0).column(0).compression if parquet.metadata.num_row_groups else "snappy"
        table = parquet.read()
    _require_rows(len(table), plan, path)
    done, told = corrected(table, label, plan)
    with open(out, "wb") as file:
        pq.write_table(done, file, compression=codec.lower() if codec != "UNCOMPRESSED" else "none")
    return told


def corrected(table: Any, label: str, plan: Plan, fresh: Any = None) -> tuple[Any, History]:
    """The Arrow table with the plan carried out on the column `label`, its type and metadata kept, and the two columns added; `fresh` are
    the fresh names as the column has them, if that is not as text."""
    import pyarrow as pa

    given, names = table[label], table.schema.names
    fresh = pa.array(plan.fresh, pa.string()) if fresh is None else fresh
    try:
        values = _picked(given, fresh, plan.take)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        new = f"The new class {plan.fresh[0]!r} does not fit" if plan.fresh else "Nothing can be changed in"
        raise UserError(f"{new} the label column {label!r} of type {given.type}.") from error
    told = history(names, lambda name: table[name].to_pylist(), given.to_pylist() if BEFORE in names else (), label)
    before = _first(table[told.before], given) if told.before in names else given
    decision = latest(table[told.decision].to_pylist(), plan.decision) if told.decision in names else plan.decision
    out = table.set_column(names.index(label), table.schema.field(label), values)
    for name, column in ((told.before, before), (told.decision, pa.array(decision, pa.string()))):
        out = out.set_column(names.index(name), name, column) if name in names else out.append_column(name, column)
    return _kept(out, plan.keep), told


def _first(before: Any, given: Any) -> Any:
    """The first label of each row as an Arrow column: of the type of `before`, or text where the labels do not fit that."""
    import pyarrow as pa

    missing = np.array([is_missing(value) for value in before.to_pylist()], bool)
    if not missing.any():
        return before
    rows = np.arange(len(before))
    take = np.where(missing, len(before) + rows, rows)
    try:
        return _picked(before, given, take)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _picked(before.cast(pa.string()), given, take)


def _picked(column: Any, more: Any, take: np.ndarray) -> Any:
    """The entries `take` of the column with `more` behind it, of the type of the column. Arrow picks none from views and has no
    dictionaries of them, so those are made plain for the while."""
    import pyarrow as pa

    coded = pa.types.is_dictionary(column.type)
    inner = column.type.value_type if coded else column.type
    plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}.get(inner, inner)
    chunks = [*column.cast(plain).chunks, *([] if not len(more) else _chunks(more.cast(plain)))]
    values = pa.chunked_array(chunks, plain).take(pa.array(take))
    return values.dictionary_encode().cast(column.type) if coded else values.cast(column.type)


def _chunks(values: Any) -> list[Any]:
    return values.chunks if hasattr(values, "chunks") else [values]


def _kept(table: Any, keep: np.ndarray) -> Any:
    """The rows where `keep` (n,) is true."""
    import pyarrow as pa

    if keep.all():
        return table
    try:
        return table.filter(pa.array(keep))
    except pa.ArrowNotImplementedError:  # views, which Arrow cannot filter: put the runs of kept rows together
        edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]])))
        runs = [table.slice(start, stop - start) for start, stop in edges.reshape(-1, 2).tolist()]
        return pa.concat_tables(runs) if runs else table.slice(0, 0)


def _require_rows(found: int, plan: Plan, path: str) -> None:
    if found != len(plan.take):
        raise UserError(f"{path} has {found} rows, not the {len(plan.take)} that the run saw; run find on it again.")
