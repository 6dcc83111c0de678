"""Label Studio: tasks with predictions out, annotations back in.

Format: https://labelstud.io/guide/tasks (JSON, "Basic Label Studio JSON format") and /guide/predictions; read is the JSON that it
exports, or JSON-MIN, with controls of any name. Beside the tasks goes the labelling interface as XML. Pictures travel inside the file as
data: addresses, so that no storage has to be set up; each task carries the id as `labelsieve_id`. A decision goes out as an annotation
only if it names a class.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from labelsieve.core.added_columns import PREFIX
from labelsieve.core.conflict import Conflict
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing
from labelsieve.exchange.answers import LABEL, Answer, Read, Unread, read_json
from labelsieve.exchange.export_rows import Row
from labelsieve.exchange.pictures import picture

ID, CONTENT, NAME, MODEL = "labelsieve_id", "labelsieve_content", "label", "labelsieve"
CHOICES = ("choices", "taxonomy")  # the controls whose answer can be a class
NO_CONTROL = {  # keys of JSON-MIN that are its own or those of our tasks
    "id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history",
    "image", "text", "given_label", "p_wrong",
}  # fmt: skip
_MIME = {".jpg": "jpeg", ".tif": "tiff"}


def write(rows: Sequence[Row], inputs: Sequence[Any], kind: str, classes: Sequence[str], out: Path) -> Path:
    """Write the tasks to `out`, one picture in memory at a time; returns the file of the labelling interface beside it.

    Raises:
        UserError: the data are neither images nor texts.
    """
    if kind not in ("image", "text"):
        raise UserError(
            f"Label Studio shows images and texts, and these data are {kind}; use <to>, or the format hf.", to="csv"
        )
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
    facts = {ID: row.id, CONTENT: row.content, "given_label": row.given_label, "p_wrong": row.p_wrong}
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
    bad = next(
        (c for c in name if (c < " " and c not in "\t\n\r") or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff"), None
    )
    if bad is not None:
        raise UserError(
            f"The class {name!r} holds the character {bad!r}, which Label Studio's XML cannot; rename the class."
        )
    return name


@dataclass(frozen=True)
class _Reply:
    """What one person chose in one control of the type `kind`: `values` are the choices, each with the ways to write it. `ours`: an export
    of ours wrote it; the annotations of Label Studio have numbers."""

    id: str
    control: str
    kind: str
    values: tuple[tuple[str, ...], ...]
    reviewer: str
    ours: bool = False


def read(path: Path, classes: Collection[str] = ()) -> Read:
    """The choice of every annotator for every task, under the annotator's own name.

    A control of any name is read if it is a single choice (Choices, or the leaf or the path of a Taxonomy) and somebody chose one of the
    `classes` in it; the control called "label" goes first. What was skipped, is empty, or answers another question is counted.

    Raises:
        UserError: it is no export of Label Studio, or none of its tasks has the id.
    """
    tasks = read_json(path)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UserError(f"{path} is no list of tasks; export from Label Studio as JSON or JSON-MIN.")
    replies: list[_Reply] = []
    conflicts: list[Conflict] = []
    rest: list[tuple[str, str]] = []  # what was not read, and the id
    facts: dict[str, tuple[str | None, str | None]] = {}  # given label and content of each id
    for number, task in enumerate(tasks, 1):
        try:
            data = task.get("data", task)
            if ID not in data:
                conflicts.append(
                    Conflict(f"task {number}", f"it has no {ID!r} in its data, so it is not clear which example it is")
                )
                continue
            key = str(data[ID])
            facts[key] = data.get("given_label"), data.get(CONTENT)
            found, more = _annotated(task, key) if "data" in task else (_minimal(task, key), [])
            replies += found
            rest += [(what, key) for what in more] or ([] if found else [("tasks without an answer", key)])
        except (TypeError, KeyError, AttributeError, IndexError) as error:
            raise UserError(
                f"{path}, task {number} is not as Label Studio writes it ({type(error).__name__}: {error})."
            ) from error
    if tasks and len(conflicts) == len(tasks):
        raise UserError(f"{path}: no task has {ID!r} in its data, so it is not clear which examples they are.")
    answers, more, other = _chosen(replies, classes)
    answers = [replace(a, given=facts[a.id][0], content=facts[a.id][1]) for a in answers]
    return Read(answers, conflicts + more, _counted(other + rest))


def _annotated(task: dict[str, Any], key: str) -> tuple[list[_Reply], list[str]]:
    """The replies in a task of the JSON format, and what else there is: skipped and empty annotations. Predictions and drafts are none."""
    replies: list[_Reply] = []
    rest: list[str] = []
    for annotation in task.get("annotations") or task.get("completions") or ():
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            rest.append("skipped")
            continue
        who, before = _person(annotation.get("completed_by")), len(replies)
        for result in annotation.get("result") or ():
            if result.get("type") != "relation":
                kind, control = str(result.get("type")), str(result.get("from_name"))
                value = result["value"]
                values = value.get(kind) if kind in value else value.get("choices")
                reply = _Reply(key, control, kind, _spellings(kind, values), who, "id" not in annotation)
                if reply.values or kind not in CHOICES:
                    replies.append(reply)
        if len(replies) == before:
            rest.append("annotations without a choice")
    return replies, rest


def _minimal(task: dict[str, Any], key: str) -> list[_Reply]:
    """The replies in one row of JSON-MIN, where controls and data stand side by side."""
    who = _person(task.get("annotator"))
    replies, keys = [], list(task)
    start = (
        keys.index("id") + 1 if "id" in keys and keys.index("id") > keys.index(ID) else 0
    )  # the data come before the number
    for control in keys[start:]:
        value = task[control]
        if control in NO_CONTROL or control.startswith(PREFIX) or not value:
            continue
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, str):
                replies.append(_Reply(key, control, "choices" if control == NAME else "text", ((part,),), who))
            elif isinstance(part, dict):
                kind = next((kind for kind in (*CHOICES, *part) if kind in part), "")
                replies.append(_Reply(key, control, kind, _spellings(kind, part.get(kind)), who))
    return replies


def _spellings(kind: str, values: Any) -> tuple[tuple[str, ...], ...]:
    """Each choice with the ways in which a class may be written; () for a control that is no choice."""
    if kind == "choices":
        return tuple((str(value),) for value in values or ())
    if kind != "taxonomy":
        return ()
    paths = [tuple(map(str, path if isinstance(path, list) else [path])) for path in values or ()]
    paths = [
        path for path in paths if not any(other != path and other[: len(path)] == path for other in paths)
    ]  # parents of another
    return tuple((*(mark.join(path) for mark in ("/", " / ", " > ", ">", ":", ".", " ")), path[-1]) for path in paths)


def _person(who: Any) -> str:
    """The annotator's own name, as the export gives it: the address, else the name, else the number; "" where there is none."""
    if isinstance(who, dict):
        full = " ".join(str(who[part]) for part in ("first_name", "last_name") if who.get(part))
        who = who.get("email") or full or who.get("username") or who.get("id")
    return "" if who is None else str(who).strip()


def _chosen(
    replies: Sequence[_Reply], classes: Collection[str]
) -> tuple[list[Answer], list[Conflict], list[tuple[str, str]]]:
    """Answers of the controls that ask for the class, what is unclear in them, and the others: what they are, and the id."""
    known = set(classes)

    def named(spellings: tuple[str, ...]) -> str:
        return next((name for name in spellings if name in known), spellings[0])

    asks = {reply.control for reply in replies if any(named(value) in known for value in reply.values)}
    asks = {NAME} if NAME in asks else asks or {reply.control for reply in replies if reply.kind in CHOICES}
    answers: list[Answer] = []
    conflicts: list[Conflict] = []
    other: list[tuple[str, str]] = []
    for reply in replies:
        if reply.control not in asks or not reply.values:
            if reply.kind != "text":  # of JSON-MIN: data, for all that can be told
                other.append((f"answers to {reply.control!r} ({reply.kind})", reply.id))
            continue
        value, *more = (named(spellings) for spellings in reply.values)
        if more:
            by = f" by {reply.reviewer}" if reply.reviewer else ""
            conflicts.append(
                Conflict(
                    reply.id, f"several choices at once{by} ({', '.join([value, *more])}); each example has one label"
                )
            )
        else:
            exporter = "" if reply.ours and not reply.reviewer else None
            answers.append(Answer(reply.id, LABEL, value, reviewer=reply.reviewer, exporter=exporter))
    return answers, conflicts, other


def _counted(rest: Sequence[tuple[str, str]]) -> list[Unread]:
    count = Counter(what for what, _ in rest)
    first = dict(reversed(rest))
    return [Unread(what, n, first[what]) for what, n in count.items()]
