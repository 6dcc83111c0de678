"""labelsieve predict: the label that a model predicts for each example."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from labelsieve.cli.options import Place


def predict(
    model: Annotated[Place, Parameter(help="A model folder that `train` or `repair` wrote.")],
    source: Annotated[str, Parameter(help="Any data that `train` reads; labels are not needed.")],
    /,
    *,
    out: Annotated[Place | None, Parameter(name=["--out", "-o"], help="CSV file to write; default: print.")] = None,
    image: Annotated[str | None, Parameter(help="Column of image paths.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts.")] = None,
    label: Annotated[str | None, Parameter(help="Column of labels, which is ignored.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids.")] = None,
    device: Annotated[str | None, Parameter(help="cpu, cuda, mps; default: a GPU if there is one.")] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object instead.", negative="")] = False,
) -> int:
    """Predict the class of each example, with its probability: id, label, probability."""
    from labelsieve.cli.terminal import print_excluded, print_json, print_notes, progress_bar
    from labelsieve.training.classifier import Model

    trained = Model.load(model)
    columns: dict[str, Any] = {"image": image, "text": text, "label": label, "id": id}
    with progress_bar() as progress:
        predictions = trained.predict(source, out=out, **columns, device=device, progress=progress)
    if json:
        rows = [{"id": key, "label": name, "probability": p} for key, name, p in predictions.rows()]
        excluded = [asdict(item) for item in predictions.excluded]
        print_json({"model": os.fspath(model), "predictions": rows, "excluded": excluded, "notes": predictions.notes})
    else:
        if out is None:
            predictions.write_csv(sys.stdout)
        print_notes(predictions.notes)
    print_excluded(predictions.excluded)
    return 0
