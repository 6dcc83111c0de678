"""Zooniverse's export of classifications: CSV with JSON in `annotations` and `subject_data`
(help.zooniverse.org, "Data exports").

Every volunteer has one vote on a subject, his latest: the answer of a question (`value` is a word, or a list where
several can be chosen), or the choices of a survey. Volunteers who were not logged in have a name each, such as
not-logged-in-1a2b.
"""

from __future__ import annotations

import json
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content, Names
from labelsieve.formats.media_beside import chosen_input, inputs_of
from labelsieve.formats.records import csv_names, one_name, read_csv
from labelsieve.places import paths

_NEEDED = ("annotations", "subject_data", "user_name")


def recognises(place: str) -> bool:
    if paths.suffix(place) != ".csv" or not paths.is_file(place):
        return False
    return {*_NEEDED, "classification_id"} <= set(csv_names(place))


def read(place: str, *, label: str | None = None, text: str | None = None, image: str | None = None) -> Content:
    """`label` names the task (T0, ...), `text` or `image` a field of the subjects. The ids are the numbers of the
    subjects.

    Raises:
        UserError: it is no such export, or it is not clear which task or field is meant.
    """
    rows = read_csv(place)
    missing = [name for name in _NEEDED if name not in rows[0]]
    if missing:
        raise UserError(f"{place} has no column {missing[0]!r}; export the classifications of the project.")
    rows.sort(key=lambda row: (row.get("created_at", ""), row.get("classification_id", "")))
    answers = [_answers(row, place) for row in rows]
    task = one_name(sorted({name for row in answers for name in row}), "label", place, "task with one answer", label)
    subjects: dict[str, dict[str, Any]] = {}
    votes: dict[str, dict[str, Names]] = {}
    for row, answer in zip(rows, answers, strict=True):
        for key, facts in _json(row, "subject_data", place).items():
            subjects.setdefault(key, {name: value for name, value in facts.items() if isinstance(value, str)})
            said = votes.setdefault(key, {})
            if task in answer:
                said[row["user_name"]] = tuple(answer[task])
    order = sorted(subjects, key=lambda key: (len(key), key))
    found = chosen_input([subjects[key] for key in order], place, text, image)
    inputs, unusable = inputs_of([subjects[key].get(found.field) for key in order], found.kind, place)
    return Content(
        order,
        None,
        inputs,
        found.kind,
        votes=[sorted(votes[key].items()) for key in order],
        unlabelled={i: f"nobody answered {task}" for i, key in enumerate(order) if not any(votes[key].values())},
        unusable=unusable,
        notes=found.notes,
    )


def _answers(row: dict[str, str], place: str) -> dict[str, list[str]]:
    """The chosen classes of each task that is answered by a choice."""
    found: dict[str, list[str]] = {}
    for part in _json(row, "annotations", place):
        value = part.get("value")
        if isinstance(value, str) and value:
            found[part["task"]] = [value]
        elif isinstance(value, list) and all(isinstance(v, str) for v in value):
            found[part["task"]] = value
        elif isinstance(value, list) and all(isinstance(v, dict) and "choice" in v for v in value):
            found[part["task"]] = list(dict.fromkeys(str(v["choice"]) for v in value))
    return found


def _json(row: dict[str, str], name: str, place: str) -> Any:
    try:
        return json.loads(row[name])
    except ValueError as error:
        raise UserError(
            f"{place}: {name} of the classification {row.get('classification_id')} is not JSON: {error}."
        ) from error
