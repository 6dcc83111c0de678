"""Prodigy's JSON Lines (`prodigy db-out`): one answer per line (prodi.gy/docs/api-interfaces).

`answer` is accept, reject or ignore. The classes are the accepted options (`accept`, of the interface `choice`), or the
`label` of each accepted binary question. Answers about the same input (`_input_hash`) belong to one example; the
annotator is `_annotator_id`, else `_session_id`, and the last answer of an annotator to a question counts.

A corrected copy keeps the answers that say the new classes. If there are none, the first answer of the example says
them, in the name of labelsieve; binary questions are answered one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content, Names
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
    votes: list[list[tuple[str, Names]]] = []
    asked = dict.fromkeys(record["label"] for record in records if _is_binary(record))
    partly: dict[int, str] = {}
    unlabelled: dict[int, str] = {}
    for i, rows in enumerate(examples.values()):
        answers = [records[row] for row in rows]
        said = _votes(answers, asked)
        binary = {r["label"] for r in answers if _is_binary(r) and r.get("answer") in ("accept", "reject")}
        if binary and (without := [name for name in asked if name not in binary]):
            partly[i] = f"nobody answered whether it is {without[0]!r}"
        votes.append(sorted(said.items()))
        if not any(said.values()):
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
        partly=partly,
        unusable=unusable,
        notes=found.notes,
    )


def write_sets(place: str, content: Content, changes: Mapping[str, Names | None], out: Path) -> tuple[str, ...]:
    records = read_records(place)
    kept: dict[float, Record] = {}
    gone = 0
    for key, rows in zip(content.ids or (), _examples(records).values(), strict=True):
        if key not in changes:
            kept |= {row: records[row] for row in rows}
        elif (new := changes[key]) is not None:
            if all(_is_binary(records[row]) for row in rows):
                right = _binary({row: records[row] for row in rows}, new)
            else:
                right = {row: records[row] for row in rows if _says(records[row], new)}
                right = right or {rows[0]: _answer(records[rows[0]], new)}
            kept |= right
            gone += sum(records[row] not in right.values() for row in rows)
    write_records([kept[row] for row in sorted(kept)], place, out)
    note = f"{gone:,} answers that differ from corrected classes are not in the copy."
    return (*((note,) if gone else ()), *not_copied(content.inputs))


def _examples(records: Sequence[Record]) -> dict[str, list[int]]:
    """The positions of the answers about each input, by its hash, in the order of the file."""
    examples: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        examples.setdefault(str(record.get("_input_hash", f"line {row}")), []).append(row)
    return examples


def _votes(answers: Sequence[Record], asked: Collection[str]) -> dict[str, Names]:
    """The classes that each annotator accepts. Of an annotator who accepts none it is an answer that he accepts an
    empty choice, or that he rejects every one of the binary questions `asked`."""
    latest: dict[tuple[str, Any], Record] = {}
    for record in sorted(answers, key=lambda record: record.get("_timestamp") or 0):
        latest[_annotator(record), record.get("label") if "accept" not in record else None] = record
    accepted: dict[str, dict[str, None]] = {}
    none: set[str] = set()
    rejected: dict[str, set[str]] = {}
    for (who, _), record in latest.items():
        accepted.setdefault(who, {}).update(dict.fromkeys(_accepted(record)))
        if _says(record, ()):
            none.add(who)
        if _is_binary(record) and record.get("answer") == "reject":
            rejected.setdefault(who, set()).add(record["label"])
    none |= {who for who, labels in rejected.items() if labels >= set(asked)}
    return {who: tuple(classes) for who, classes in accepted.items() if classes or who in none}


def _is_binary(record: Record) -> bool:
    return "accept" not in record and isinstance(record.get("label"), str)


def _says(record: Record, names: Names) -> bool:
    """Whether an answer to a choice is that the classes are just these."""
    answered = record.get("answer", "accept") == "accept" and isinstance(record.get("accept"), list)
    return answered and set(_accepted(record)) == set(names)


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


def _answer(record: Record, new: Names) -> Record:
    """The answer with the new classes; Prodigy computes the hash of the question again."""
    record = {name: value for name, value in record.items() if name != "_task_hash"}
    record |= {"answer": "accept", **{name: OURS for name in ANNOTATORS if name in record}}
    options = record.get("options") or []
    known = {str(option.get("id")) for option in options}
    options = [*options, *({"id": name, "text": name} for name in new if name not in known)]
    return {**record, "options": options, "accept": [*new]}


def _binary(answers: Mapping[int, Record], new: Names) -> dict[float, Record]:
    """The answers to binary questions about one example by position: those that agree with the new classes, and one in
    the name of labelsieve for each class about which none does."""
    kept: dict[float, Record] = {}
    wrong: dict[str, int] = {}
    for row, record in answers.items():
        if (record.get("answer") == "accept") == (record["label"] in new):
            kept[row] = record
        else:
            wrong.setdefault(record["label"], row)
    right = {record["label"] for record in kept.values()}
    kept |= {row: _signed(answers[row], name, new) for name, row in wrong.items() if name not in right}
    unasked = [name for name in new if name not in right and name not in wrong]
    last = max(answers)
    return kept | {last + i / (len(new) + 1): _signed(answers[last], name, new) for i, name in enumerate(unasked, 1)}


def _signed(record: Record, name: str, new: Names) -> Record:
    record = {name: value for name, value in record.items() if name != "_task_hash"}
    signed = {key: OURS for key in ANNOTATORS if key in record}
    return record | {"label": name, "answer": "accept" if name in new else "reject", **signed}
