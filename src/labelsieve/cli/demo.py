"""labelsieve demo: the main job on pictures drawn on the spot."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def demo(
    folder: Annotated[Path, Parameter(help="Where the pictures are drawn.")] = Path("labelsieve-demo"),
    /,
    *,
    seed: Annotated[int, Parameter(help="Same seed, same pictures.")] = 0,
) -> None:
    """Draw a folder of pictures with planted wrong labels, find them, and say how many were found."""
    from labelsieve.cli.evaluate import evaluate
    from labelsieve.cli.find import find
    from labelsieve.core.files import replacing
    from labelsieve.data.demo import write

    pictures, run, truth = folder / "pictures", folder / "pictures.sieve", folder / "truth.csv"
    letters = write(pictures, seed)
    with replacing(truth) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "label"), *letters.items()])
    print(f"$ labelsieve find {pictures} --out {run}\n", flush=True)
    find(str(pictures), out=run)
    print(f"\nThe demo planted the wrong labels, so it knows the truth:\n\n$ labelsieve evaluate {run} --truth {truth}\n", flush=True)
    evaluate(run, truth=truth)
    print("\nNow yours. One folder of images a class, or a table:")
    print("  labelsieve find photos/\n  labelsieve find reviews.csv --text body --label topic")
