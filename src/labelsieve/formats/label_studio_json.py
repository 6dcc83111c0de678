"""Label Studio's full JSON: a list of tasks with `data` and `annotations` (labelstud.io/guide/export).

The class is what a Choices or Taxonomy control says of the whole task, whatever it is called, or a Rating if there are
no others; a choice with an alias is exported as the alias, and the path in a taxonomy is joined by " / ". Every
annotator (`completed_by`) has one vote: his latest annotation, unless he skipped the task. Predictions and drafts are
no votes. JSON-MIN and CSV are read by `label_studio_rows`.

In a corrected copy an annotation that says another class becomes a prediction, whose `model_version` names the
annotator; Label Studio keeps predictions when it imports tasks. It exports them as bare numbers, which it refuses to
import, so these are left out. If no annotation says the new class, one without author
is added: the latest with the class replaced.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content
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
    votes: list[list[tuple[str, str]]] = []
    unlabelled: dict[int, str] = {}
    counted: Counter[str] = Counter()
    for i, task in enumerate(tasks):
        said, why = _votes(task, control, counted)
        votes.append(sorted(said.items()))
        if not said:
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
        notes=(*found.notes, *(_NOTES[what].format(f"{n:,}") for what, n in counted.items())),
    )


_NOTES = {
    "replaced": "{} annotations were replaced by a later one of the same annotator on the same task.",
    "several": "{} annotations choose several classes at once; they are no votes, since each example has one label.",
}


def write(
    place: str, content: Content, changes: Mapping[str, str | None], out: Path, *, label: str | None = None
) -> tuple[str, ...]:
    tasks = _tasks(place)
    control = _control(tasks, place, label)
    kept = []
    demoted, numbers = 0, 0
    for key, task in zip(content.ids or (), tasks, strict=True):
        if key not in changes:
            kept.append(task)
        elif (new := changes[key]) is not None:
            kept.append(_corrected(task, control, new))
            demoted += len(task["annotations"]) - len([a for a in kept[-1]["annotations"] if a in task["annotations"]])
    for i, task in enumerate(kept):
        whole = [one for one in task.get("predictions") or () if isinstance(one, dict)]
        if (lost := len(task.get("predictions") or ()) - len(whole)) > 0:
            kept[i], numbers = {**task, "predictions": whole}, numbers + lost
    write_records(kept, place, out)
    notes = []
    if demoted:
        notes.append(f"{demoted:,} annotations that said another class are predictions in the copy, called {BEFORE!r}.")
    if numbers:
        notes.append(
            f"{numbers:,} predictions of the export are only numbers, with which Label Studio refuses a file; the copy "
            "is without them."
        )
    return (*notes, *not_copied(content.inputs))


def _corrected(task: Record, control: str, new: str) -> Record:
    right, other = [], []
    for annotation in task["annotations"]:
        skipped = annotation.get("was_cancelled") or annotation.get("skipped")
        said = [] if skipped else _said(annotation, control)
        (right if said == [new] else other).append(annotation)
    earlier = [
        {"model_version": f"{BEFORE}: {_annotator(one)}", "result": one["result"]} for one in other if one.get("result")
    ]
    if not right:
        usable = [one for one in other if _said(one, control)]
        right = [{"result": _results(max(usable, key=_when), control, new), "was_cancelled": False}]
    return {**task, "annotations": right, "predictions": [*(task.get("predictions") or []), *earlier]}


def _results(annotation: Record, control: str, new: str) -> list[Record]:
    """The results of an annotation with the new class, as if it had been made anew."""
    results = copy.deepcopy(annotation["result"])
    for result in results:
        if _is_answer(result, control, annotation["result"]):
            kind, old = result["type"], result["value"].get(result["type"])
            value = new.split(BETWEEN) if kind == "taxonomy" else new
            result["value"][kind] = [value] if isinstance(old, list) else int(new) if new.isdecimal() else new
    return results


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
        advice = "Each example needs one class."
    there = f"; there are {listed}" if listed else ""
    return f"No annotation in {place} answers a Choices, Taxonomy or Rating control about a whole task{there}. {advice}"


def _is_answer(result: Record, control: Any, beside: Sequence[Record] = ()) -> bool:
    """Whether a result is an answer of the control about the whole task, not about a region with its own shape."""
    if result.get("type") not in CONTROLS or result.get("from_name") != control:
        return False
    mine = result.get("id")
    return not any(mine and other.get("id") == mine and other.get("type") not in CONTROLS for other in beside)


def _votes(task: Record, control: str, counted: Counter[str]) -> tuple[dict[str, str], str]:
    """The class that each annotator says, and why there is no label if nobody says one."""
    latest: dict[str, Record] = {}
    why = "it has predictions but no annotation" if task.get("predictions") else "it has no annotation"
    for annotation in sorted(task["annotations"], key=_when):
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            why = "it was skipped"
            continue
        who = _annotator(annotation)
        counted["replaced"] += who in latest
        latest[who] = annotation
    said: dict[str, str] = {}
    for who, annotation in latest.items():
        classes = _said(annotation, control)
        if len(classes) == 1:
            said[who] = classes[0]
        elif classes:
            counted["several"] += 1
            why = f"several classes were chosen at once ({', '.join(classes)})"
        else:
            why = f"no class was chosen in {control!r}"
    counted += Counter()  # without zeros
    return said, why


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
