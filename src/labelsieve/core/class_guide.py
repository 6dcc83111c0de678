"""What the classes mean: a name for a code, a guideline, an example. Kept in the run folder (`classes.csv`) for whoever reviews."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing

FILE = "classes.csv"
HEADER = ("class", "name", "guideline", "example")


@dataclass(frozen=True)
class Meaning:
    """What one class means: its `name` in plain words, the `guideline` by which it is given, the id of an `example`; "" where nothing
    is known."""

    name: str = ""
    guideline: str = ""
    example: str = ""


def save(folder: str | Path, guide: Mapping[str, Meaning]) -> None:
    """Keep the meaning of each class, by its label; what was kept before goes."""
    with replacing(Path(folder) / FILE) as partial, open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows((label, *astuple(meaning)) for label, meaning in guide.items())


def load(folder: str | Path) -> dict[str, Meaning]:
    """Label -> meaning; {} where nothing is kept.

    Raises:
        UserError: the file is damaged.
    """
    path = Path(folder) / FILE
    before = csv.field_size_limit(1 << 30)
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
            return {row["class"]: Meaning(*(row[name] or "" for name in HEADER[1:])) for row in rows}
    except FileNotFoundError:
        return {}
    except (OSError, csv.Error, KeyError, TypeError, UnicodeError) as error:
        raise UserError(f"{path} is damaged ({error}); name the classes with --classes again, or remove it.") from error
    finally:
        csv.field_size_limit(before)
