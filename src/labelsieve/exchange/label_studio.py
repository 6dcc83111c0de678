"""Label Studio: exports tasks with predictions, imports annotations.

Format: https://labelstud.io/guide/tasks (JSON, "Basic Label Studio JSON format") and /guide/predictions. An import
reads the JSON that Label Studio exports, or JSON-MIN, with controls of any name. An export also writes the labelling
interface as XML. Pictures are inside the file as data: addresses, so that no storage has to be set up; what browsers
cannot draw is encoded anew. A file holds less than LARGEST bytes: Label Studio refuses more than 250 MiB at once. Each
task has the id as `labelsieve_id`. A decision is exported as an annotation only if it names a class.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import quoteattr

from labelsieve.core.added_columns import PREFIX
from labelsieve.core.conflict import Conflict
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing
from labelsieve.core.findings import Findings
from labelsieve.core.new_folder import require_new
from labelsieve.encode.pixel_levels import Levels
from labelsieve.exchange.answers import LABEL, Answer, Read, Unread, read_json
from labelsieve.exchange.export_rows import Row
from labelsieve.exchange.pictures import picture

ID, CONTENT, NAME, MODEL = "labelsieve_id", "labelsieve_content", "label", "labelsieve"
CHOICES = ("choices", "taxonomy")  # the controls whose answer can be a class
NO_CONTROL = {  # keys of JSON-MIN itself or of our tasks, which are not controls
    "id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history",
    "image", "text", "given_label", "p_wrong",
}  # fmt: skip
LARGEST = 200_000_000  # bytes of a file of tasks
_MIME = {".jpg": "jpeg"}


def write(
    rows: Sequence[Row], inputs: Sequence[Any], kind: str, classes: Sequence[str], out: Path, levels: Levels
) -> list[Path]:
    """Write a task for each row, as `write_tasks` does.

    Raises:
        UserError: the data are neither images nor texts, or such a file exists.
    """
    tasks = (_task(row, inputs[i], require_shown(kind), levels) for i, row in enumerate(rows))
    return write_tasks(tasks, interface_of(require_shown(kind), classes), out)


def require_shown(kind: str) -> str:
    """Return the kind of data, if Label Studio can show it.

    Raises:
        UserError: it cannot.
    """
    if kind not in ("image", "text"):
        raise UserError(
            f"Label Studio shows images and texts, but these data are {kind}; use <to>, or the format hf.", to="csv"
        )
    return kind


def write_tasks(tasks: Iterable[dict[str, Any]], interface: str, out: Path) -> list[Path]:
    """Write the tasks to `out`, one picture in memory at a time, and what is more than LARGEST bytes to files with a
    number: `tasks.json`, `tasks-2.json`, ... Returns their paths and that of the labelling interface.

    Raises:
        UserError: such a file exists.
    """
    written = (json.dumps(task, ensure_ascii=True) for task in tasks)
    files: list[Path] = []
    waiting = next(written, None)
    while waiting is not None or not files:
        name = out if not files else out.with_name(f"{out.stem}-{len(files) + 1}{out.suffix}")
        require_new(name)
        with replacing(name) as partial, open(partial, "w", encoding="utf-8") as file:
            waiting = _fill(file, waiting, written)
        files.append(name)
    config = out.with_name(out.stem + ".config.xml")
    with replacing(config) as partial:
        partial.write_text(interface, encoding="utf-8")
    return [*files, config]


def _fill(file: IO[str], task: str | None, more: Iterator[str]) -> str | None:
    """Write a task and as many of those after it as fit; returns the first that does not, or None."""
    size, before = 0, "["
    while task is not None and (size == 0 or size + len(task) < LARGEST):
        size += file.write(f"{before}\n{task}")
        before, task = ",", next(more, None)
    file.write(f"{before if size == 0 else ''}\n]\n")
    return task


def _task(row: Row, value: Any, kind: str, levels: Levels) -> dict[str, Any]:
    value = content(value, row.id, kind, levels)
    facts = {ID: row.id, CONTENT: row.content, "given_label": row.given_label, "p_wrong": row.p_wrong}
    task: dict[str, Any] = {"data": {kind: value, **facts}}
    task["predictions"] = [
        {"model_version": MODEL, "score": row.p_wrong, "result": chosen([row.suggested_label], kind)}
    ]
    if row.decision in ("keep", "relabel"):
        task["annotations"] = [{"result": chosen([row.label], kind)}]
    return task


def content(value: Any, id: str, kind: str, levels: Levels) -> Any:
    """The text, or the picture as an address that holds it."""
    if kind != "image":
        return value
    raw, suffix, _ = picture(value, id, levels, browser=True)
    return f"data:image/{_MIME.get(suffix, suffix[1:])};base64,{base64.b64encode(raw).decode()}"


def chosen(labels: list[str], kind: str) -> list[dict[str, Any]]:
    """The result of choosing these classes."""
    return [{"from_name": NAME, "to_name": kind, "type": "choices", "value": {"choices": labels}}]


def interface_of(kind: str, classes: Sequence[str], several: bool = False) -> str:
    entities = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
    shown = "\n".join(f"    <Choice value={quoteattr(_xml(name), entities)}/>" for name in classes)
    tag, choice = kind.capitalize(), "multiple" if several else "single"
    choices = f'  <Choices name="{NAME}" toName="{kind}" choice="{choice}" showInline="true">\n{shown}\n  </Choices>\n'
    return f'<View>\n  <{tag} name="{kind}" value="${kind}"/>\n{choices}</View>\n'


def _xml(name: str) -> str:
    """The name, if XML can hold all its characters; otherwise an error."""
    bad = next(
        (c for c in name if (c < " " and c not in "\t\n\r") or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff"), None
    )
    if bad is not None:
        raise UserError(
            f"The class {name!r} holds the character {bad!r}, which Label Studio's XML does not allow; rename the "
            "class."
        )
    return name


@dataclass(frozen=True)
class _Reply:
    """The choice of one person in one control.

    Attributes:
        kind: type of the control.
        values: the choices, each with its possible spellings.
        ours: whether our export wrote it; annotations of Label Studio have numbers, ours have none.
    """

    id: str
    control: str
    kind: str
    values: tuple[tuple[str, ...], ...]
    reviewer: str
    ours: bool = False


def read(path: Path, classes: Collection[str] = (), findings: Findings | None = None) -> Read:
    """The choice of every annotator for every task, with the annotator's name.

    A control of any name is read if it is a single choice (Choices, or the leaf or the path of a Taxonomy) and somebody
    chose one of the `classes` in it; the control called "label" has priority. Skipped, empty and unrelated answers are
    counted.

    Raises:
        UserError: it is not an export of Label Studio, or no task has the id.
    """
    tasks = read_json(path)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UserError(f"{path} is not a list of tasks; export from Label Studio as JSON or JSON-MIN.")
    replies: list[_Reply] = []
    conflicts: list[Conflict] = []
    unread: list[tuple[str, str]] = []  # what was not read, and the id
    facts_of: dict[str, tuple[str | None, str | None]] = {}  # given label and content of each id
    for number, task in enumerate(tasks, 1):
        try:
            data = task.get("data", task)
            if ID not in data:
                conflicts.append(Conflict(f"task {number}", f"it has no {ID!r} in its data, so its example is unknown"))
                continue
            key = str(data[ID])
            facts_of[key] = data.get("given_label"), data.get(CONTENT)
            replies_of_task, more = _from_annotations(task, key) if "data" in task else (_from_json_min(task, key), [])
            replies += replies_of_task
            unread += [(what, key) for what in more] or ([] if replies_of_task else [("tasks without an answer", key)])
        except (TypeError, KeyError, AttributeError, IndexError) as error:
            raise UserError(
                f"{path}, task {number} does not have Label Studio's format ({type(error).__name__}: {error})."
            ) from error
    if tasks and len(conflicts) == len(tasks):
        raise UserError(f"{path}: no task has {ID!r} in its data, so their examples are unknown.")
    answers, more, other = _chosen_classes(replies, classes)
    answers = [replace(a, given=facts_of[a.id][0], content=facts_of[a.id][1]) for a in answers]
    return Read(answers, conflicts + more, _count_unread(other + unread))


def _from_annotations(task: dict[str, Any], key: str) -> tuple[list[_Reply], list[str]]:
    """The replies in a task of the JSON format, and its skipped and empty annotations (no predictions, no drafts)."""
    replies: list[_Reply] = []
    unread: list[str] = []
    for annotation in task.get("annotations") or task.get("completions") or ():
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            unread.append("skipped")
            continue
        annotator, replies_before = _annotator(annotation.get("completed_by")), len(replies)
        for result in annotation.get("result") or ():
            if result.get("type") != "relation":
                kind, control = str(result.get("type")), str(result.get("from_name"))
                value = result["value"]
                values = value.get(kind) if kind in value else value.get("choices")
                reply = _Reply(key, control, kind, _spellings(kind, values), annotator, "id" not in annotation)
                if reply.values or kind not in CHOICES:
                    replies.append(reply)
        if len(replies) == replies_before:
            unread.append("annotations without a choice")
    return replies, unread


def _from_json_min(task: dict[str, Any], key: str) -> list[_Reply]:
    """The replies in one row of JSON-MIN, which mixes controls and data."""
    annotator = _annotator(task.get("annotator"))
    replies, keys = [], list(task)
    # the data come before the task number
    start = keys.index("id") + 1 if "id" in keys and keys.index("id") > keys.index(ID) else 0
    for control in keys[start:]:
        value = task[control]
        if control in NO_CONTROL or control.startswith(PREFIX) or not value:
            continue
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, str):
                replies.append(_Reply(key, control, "choices" if control == NAME else "text", ((part,),), annotator))
            elif isinstance(part, dict):
                kind = next((kind for kind in (*CHOICES, *part) if kind in part), "")
                replies.append(_Reply(key, control, kind, _spellings(kind, part.get(kind)), annotator))
    return replies


def _spellings(kind: str, values: Any) -> tuple[tuple[str, ...], ...]:
    """Each choice with the possible spellings of a class; () for a control that is not a choice."""
    if kind == "choices":
        return tuple((str(value),) for value in values or ())
    if kind != "taxonomy":
        return ()
    paths = [tuple(map(str, path if isinstance(path, list) else [path])) for path in values or ()]
    # without the parents of another path
    paths = [path for path in paths if not any(other != path and other[: len(path)] == path for other in paths)]
    return tuple((*(mark.join(path) for mark in ("/", " / ", " > ", ">", ":", ".", " ")), path[-1]) for path in paths)


def _annotator(person: Any) -> str:
    """The annotator in the export: the e-mail address, else the name, else the number; "" without an annotator."""
    if isinstance(person, dict):
        full = " ".join(str(person[part]) for part in ("first_name", "last_name") if person.get(part))
        person = person.get("email") or full or person.get("username") or person.get("id")
    return "" if person is None else str(person).strip()


def _chosen_classes(
    replies: Sequence[_Reply], classes: Collection[str]
) -> tuple[list[Answer], list[Conflict], list[tuple[str, str]]]:
    """The answers of the controls that ask for the class, their conflicts, and the other replies as (kind, id)."""
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
            if reply.kind != "text":  # in JSON-MIN these are probably data
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


def _count_unread(unread: Sequence[tuple[str, str]]) -> list[Unread]:
    count = Counter(what for what, _ in unread)
    first = dict(reversed(unread))
    return [Unread(what, n, first[what]) for what, n in count.items()]
