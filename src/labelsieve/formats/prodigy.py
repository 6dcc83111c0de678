"""Prodigy's JSON Lines (`prodigy db-out`): one answer per line (prodi.gy/docs/api-interfaces).

`answer` is accept, reject or ignore. The class is the only accepted option (`accept`, of the interface `choice`), or
the `label` of an accepted binary question. Answers about the same input (`_input_hash`) belong to one example; the
annotator is `_annotator_id`, else `_session_id`, and the last answer of an annotator to a question counts.

A corrected copy keeps the answers that say the new class. If there are none, the first answer of the example says it,
in the name of labelsieve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content
from labelsieve.formats.media_beside import chosen_input, inputs_of, not_copied
from labelsieve.formats.records import Record, first_record, one_name, read_records, unique_ids, write_records
from labelsieve.places import paths

ANNOTATORS = ("_annotator_id", "_session_id")
OURS = "labelsieve"
_OWN = ("answer", "label", "_view_id", "_timestamp", *ANNOTATORS)


def recognises(place: str) -> bool:
    if paths.suffix(place) not in (".jsonl", ".json") or not paths.is_file(place):
        return False
    return first_record(place).keys() >= {"_input_hash", "answer"}


def read(place: str, *, text: str | None = None, image: str | None = None, id: str | None = None) -> Content:
    """`text`, `image` and `id` name fields; the ids are the field `id`, else the hashes of the inputs.

    Raises:
        UserError: the answers choose no class, as those about spans or boxes do.
    """
    records = read_records(place)
    examples = _examples(records)
    first = [records[rows[0]] for rows in examples.values()]
    if not any("label" in record or "accept" in record for record in records):
        raise UserError(
            f"The answers in {place} choose no class: none has a label or accepted options. Spans and boxes are not "
            "read from Prodigy."
        )
    votes: list[list[tuple[str, str]]] = []
    unlabelled: dict[int, str] = {}
    for i, rows in enumerate(examples.values()):
        answers = [records[row] for row in rows]
        said = _votes(answers)
        votes.append(sorted(said.items()))
        if not said:
            unlabelled[i] = _why(answers)
    found = chosen_input(first, place, text, image, _OWN)
    inputs, unusable = inputs_of([record.get(found.field) for record in first], found.kind, place)
    if id is not None:
        one_name({name for record in first for name in record}, "id", place, "field", id)
    return Content(
        unique_ids(first, id or "id", list(examples), named=id is not None),
        None,
        inputs,
        found.kind,
        votes=votes,
        unlabelled=unlabelled,
        unusable=unusable,
        notes=found.notes,
    )


def write(place: str, content: Content, changes: Mapping[str, str | None], out: Path) -> tuple[str, ...]:
    records = read_records(place)
    kept: dict[int, Record] = {}
    gone = 0
    for key, rows in zip(content.ids or (), _examples(records).values(), strict=True):
        if key not in changes:
            kept |= {row: records[row] for row in rows}
        elif (new := changes[key]) is not None:
            right = {row: records[row] for row in rows if _accepted(records[row]) == [new]}
            right = right or {rows[0]: _answer(records[rows[0]], new)}
            kept |= right
            gone += len(rows) - len(right)
    write_records([kept[row] for row in sorted(kept)], place, out)
    note = f"{gone:,} answers that differ from a corrected class are not in the copy."
    return (*((note,) if gone else ()), *not_copied(content.inputs))


def _examples(records: Sequence[Record]) -> dict[str, list[int]]:
    """The positions of the answers about each input, by its hash, in the order of the file."""
    examples: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        examples.setdefault(str(record.get("_input_hash", f"line {row}")), []).append(row)
    return examples


def _votes(answers: Sequence[Record]) -> dict[str, str]:
    """The class that each annotator accepts, if it is one."""
    latest: dict[tuple[str, Any], Record] = {}
    for record in sorted(answers, key=lambda record: record.get("_timestamp") or 0):
        latest[_annotator(record), record.get("label") if "accept" not in record else None] = record
    accepted: dict[str, dict[str, None]] = {}
    for (who, _), record in latest.items():
        accepted.setdefault(who, {}).update(dict.fromkeys(_accepted(record)))
    return {who: next(iter(classes)) for who, classes in accepted.items() if len(classes) == 1}


def _accepted(record: Record) -> list[str]:
    if record.get("answer", "accept") != "accept":
        return []
    chosen = record.get("accept", record.get("label"))
    return [str(name) for name in (chosen if isinstance(chosen, list) else [chosen]) if name is not None]


def _why(answers: Sequence[Record]) -> str:
    if len({name for record in answers for name in _accepted(record)}) > 1:
        return "several classes were accepted"
    kinds = {record.get("answer") for record in answers}
    return "it was rejected" if "reject" in kinds else "it was ignored" if "ignore" in kinds else "no class was chosen"


def _annotator(record: Record) -> str:
    return next((str(record[name]) for name in ANNOTATORS if record.get(name)), "unknown")


def _answer(record: Record, new: str) -> Record:
    """The answer with the new class; Prodigy computes the hash of the question again."""
    record = {name: value for name, value in record.items() if name != "_task_hash"}
    record |= {"answer": "accept", **{name: OURS for name in ANNOTATORS if name in record}}
    if "accept" not in record and "options" not in record:
        return {**record, "label": new}
    options = record.get("options") or []
    if not any(str(option.get("id")) == new for option in options):
        options = [*options, {"id": new, "text": new}]
    return {**record, "options": options, "accept": [new]}
