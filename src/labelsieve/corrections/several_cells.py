"""A corrected copy of labels of which an example may have several: columns of 0 and 1 stay such columns, lists lists.

The table that holds the labels is copied under its own name. Only the cells of changed examples are new, each in the
spelling of its column, and rows of examples that are left out are gone; no columns are added, because tools would take
them for classes. `patch.csv` lists the changes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from labelsieve.core.conflict import Conflict
from labelsieve.core.dataset import Dataset
from labelsieve.core.questions import NOT, Questions
from labelsieve.corrections.class_folders import copy_beside
from labelsieve.corrections.patch import Change
from labelsieve.data.json_layouts import records
from labelsieve.data.label_file import NOBODY, keyed
from labelsieve.data.label_sets import SIGNS, is_mark, listed, of_table, sign_of
from labelsieve.data.readers import open_table
from labelsieve.places import paths

Opened = Callable[[str], IO[bytes]]
Answers = Mapping[int, Mapping[str, bool] | None]  # row -> class -> whether it has it; None: the example is left out
TABLES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".arrow", ".feather")


def answering(data: Dataset, changes: Sequence[Change]) -> tuple[list[Change], list[Conflict]]:
    """The changes that answer their question, or leave its example out; and a conflict for each that names another
    class. All changes of data with one label per example."""
    if data.questions is None:
        return list(changes), []
    asked = _asked(data.questions, data)
    good = [
        c
        for c in changes
        if c.id not in asked or c.new.removeprefix(NOT) == asked[c.id][1] or c.new in ("", asked[c.id][1])
    ]
    kept = set(map(id, good))
    return good, [
        Conflict(c.id, f"it asks about {asked[c.id][1]!r}, but the answer is {c.new!r}")
        for c in changes
        if id(c) not in kept
    ]


def write_several(recipe: Mapping[str, str], data: Dataset, changes: Sequence[Change], out: Path) -> tuple[str, ...]:
    """Write the copy into the folder `out`; returns notes.

    Raises:
        UserError: the table has changed since it was read.
    """
    assert data.questions is not None
    asked, answers, left = _asked(data.questions, data), defaultdict(dict), set()
    for change in changes:
        key, name = asked[change.id]
        answers[key][name] = not change.new.startswith(NOT) or change.new == name
        left |= set() if change.new else {key}
    path = recipe.get("labels") or recipe.get("source", "")
    if paths.suffix(path) not in TABLES:
        return _listed(data.questions, answers, left, out)
    row_of = _rows(recipe, data)
    by_row: Answers = {
        row: None if key in left else answers[key] for key, row in row_of.items() if key in left or key in answers
    }
    target = out / os.path.basename(paths.file_of(path))
    _table(path, recipe, by_row, target)
    pictures = getattr(data.questions.examples.inputs, "paths", None)
    if "labels" in recipe or not pictures or paths.is_remote(path):
        return ()
    kept = [p for key, p in zip(data.questions.examples.ids.tolist(), pictures, strict=True) if key not in left]
    outside = copy_beside(kept, os.path.dirname(path), out)
    return (
        (f"{outside:,} images outside the folder of the table were not copied; the table still names them.",)
        if outside
        else ()
    )


def _asked(questions: Questions, data: Dataset) -> dict[str, tuple[str, str]]:
    """Id of a question -> id of its example, and its class."""
    keys, names = questions.examples.ids, questions.names
    pairs = zip(data.ids.tolist(), questions.example.tolist(), questions.asked.tolist(), strict=True)
    return {key: (str(keys[i]), names[c]) for key, i, c in pairs}


def _rows(recipe: Mapping[str, str], data: Dataset) -> dict[str, int]:
    """Id of an example -> its row in the table of labels."""
    assert data.questions is not None
    examples = data.questions.examples
    if "labels" not in recipe:
        return dict(zip(examples.ids.tolist(), examples.rows.tolist(), strict=True))
    ids = [*examples.ids.tolist(), *(item.id for item in data.excluded)]
    columns = _columns(recipe["labels"], recipe)
    files = getattr(examples.inputs, "paths", None)
    keys, _, _ = keyed(recipe["labels"], ids, columns[0], recipe.get("id"), not examples.named, files)
    if keys is None:
        return dict(zip(examples.ids.tolist(), examples.rows.tolist(), strict=True))
    return {key: row for row, key in enumerate(keys) if key is not None and key is not NOBODY}


def _columns(path: str, recipe: Mapping[str, str]) -> tuple[str, ...]:
    taken = ["id", *(recipe.get(role) for role in ("text", "image", "id", "group"))]
    return of_table(open_table(path), recipe.get("label"), path, taken if "labels" in recipe else taken[1:]).columns


def _listed(
    questions: Questions, answers: Mapping[str, Mapping[str, bool]], left: set[str], out: Path
) -> tuple[str, ...]:
    """All labels as a table of 0 and 1, where the source cannot be written."""
    with open(out / "labels.csv", "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", *questions.names])
        for key, row in zip(questions.examples.ids.tolist(), questions.given.tolist(), strict=True):
            if key not in left:
                given = dict(zip(questions.names, row, strict=True)) | dict(answers.get(key, {}))
                writer.writerow([key, *(int(given[name]) for name in questions.names)])
    return ("The source is not copied; the labels are in labels.csv, with a column of 0 and 1 for each class.",)


def _table(path: str, recipe: Mapping[str, str], answers: Answers, out: Path) -> None:
    columns, suffix = _columns(path, recipe), paths.suffix(path)
    if suffix == ".parquet" or suffix in (".arrow", ".feather"):
        _arrow(path, columns, answers, out, suffix == ".parquet")
        return
    with paths.opened(path) as file:
        raw = file.read()
    raw = gzip.decompress(raw) if path.endswith(".gz") else raw
    data = (
        _json(raw, columns, answers, path, suffix == ".jsonl")
        if suffix in (".json", ".jsonl")
        else _csv(raw, columns, answers, suffix)
    )
    out.write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)


def _csv(raw: bytes, columns: Sequence[str], answers: Answers, suffix: str) -> bytes:
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    text = raw[len(mark) :].decode("utf-8", "surrogateescape")
    first = text.partition("\n")[0]
    comma = "\t" if suffix == ".tsv" else next((c for c in ",;\t" if c in first), ",")  # the rule of the reader
    header, *rows = (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=comma) if row)
    at = [header.index(name) for name in columns]
    new = corrected({name: [row[i] for row in rows] for name, i in zip(columns, at, strict=True)}, answers)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=comma, lineterminator="\r\n" if first.endswith("\r") else "\n")
    writer.writerow(header)
    for i, row in enumerate(rows):
        if answers.get(i, ()) is not None:
            for name, j in zip(columns, at, strict=True):
                row[j] = new[name][i]
            writer.writerow(row)
    return mark + buffer.getvalue().encode("utf-8", "surrogateescape")


def _json(raw: bytes, columns: Sequence[str], answers: Answers, path: str, lines: bool) -> bytes:
    rows: list[dict[str, Any]] = (
        [json.loads(line) for line in raw.split(b"\n") if line.strip()] if lines else records(json.loads(raw), path)
    )
    new = corrected({name: [row.get(name) for row in rows] for name in columns}, answers)
    for i in (i for i, answer in answers.items() if answer is not None):
        rows[i] |= {name: new[name][i] for name in columns}
    kept = [json.dumps(row, ensure_ascii=False) for i, row in enumerate(rows) if answers.get(i, ()) is not None]
    text = "".join(line + "\n" for line in kept) if lines else "[" + ",\n ".join(kept) + "]\n"
    return text.encode("utf-8", "backslashreplace")


def _arrow(path: str, columns: Sequence[str], answers: Answers, out: Path, parquet: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with paths.opened(path) as file:
        table = pq.read_table(file) if parquet else pa.ipc.open_file(pa.py_buffer(file.read())).read_all()
    new = corrected({name: table[name].to_pylist() for name in columns}, answers)
    for name in columns:
        at = table.schema.get_field_index(name)
        kind = table.schema.field(name).type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        table = table.set_column(at, table.schema.field(name), pa.array(new[name], plain).cast(kind))
    keep = np.array([answers.get(i, ()) is not None for i in range(len(table))], bool)
    table = table if keep.all() else table.filter(pa.array(keep))
    if parquet:
        with open(out, "wb") as file:
            pq.write_table(table, file)
        return
    with pa.ipc.new_file(str(out), table.schema) as writer:
        writer.write_table(table)


def corrected(columns: Mapping[str, Sequence[Any]], answers: Answers) -> dict[str, list[Any]]:
    """The cells of the columns of labels with the answers."""
    out = {name: list(cells) for name, cells in columns.items()}
    changed = {row: answer for row, answer in answers.items() if answer}
    name, *more = out
    if more or all(map(is_mark, out[name])):
        spelled = {is_yes: cell for cells in out.values() for cell in cells if (is_yes := _yes(cell)) is not None}
        for name, cells in out.items():
            own = spelled | {is_yes: cell for cell in cells if (is_yes := _yes(cell)) is not None}
            for row, answer in changed.items():
                if name.strip() in answer:
                    cells[row] = own.get(answer[name.strip()], int(answer[name.strip()]))
        return out
    cells, sign = out[name], sign_of(out[name])
    form = next((form for form in ("{", "[") if any(str(cell).lstrip().startswith(form) for cell in cells)), "")
    for row, answer in changed.items():
        names = [one for one in listed(cells[row], sign) or () if answer.get(one, True)]
        names += [one for one, has in answer.items() if has and one not in names]
        cells[row] = _written(cells[row], names, form, sign)
    return out


def _yes(cell: Any) -> bool | None:
    return None if not is_mark(cell) or cell is None else str(cell).strip().lower() in ("1", "1.0", "true")


def _written(cell: Any, names: list[str], form: str, sign: str) -> Any:
    """A list of names in the form of the cell, or of the column where it is a bare name."""
    if isinstance(cell, list):
        return names
    if isinstance(cell, dict):
        return {**cell, "choices": names}
    text = str(cell).lstrip()
    if text.startswith("{") or (form == "{" and not text.startswith("[")):
        return json.dumps({"choices": names}, ensure_ascii=False)
    if text.startswith("[") or form == "[" or not names:
        return repr(names) if "'" in text and '"' not in text else json.dumps(names, ensure_ascii=False)
    return (sign or SIGNS[0]).join(names)
