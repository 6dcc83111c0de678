"""Reads the votes of several annotators: a long table (one row per vote) or a wide one (one column per annotator).

Only the columns of ids, annotators, labels and times are read, and each becomes int32 codes before the next, so that a
table of ten million votes needs some hundred megabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.vote_list import Votes, in_order
from labelsieve.data.class_names import readable
from labelsieve.data.columns import IMAGES, LABELS, TEXTS, Columns, require_column
from labelsieve.data.finish import encode
from labelsieve.data.frames import is_indexed, to_arrow
from labelsieve.data.raw_data import Draft
from labelsieve.data.readers import READERS, TableFile, in_memory, open_table, plain_codes, user_errors
from labelsieve.data.table import from_arrow, names_of
from labelsieve.places import paths
from labelsieve.stats import vote_model as model

if TYPE_CHECKING:
    import pyarrow as pa

NAMED = 3  # ids that a message lists


@dataclass(frozen=True, eq=False)
class VoteTable:
    """The votes of a table, before they are matched to data.

    Attributes:
        ids: the names of the examples, sorted.
        votes: on these examples; labels are positions in `classes`.
        classes: the names of all labels.
        given: (n,) positions in `classes` of the labels in use, -1 for none; None if the table has no such column.
        first: (n,) a row of each example in the table.
        notes: what the user should know.
    """

    ids: list[str]
    votes: Votes
    classes: tuple[str, ...]
    given: np.ndarray | None
    first: np.ndarray
    notes: tuple[str, ...]

    def in_use(self) -> np.ndarray:
        """(n,) the labels in use: those of the table, else the one with most votes. Where several have most, the votes
        of all annotators decide (`stats.vote_model`), and where they cannot, the first class. -1 without votes."""
        if self.given is not None:
            return self.given
        shares = self.votes.shares(len(self.classes))
        most = shares >= shares.max(1, keepdims=True) - model.EQUAL
        if (most.sum(1) > 1).any():
            posterior = model.fit(self.votes, len(self.classes)).posterior
            return np.where(shares.any(1), model.consensus(np.where(most, posterior, -1.0)), -1)
        return np.where(shares.any(1), most.argmax(1), -1)


def draft_of_votes(source: Any, annotator: str, requested: Columns, time: str | None) -> tuple[Draft, VoteTable]:
    """The draft of a table that holds votes and, maybe, the texts or images that they are about. The examples are in
    the order of their ids. Without texts and images the inputs are the shares of the votes."""
    file, name = _opened(source)
    table = read_votes(file, name, annotator, requested, time)
    columns = _input(file, requested, annotator, name)
    labels = table.in_use()
    draft = Draft((), "probs", name, labels, classes=table.classes)
    if columns is None:
        draft = replace(draft, inputs=table.votes.shares(len(table.classes)).astype(np.float32))
    else:
        rows = file.read(columns)
        _require_one_input(rows[columns.all()[0]], table, file, name, requested, columns.all()[0])
        folder = paths.parent(source) if isinstance(source, str) else ""
        inner = from_arrow(rows.take(table.first), columns, name, folder, guessed_id=False)
        draft = replace(inner, labels=labels, classes=table.classes)
    place = "row numbers" if requested.id is None else f"column {requested.id!r}"
    return replace(draft, ids=table.ids, id_place=place, notes=(*draft.notes, *table.notes)), table


def votes_beside(
    source: Any, annotator: str | None, requested: Columns, time: str | None, ids: np.ndarray
) -> VoteTable:
    """The votes of a table about data that are somewhere else, which have the ids (n,)."""
    file, name = _opened(source)
    names = tuple(file.schema.names)
    if annotator is None:
        raise UserError(
            f"Name the column of {name} that says who gave each vote, with <annotator>.", annotator="COLUMN"
        )
    wide = _wide(annotator, names, name)
    label = requested.label if requested.label in names else None
    key = (
        requested.id if requested.id in names else "id" if "id" in names else _column_of(file, ids, [*wide, annotator])
    )
    if key is None:
        raise UserError(f"No column of {name} holds the ids of the data, such as {ids[0]!r}; name it with <id>.", id="")
    return read_votes(file, name, annotator, replace(requested, label=label, id=key), time)


def attached(dataset: Dataset, table: VoteTable, *, alone: bool, given: bool) -> Dataset:
    """The data with the votes on their examples; classes that only votes name are added after the others. `alone` and
    `given` as in `Votes`."""
    more = sorted(set(table.classes) - set(dataset.classes))
    classes = (*dataset.classes, *(more if not _numbers(more) else sorted(more, key=float)))
    code = np.array([classes.index(name) for name in table.classes], np.int64)
    place = {key: i for i, key in enumerate(dataset.ids.tolist())}
    at = np.array([place.get(key, -1) for key in table.ids], np.int64)
    votes, known = table.votes, at[table.votes.example] >= 0
    if not known.any():
        raise UserError(
            f"None of the votes is about an example of {dataset.source}: their ids look like {table.ids[0]!r}, those "
            f"of the data like {dataset.ids[0]!r}."
        )
    notes = dataset.notes
    gone = {item.id for item in dataset.excluded}
    strange = [key for key, i in zip(table.ids, at.tolist(), strict=True) if i < 0 and key not in gone]
    if strange:
        listed = ", ".join(map(repr, strange[:NAMED])) + (", ..." if len(strange) > NAMED else "")
        notes = (
            *notes,
            f"{len(strange):,} examples with votes are not in the data ({listed}); their votes do not count.",
        )
    without = len(dataset) - int((at >= 0).sum())
    if without:
        notes = (*notes, f"{without:,} examples have no votes; the classifier alone judges them.")
    example, annotator, label = (x[known] for x in (at[votes.example], votes.annotator, code[votes.label]))
    ours = in_order(example, annotator, label, votes.annotators, len(dataset), alone=alone, given=given)
    return replace(dataset, classes=classes, votes=ours, notes=notes)


def read_votes(file: TableFile, name: str, annotator: str, requested: Columns, time: str | None) -> VoteTable:
    """The votes of a table.

    Args:
        file: the table.
        name: its name, for messages.
        annotator: the column of annotators of a long table; or the columns of a wide one, separated by commas, or a
            pattern such as rater_*.
        requested: the columns of the labels and the ids. A long table needs both; in a wide one the labels are those
            in use, and without ids the rows are numbered.
        time: the column of times of a long table: of several votes of one annotator on one example the last counts.
    """
    names = tuple(file.schema.names)
    wide = _wide(annotator, names, name)
    if time is not None:
        require_column(time, names, name, "time")
        if wide:
            raise UserError(f"{name} has one column per annotator, so <time> has no effect; leave it out.", time="")
    if requested.id is not None:
        require_column(requested.id, names, name, "id")
    if wide:
        return _of_wide(file, name, wide, requested)
    return _of_long(file, name, annotator, _vote_label(names, requested, annotator, name), requested.id, time)


def _of_long(file: TableFile, name: str, annotator: str, label: str, id: str | None, time: str | None) -> VoteTable:
    if id is None:
        raise UserError(
            f"{name} has one row per vote; name the column that says which example each is about, with <id>.",
            id="COLUMN",
        )
    table = file.read(Columns(label=label, id=id, group=annotator))
    example, ids = _named_codes(table, id)
    who, annotators = _named_codes(table, annotator)
    said, classes = _label_codes(table[label])
    del table
    at = np.flatnonzero((example >= 0) & (who >= 0) & (said >= 0))
    notes = []
    if len(at) < len(example):
        notes.append(
            f"{len(example) - len(at):,} rows have no label, no annotator or no id; they are no votes and do not count."
        )
    order = at[np.lexsort((said[at], who[at], example[at]))]
    if time is not None:
        later = _moments(file.written([time])[time])
        order = at[np.lexsort((said[at], later[at], who[at], example[at]))]
    pair = example[order].astype(np.int64) * max(1, len(annotators)) + who[order]
    first = np.r_[True, pair[1:] != pair[:-1]]
    if not first.all():
        last = np.r_[first[1:], True]
        differ = _differ(first, said[order])
        if time is not None:
            keep = last
            notes.append(f"{int((~last).sum()):,} votes were replaced by a later one of the same annotator.")
        else:
            keep = first & ~differ
            if same := int((~first & ~differ).sum()):
                notes.append(f"{same:,} votes repeat one of the same annotator on the same example; each counts once.")
            if several := int((first & differ).sum()):
                notes.append(
                    f"{several:,} times an annotator gave several different labels to one example; these votes do not "
                    "count. With <time> the last of them does."
                )
        order = order[keep]
    row = np.full(len(ids), -1, np.int64)
    row[example[::-1]] = np.arange(len(example))[::-1]  # the first row of each example
    votes = in_order(example[order], who[order], said[order], tuple(annotators), len(ids))
    return _sound(VoteTable(ids, votes, classes, None, row, tuple(notes)), name)


def _of_wide(file: TableFile, name: str, annotators: Sequence[str], requested: Columns) -> VoteTable:
    columns: list[tuple[np.ndarray, int]] = []
    values: list[Any] = []
    n = 0
    for column in [*annotators, *([requested.label] if requested.label else [])]:
        codes, names = _codes(file.read(Columns(label=column))[column])
        columns.append((codes, len(values)))
        values += names
        n = len(codes)
    known, classes = encode(values)
    known = np.r_[known, -1]
    said = [known[np.where(codes < 0, -1, codes + start)] for codes, start in columns]
    given = said.pop() if requested.label else None
    if requested.id is None:
        ids, order = [str(i) for i in range(n)], np.arange(n)
    else:
        written = [key or "" for key in names_of(file.read(Columns(id=requested.id))[requested.id])]
        order = np.array(sorted(range(n), key=written.__getitem__), np.int64)
        ids = [written[i] for i in order]
    place = np.argsort(order)
    example = np.concatenate([place[codes >= 0] for codes in said])
    names = sorted(annotators)
    who = np.concatenate(
        [np.full((codes >= 0).sum(), names.index(a)) for a, codes in zip(annotators, said, strict=True)]
    )
    label = np.concatenate([codes[codes >= 0] for codes in said])
    votes = in_order(example, who, label, tuple(names), n)
    return _sound(VoteTable(ids, votes, classes, None if given is None else given[order], order, ()), name)


def _sound(table: VoteTable, name: str) -> VoteTable:
    if not len(table.votes):
        raise UserError(f"{name} holds no votes.")
    annotators = tuple(table.votes.annotators)
    if len(annotators) == 1:
        raise UserError(
            f"{name} holds the votes of one annotator, {annotators[0]!r}; leave <annotator> out.",
            annotator="",
        )
    return table


def _opened(source: Any) -> tuple[TableFile, str]:
    """The table in a file or a frame, and its name."""
    if isinstance(source, str):
        if not paths.is_file(source):
            raise UserError(f"There is no file {source}.")
        if paths.suffix(source) not in READERS:
            raise UserError(f"{source} is not a table; votes are read from {', '.join(READERS)} and frames.")
        return open_table(source), source
    if hasattr(source, "collect"):
        source = source.collect()
    if not hasattr(source, "__arrow_c_stream__") and not is_indexed(source):
        raise UserError(f"Votes are read from a table or a frame, not from a {type(source).__name__}.")
    import pyarrow as pa

    with user_errors("the frame of votes"):
        table = to_arrow(source, []) if is_indexed(source) else pa.table(source)
    return in_memory(plain_codes(table)), f"the {type(source).__module__.partition('.')[0]} frame"


def _wide(annotator: str, names: Sequence[str], source: str) -> list[str]:
    """The columns of a wide table; none of a long one."""
    if annotator in names:
        return []
    parts = [part.strip() for part in annotator.split(",")]
    chosen = [name for name in names if any(fnmatchcase(name, part) for part in parts)]
    for part in parts:
        if not any(fnmatchcase(name, part) for name in names):
            require_column(part, tuple(names), source, "annotator")
    return chosen


def _vote_label(names: Sequence[str], requested: Columns, annotator: str, source: str) -> str:
    if requested.label is not None:
        require_column(requested.label, tuple(names), source, "label")
        return requested.label
    found = [name for name in names if name.lower() in LABELS and name not in (requested.id, annotator)]
    if len(found) != 1:
        raise UserError(
            f"It is not clear which column of {source} holds the votes; name it with <label>. There are: "
            f"{', '.join(names)}.",
            label="",
        )
    return found[0]


def _input(file: TableFile, requested: Columns, annotator: str, source: str) -> Columns | None:
    """The column of the texts or images that the votes are about: a named one, or one whose name is clear."""
    if requested.text and requested.image:
        raise UserError(
            "Both <text> and <image> are named; one data set has one kind of input.",
            text=requested.text,
            image=requested.image,
        )
    for role, name in (("text", requested.text), ("image", requested.image)):
        if name is not None:
            require_column(name, tuple(file.schema.names), source, role)
            return Columns(text=name) if role == "text" else Columns(image=name)
    taken = {requested.id, requested.label, *_wide(annotator, file.schema.names, source), annotator}
    free = [name for name in file.schema.names if name not in taken]
    texts, images = ([name for name in free if name.lower() in known] for known in (TEXTS, IMAGES))
    if len(texts) + len(images) != 1:
        return None
    return Columns(text=texts[0]) if texts else Columns(image=images[0])


def _require_one_input(
    column: pa.ChunkedArray, table: VoteTable, file: TableFile, source: str, requested: Columns, name: str
) -> None:
    """Refuse an example whose rows have different inputs."""
    if requested.id is None or len(table.first) == len(column):
        return
    codes, _ = _codes(column)
    example, _ = _named_codes(file.read(Columns(id=requested.id)), requested.id)
    place = example >= 0
    odd = np.flatnonzero(codes[place] != codes[table.first[example[place]]])
    if len(odd):
        key = table.ids[int(example[place][odd[0]])]
        raise UserError(
            f"The rows of {key!r} in {source} differ in the column {name!r}; one example has one input. Correct the "
            "table, or name another <id>.",
            id="",
        )


def _column_of(file: TableFile, ids: np.ndarray, taken: Sequence[str]) -> str | None:
    """The first column whose values are ids of the data."""
    known = set(ids.tolist())
    for name in file.schema.names:
        if name in taken or name.lower() in LABELS:
            continue
        cells = {cell for cell in names_of(file.first([name])[name]) if cell is not None}
        if cells and cells <= known:
            return name
    return None


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray, list[Any]]:
    """(r,) int32 positions, -1 for empty cells, and the different values as Python values."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    codes = whole.indices.cast(pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, whole.dictionary.to_pylist()


def _named_codes(table: pa.Table, column: str) -> tuple[np.ndarray, list[str]]:
    """(r,) int32 positions in the sorted names, -1 for none, and the names of ids or annotators."""
    import pyarrow as pa

    codes, values = _codes(table[column])
    names = names_of(pa.chunked_array([pa.array(values)])) if values else []
    known = sorted({name for name in names if name is not None and name.strip()})
    place = {name: i for i, name in enumerate(known)}
    moved = np.array([*(place.get(name or "", -1) for name in names), -1], np.int32)
    return moved[codes], known


def _label_codes(column: pa.ChunkedArray) -> tuple[np.ndarray, tuple[str, ...]]:
    codes, values = _codes(column)
    known, classes = encode(values)
    return np.r_[known, -1].astype(np.int32)[codes], tuple(readable(name) for name in classes)


def _moments(column: pa.ChunkedArray) -> np.ndarray:
    """(r,) int32 the order of the times, -1 where there is none."""
    codes, values = _codes(column)
    try:
        ranked = sorted(range(len(values)), key=lambda i: float(values[i]))
    except (TypeError, ValueError):
        ranked = sorted(range(len(values)), key=lambda i: str(values[i]))
    place = np.full(len(values) + 1, -1, np.int32)
    place[ranked] = np.arange(len(values))
    return place[codes]


def _differ(first: np.ndarray, said: np.ndarray) -> np.ndarray:
    """(m,) bool, the vote belongs to a run of votes, begun by `first`, that differ."""
    run = np.cumsum(first) - 1
    start = np.flatnonzero(first)
    return (np.bincount(run, said != said[start[run]]) > 0)[run]


def _numbers(names: Sequence[str]) -> bool:
    try:
        return bool([float(name) for name in names])
    except ValueError:
        return False
