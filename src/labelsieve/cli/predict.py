"""labelsieve predict: the label a model gives to each example."""

from __future__ import annotations

import csv
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TextIO

from cyclopts import Parameter

from labelsieve.core.errors import UserError

COLUMNS = ("id", "label", "probability")


def predict(
    model: Annotated[Path, Parameter(help="A model folder that `train` or `repair` wrote.")],
    source: Annotated[str, Parameter(help="Anything that `train` reads; labels are not needed.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="CSV file to write; default: print.")] = None,
    image: Annotated[str | None, Parameter(help="Column of image paths.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts.")] = None,
    label: Annotated[str | None, Parameter(help="Column of labels, to be passed over.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids.")] = None,
    device: Annotated[str | None, Parameter(help="cpu, cuda, mps; default: a GPU if there is one.")] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object instead.", negative="")] = False,
) -> int:
    """Say which class each example is, and with what probability: id, label, probability."""
    from labelsieve.cli.terminal import print_json, progress_bar, tell_excluded, tell_notes
    from labelsieve.cli.train import need_torch
    from labelsieve.core.files import replacing, require_own
    from labelsieve.data import load_inputs

    need_torch("predict")
    from labelsieve.training.classifier import Model

    if out is not None:
        if out.is_dir() or out.suffix.lower() != ".csv":
            raise UserError(
                f"{out} is {'a folder' if out.is_dir() else 'no .csv'}; name a CSV file with -o, or leave -o away to print."
            )
        if out.exists() and Path(source).exists() and out.samefile(source):
            raise UserError(f"{out} is what the examples are read from; name another file with -o.")
        require_own(out, ",".join(COLUMNS) + "\n", "predict")
    trained = Model.load(model)
    wanted = trained.manifest["input"].get("columns")
    data = load_inputs(source, image=image, text=text, label=label, id=id, wanted=wanted)
    with progress_bar() as progress:
        data, probs = trained.probabilities(data, device=device, progress=progress)
    best = probs.argmax(1)
    rows = list(
        zip(
            data.ids.tolist(),
            (trained.classes[c] for c in best),
            probs.max(1).astype(float).round(6).tolist(),
            strict=True,
        )
    )
    if out is not None:
        with (
            replacing(out) as partial,
            open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            _write(file, rows)
    if json:
        found = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        print_json(
            {
                "model": os.fspath(model),
                "predictions": found,
                "excluded": [asdict(item) for item in data.excluded],
                "notes": data.notes,
            }
        )
    elif out is None:
        _write(sys.stdout, rows)
    if not json:
        tell_notes(data.notes)
    tell_excluded(data.excluded)
    return 0


def _write(file: TextIO, rows: list[tuple[str, str, float]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((key, label, f"{probability:.6f}") for key, label, probability in rows)
