"""labelsieve demo: the main job on pictures drawn on the spot."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from labelsieve.cli.options import SEEDS, within
from labelsieve.cli.options import folder as named
from labelsieve.core.errors import UserError


def demo(
    folder: Annotated[Path, Parameter(help="Where the pictures are drawn: a new folder.", converter=named)] = Path("labelsieve-demo"),
    /,
    *,
    seed: Annotated[int, Parameter(help="Same seed, same pictures.", converter=within(SEEDS))] = 0,
) -> None:
    """Draw a folder of pictures with planted wrong labels, find them, and say how many were found."""
    from labelsieve.cli.evaluate import evaluate
    from labelsieve.cli.find import find
    from labelsieve.core.files import replacing
    from labelsieve.data.demo import write

    pictures, run, truth = folder / "pictures", folder / "pictures.sieve", folder / "truth.csv"
    _require_own(folder, {pictures.name, run.name, truth.name})
    letters = write(pictures, seed)
    with replacing(truth) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "label"), *letters.items()])
    print(f"$ labelsieve find {pictures} --out {run}\n", flush=True)
    find(str(pictures), out=run)
    print(f"\nThe demo planted the wrong labels, so it knows the truth:\n\n$ labelsieve evaluate {run} --truth {truth}\n", flush=True)
    evaluate(run, truth=truth)
    print("\nNow yours. One folder of images a class, or a table:")
    print("  labelsieve find photos/\n  labelsieve find reviews.csv --text body --label topic")


def _require_own(folder: Path, names: set[str]) -> None:
    """Refuse a folder that holds anything but an earlier demo."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a new folder for the demo.")
    there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if there and (there - names or "pictures" not in there):
        raise UserError(f"{folder} holds other things ({min(there - names or there)}); name a new folder for the demo.")
