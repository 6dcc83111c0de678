"""A corrected copy of a table: the same columns and types, corrected labels, two more columns (see `history`).

CSV and TSV are copied cell by cell as written, including bytes that are not UTF-8; JSON object by object; Parquet,
Arrow and Feather column by column. ARFF files and databases have a fixed set of columns
and get no further ones. Rows that the run could not use stay as they are.
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
from labelsieve.data.class_metadata import class_names_in, with_class_names
from labelsieve.data.json_layouts import records
from labelsieve.formats import arff, database
from labelsieve.places import paths

_AS_IT_IS = "The copy has the columns of the source and no more; patch.csv says what was changed."
Opened = Callable[[str], IO[bytes]]


def apply_table(path: str, label: str, plan: Plan, out: Path, opened: Opened) -> History:
    """Write the table at `path`, with its column `label` corrected, to the file `out`; returns the added columns.

    Raises:
        UserError: the number of rows differs from the plan, or a new class does not fit the type of the column.
    """
    suffix = paths.suffix(path)
    if suffix == ".parquet":
        return _parquet(path, label, plan, out, opened)
    if suffix in (".arrow", ".feather"):
        return _ipc(path, label, plan, out, opened)
    if suffix in database.SUFFIXES:
        database.write_labels(path, label, plan.take, plan.fresh, plan.keep, out)
        return History(note=_AS_IT_IS)
    with opened(path) as file:
        raw = gzip.decompress(file.read()) if path.endswith(".gz") else file.read()
    if suffix == ".arff":
        data, extra = arff.corrected(raw, label, plan.take, plan.fresh, plan.keep, path), History(note=_AS_IT_IS)
        out.write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)
        return extra
    data, extra = (
        _json(raw, label, plan, path, suffix == ".jsonl")
        if suffix in (".jsonl", ".json")
        else _csv(raw, label, plan, path, suffix == ".tsv")
    )
    out.write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)
    return extra


def _csv(raw: bytes, label: str, plan: Plan, path: str, tab: bool) -> tuple[bytes, History]:
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    text = raw[len(mark) :].decode("utf-8", "surrogateescape")
    first_line = text.partition("\n")[0]
    comma = (
        "\t" if tab else next((c for c in ",;\t" if c in first_line), ",")
    )  # the same rule as in the reader of tables
    limit = csv.field_size_limit(1 << 30)
    try:
        header, *rows = (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=comma) if row)
    except csv.Error as error:
        raise UserError(f"{path} cannot be read as a table: {error}.") from error
    finally:
        csv.field_size_limit(limit)
    _require_rows(len(rows), plan, path)
    label_position = header.index(label)
    given = [row[label_position] for row in rows]

    def column(name: str) -> list[str]:
        return [row[header.index(name)] for row in rows]

    extra = history(header, column, given, label)
    added = _added_cells(extra, header, column, given, plan)
    values = given + [name.encode("utf-8", "backslashreplace").decode() for name in plan.fresh]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=comma, lineterminator="\r\n" if first_line.endswith("\r") else "\n")
    names = [*header, *(name for name in added if name not in header)]
    positions = {name: names.index(name) for name in added}
    writer.writerow(names)
    for i, (row, take, keep) in enumerate(zip(rows, plan.take.tolist(), plan.keep.tolist(), strict=True)):
        if keep:
            row[label_position] = values[take]
            row += [""] * (len(names) - len(row))
            for name, cells in added.items():
                row[positions[name]] = cells[i]
            writer.writerow(row)
    return mark + out.getvalue().encode("utf-8", "surrogateescape"), extra


def _added_cells(
    extra: History, names: Sequence[str], column: Callable[[str], Sequence[Any]], given: Sequence[Any], plan: Plan
) -> dict[str, Any]:
    """The values of the two added columns for every row of the source, by name."""
    return {
        extra.before: first(column(extra.before), given) if extra.before in names else list(given),
        extra.decision: latest(column(extra.decision), plan.decision) if extra.decision in names else plan.decision,
    }


def _json(raw: bytes, label: str, plan: Plan, path: str, lines: bool) -> tuple[bytes, History]:
    """JSON Lines, or JSON; of another layout than a list of records a list of records is made."""
    rows: list[dict[str, Any]] = (
        [json.loads(line) for line in raw.split(b"\n") if line.strip()] if lines else records(json.loads(raw), path)
    )
    _require_rows(len(rows), plan, path)
    given, names = [row.get(label) for row in rows], list(dict.fromkeys(name for row in rows for name in row))

    def column(name: str) -> list[Any]:
        return [row.get(name) for row in rows]

    extra = history(names, column, given, label)
    added = _added_cells(extra, names, column, given, plan)
    values = given + list(plan.fresh)
    out = []
    for i, row in enumerate(rows):
        if plan.keep[i]:
            if plan.take[i] != i:
                row[label] = values[plan.take[i]]
            out.append(json.dumps({**row, **{name: cells[i] for name, cells in added.items()}}, ensure_ascii=False))
    text = "".join(line + "\n" for line in out) if lines else "[" + ",\n ".join(out) + "]\n"
    return text.encode("utf-8", "backslashreplace"), extra


def _parquet(path: str, label: str, plan: Plan, out: Path, opened: Opened) -> History:
    import pyarrow.parquet as pq

    with opened(path) as file:
        parquet = pq.ParquetFile(file)
        codec = parquet.metadata.row_group(0).column(0).compression if parquet.metadata.num_row_groups else "snappy"
        table = parquet.read()
    _require_rows(len(table), plan, path)
    done, extra = _with_names(table, label, plan)
    with open(out, "wb") as file:
        pq.write_table(done, file, compression=codec.lower() if codec != "UNCOMPRESSED" else "none")
    return extra


def _ipc(path: str, label: str, plan: Plan, out: Path, opened: Opened) -> History:
    import pyarrow as pa

    with opened(path) as file:
        raw = pa.py_buffer(file.read())
    try:
        table, new = pa.ipc.open_file(raw).read_all(), pa.ipc.new_file
    except pa.ArrowInvalid:
        table, new = pa.ipc.open_stream(raw).read_all(), pa.ipc.new_stream
    _require_rows(len(table), plan, path)
    done, extra = _with_names(table, label, plan)
    with new(str(out), done.schema) as writer:
        writer.write_table(done)
    return extra


def _with_names(table: Any, label: str, plan: Plan) -> tuple[Any, History]:
    """As `corrected`; new classes get the next codes if the metadata name the classes."""
    import pyarrow as pa

    names = class_names_in(table.schema, label)
    if names is None:
        return corrected(table, label, plan)
    all_names = [*names, *(name for name in plan.fresh if name not in names)]
    codes = pa.array([all_names.index(name) for name in plan.fresh], table[label].type)
    done, extra = corrected(table, label, plan, codes)
    return with_class_names(done, label, all_names), extra


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
    out = table.set_column(names.index(label), table.schema.field(label), values)
    for name, column in ((extra.before, before), (extra.decision, pa.array(decision, pa.string()))):
        out = out.set_column(names.index(name), name, column) if name in names else out.append_column(name, column)
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


def _take(column: Any, more: Any, take: np.ndarray) -> Any:
    """The entries `take` of the column followed by `more`, in the type of the column.

    Arrow cannot take from views or make dictionaries of them, so views become plain types in between.
    """
    import pyarrow as pa

    coded = pa.types.is_dictionary(column.type)
    inner = column.type.value_type if coded else column.type
    plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}.get(inner, inner)
    chunks = [*column.cast(plain).chunks, *([] if not len(more) else _chunks(more.cast(plain)))]
    values = pa.chunked_array(chunks, plain).take(pa.array(take))
    return values.dictionary_encode().cast(column.type) if coded else values.cast(column.type)


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


def _require_rows(n: int, plan: Plan, path: str) -> None:
    if n != len(plan.take):
        raise UserError(f"{path} has {n} rows, but the run read {len(plan.take)}; run find on it again.")
