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
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.corrections.arrow_columns import corrected
from labelsieve.corrections.history import History, first, history, latest
from labelsieve.corrections.plan import Plan
from labelsieve.data.class_metadata import class_names_in, with_class_names
from labelsieve.data.json_layouts import in_layout, records
from labelsieve.formats import arff, database, lance
from labelsieve.places import paths

_AS_IT_IS = "The copy has the columns of the source and no more; patch.csv says what was changed."
_CODECS = {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4"}  # names in a file -> names for the writer
_FRAMES = {b"\x04\x22\x4d\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd"}
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
    if suffix == lance.SUFFIX:
        return _lance(path, label, plan, out)
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
    """JSON Lines, or JSON in its own layout."""
    whole = None if lines else json.loads(raw)
    rows: list[dict[str, Any]] = (
        [json.loads(line) for line in raw.split(b"\n") if line.strip()] if lines else records(whole, path)
    )
    _require_rows(len(rows), plan, path)
    given, names = [row.get(label) for row in rows], list(dict.fromkeys(name for row in rows for name in row))

    def column(name: str) -> list[Any]:
        return [row.get(name) for row in rows]

    extra = history(names, column, given, label)
    added = _added_cells(extra, names, column, given, plan)
    values = given + list(plan.fresh)
    kept = np.flatnonzero(plan.keep).tolist()
    out = [dict(rows[i]) for i in kept]
    for i, row in zip(kept, out, strict=True):
        if plan.take[i] != i:
            row[label] = values[plan.take[i]]
        row |= {name: cells[i] for name, cells in added.items()}
    done = out if lines else in_layout(whole, out, kept)
    if isinstance(done, list):
        texts = [json.dumps(row, ensure_ascii=False) for row in done]
        text = "".join(line + "\n" for line in texts) if lines else "[" + ",\n ".join(texts) + "]\n"
    else:
        text = json.dumps(done, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace"), extra


def _parquet(path: str, label: str, plan: Plan, out: Path, opened: Opened) -> History:
    import pyarrow.parquet as pq

    with opened(path) as file:
        parquet = pq.ParquetFile(file)
        group = parquet.metadata.row_group(0) if parquet.metadata.num_row_groups else None
        table = parquet.read()
    _require_rows(len(table), plan, path)
    done, extra = _with_names(table, label, plan)
    packed: Any = "snappy"
    if group is not None:
        columns = [group.column(i) for i in range(group.num_columns)]
        packed = {one.path_in_schema: _CODECS.get(one.compression, one.compression) for one in columns}
        packed |= dict.fromkeys((extra.before, extra.decision), packed[columns[0].path_in_schema])
    with open(out, "wb") as file:
        pq.write_table(done, file, row_group_size=group.num_rows if group else None, compression=packed)
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
    options = pa.ipc.IpcWriteOptions(compression=_packing(raw))
    with new(str(out), done.schema, options=options) as writer:
        writer.write_table(done)
    return extra


def _lance(path: str, label: str, plan: Plan, out: Path) -> History:
    from labelsieve.core.added_columns import BEFORE, DECISION, PREFIX

    ours = (label, BEFORE, DECISION, PREFIX + BEFORE, PREFIX + DECISION)
    names = lance.opened(path).schema.names
    table = lance.columns_of(path, [name for name in names if name in ours])
    _require_rows(len(table), plan, path)
    done, extra = _with_names(table, label, replace(plan, keep=np.ones(len(table), bool)))
    lance.copied(path, done, plan.keep, out)
    return extra


def _packing(raw: Any) -> str | None:
    """How an Arrow file or stream is packed: a packed buffer is its size, in 8 bytes, and a frame of its codec."""
    head = raw[: 1 << 22].to_pybytes()
    for frame, name in _FRAMES.items():
        at = head.find(frame)
        while at > 0:
            if at % 8 == 0 and 0 < int.from_bytes(head[at - 8 : at], "little") < 1 << 40:
                return name
            at = head.find(frame, at + 1)
    return None


def _with_names(table: Any, label: str, plan: Plan) -> tuple[Any, History]:
    """As `corrected`; new classes get the next codes if the metadata name the classes."""
    import pyarrow as pa

    names = class_names_in(table.schema, label)
    if names is None:
        return corrected(table, label, plan)
    all_names = [*names, *(name for name in plan.fresh if name not in names)]
    codes = pa.array([all_names.index(name) for name in plan.fresh], table[label].type)
    done, extra = corrected(table, label, plan, codes)
    return with_class_names(done, (label, extra.before), all_names), extra


def _require_rows(n: int, plan: Plan, path: str) -> None:
    if n != len(plan.take):
        raise UserError(f"{path} has {n} rows, but the run read {len(plan.take)}; run find on it again.")
