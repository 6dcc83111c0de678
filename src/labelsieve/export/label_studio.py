"""Label Studio: tasks with predictions out, annotations back in.

Format: https://labelstud.io/guide/tasks (JSON, "Basic Label Studio JSON format") and /guide/predictions; read is the JSON that it
exports, or JSON-MIN. Beside the tasks goes the labelling interface as XML. Pictures travel inside the file as data: addresses, so that
no storage has to be set up; each task carries the id as `labelsieve_id`. A decision goes out as an annotation only if it names a class.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing
from labelsieve.export.answers import LABEL, Answer, read_json
from labelsieve.export.pictures import picture
from labelsieve.export.rows import Row

ID, NAME, MODEL = "labelsieve_id", "label", "labelsieve"
_MIME = {".jpg": "jpeg", ".tif": "tiff"}


def write(rows: Sequence[Row], inputs: Sequence[Any], kind: str, classes: Sequence[str], out: Path) -> Path:
    """Write the tasks to `out`, one picture in memory at a time; returns the file of the labelling interface beside it.

    Raises:
        UserError: the data are neither images nor texts.
    """
    if kind not in ("image", "text"):
        raise UserError(f"Label Studio shows images and texts, and these data are {kind}; use --to csv or --to hf.")
    with replacing(out) as partial, open(partial, "w", encoding="utf-8", errors="backslashreplace") as file:
        for i, row in enumerate(rows):
            file.write(("[" if i == 0 else ",") + "\n" + json.dumps(_task(row, inputs[i], kind), ensure_ascii=True))
        file.write("\n]\n")
    interface = out.with_name(out.stem + ".config.xml")
    with replacing(interface) as partial:
        partial.write_text(_interface(kind, classes), encoding="utf-8")
    return interface


def _task(row: Row, value: Any, kind: str) -> dict[str, Any]:
    if kind == "image":
        raw, suffix, _ = picture(value, row.id)
        value = f"data:image/{_MIME.get(suffix, suffix[1:])};base64,{base64.b64encode(raw).decode()}"
    facts = {ID: row.id, "given_label": row.given_label, "p_wrong": row.p_wrong}
    task: dict[str, Any] = {"data": {kind: value, **facts}}
    task["predictions"] = [{"model_version": MODEL, "score": row.p_wrong, "result": _choice(row.suggested_label, kind)}]
    if row.decision in ("keep", "relabel"):
        task["annotations"] = [{"result": _choice(row.label, kind)}]
    return task


def _choice(label: str, kind: str) -> list[dict[str, Any]]:
    return [{"from_name": NAME, "to_name": kind, "type": "choices", "value": {"choices": [label]}}]


def _interface(kind: str, classes: Sequence[str]) -> str:
    entities = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
    shown = "\n".join(f"    <Choice value={quoteattr(_xml(name), entities)}/>" for name in classes)
    tag = kind.capitalize()
    choices = f'  <Choices name="{NAME}" toName="{kind}" choice="single" showInline="true">\n{shown}\n  </Choices>\n'
    return f'<View>\n  <{tag} name="{kind}" value="${kind}"/>\n{choices}</View>\n'


def _xml(name: str) -> str:
    """The name without the characters that no XML can hold."""
    bad = next((c for c in name if (c < " " and c not in "\t\n\r") or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff"), None)
    if bad is not None:
        raise UserError(f"The class {name!r} holds the character {bad!r}, which Label Studio's XML cannot; rename the class.")
    return name


def read(path: Path) -> list[Answer]:
    """The answers of every annotation that was not cancelled.

    Raises:
        UserError: it is no export of Label Studio, or its tasks lack the id.
    """
    tasks = read_json(path)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UserError(f"{path} is no list of tasks; export from Label Studio as JSON or JSON-MIN.")
    answers: list[Answer] = []
    for number, task in enumerate(tasks, 1):
        try:
            data = task.get("data", task)
            if ID not in data:
                raise UserError(f"{path}, task {number} has no {ID!r} in its data, so it is not clear which example it is.")
            found = _annotated(task) if "data" in task else [task[NAME]] if task.get(NAME) else []
            for label in found:
                if not isinstance(label, str):
                    raise UserError(f"{path}, task {number} has several choices at once; each example has one label.")
                answers.append(Answer(str(data[ID]), LABEL, label))
        except (TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{path}, task {number} is not as Label Studio writes it ({type(error).__name__}: {error}).") from error
    return answers


def _annotated(task: dict[str, Any]) -> Iterator[Any]:
    for annotation in task.get("annotations") or task.get("completions") or ():
        if annotation.get("was_cancelled"):
            continue
        for result in annotation.get("result") or ():
            if result.get("from_name") == NAME and result.get("type") == "choices":
                choices = result["value"]["choices"]
                yield choices[0] if len(choices) == 1 else choices
