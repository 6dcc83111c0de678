"""Hugging Face `datasets`: a folder of `save_to_disk` with inputs, current labels and findings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.conflict import Conflict
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.data.hub_folder import require_datasets, save
from labelsieve.encode.pixel_levels import Levels
from labelsieve.exchange.answers import Answer, Read
from labelsieve.exchange.export_rows import Row, columns
from labelsieve.exchange.pictures import picture

WRITTEN = "label_exported"
_TYPES = {"p_wrong": "float64", "rank": "int64", "flagged": "bool"}


def write(
    rows: Sequence[Row], inputs: Sequence[Any], kind: str, classes: Sequence[str], out: Path, levels: Levels
) -> None:
    """Write into the empty folder `out`; excluded examples are included, with the decision "exclude"."""
    datasets = require_datasets()
    names = list(dict.fromkeys([*classes, *(row.label for row in rows)]))
    value: Any = {"image": datasets.Image(), "text": datasets.Value("string")}.get(
        kind, datasets.Sequence(datasets.Value("float32"))
    )
    cells = [row.cells() for row in rows]
    features = {kind: value} | {name: datasets.Value(_type(name)) for name in columns(rows)}
    features |= {"label": datasets.ClassLabel(names=names), WRITTEN: datasets.Value("string")}

    values: dict[str, list[Any]] = {name: [row[name] for row in cells] for name in columns(rows)}
    values[kind] = [
        {"bytes": picture(inputs[i], row.id, levels)[0], "path": None} if kind == "image" else inputs[i]
        for i, row in enumerate(rows)
    ]
    values[WRITTEN] = values["label"]
    save(datasets.Dataset.from_dict({name: values[name] for name in features}, datasets.Features(features)), out)


def _type(column: str) -> str:
    return "bool" if column.startswith("flag_") else _TYPES.get(column, "string")


def read(path: Path, classes: Collection[str] = (), findings: Findings | None = None) -> Read:
    """The labels of a folder of `save_to_disk` with the columns `id` and `label`, and optionally `annotator`.

    Rows without a label are not answers; codes that are not a class of the column are listed as conflicts.

    Raises:
        UserError: the folder cannot be read, or lacks these columns.
    """
    datasets = require_datasets()
    try:
        dataset = datasets.load_from_disk(str(path))
    except Exception as error:  # its file formats raise many kinds of exceptions
        raise UserError(
            f"{path} cannot be read as a saved Hugging Face data set ({str(error).rstrip('.')})."
        ) from error
    if isinstance(dataset, dict) or not {"id", "label"} <= set(dataset.column_names):
        raise UserError(
            f"{path} should be one split with the columns id and label, as an export with <to> writes it.",
            to="hf",
        )
    names = getattr(dataset.features["label"], "names", None)
    ids = dataset["labelsieve_id" if "labelsieve_id" in dataset.column_names else "id"]
    facts = (WRITTEN, "annotator", "given_label", "content")
    written, people, given, content = (
        dataset[name] if name in dataset.column_names else [None] * len(dataset) for name in facts
    )
    answers: list[Answer] = []
    conflicts: list[Conflict] = []
    for key, code, exported, person, given_label, hashed in zip(
        ids, dataset["label"], written, people, given, content, strict=True
    ):
        if code is None or (names and code == -1):
            continue
        if names and not 0 <= code < len(names):
            conflicts.append(Conflict(str(key), f"the label is {code}, but the column has {len(names)} classes"))
            continue
        answers.append(
            Answer(
                str(key),
                "",
                str(names[code] if names else code),
                exported,
                "",
                str(person or ""),
                given_label,
                hashed or None,
            )
        )
    return Read(answers, conflicts)
