"""A corrected copy of a table: the same columns in the same order and of the same types, the label corrected, two columns more.

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

from labelsieve.core.errors import UserError
from labelsieve.export.plan import BEFORE, DECISION, Plan, two_new

Opened = Callable[[str], IO[bytes]]


def apply_table(path: str, label: str, plan: Plan, out: Path, opened: Opened) -> None:
    """Write the table at `path`, with the plan carried out on its column `label`, to the file `out`.

    Raises:
        UserError: the table has no longer as many rows as the plan, or a new class does not fit the type of the column.
    """
    suffix = Path(path.removesuffix(".gz")).suffix.lower()
    if suffix == ".parquet":
        return _parquet(path, label, plan, out, opened)
    with opened(path) as file:
        raw = gzip.decompress(file.read()) if path.endswith(".gz") else file.read()
    data = _jsonl(raw, label, plan, path) if suffix == ".jsonl" else _csv(raw, label, plan, path, suffix == ".tsv")
    out.write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)


def _csv(raw: bytes, label: str, plan: Plan, path: str, tab: bool) -> bytes:
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
    two_new(header)
    at = header.index(label)
    values = [row[at] for row in rows] + [name.encode("utf-8", "backslashreplace").decode() for name in plan.fresh]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=comma, lineterminator="\r\n" if first.endswith("\r") else "\n")
    writer.writerow([*header, BEFORE, DECISION])
    for row, take, keep, why, old in zip(rows, plan.take.tolist(), plan.keep.tolist(), plan.decision, values, strict=False):
        if keep:
            row[at] = values[take]
            writer.writerow([*row, old, why])
    return mark + out.getvalue().encode("utf-8", "surrogateescape")


def _jsonl(raw: bytes, label: str, plan: Plan, path: str) -> bytes:
    rows: list[dict[str, Any]] = [json.loads(line) for line in raw.split(b"\n") if line.strip()]
    _require_rows(len(rows), plan, path)
    two_new([name for row in rows for name in row])
    values = [row.get(label) for row in rows] + list(plan.fresh)
    lines = []
    for i, row in enumerate(rows):
        if plan.keep[i]:
            if plan.take[i] != i:
                row[label] = values[plan.take[i]]
            lines.append(json.dumps({**row, BEFORE: values[i], DECISION: plan.decision[i]}, ensure_ascii=False))
    return "".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace")


def _parquet(path: str, label: str, plan: Plan, out: Path, opened: Opened) -> None:
    import pyarrow.parquet as pq

    with opened(path) as file:
        parquet = pq.ParquetFile(file)
        codec = parquet.metadata.row_group(0).column(0).compression if parquet.metadata.num_row_groups else "snappy"
        table = parquet.read()
    _require_rows(len(table), plan, path)
    with open(out, "wb") as file:
        pq.write_table(corrected(table, label, plan), file, compression=codec.lower() if codec != "UNCOMPRESSED" else "none")


def corrected(table: Any, label: str, plan: Plan) -> Any:
    """The Arrow table with the plan carried out on the column `label`, its type and metadata kept."""
    import pyarrow as pa

    two_new(table.schema.names)
    given = table[label]
    values = given
    if plan.fresh:
        plain = given.type.value_type if pa.types.is_dictionary(given.type) else given.type
        try:
            names = pa.array(plan.fresh, pa.string()).cast(plain)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(f"The new class {plan.fresh[0]!r} does not fit the label column {label!r} of type {given.type}.") from error
        values = pa.chunked_array([*given.cast(plain).chunks, names], plain)
        values = values.dictionary_encode().cast(given.type) if plain is not given.type else values
    at = table.schema.get_field_index(label)
    out = table.set_column(at, table.schema.field(label), values.take(pa.array(plan.take)))
    out = out.append_column(BEFORE, given).append_column(DECISION, pa.array(plan.decision, pa.string()))
    return out.filter(pa.array(plan.keep))


def _require_rows(found: int, plan: Plan, path: str) -> None:
    if found != len(plan.take):
        raise UserError(f"{path} has {found} rows, not the {len(plan.take)} that the run saw; run find on it again.")


def write_labels(rows: Sequence[tuple[str, str, str, str]], out: Path) -> None:
    """A table of labels (id, label, and the two added columns), where the labels did not lie in the data; `--labels` reads it."""
    with open(out, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "label", BEFORE, DECISION])
        writer.writerows(rows)
