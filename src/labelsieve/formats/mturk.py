"""A batch of results of Amazon Mechanical Turk: CSV with `HITId`, `WorkerId`, `AssignmentStatus`, `Input.*`, `Answer.*`
(docs.aws.amazon.com/AWSMechTurk, "Downloading results").

Every assignment is the vote of a worker on a HIT; rejected ones are left out. An answer is a word, or the JSON of crowd
elements: `[{"category": {"label": "cat"}}]`, `[{"animal": {"cat": true, "dog": false}}]`, `{"labels": ["cat", "dog"]}`.
"""

from __future__ import annotations

import json
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content, Names
from labelsieve.formats.media_beside import chosen_input, inputs_of
from labelsieve.formats.records import csv_names, one_name, read_csv
from labelsieve.places import paths

_INPUT, _ANSWER, _JSON = "Input.", "Answer.", "Answer.taskAnswers"
_NEEDED = ("HITId", "WorkerId")


def recognises(place: str) -> bool:
    if paths.suffix(place) != ".csv" or not paths.is_file(place):
        return False
    names = csv_names(place)
    return set(_NEEDED) <= set(names) and any(name.startswith(_ANSWER) for name in names)


def read(
    place: str, *, label: str | None = None, text: str | None = None, image: str | None = None, id: str | None = None
) -> Content:
    """`label` names the answer and `text` or `image` the input, with or without `Answer.` and `Input.`; `id` names a
    column that says which example a HIT is about, else every HIT is one.

    Raises:
        UserError: it is no batch of results, or it is not clear which answer or input is meant.
    """
    rows = read_csv(place)
    missing = [name for name in _NEEDED if name not in rows[0]]
    if missing:
        raise UserError(f"{place} has no column {missing[0]!r}; download the results of a batch as CSV.")
    answers = [_answers(row) for row in rows]
    asked = one_name(
        sorted({name for row in answers for name in row}), "label", place, "answer", _without(label, _ANSWER)
    )
    if id is not None:
        one_name(rows[0], "id", place, "column", id)
    examples: dict[str, dict[str, str]] = {}
    votes: dict[str, dict[str, Names]] = {}
    rejected = 0
    for row, answer in zip(rows, answers, strict=True):
        key = row[id or "HITId"]
        examples.setdefault(key, {n.removeprefix(_INPUT): v for n, v in row.items() if n.startswith(_INPUT)})
        said = votes.setdefault(key, {})
        if row.get("AssignmentStatus", "").lower() == "rejected":
            rejected += 1
        elif asked in answer:
            said[row["WorkerId"]] = answer[asked]
    found = chosen_input(list(examples.values()), place, _without(text, _INPUT), _without(image, _INPUT))
    inputs, unusable = inputs_of([row.get(found.field) for row in examples.values()], found.kind, place)
    note = f"{rejected:,} rejected assignments are no votes."
    return Content(
        list(examples),
        None,
        inputs,
        found.kind,
        votes=[sorted(said.items()) for said in votes.values()],
        unlabelled={
            i: "no assignment that was not rejected has an answer"
            for i, v in enumerate(votes.values())
            if not any(v.values())
        },
        unusable=unusable,
        notes=(*found.notes, *((note,) if rejected else ())),
    )


def _without(name: str | None, prefix: str) -> str | None:
    return name and name.removeprefix(prefix)


def _answers(row: dict[str, str]) -> dict[str, Names]:
    """The answers of an assignment by name; without those that are blank."""
    found: dict[str, Any] = {
        name.removeprefix(_ANSWER): value for name, value in row.items() if name.startswith(_ANSWER)
    }
    written = found.pop(_JSON.removeprefix(_ANSWER), "")
    if written:
        try:
            parts = json.loads(written)
        except ValueError as error:
            raise UserError(f"{_JSON} of the HIT {row['HITId']} is not JSON: {error}.") from error
        for part in parts if isinstance(parts, list) else [parts]:
            found |= part
    names = {name.partition(".")[0] for name, value in found.items() if value in ("true", "false") and "." in name}
    for name in names:  # one column per option: Answer.animal.cat is true
        options = {n.removeprefix(f"{name}."): found.pop(n) == "true" for n in [*found] if n.startswith(f"{name}.")}
        found[name] = options
    chosen = {name.removesuffix(".label"): _chosen(value) for name, value in found.items()}
    return {name: names for name, names in chosen.items() if names is not None}


def _chosen(value: Any) -> Names | None:
    """The classes that an answer chooses; None if it is blank, or no choice."""
    if isinstance(value, dict) and value.keys() & {"label", "labels"}:
        value = value.get("labels", value.get("label"))
    if isinstance(value, dict):
        return tuple(name for name, on in value.items() if on is True)
    if isinstance(value, list):
        return tuple(str(one) for one in value)
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    return (text,) if text else None
