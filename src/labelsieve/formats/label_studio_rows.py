"""Label Studio's JSON-MIN, CSV and TSV: a row for each annotation, with the data, the controls, and who annotated.

Rows with the same `id` are about one task; JSON-MIN overwrites an `id` of the data by its own number. A control is a
column like the data, so `label` says which one it is unless only one can be meant. Its cells are words, or, in the same
column, objects such as `{"choices": ["cat", "dog"]}`; a row without one says that it is none of the classes.

In a corrected copy the rows that say other classes are left out; if none says the new classes, the first row does.
Label Studio imports no annotations from these files; its full JSON comes back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelsieve.formats.content import Content, Names
from labelsieve.formats.label_studio_json import BETWEEN, CONTROLS, classes_of
from labelsieve.formats.media_beside import chosen_input, inputs_of, not_copied
from labelsieve.formats.records import (
    Record,
    csv_names,
    first_record,
    one_name,
    read_csv,
    read_records,
    write_csv,
    write_records,
)
from labelsieve.places import paths

_TABLES = (".csv", ".tsv")
_NEEDED = {"annotation_id", "annotator", "lead_time", "id"}
_OWN = {*_NEEDED, "created_at", "updated_at", "agreement", "history"}


def recognises(place: str) -> bool:
    if not paths.is_file(place):
        return False
    suffix = paths.suffix(place)
    names = csv_names(place) if suffix in _TABLES else first_record(place) if suffix == ".json" else ()
    return set(names) >= _NEEDED


def read(place: str, *, label: str | None = None, text: str | None = None, image: str | None = None) -> Content:
    """`label` names the control, `text` or `image` a column of the data. The ids are the column `id`.

    Raises:
        UserError: it is not clear which column is the control or the input.
    """
    rows = _rows(place)
    tasks = _tasks(rows)
    control, found = _columns(rows, place, label, text, image)
    votes: list[list[tuple[str, Names]]] = []
    unlabelled: dict[int, str] = {}
    for i, places in enumerate(tasks.values()):
        ordered = sorted((rows[at] for at in places), key=lambda row: str(row.get("updated_at", "")))
        said = {str(row["annotator"]): tuple(_classes(row.get(control))) for row in ordered}
        votes.append(sorted(said.items()))
        if not any(said.values()):
            unlabelled[i] = f"no class was chosen in {control!r}"
    first = [rows[places[0]].get(found.field) for places in tasks.values()]
    inputs, unusable = inputs_of(first, found.kind, place)
    return Content(
        list(tasks), None, inputs, found.kind, votes=votes, unlabelled=unlabelled, unusable=unusable, notes=found.notes
    )


def write_sets(
    place: str,
    content: Content,
    changes: Mapping[str, Names | None],
    out: Path,
    *,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
) -> tuple[str, ...]:
    rows = _rows(place)
    control, _ = _columns(rows, place, label, text, image)
    table = paths.suffix(place) in _TABLES
    form = next((_parsed(row.get(control)) for row in rows if isinstance(_parsed(row.get(control)), list | dict)), None)
    kept: dict[int, Record] = {}
    for key, places in _tasks(rows).items():
        if key not in changes:
            kept |= {at: rows[at] for at in places}
        elif (new := changes[key]) is not None:
            right = {at: rows[at] for at in places if set(_classes(rows[at].get(control))) == set(new)}
            kept |= right or {places[0]: _row(rows[places[0]], control, new, form, table)}
    chosen = [kept[at] for at in sorted(kept)]
    if table:
        write_csv(chosen, csv_names(place), place, out)
    else:
        write_records(chosen, place, out)
    note = "Label Studio imports no annotations from JSON-MIN or CSV; export its full JSON to bring labels back."
    return (note, *not_copied(content.inputs))


def _rows(place: str) -> list[Record]:
    return [dict(row) for row in read_csv(place)] if paths.suffix(place) in _TABLES else read_records(place)


def _tasks(rows: Sequence[Record]) -> dict[str, list[int]]:
    """The positions of the rows about each task."""
    tasks: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        tasks.setdefault(str(row.get("id", at)), []).append(at)
    return tasks


def _columns(rows: Sequence[Record], place: str, label: str | None, text: str | None, image: str | None) -> Any:
    """The column of the control, and the input."""
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _OWN))
    if label is not None:
        label = one_name(names, "label", place, "control", label)
    found = chosen_input(rows, place, text, image, [*_OWN, *([label] if label else [])])
    free = [name for name in names if name != found.field and not name.startswith("labelsieve_")]
    if label is None:
        filled = [name for name in free if any(_classes(row.get(name)) for row in rows)]
        answers = {name for row in rows for name in _after_id(list(row))}
        likely = [name for name in filled if name in answers]
        label = one_name(likely or filled, "label", place, "control", usual=False)
        if len(filled) > 1:
            note = f"The labels of {place} are {label!r}, the only column that lies where JSON-MIN has the answers."
            found = replace(found, notes=(*found.notes, note))
    return label, found


def _after_id(names: Sequence[str]) -> Sequence[str]:
    """In JSON-MIN the data come first, unless they have an `id` of their own, then `id`, the answers, the annotator."""
    ordered = "id" in names and "annotator" in names and names.index("annotator") < names.index("annotation_id")
    return names[names.index("id") + 1 : names.index("annotator")] if ordered else ()


def _classes(cell: Any) -> list[str]:
    """The classes in a cell: a word, an object or list of choices, the same as JSON in a CSV file."""
    cell = _parsed(cell)
    values: list[Any] = []
    for part in cell if isinstance(cell, list) else [cell]:
        kind = next((kind for kind in CONTROLS if kind in part), "") if isinstance(part, dict) else ""
        said = part.get(kind) if isinstance(part, dict) else part
        values += said if isinstance(said, list) else [] if said is None else [said]
    return [name for name in classes_of(values) if name.strip()]


def _parsed(cell: Any) -> Any:
    if isinstance(cell, str) and cell.startswith(("[", "{")):
        try:
            return json.loads(cell)
        except ValueError:
            pass
    return cell


def _row(row: Record, control: str, new: Names, form: Any, table: bool) -> Record:
    """A row that says the classes `new`. A single choice is a word, and several are an object, as Label Studio writes
    them; in a table an object is JSON. `form` is a cell that is no word, None if there is none."""
    if not new:
        return {**row, control: ""} if table else {name: value for name, value in row.items() if name != control}
    if isinstance(form, list):
        cell: Any = [{"taxonomy": [name.split(BETWEEN) for name in new]}]
    else:
        cell = new[0] if len(new) == 1 else {"choices": [*new]}
    if table and not isinstance(cell, str):
        cell = json.dumps(cell, ensure_ascii=False, separators=(",", ":"))
    return {**row, control: cell}
