"""labelsieve demo: the main job on built-in data."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def demo(
    folder: Annotated[Path, Parameter(help="Where the pictures are drawn.")] = Path("labelsieve-demo"),
    /,
    *,
    seed: int = 0,
) -> int:
    """Draw a folder of pictures with planted wrong labels, find them, and say how many were found."""
    from labelsieve.cli.find import find
    from labelsieve.cli.scores import show
    from labelsieve.core.run import load
    from labelsieve.data.demo import write
    from labelsieve.decide import evaluate as oracle

    pictures, run, truth = folder / "pictures", folder / "pictures.sieve", folder / "truth.csv"
    labels = write(pictures, seed=seed)
    with open(truth, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "label"))
        rows.writerows(labels.items())
    print(f"$ labelsieve find {pictures} --out {run}\n")
    find(str(pictures), out=run)
    print(f"\n$ labelsieve evaluate {run} --truth {truth}     (the demo planted the errors, so it knows them)\n")
    findings = load(run)
    show(oracle.evaluate(findings, oracle.read_truth(truth, findings)))
    return 0
