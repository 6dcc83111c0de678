"""The votes of several annotators in a table: a long one (one row per vote) or a wide one (one column per annotator).

Only the columns of ids, annotators, labels and times are read, and each becomes int32 codes before the next, so that a
table of ten million votes needs some hundred megabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.vote_list import Votes, in_order
from labelsieve.data.class_names import readable
from labelsieve.data.columns import LABELS, Columns, require_column
from labelsieve.data.finish import encode
from labelsieve.data.readers import TableFile
from labelsieve.data.table import names_of
from labelsieve.data.vote_times import ranks
from labelsieve.stats import vote_model as model

if TYPE_CHECKING:
    import pyarrow as pa


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
    wide = wide_columns(annotator, names, name, requested)
    if time is not None:
        require_column(time, names, name, "time")
        if wide:
            raise UserError(f"{name} has one column per annotator, so <time> has no effect; leave it out.", time="")
    if requested.id is not None:
        require_column(requested.id, names, name, "id")
    if wide:
        if requested.label is not None:
            require_column(requested.label, names, name, "label")
        return _of_wide(file, name, wide, requested)
    return _of_long(file, name, annotator, _vote_label(names, requested, annotator, name), requested.id, time)


def _of_long(file: TableFile, name: str, annotator: str, label: str, id: str | None, time: str | None) -> VoteTable:
    if id is None:
        raise UserError(
            f"{name} has one row per vote; name the column that says which example each is about, with <id>.",
            id="COLUMN",
        )
    table = file.read(Columns(label=label, id=id, group=annotator))
    example, ids = named_codes(table, id)
    who, annotators = named_codes(table, annotator)
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
        order, replaced = _last(order, example, who, file.written([time])[time], time, name)
        if replaced:
            notes.append(f"{replaced:,} votes were replaced by a later one of the same annotator.")
    run = _runs(order, example, who)
    first = np.r_[True, run[1:] != run[:-1]]
    if not first.all():
        differ = _differ(first, said[order])
        if same := int((~first & ~differ).sum()):
            notes.append(f"{same:,} votes repeat one of the same annotator on the same example; each counts once.")
        if several := int((first & differ).sum()):
            more = "With <time> the last of them does." if time is None else f"They have the same {time!r}."
            notes.append(
                f"{several:,} times an annotator gave several different labels to one example; these votes do not "
                f"count. {more}"
            )
        order = order[first & ~differ]
    row = np.full(len(ids), -1, np.int64)
    row[example[::-1]] = np.arange(len(example))[::-1]  # the first row of each example
    votes = in_order(example[order], who[order], said[order], tuple(annotators), len(ids))
    return _sound(VoteTable(ids, votes, classes, None, row, tuple(notes)), name)


def _of_wide(file: TableFile, name: str, annotators: Sequence[str], requested: Columns) -> VoteTable:
    columns: list[tuple[np.ndarray, int]] = []
    values: list[Any] = []
    n = 0
    for column in [*annotators, *([requested.label] if requested.label else [])]:
        codes, names = codes_of(file.read(Columns(label=column))[column])
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
    some = np.unique(table.votes.annotator)
    if len(some) == 1:
        raise UserError(
            f"{name} holds the votes of one annotator, {table.votes.annotators[some[0]]!r}; leave <annotator> out.",
            annotator="",
        )
    return table


def wide_columns(annotator: str, names: Sequence[str], source: str, requested: Columns) -> list[str]:
    """The columns of a wide table; none of a long one. A pattern never means the columns of ids and labels in use."""
    if annotator in names:
        return []
    parts = [part.strip() for part in annotator.split(",")]
    chosen = []
    for part in parts:
        meant = [part] if part in names else [name for name in names if fnmatchcase(name, part)]
        if not meant:
            require_column(part, tuple(names), source, "annotator")
        chosen += [name for name in meant if name == part or name not in (requested.id, requested.label)]
    if not chosen:
        require_column(annotator, tuple(names), source, "annotator")
    return [name for name in names if name in chosen]


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


def codes_of(column: pa.ChunkedArray) -> tuple[np.ndarray, list[Any]]:
    """(r,) int32 positions, -1 for empty cells, and the different values as Python values."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    codes = whole.indices.cast(pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, whole.dictionary.to_pylist()


def named_codes(table: pa.Table, column: str) -> tuple[np.ndarray, list[str]]:
    """(r,) int32 positions in the sorted names, -1 for none, and the names of ids or annotators."""
    import pyarrow as pa

    codes, values = codes_of(table[column])
    names = names_of(pa.chunked_array([pa.array(values)])) if values else []
    known = sorted({name for name in names if name is not None and name.strip()})
    place = {name: i for i, name in enumerate(known)}
    moved = np.array([*(place.get(name or "", -1) for name in names), -1], np.int32)
    return moved[codes], known


def _label_codes(column: pa.ChunkedArray) -> tuple[np.ndarray, tuple[str, ...]]:
    codes, values = codes_of(column)
    known, classes = encode(values)
    return np.r_[known, -1].astype(np.int32)[codes], tuple(readable(name) for name in classes)


def _last(
    order: np.ndarray, example: np.ndarray, who: np.ndarray, times: pa.ChunkedArray, column: str, source: str
) -> tuple[np.ndarray, int]:
    """The rows `order` without those that have a later one of the same annotator on the same example, and how many
    those are. Only the times of repeated votes are looked at."""
    run = _runs(order, example, who)
    repeated = np.flatnonzero(np.bincount(run)[run] > 1) if len(run) else run
    if not len(repeated):
        return order, 0
    when = ranks(times.take(order[repeated]).to_pylist(), column, source)
    latest = np.full(run[-1] + 1, -1, np.int64)
    np.maximum.at(latest, run[repeated], when)
    kept = np.ones(len(order), bool)
    kept[repeated] = when == latest[run[repeated]]
    return order[kept], int((~kept).sum())


def _runs(order: np.ndarray, example: np.ndarray, who: np.ndarray) -> np.ndarray:
    """(m,) the number of the pair of an example and an annotator that each of the sorted rows `order` is about."""
    one, other = example[order], who[order]
    return np.cumsum(np.r_[False, (one[1:] != one[:-1]) | (other[1:] != other[:-1])]) if len(order) else order


def _differ(first: np.ndarray, said: np.ndarray) -> np.ndarray:
    """(m,) bool, the vote belongs to a run of votes, begun by `first`, that differ."""
    run = np.cumsum(first) - 1
    start = np.flatnonzero(first)
    return (np.bincount(run, said != said[start[run]]) > 0)[run]
