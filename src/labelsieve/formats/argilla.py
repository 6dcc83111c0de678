"""Argilla's records: `dataset.records.to_json(FILE)`, the folder of `dataset.to_disk`, or that of
`dataset.records.to_datasets().save_to_disk` (docs.argilla.io, "Import and export").

Every response is the vote of a user (`user_id`): a class, or a list of them where the question takes several. The Arrow
folder also has the status of each response: a discarded one or a draft is no vote. The JSON does not say which
responses were discarded. Suggestions are no labels.

In a corrected copy the responses that say other classes are left out. If none says the new classes, one of those users
says them, since Argilla needs a user that it knows; a suggestion by "labelsieve" beside them says who changed them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelsieve.core.errors import UserError
from labelsieve.formats.content import Content, Names
from labelsieve.formats.media_beside import chosen_input, inputs_of, not_copied
from labelsieve.formats.records import Record, first_record, head, one_name, read_records, unique_ids, write_records
from labelsieve.places import paths

if TYPE_CHECKING:
    import pyarrow as pa

OURS = "labelsieve"
_RECORDS = "records.json"
_COUNTED = "submitted"
_USERS, _STATUS, _RESPONSES = ".responses.users", ".responses.status", ".responses"


def recognises(place: str) -> bool:
    if paths.is_file(place):
        return place.endswith(".json") and first_record(place).keys() >= {"fields", "responses", "suggestions"}
    if not paths.is_folder(place):
        return False
    if paths.is_file(paths.join(place, _RECORDS)):
        return first_record(paths.join(place, _RECORDS)).keys() >= {"fields", "responses", "suggestions"}
    return f'{_USERS}"' in head(paths.join(place, "dataset_info.json"))


def read(place: str, *, label: str | None = None, text: str | None = None, image: str | None = None) -> Content:
    """`label` names the question, `text` or `image` the field.

    Raises:
        UserError: nobody has answered, or it is not clear which question or field is meant.
    """
    records = _records(place)
    question = _question(records, place, label)
    votes: list[list[tuple[str, Names]]] = []
    unlabelled: dict[int, str] = {}
    for i, record in enumerate(records):
        responses = (record.get("responses") or {}).get(question) or []
        said = {r["user_id"]: names for r in responses if (names := _classes(r)) is not None}
        votes.append(sorted(said.items()))
        if not any(said.values()):
            unlabelled[i] = _why(responses)
    fields = [record["fields"] for record in records]
    found = chosen_input(fields, place, text, image)
    inputs, unusable = inputs_of([row.get(found.field) for row in fields], found.kind, place)
    silent = any("status" not in r for record in records for r in (record.get("responses") or {}).get(question) or [])
    note = (
        "This export does not say which responses were discarded, so that all count; "
        "`dataset.records.to_datasets().save_to_disk(FOLDER)` says so."
    )
    return Content(
        unique_ids(records, "id", range(len(records)), named=False),
        None,
        inputs,
        found.kind,
        votes=votes,
        unlabelled=unlabelled,
        unusable=unusable,
        notes=(*found.notes, *((note,) if silent else ())),
    )


def write_sets(
    place: str, content: Content, changes: Mapping[str, Names | None], out: Path, *, label: str | None = None
) -> tuple[str, ...]:
    records = _records(place)
    question = _question(records, place, label)
    ids = content.ids or ()
    kept = [i for i, key in enumerate(ids) if changes.get(key, ()) is not None]
    new = {i: changes[ids[i]] or () for i in kept if ids[i] in changes}
    corrected = {i: _corrected(records[i], question, names) for i, names in new.items()}
    if paths.is_file(place):
        write_records([corrected.get(i, records[i]) for i in kept], place, out)
    elif paths.is_file(paths.join(place, _RECORDS)):
        write_records([corrected.get(i, records[i]) for i in kept], paths.join(place, _RECORDS), out)
        if os.path.isdir(os.path.join(place, ".argilla")):
            shutil.copytree(os.path.join(place, ".argilla"), out / ".argilla")
    else:
        _write_arrow(place, question, kept, corrected, out)
    return not_copied(content.inputs)


def _corrected(record: Record, question: str, new: Names) -> Record:
    answers = (record.get("responses") or {}).get(question) or []
    said = [(response, _classes(response)) for response in answers]
    right = [response for response, names in said if names is not None and set(names) == set(new)]
    suggestions = dict(record.get("suggestions") or {})
    if not right:
        first = min((r for r, names in said if names is not None), key=lambda response: response["user_id"])
        value = first["value"]
        if not isinstance(value, list) and len(new) != 1:
            raise UserError(f"The question {question!r} takes one class, not {len(new)} ({', '.join(new)}).")
        written = [*new] if isinstance(value, list) else int(new[0]) if isinstance(value, int) else new[0]
        right = [{**first, "value": written}]
        suggestions[question] = {"value": written, "score": None, "agent": OURS}
    return {**record, "responses": {**record["responses"], question: right}, "suggestions": suggestions}


def _records(place: str) -> list[Record]:
    if paths.is_folder(place):
        if not paths.is_file(inner := paths.join(place, _RECORDS)):
            return _of_arrow(_tables(place))
        place = inner
    records = read_records(place)
    if any(not isinstance(record.get("fields"), dict) for record in records):
        raise UserError(f"{place} is not Argilla's: a record has no fields.")
    return records


def _question(records: Sequence[Record], place: str, named: str | None) -> str:
    """The question whose answers are classes: words or numbers, or lists of them."""
    names = {
        name
        for record in records
        for name, responses in (record.get("responses") or {}).items()
        if any(_classes(response) or isinstance(response["value"], list) for response in responses)
    }
    if not names and named is None:
        raise UserError(f"Nobody has answered a question in {place}; suggestions alone are no labels.")
    return one_name(sorted(names), "label", place, "question", named)


def _classes(response: Mapping[str, Any]) -> Names | None:
    """The classes of a response; None for one that does not count, or holds anything else."""
    value = response["value"]
    values = value if isinstance(value, list) else [value]
    if response.get("status") not in (None, _COUNTED) or not all(isinstance(one, str | int) for one in values):
        return None
    return tuple(dict.fromkeys(map(str, values)))


def _why(responses: Sequence[Mapping[str, Any]]) -> str:
    states = [response.get("status") for response in responses]
    if "discarded" in states:
        return "it was discarded"
    if "draft" in states:
        return "its response is a draft"
    return "its responses choose no class" if responses else "nobody has responded"


def _tables(place: str) -> list[tuple[str, pa.Table]]:
    """The Arrow files of a folder of `datasets`, in their order."""
    import pyarrow as pa

    state = json.loads(paths.read(paths.join(place, "state.json")))
    tables = []
    for file in state["_data_files"]:
        with paths.opened(paths.join(place, file["filename"])) as opened:
            tables.append((file["filename"], pa.ipc.open_stream(opened).read_all()))
    return tables


def _of_arrow(tables: Sequence[tuple[str, pa.Table]]) -> list[Record]:
    """Rows with columns such as `label.responses` as records."""
    records = []
    for row in (row for _, table in tables for row in table.to_pylist()):
        questions = [name.removesuffix(_USERS) for name in row if name.endswith(_USERS)]
        responses = {}
        for name in questions:
            columns = (row[name + suffix] or [] for suffix in (_RESPONSES, _USERS, _STATUS))
            responses[name] = [{"value": v, "user_id": u, "status": s} for v, u, s in zip(*columns, strict=True)]
        fields = {name: value for name, value in row.items() if "." not in name and name not in ("id", "status")}
        records.append({"id": row.get("id"), "fields": fields, "responses": responses, "suggestions": {}})
    return records


def _write_arrow(place: str, question: str, kept: Sequence[int], corrected: Mapping[int, Record], out: Path) -> None:
    import pyarrow as pa

    start = 0
    for name, table in _tables(place):
        rows = [i for i in kept if start <= i < start + len(table)]
        for suffix, key in ((_RESPONSES, "value"), (_USERS, "user_id"), (_STATUS, "status")):
            at = table.schema.get_field_index(question + suffix)
            cells = table.column(at).to_pylist()
            for i in corrected.keys() & set(range(start, start + len(table))):
                cells[i - start] = [response[key] for response in corrected[i]["responses"][question]]
            table = table.set_column(at, table.schema.field(at), pa.array(cells, table.schema.field(at).type))
        table = table.take([i - start for i in rows])
        with pa.ipc.new_stream(str(out / name), table.schema) as stream:
            stream.write_table(table)
        start += len(cells)
    for name in ("dataset_info.json", "state.json"):
        (out / name).write_bytes(paths.read(paths.join(place, name)))
