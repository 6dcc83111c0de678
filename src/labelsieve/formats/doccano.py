"""doccano's JSON Lines or JSON of classification: `text` or `filename`, `label` (a list of names), `id`, `Comments`.

A project without shared annotation is exported as one file per member; the folder of these files is read as the votes
of the members, each file named by its member (data_export/celery_tasks.py of doccano 1.8). `[]` is no label, since
doccano writes it for what nobody has looked at, too.

In a corrected copy of such a folder the members who did not say the new classes have no label for the example; if none
did, `labelsieve.jsonl` says them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content, Names
from labelsieve.formats.media_beside import chosen_input, inputs_of, not_copied
from labelsieve.formats.records import Record, first_record, one_name, read_records, unique_ids, write_records
from labelsieve.places import paths

OURS = "labelsieve"
_SUFFIXES = (".jsonl", ".json")


def recognises(place: str) -> bool:
    if paths.is_file(place):
        return paths.suffix(place) in _SUFFIXES and _is_ours(first_record(place))
    files = _files(place)
    return bool(files) and all(_is_ours(first_record(file)) for file in files)


def read(place: str, *, text: str | None = None, image: str | None = None, id: str | None = None) -> Content:
    """`text`, `image` and `id` name fields. The ids are the field `id`, doccano's own numbers.

    Raises:
        UserError: the labels are not lists of names: spans, boxes or texts.
    """
    members = _members(place)
    rows = [record for records in members.values() for record in records]
    name = id or "id"
    if len(members) > 1 and not all(name in record for record in rows):
        raise UserError(f"Some records in {place} have no {name!r}, so that they cannot be matched.")
    if id is not None:
        one_name({key for record in rows for key in record}, "id", place, "field", id)
    examples: dict[str, Record] = {}
    votes: dict[str, dict[str, Names]] = {}
    for member, records in members.items():
        keys = unique_ids(records, name, range(len(records)), named=id is not None or len(members) > 1)
        for key, record in zip(keys, records, strict=True):
            labels = _labels(record, place)
            examples.setdefault(key, record)
            said = votes.setdefault(key, {})
            if labels:
                said[member] = tuple(labels)
    found = chosen_input(list(examples.values()), place, text, image, ("label", "cats"))
    inputs, unusable = inputs_of([record.get(found.field) for record in examples.values()], found.kind, place)
    return Content(
        list(examples),
        None,
        inputs,
        found.kind,
        votes=[sorted(said.items()) for said in votes.values()],
        unlabelled={i: "nobody gave it a label" for i, said in enumerate(votes.values()) if not said},
        unusable=unusable,
        notes=found.notes,
    )


def write_sets(
    place: str, content: Content, changes: Mapping[str, Names | None], out: Path, *, id: str | None = None
) -> tuple[str, ...]:
    files = [place] if paths.is_file(place) else _files(place)
    missing = {key: new for key, new in changes.items() if new}
    ours: dict[str, Record] = {}
    for file in files:
        records = read_records(file)
        keys = unique_ids(records, id or "id", range(len(records)), named=id is not None or len(files) > 1)
        kept: list[Record] = []
        for key, record in zip(keys, records, strict=True):
            if key in changes:
                new, field = changes[key], _field(record)
                if new is None:
                    continue
                if len(files) == 1:
                    record = {**record, field: [*new]}
                elif set(record.get(field) or ()) == set(new):
                    missing.pop(key, None)
                else:
                    ours[key] = {**record, field: [*new]}
                    record = {**record, field: []}
            kept.append(record)
        write_records(kept, file, out)
    notes = not_copied(content.inputs)
    added = [ours[key] for key in missing if key in ours]
    if added:
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in added)
        (out / f"{OURS}.jsonl").write_text(lines, encoding="utf-8")
        notes = (f"The {len(added):,} corrected labels that no member had given are in {OURS}.jsonl.", *notes)
    return notes


def _is_ours(record: Record) -> bool:
    labels = record.get("label", record.get("cats"))
    names = isinstance(labels, list) and all(isinstance(name, str) for name in labels)
    return names and "Comments" in record and ("text" in record or "filename" in record)


def _files(place: str) -> list[str]:
    """The files of a folder, if all of it are JSON Lines or JSON, or pictures."""
    if not paths.is_folder(place):
        return []
    names = [entry.name for entry in paths.entries(place) if entry.is_file]
    return [paths.join(place, name) for name in names if paths.suffix(name) in _SUFFIXES]


def _members(place: str) -> dict[str, list[Record]]:
    files = [place] if paths.is_file(place) else _files(place)
    if not files:
        raise UserError(f"{place} holds no file of doccano, .jsonl or .json.")
    return {os.path.splitext(os.path.basename(file))[0]: read_records(file) for file in files}


def _field(record: Record) -> str:
    return "cats" if "label" not in record and "cats" in record else "label"


def _labels(record: Record, place: str) -> Sequence[str]:
    labels = record.get(_field(record)) or []
    if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels):
        raise UserError(
            f"A label in {place} is {json.dumps(labels)[:80]}, not a list of class names; only projects of "
            "classification have classes for each example."
        )
    return list(dict.fromkeys(labels))
