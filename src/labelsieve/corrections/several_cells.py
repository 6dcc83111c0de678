"""A corrected copy of labels of which an example may have several: columns of 0 and 1 stay such columns, lists lists.

A format of another tool is written by `labelsieve.formats`. Else the
table that holds the labels is copied under its own name. Only the cells of changed examples are new, each in the
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
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from labelsieve import formats
from labelsieve.core.added_columns import FILES
from labelsieve.core.conflict import Conflict
from labelsieve.core.dataset import Dataset
from labelsieve.core.questions import NOT, Questions
from labelsieve.corrections.class_folders import copy_beside
from labelsieve.corrections.patch import Change
from labelsieve.data.class_metadata import class_names_of_lists
from labelsieve.data.columns import Columns
from labelsieve.data.json_layouts import records
from labelsieve.data.label_file import NOBODY, columns_of_labels, keyed
from labelsieve.data.label_sets import SIGNS, class_columns, is_mark, listed, named_cells, sign_of
from labelsieve.data.labels_beside import labelled_beside
from labelsieve.data.readers import in_memory, open_table
from labelsieve.formats import lance
from labelsieve.formats.boxes import copied
from labelsieve.places import paths
from labelsieve.places.tree import Tree

if TYPE_CHECKING:
    import pyarrow as pa

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
    asked, left = _asked(data.questions, data), set()
    answers: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for change in changes:
        key, name = asked[change.id]
        answers[key][name] = not change.new.startswith(NOT) or change.new == name
        left |= set() if change.new else {key}
    new: dict[str, Mapping[str, bool] | None] = {**answers, **dict.fromkeys(left)}
    if "format" in recipe and "labels" not in recipe and formats.writes(recipe["format"]):
        named = {role: recipe[role] for role in formats.ROLES if role in recipe}
        return tuple(formats.write_answers(recipe["format"], recipe["source"], new, out, named))
    path = recipe.get("labels") or recipe.get("source", "")
    if path.startswith("hf:") and not paths.is_remote(path):
        return _hub(path, recipe, {int(row): new[key] for key, row in _rows(recipe, data).items() if key in new}, out)
    if paths.is_folder(path) and "format" not in recipe and not lance.is_lance(path):
        return _beside(path, recipe, data, new, out)
    if paths.suffix(path) not in TABLES or ("format" in recipe and "labels" not in recipe):
        return _listed(data.questions, answers, left, out)
    row_of = _rows(recipe, data)
    by_row: Answers = {row: new[key] for key, row in row_of.items() if key in new}
    target = out / os.path.basename(paths.file_of(path))
    _table(path, _columns(path, recipe), by_row, target)
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


def _columns(path: str, recipe: Mapping[str, str], beside: bool = False) -> tuple[str, ...]:
    taken = ["id", *(recipe.get(role) for role in ("text", "image", "id", "group"))]
    taken = taken if beside or "labels" in recipe else taken[1:]
    return class_columns(open_table(path), recipe.get("label"), path, taken)


def _beside(
    root: str, recipe: Mapping[str, str], data: Dataset, new: Mapping[str, Mapping[str, bool] | None], out: Path
) -> tuple[str, ...]:
    """A copy of a folder of images, with the tables beside them written anew in place."""
    named = Columns(label=recipe.get("label"), id=recipe.get("id"), group=recipe.get("group"))
    beside = labelled_beside(Tree(root), named, anywhere=True, several=True)
    files = {} if beside is None else beside.files
    copied(root, out, {}, {*FILES, *files, *(key for key, answer in new.items() if answer is None)})
    for file, ids in files.items():
        path, target = paths.join(root, file), out / file
        columns = _columns(path, recipe, beside=True)
        keys, _ = columns_of_labels(path, ids, columns[0], recipe.get("id"))
        target.parent.mkdir(parents=True, exist_ok=True)
        _table(path, columns, {row: new[key] for row, key in enumerate(keys) if key is not None and key in new}, target)
    return ()


def _hub(source: str, recipe: Mapping[str, str], answers: Answers, out: Path) -> tuple[str, ...]:
    """The splits of `datasets`, the one that was read with its columns of labels corrected."""
    import datasets
    from datasets.table import InMemoryTable

    from labelsieve.data.hub import arrow_of, open_splits
    from labelsieve.data.hub_folder import save

    splits, name = open_splits(source)
    table = arrow_of(splits[name])
    taken = [recipe.get(role) for role in ("text", "image", "id", "group")]
    columns = class_columns(in_memory(table), recipe.get("label"), source, taken)
    plain = _with_answers(table, columns, answers, source).replace_schema_metadata(None)
    features = splits[name].features
    info = datasets.DatasetInfo(description=splits[name].info.description, features=features)
    cast = InMemoryTable(plain.cast(features.arrow_schema))
    done: Any = datasets.Dataset(cast, info=info, split=splits[name].split)
    if len(splits) > 1:
        done = datasets.DatasetDict({key: done if key == name else other for key, other in splits.items()})
    save(done, out / "data")
    others = ", ".join(key for key in splits if key != name)
    return (f"The copy has all splits; only {name} was read, so {others} stayed as it was.",) if others else ()


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


def _table(path: str, columns: Sequence[str], answers: Answers, out: Path) -> None:
    suffix = paths.suffix(path)
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
    table = _with_answers(table, columns, answers, path)
    if parquet:
        with open(out, "wb") as file:
            pq.write_table(table, file)
        return
    with pa.ipc.new_file(str(out), table.schema) as writer:
        writer.write_table(table)


def _with_answers(table: pa.Table, columns: Sequence[str], answers: Answers, source: str) -> pa.Table:
    """The rows of a table that are kept, with the answers. Lists of numbers with names stay lists of numbers."""
    import pyarrow as pa

    names = class_names_of_lists(table.schema, columns[0])
    cells = {name: named_cells(table[name].to_pylist(), names, source) for name in columns}
    new = corrected(cells, answers)
    code = {name: k for k, name in enumerate(names or ())}
    for name in columns:
        at, field = table.schema.get_field_index(name), table.schema.field(name)
        plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        values = new[name] if names is None else [cell and [code[one] for one in cell] for cell in new[name]]
        table = table.set_column(at, field, pa.array(values, plain).cast(field.type))
    keep = np.array([answers.get(i, ()) is not None for i in range(len(table))], bool)
    return table if keep.all() else table.filter(pa.array(keep))


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
