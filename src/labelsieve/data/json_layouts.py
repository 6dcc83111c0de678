"""A JSON file as rows: a list of records, a dict of columns, labels by id, COCO, FiftyOne's classification labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.data.columns import LABELS

_HOW = (
    'it should be a list of records, [{"text": ..., "label": ...}, ...], a dict of columns, {"text": [...], "label": '
    '[...]}, or labels by id, {"a.jpg": "cat", ...}'
)


def records(value: Any, path: str) -> list[dict[str, Any]]:
    """The rows of a JSON value.

    Raises:
        UserError: it is none of the known layouts.
    """
    if isinstance(value, list):
        _require_records(value, path)
        return value
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a single {type(value).__name__}; {_HOW}.")
    if value.keys() >= {"images", "annotations", "categories"}:
        return _coco(value, path)
    if isinstance(value.get("classes"), list) and isinstance(value.get("labels"), dict):  # FiftyOne
        names = value["classes"]
        labels = {
            key: names[k] if isinstance(k, int) and 0 <= k < len(names) else k for key, k in value["labels"].items()
        }
        return _by_id(labels)
    if value.keys() >= {"columns", "data"} and isinstance(value["columns"], list):  # pandas, orient="split"
        rows = [dict(zip(value["columns"], row, strict=False)) for row in value["data"]]
        return _with_index(rows, value.get("index", ()))
    if isinstance(value.get("data"), list):  # pandas, orient="table"
        return records(value["data"], path)
    cells = list(value.values())
    if cells and all(isinstance(cell, list) for cell in cells) and len({len(cell) for cell in cells}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*cells, strict=True)]
    if cells and all(isinstance(cell, dict) for cell in cells):
        if _by_columns(value):
            keys = list(dict.fromkeys(k for c in cells for k in c))
            return _with_index([{name: cell.get(key) for name, cell in value.items()} for key in keys], keys)
        return [{"id": key, **{name: cell for name, cell in row.items() if name != "id"}} for key, row in value.items()]
    if cells and all(isinstance(cell, str | int) or cell is None for cell in cells):
        return _by_id(value)
    lists = [name for name, cell in value.items() if isinstance(cell, list) and cell and isinstance(cell[0], dict)]
    if len(lists) == 1:
        return records(value[lists[0]], path)
    raise UserError(f"{path} is a JSON object with {', '.join(list(value)[:5])}; {_HOW}.")


def in_layout(value: Any, rows: Sequence[dict[str, Any]], kept: Sequence[int]) -> Any:
    """Rows, which stood at the positions `kept` of `records`, in the layout of the value that they were read from; a
    list of records for COCO and FiftyOne."""
    if isinstance(value, list) or value.keys() >= {"images", "annotations", "categories"}:
        return list(rows)
    if isinstance(value.get("classes"), list) and isinstance(value.get("labels"), dict):
        return list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if value.keys() >= {"columns", "data"} and isinstance(value["columns"], list):
        index = {"index": [value["index"][i] for i in kept]} if "index" in value else {}
        names = _without_index(names, value["columns"])
        return {**value, "columns": names, **index, "data": [[row.get(name) for name in names] for row in rows]}
    if isinstance(value.get("data"), list):
        return _with_schema({**value, "data": in_layout(value["data"], rows, kept)}, names)
    cells = list(value.values())
    if cells and all(isinstance(cell, list) for cell in cells) and len({len(cell) for cell in cells}) == 1:
        return {name: [row.get(name) for row in rows] for name in names}
    if cells and all(isinstance(cell, dict) for cell in cells):
        if _by_columns(value):
            keys = list(dict.fromkeys(key for cell in cells for key in cell))
            names = _without_index(names, value)
            return {name: {keys[i]: row.get(name) for i, row in zip(kept, rows, strict=True)} for name in names}
        return {
            row["id"]: {**value[row["id"]], **{name: cell for name, cell in row.items() if name != "id"}}
            for row in rows
        }
    if cells and all(isinstance(cell, str | int) or cell is None for cell in cells):
        return {row["id"]: row["label"] for row in rows}
    name = next(name for name, cell in value.items() if isinstance(cell, list) and cell and isinstance(cell[0], dict))
    return {**value, name: in_layout(value[name], rows, kept)}


def _with_schema(value: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A table of pandas with further columns of text in its schema."""
    fields = value.get("schema", {}).get("fields") if isinstance(value.get("schema"), dict) else None
    if not isinstance(fields, list):
        return value
    known = {field.get("name") for field in fields if isinstance(field, dict)}
    more = [{"name": name, "type": "string"} for name in names if name not in known]
    return {**value, "schema": {**value["schema"], "fields": [*fields, *more]}}


def _by_columns(value: dict[str, dict[str, Any]]) -> bool:
    """Whether dicts of cells are the columns of a frame, not its rows: one has the name of a label, or there are fewer
    of them than cells in one."""
    return any(name.lower() in LABELS for name in value) or len(value) < len(next(iter(value.values())))


def _without_index(names: Sequence[str], columns: Collection[str]) -> list[str]:
    """The names without the `id` that `_with_index` made."""
    return [name for name in names if name != "id" or "id" in columns]


def _with_index(rows: list[dict[str, Any]], index: Sequence[Any]) -> list[dict[str, Any]]:
    """The rows of a pandas frame with its index as `id`, unless it only counts the rows or there is such a column."""
    counts = [*map(str, index)] == [str(i) for i in range(len(rows))]
    if counts or len(index) != len(rows) or any("id" in row for row in rows[:1]):
        return rows
    return [{"id": key, **row} for key, row in zip(index, rows, strict=True)]


def _by_id(labels: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": key, "label": label} for key, label in labels.items()]


def _require_records(rows: list[Any], path: str) -> None:
    odd = next((row for row in rows if not isinstance(row, dict)), None)
    if odd is not None:
        raise UserError(f"{path} is a list of {type(odd).__name__}; {_HOW}.")
    if rows and isinstance(rows[0].get("data"), dict) and ("annotations" in rows[0] or "completions" in rows[0]):
        raise UserError(
            f"{path} is Label Studio's full JSON, which is not a table: name the control of the classes with <label> "
            "and the data's field with <text> or <image>; its annotators are read without <annotator>.",
            label="",
            text="",
            image="",
            annotator="",
        )


def _coco(value: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """One row for each image and class among its annotations; an image without any has no label."""
    try:
        names = {category["id"]: category["name"] for category in value["categories"]}
        classes: dict[Any, dict[str, None]] = {}
        for note in value["annotations"]:
            classes.setdefault(note["image_id"], {})[names[note["category_id"]]] = None
        return [
            {"file_name": image["file_name"], "label": label}
            for image in value["images"]
            for label in classes.get(image["id"], {None: None})
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} looks like COCO, but a part of it is missing: {error}.") from error
