"""Label Studio's full JSON: a list of tasks with `data` and `annotations` (labelstud.io/guide/export).

The classes are what a Choices or Taxonomy control says of the whole task, whatever it is called, or a Rating if there
are no others; a choice with an alias is exported as the alias, and the path in a taxonomy is joined by " / ". Every
annotator (`completed_by`) has one vote: his latest annotation, unless he skipped the task; one without a choice says
that it is none of the classes. Predictions and drafts are no votes. JSON-MIN and CSV are read by `label_studio_rows`.

In a corrected copy an annotation that says other classes becomes a prediction, whose `model_version` names the
annotator; Label Studio keeps predictions when it imports tasks. It exports them as bare numbers, which it refuses to
import, so these are left out. If no annotation says the new classes, one without author
is added: the latest with the classes replaced.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content, Names
from labelsieve.formats.media_beside import chosen_input, inputs_of, not_copied
from labelsieve.formats.records import Record, first_record, head, one_name, read_records, unique_ids, write_records
from labelsieve.places import paths

CONTROLS = ("choices", "taxonomy", "rating")
BETWEEN = " / "
BEFORE = "before the correction"  # model_version of what annotators had said
_SUFFIXES = (".json", ".json.gz")


def recognises(place: str) -> bool:
    if not place.lower().endswith(_SUFFIXES) or not paths.is_file(place):
        return False
    task = first_record(place)
    if task:
        return isinstance(task.get("data"), dict) and isinstance(task.get("annotations"), list)
    start = head(place)  # the first task is longer: a picture within the file
    return bool(re.match(r"\ufeff?\s*\[\s*\{", start) and re.search(r'"data"\s*:\s*\{', start)) and any(
        f'"{key}"' in start for key in ("annotations", "predictions")
    )


def read(
    place: str, *, label: str | None = None, text: str | None = None, image: str | None = None, id: str | None = None
) -> Content:
    """`label` names the control, the others fields of the tasks' data. The ids are the field `id`, else
    `labelsieve_id` or `id` of the data where it differs in every task, else Label Studio's own numbers.

    Raises:
        UserError: it is not a list of tasks, or it is not clear which control or field is meant.
    """
    tasks = _tasks(place)
    control = _control(tasks, place, label)
    data = [task["data"] for task in tasks]
    votes: list[list[tuple[str, Names]]] = []
    unlabelled: dict[int, str] = {}
    replaced = 0
    for i, task in enumerate(tasks):
        said, why, later = _votes(task, control)
        replaced += later
        votes.append(sorted(said.items()))
        if not any(said.values()):
            unlabelled[i] = why
    found = chosen_input(data, place, text, image)
    inputs, unusable = inputs_of([row.get(found.field) for row in data], found.kind, place)
    return Content(
        _ids(tasks, place, id),
        None,
        inputs,
        found.kind,
        votes=votes,
        unlabelled=unlabelled,
        unusable=unusable,
        notes=(*found.notes, *((_REPLACED.format(replaced),) if replaced else ())),
    )


_REPLACED = "{:,} annotations were replaced by a later one of the same annotator on the same task."


def write_sets(
    place: str, content: Content, changes: Mapping[str, Names | None], out: Path, *, label: str | None = None
) -> tuple[str, ...]:
    """As the description of this file says.

    Raises:
        UserError: a rating would have to be several numbers, or none.
    """
    tasks = _tasks(place)
    control = _control(tasks, place, label)
    kind, shown = _form(tasks, control)
    kept = []
    demoted, numbers = 0, 0
    for key, task in zip(content.ids or (), tasks, strict=True):
        if key not in changes:
            kept.append(task)
        elif (new := changes[key]) is not None:
            if kind == "rating" and len(new) != 1:
                raise UserError(f"The control {control!r} of {place} is a rating, which is one number, not {len(new)}.")
            kept.append(_corrected(task, control, new, kind, shown))
            demoted += len(task["annotations"]) - len([a for a in kept[-1]["annotations"] if a in task["annotations"]])
    for i, task in enumerate(kept):
        whole = [one for one in task.get("predictions") or () if isinstance(one, dict)]
        if (lost := len(task.get("predictions") or ()) - len(whole)) > 0:
            kept[i], numbers = {**task, "predictions": whole}, numbers + lost
    write_records(kept, place, out)
    notes = []
    if demoted:
        notes.append(f"{demoted:,} annotations that said other classes are predictions in the copy, called {BEFORE!r}.")
    if numbers:
        notes.append(
            f"{numbers:,} predictions of the export are only numbers, with which Label Studio refuses a file; the copy "
            "is without them."
        )
    return (*notes, *not_copied(content.inputs))


def _corrected(task: Record, control: str, new: Names, kind: str, shown: str) -> Record:
    right, other = [], []
    for annotation in task["annotations"]:
        skipped = annotation.get("was_cancelled") or annotation.get("skipped")
        right_one = not skipped and set(_said(annotation, control)) == set(new)
        (right if right_one else other).append(annotation)
    earlier = [
        {"model_version": f"{BEFORE}: {_annotator(one)}", "result": one["result"]} for one in other if one.get("result")
    ]
    if not right:
        usable = [one for one in other if not (one.get("was_cancelled") or one.get("skipped"))]
        usable = [one for one in usable if _said(one, control)] or usable
        right = [{"result": _results(max(usable, key=_when), control, new, kind, shown), "was_cancelled": False}]
    return {**task, "annotations": right, "predictions": [*(task.get("predictions") or []), *earlier]}


def _results(annotation: Record, control: str, new: Names, kind: str, shown: str) -> list[Record]:
    """The results of an annotation with the new classes, as if it had been made anew."""
    results = copy.deepcopy(annotation.get("result") or [])
    answers = [one for one in results if _is_answer(one, control, results)]
    value = [name.split(BETWEEN) if kind == "taxonomy" else name for name in new]
    if kind == "rating":
        value = int(new[0]) if new[0].isdecimal() else new[0]
    if not answers and new:
        answers = [{"from_name": control, "to_name": shown, "type": kind, "value": {}}]
        results += answers
    for one in answers:
        one["value"][kind] = value
    return [one for one in results if new or one not in answers]


def _form(tasks: Sequence[Record], control: str) -> tuple[str, str]:
    """The type of a control, and the name of what it is about."""
    for task in tasks:
        for annotation in task["annotations"]:
            results = annotation.get("result") or []
            for result in results:
                if _is_answer(result, control, results):
                    return result["type"], str(result.get("to_name", ""))
    return CONTROLS[0], ""


def _tasks(place: str) -> list[Record]:
    tasks = read_records(place)
    for i, task in enumerate(tasks):
        if not isinstance(task.get("data"), dict):
            raise UserError(f"{place} is not Label Studio's full JSON: task {i} (from 0) has no data.")
        task["annotations"] = task.get("annotations") or task.pop("completions", None) or []
    return tasks


def _control(tasks: Sequence[Record], place: str, named: str | None) -> str:
    """The control that asks for the class of a whole task."""
    answers: dict[str, str] = {}  # control -> its type
    others: Counter[str] = Counter()
    for task in tasks:
        for annotation in task["annotations"]:
            results = annotation.get("result") or []
            for result in results:
                if _is_answer(result, result.get("from_name"), results):
                    answers[str(result["from_name"])] = result["type"]
                else:
                    others[str(result.get("type"))] += 1
    if not answers and named is None:
        raise UserError(_no_answer(place, others))
    classes = [name for name, kind in answers.items() if kind != "rating"]
    return one_name(sorted(answers if named is not None or not classes else classes), "label", place, "control", named)


def _no_answer(place: str, others: Counter[str]) -> str:
    listed = ", ".join(f"{kind} ({n:,})" for kind, n in others.most_common())
    advice = "Export the tasks with their annotations; predictions alone are no labels."
    if "rectanglelabels" in others:
        advice = "Boxes are read from Label Studio's exports as COCO, YOLO and Pascal VOC."
    elif others:
        advice = "Each example needs classes."
    there = f"; there are {listed}" if listed else ""
    return f"No annotation in {place} answers a Choices, Taxonomy or Rating control about a whole task{there}. {advice}"


def _is_answer(result: Record, control: Any, beside: Sequence[Record] = ()) -> bool:
    """Whether a result is an answer of the control about the whole task, not about a region with its own shape."""
    if result.get("type") not in CONTROLS or result.get("from_name") != control:
        return False
    mine = result.get("id")
    return not any(mine and other.get("id") == mine and other.get("type") not in CONTROLS for other in beside)


def _votes(task: Record, control: str) -> tuple[dict[str, Names], str, int]:
    """The classes that each annotator says, why there is no label if nobody says one, and how many annotations a later
    one replaced."""
    replaced = 0
    latest: dict[str, Record] = {}
    why = "it has predictions but no annotation" if task.get("predictions") else "it has no annotation"
    for annotation in sorted(task["annotations"], key=_when):
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            why = "it was skipped"
            continue
        who = _annotator(annotation)
        replaced += who in latest
        latest[who] = annotation
    if latest:
        why = f"no class was chosen in {control!r}"
    return {who: tuple(_said(annotation, control)) for who, annotation in latest.items()}, why, replaced


def _said(annotation: Record, control: str) -> list[str]:
    """The classes that an annotation names, without the parents of another one in a taxonomy."""
    values: list[Any] = []
    results = annotation.get("result") or []
    for result in results:
        if _is_answer(result, control, results):
            kind, value = result["type"], result.get("value") or {}
            said = value.get(kind, value.get("choices"))
            values += said if isinstance(said, list) else [] if said is None else [said]
    return classes_of(values)


def classes_of(values: Sequence[Any]) -> list[str]:
    """The classes that choices name, each a word or number, or a path in a taxonomy; without parents of others."""
    paths = dict.fromkeys(tuple(map(str, one)) if isinstance(one, list) else (str(one),) for one in values)
    return [BETWEEN.join(one) for one in paths if not any(o != one and o[: len(one)] == one for o in paths)]


def _when(annotation: Record) -> tuple[str, int]:
    number = annotation.get("id")
    written = annotation.get("updated_at") or annotation.get("created_at") or ""
    return str(written), number if isinstance(number, int) else 0


def _annotator(annotation: Record) -> str:
    """The annotator: the e-mail address, else the number; "unknown" for an annotation that was written by a program."""
    person = annotation.get("completed_by")
    if isinstance(person, dict):
        person = person.get("email") or person.get("username") or person.get("id")
    return "unknown" if person is None else str(person).strip()


def _ids(tasks: Sequence[Record], place: str, named: str | None) -> list[str]:
    data = [task["data"] for task in tasks]
    numbers = [task.get("id", i) for i, task in enumerate(tasks)]
    if named is not None:
        one_name({key for row in data for key in row}, "id", place, "field", named)
        return unique_ids(data, named, numbers, named=True)
    for key in ("labelsieve_id", "id"):
        if any(key in row for row in data):
            return unique_ids(data, key, numbers, named=False)
    return [str(number) for number in numbers]
