"""Files of records that labelling tools write: JSON Lines, a JSON list of objects, CSV, TSV; each perhaps with .gz."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.places import paths

_HEAD = 1 << 18  # bytes that show what a file is
Record = dict[str, Any]


def first_record(place: str) -> Record:
    """The first object of a file of JSON Lines or of a JSON list, if it is whole within the first 256 KiB; else {}."""
    text = head(place).lstrip("\ufeff \t\r\n")
    try:
        value, _ = json.JSONDecoder().raw_decode(text.removeprefix("[").lstrip())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def head(place: str) -> str:
    """The beginning of a file as text; "" if it cannot be read."""
    try:
        with paths.opened(place) as file:
            raw = file.read(_HEAD)
        if raw[:2] == b"\x1f\x8b":
            raw = zlib.decompressobj(31).decompress(raw, _HEAD)
    except (OSError, zlib.error):
        return ""
    return raw.decode("utf-8", "replace")


def read_records(place: str) -> list[Record]:
    """The objects of a file of JSON Lines or of a JSON list.

    Raises:
        UserError: the file cannot be read as one of them; the message names the line or the record.
    """
    text = read_text(place)
    try:
        if text.lstrip().startswith("["):
            values = json.loads(text)
        else:
            values = []
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    values.append(_line(line, number, place))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place} is not JSON: {error}.") from error
    odd = next((i for i, value in enumerate(values) if not isinstance(value, dict)), None)
    if odd is not None:
        raise UserError(f"{place}: record {odd} (from 0) is not a JSON object.")
    if not values:
        raise UserError(f"{place} holds no records.")
    return values


def _line(line: str, number: int, place: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise UserError(f"{place}, line {number} is not JSON: {error}.") from error


def write_records(records: Sequence[Record], place: str, out: Path) -> None:
    """Write records in the layout of the file `place`, under its name, into the folder `out`."""
    if head(place).lstrip("\ufeff \t\r\n").startswith("["):
        text = json.dumps(records, ensure_ascii=False)
    else:
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    raw = text.encode("utf-8", "surrogatepass")
    name = os.path.basename(place)
    (out / name).write_bytes(gzip.compress(raw, mtime=0) if name.endswith(".gz") else raw)


def write_csv(rows: Sequence[Mapping[str, str]], names: Sequence[str], place: str, out: Path) -> None:
    """Write rows with the columns `names` under the name of the file `place` into the folder `out`."""
    with open(out / os.path.basename(place), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, delimiter=_delimiter(place))
        writer.writeheader()
        writer.writerows(rows)


def csv_names(place: str) -> list[str]:
    """The names of the columns of a CSV or TSV file; [] if it has none."""
    return next(csv.reader(io.StringIO(head(place).lstrip("\ufeff")), delimiter=_delimiter(place)), [])


def _delimiter(place: str) -> str:
    return "\t" if paths.suffix(place) == ".tsv" else ","


def read_csv(place: str) -> list[dict[str, str]]:
    """The rows of a CSV or TSV file with a header.

    Raises:
        UserError: it cannot be read, or has no rows.
    """
    csv.field_size_limit(1 << 30)
    try:
        text = io.StringIO(read_text(place), newline="")
        rows = list(csv.DictReader(text, restval="", delimiter=_delimiter(place)))
    except csv.Error as error:
        raise UserError(f"{place} is not CSV: {error}.") from error
    if not rows:
        raise UserError(f"{place} holds no rows.")
    return rows


def read_text(place: str) -> str:
    """The file as text.

    Raises:
        UserError: there is no such file, or it is not UTF-8.
    """
    if not paths.is_file(place):
        raise UserError(f"There is no file {place}.")
    raw = paths.read(place)
    try:
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        return raw.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{place} is damaged: {error}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{place} is not UTF-8; save it as UTF-8.") from error


def one_name(
    names: Iterable[str], role: str, place: str, what: str, named: str | None = None, *, usual: bool = True
) -> str:
    """The one of the names that the user named; else the only one, or with `usual` the one that is called as its role.

    Raises:
        UserError: it is not among them; or there are none or several, and the user named none.
    """
    known = list(dict.fromkeys(names))
    listed = ", ".join(known[:20]) or "none"
    if named is not None:
        if named not in known:
            raise UserError(f"{place} has no {what} {named!r}. There are: {listed}.")
        return named
    likely = [name for name in known if name.lower() == role] if usual and len(known) > 1 else known
    if len(likely) == 1:
        return likely[0]
    if not known:
        raise UserError(f"{place} has no {what}.")
    raise UserError(
        f"It is not clear which {what} of {place} is meant ({listed}); name it with <{role}>.", **{role: ""}
    )


def unique_ids(records: Sequence[Mapping[str, Any]], key: str, otherwise: Sequence[Any], named: bool) -> list[str]:
    """The values of `key` as ids, if every record has one and no two are equal or the user named it; else
    `otherwise`."""
    values = [record.get(key) for record in records]
    texts = ["" if value is None else str(value) for value in values]
    sound = all(texts) and len(set(texts)) == len(texts)
    return texts if named or sound else [str(value) for value in otherwise]
