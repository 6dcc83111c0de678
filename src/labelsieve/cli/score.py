"""labelsieve score: how often a model predicts the given label."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from labelsieve.cli.options import Place, Split


def score(
    model: Annotated[Place, Parameter(help="A model folder that `train` or `repair` wrote.")],
    source: Annotated[str, Parameter(help="Test data with labels: any data that `train` reads.")],
    /,
    *,
    image: Annotated[str | None, Parameter(help="Column of image paths.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts.")] = None,
    label: Annotated[str | None, Parameter(help="Column of labels.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids.")] = None,
    labels: Annotated[str | None, Parameter(help="File of labels to use instead (id,label).")] = None,
    split: Split = None,
    device: Annotated[str | None, Parameter(help="cpu, cuda, mps; default: a GPU if there is one.")] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Measure a model against the labels of other data: accuracy, and recall and precision per class."""
    from labelsieve.cli.terminal import (
        blank_table,
        print_excluded,
        print_json,
        print_notes,
        printer,
        progress_bar,
        safe,
    )
    from labelsieve.training.classifier import Model

    trained = Model.load(model)
    columns: dict[str, Any] = {"image": image, "text": text, "label": label, "id": id, "labels": labels, "split": split}
    with progress_bar() as progress:
        result = trained.score(source, **columns, device=device, progress=progress)
    if json:
        print_json({"model": os.fspath(model), **asdict(result)})
        return 0
    print_notes(result.notes)
    print_excluded(result.excluded)
    console, table = printer(), blank_table()
    for heading in ("class", "n", "recall", "precision"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for name, own in result.classes.items():
        table.add_row(safe(name), str(own.n), _cell(own.recall), _cell(own.precision))
    console.print(f"accuracy {result.accuracy:.4f} on {result.n} examples")
    console.print(table)
    return 0


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
