"""Label Studio, several labels per example: one task for each example, with a control of multiple choice.

The prediction has the classes that were decided or suggested. A task whose questions somebody answered gets an
annotation with the classes that the example has now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from labelsieve.core.dataset import Dataset
from labelsieve.encode.pixel_levels import Levels
from labelsieve.exchange.export_rows import Row
from labelsieve.exchange.label_studio import ID, MODEL, chosen, content, interface_of, require_shown, write_tasks


def write_several(rows: Sequence[Row], data: Dataset, out: Path, levels: Levels) -> list[Path]:
    """Write the questions `rows` about `data`, as `label_studio.write`; returns the paths of the files."""
    assert data.questions is not None
    kind = require_shown(data.kind)
    return write_tasks(_tasks(rows, data, levels), interface_of(kind, data.questions.names, several=True), out)


def _tasks(rows: Sequence[Row], data: Dataset, levels: Levels) -> Iterator[dict[str, Any]]:
    questions = data.questions
    assert questions is not None
    for example, own in groupby(range(len(rows)), key=lambda i: int(questions.example[i])):
        key, asked = str(questions.examples.ids[example]), list(own)
        names = {i: questions.names[questions.asked[i]] for i in asked}
        likely = [name for i, name in names.items() if _likely(rows[i]) == name]
        worst = max(rows[i].p_wrong for i in asked)
        shown = content(data.inputs[asked[0]], key, data.kind, levels)
        task: dict[str, Any] = {
            "data": {
                data.kind: shown,
                ID: key,
                "given_label": [name for i, name in names.items() if rows[i].given_label == name],
                "p_wrong": worst,
            },
            "predictions": [{"model_version": MODEL, "score": worst, "result": chosen(likely, data.kind)}],
        }
        if any(rows[i].decision in ("keep", "relabel") for i in asked):
            now = [name for i, name in names.items() if rows[i].label == name]
            task["annotations"] = [{"result": chosen(now, data.kind)}]
        yield task


def _likely(row: Row) -> str:
    return row.label if row.decision in ("keep", "relabel") else row.suggested_label
