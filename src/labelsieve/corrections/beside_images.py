"""A corrected copy of a folder of images with tables of labels beside them: `_classes.csv`, `train.csv`, ...

Everything is copied, images without a label too; the tables are written anew in place. A table with one column of 0 and
1 per class keeps its columns, because tools take each for a class; the others get the two columns of `history`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from labelsieve.core.added_columns import FILES
from labelsieve.core.dataset import Dataset
from labelsieve.corrections.patch import Change
from labelsieve.corrections.plan import plan
from labelsieve.corrections.table_file import apply_table
from labelsieve.data.columns import Columns
from labelsieve.data.label_file import columns_of_labels
from labelsieve.data.labels_beside import labelled_beside
from labelsieve.data.readers import delimiter
from labelsieve.formats.boxes import copied
from labelsieve.places import paths
from labelsieve.places.tree import Tree


def apply_beside(data: Dataset, changes: Sequence[Change], out: Path) -> tuple[str, ...]:
    """Write the copy into the empty folder `out`; returns notes.

    Raises:
        UserError: a file cannot be copied, or a new class does not fit its table.
    """
    tree = Tree(data.source)
    label, id = ((data.recipe or {}).get(name) for name in ("label", "id"))
    beside = None if label or id else labelled_beside(tree)
    beside = beside or labelled_beside(tree, Columns(label=label, id=id), anywhere=True)
    used = {} if beside is None else beside.files
    tables = {file: columns_of_labels(paths.join(data.source, file), ids, label, id) for file, ids in used.items()}
    classes = {name.strip() for _, columns in tables.values() for name in columns if len(columns) > 1}
    new = {change.id: change.new for change in changes}
    fresh = [name for name in dict.fromkeys(new.values()) if name and name not in classes]
    copied(data.source, out, {}, {*FILES, *tables, *(key for key, name in new.items() if not name)})
    notes: dict[str, None] = {}
    for file, (keys, columns) in tables.items():
        source, target = paths.join(data.source, file), out / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if len(columns) > 1:
            target.write_bytes(_one_hot(file, paths.read(source), keys, columns, new, fresh))
            continue
        row_of = {key: row for row, key in enumerate(keys)}
        here = np.array([i for i, key in enumerate(data.ids) if key in row_of], np.int64)
        part = data.pick(here)
        part = replace(part, rows=np.array([row_of[key] for key in part.ids], np.int64))
        own = [change for change in changes if change.id in row_of]
        history = apply_table(source, columns[0], plan(len(keys), part, own), target, paths.opened)
        notes |= {history.note: None} if history.note else {}
    return tuple(notes)


def _one_hot(
    file: str,
    raw: bytes,
    keys: Sequence[str | None],
    columns: Sequence[str],
    new: Mapping[str, str],
    fresh: Sequence[str],
) -> bytes:
    """A CSV file with one column of 0 and 1 per class, with the labels `new` by id and columns for the `fresh` classes;
    blanks after commas stay."""
    text = raw.decode("utf-8", "surrogateescape")
    mark = delimiter(raw.partition(b"\n")[0], file)
    header, *rows = (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if row)
    blank = " " if header[-1].startswith(" ") else ""
    place = {name.strip(): header.index(name) for name in columns}
    place |= {name: len(header) + i for i, name in enumerate(fresh)}
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=mark, lineterminator="\r\n" if "\r\n" in text else "\n")
    writer.writerow([*header, *(blank + name for name in fresh)])
    for key, row in zip(keys, rows, strict=True):
        label = new.get(key or "")
        if label == "":
            continue
        row += [f"{blank}0"] * len(fresh)
        for name, at in place.items() if label else ():
            row[at] = f"{blank}{int(name == label)}"
        writer.writerow(row)
    return out.getvalue().encode("utf-8", "surrogateescape")
