"""Data with the votes of several annotators: votes alone, votes beside texts or images in one table, and votes in a
table of their own, which are matched to the data by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.vote_list import in_order
from labelsieve.data.columns import IMAGES, LABELS, TEXTS, Columns, require_column
from labelsieve.data.frames import is_indexed, to_arrow
from labelsieve.data.label_file import NOBODY, keys_of
from labelsieve.data.raw_data import Draft
from labelsieve.data.readers import READERS, TableFile, in_memory, open_table, plain_codes, user_errors
from labelsieve.data.table import from_arrow, names_of
from labelsieve.data.vote_columns import VoteTable, codes_of, named_codes, read_votes, wide_columns
from labelsieve.places import paths

if TYPE_CHECKING:
    import pyarrow as pa

NAMED = 3  # ids that a message lists


def draft_of_votes(source: Any, annotator: str, requested: Columns, time: str | None) -> tuple[Draft, VoteTable]:
    """The draft of a table that holds votes and, maybe, the texts or images that they are about. The examples are in
    the order of their ids. Without texts and images the inputs are the shares of the votes."""
    file, name = opened(source)
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
    source: Any, annotator: str | None, requested: Columns, time: str | None, draft: Draft, ids: np.ndarray
) -> VoteTable:
    """The votes of a table about the data of the draft, which have the ids (n,)."""
    file, name = opened(source)
    names = tuple(file.schema.names)
    if annotator is None:
        raise UserError(
            f"Name the column of {name} that says who gave each vote, with <annotator>.", annotator="COLUMN"
        )
    wide = wide_columns(annotator, names, name, requested)
    label = requested.label if requested.label in names else None
    known = _names(draft, ids)
    key = (
        requested.id
        if requested.id in names
        else "id"
        if "id" in names
        else _column_of(file, name, known, [*wide, annotator])
    )
    if key is None:
        raise UserError(f"No column of {name} holds the ids of the data, such as {ids[0]!r}; name it with <id>.", id="")
    table = read_votes(file, name, annotator, replace(requested, label=label, id=key), time)
    return _with_ids(table, name, key, known)


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


def opened(source: Any) -> tuple[TableFile, str]:
    """The table in a file or a frame, and its name."""
    if isinstance(source, str):
        if paths.is_folder(source):
            raise UserError(f"{source} is a folder, which holds no votes; name their table with <votes>.", votes="FILE")
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
    taken = {requested.id, requested.label, *wide_columns(annotator, file.schema.names, source, requested), annotator}
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
    codes, _ = codes_of(column)
    example, _ = named_codes(file.read(Columns(id=requested.id)), requested.id)
    place = example >= 0
    odd = np.flatnonzero(codes[place] != codes[table.first[example[place]]])
    if len(odd):
        key = table.ids[int(example[place][odd[0]])]
        raise UserError(
            f"The rows of {key!r} in {source} differ in the column {name!r}; one example has one input. Correct the "
            "table, or name another <id>.",
            id="",
        )


def _names(draft: Draft, ids: np.ndarray) -> dict[str, str]:
    """The name of each example, by which votes are matched, -> its id: the ids, or the files where the ids are row
    numbers; empty if the examples have no names, so that only whole row numbers match."""
    if draft.ids is not None:
        return dict(zip(ids.tolist(), ids.tolist(), strict=True))
    return dict(zip(getattr(draft.inputs, "paths", ()), ids.tolist(), strict=False))


def _column_of(file: TableFile, source: str, known: dict[str, str], taken: Sequence[str]) -> str | None:
    """The first column that names the examples."""
    whole = set(known.values())
    for name in file.schema.names:
        if name in taken or name.lower() in LABELS:
            continue
        cells = {cell for cell in names_of(file.first([name])[name]) if cell is not None}
        if cells and (cells <= whole or keys_of(source, sorted(cells), known)[0] is not None):
            return name
    return None


def _with_ids(table: VoteTable, source: str, column: str, known: dict[str, str]) -> VoteTable:
    """The table with the ids of the data, where it has their base names or stems; the names of no example stay.

    Raises:
        UserError: two names stand for one example, or one for several.
    """
    if {*known.values()} & {*table.ids}:
        return table
    keys, how = keys_of(source, table.ids, known)
    if keys is None:
        return table
    ids = [name if key is NOBODY or key is None else key for name, key in zip(table.ids, keys, strict=True)]
    first: dict[str, str] = {}
    for key, name in zip(ids, table.ids, strict=True):
        if first.setdefault(key, name) != name:
            raise UserError(
                f"In the column {column!r} of {source} both {first[key]!r} and {name!r} name the example {key!r}; "
                "write one name for it."
            )
    note = f"The votes of {source} were matched by {column!r}: {how}."
    return replace(table, ids=ids, notes=(*table.notes, note))


def _numbers(names: Sequence[str]) -> bool:
    try:
        return bool([float(name) for name in names])
    except ValueError:
        return False
