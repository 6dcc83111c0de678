"""Samples drawn for review, one JSON file each in the run folder (`samples/NAME.json`)."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.core.files import write_json

FOLDER = "samples"


@dataclass(frozen=True)
class Sample:
    """Rows drawn at random for review, each with a known chance.

    Attributes:
        name: what it is called; letters, digits, "-" and "_".
        seed: with `size` and the findings it draws the same rows again.
        size: how many were asked for; there may be fewer rows in the data.
        ids: the drawn examples in the order in which to review them.
        stratum: the stratum of each.
        chance: the probability with which each was drawn; 1 / chance is its weight.
        plan: what it was drawn for, as `labelsieve accept` writes it; {} for a sample without a plan.
    """

    name: str
    seed: int
    size: int
    ids: tuple[str, ...]
    stratum: tuple[int, ...]
    chance: tuple[float, ...]
    plan: dict[str, Any] = field(default_factory=dict)


def save(folder: str | Path, sample: Sample) -> Path:
    """Write the sample into the run folder; returns the file."""
    path = _path(folder, sample.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(sample))
    return path


def load(folder: str | Path, name: str) -> Sample:
    """A sample of the run folder.

    Raises:
        UserError: no sample of that name there, or its file is damaged.
    """
    path = _path(folder, name)
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        ids, stratum, chance = (tuple(value[key]) for key in ("ids", "stratum", "chance"))
        return Sample(value["name"], value["seed"], value["size"], ids, stratum, chance, dict(value.get("plan") or {}))
    except FileNotFoundError:
        there = ", ".join(names(folder)) or "none"
        raise UserError(f"{folder} has no sample named {name!r} (there: {there}).") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); draw the sample again.") from error


def names(folder: str | Path) -> list[str]:
    """The samples of the run folder, in alphabetical order."""
    return sorted(path.stem for path in (Path(folder) / FOLDER).glob("*.json"))


def _path(folder: str | Path, name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise UserError(f"{name!r} cannot be the name of a sample; use up to 64 letters, digits, '-' and '_'.")
    return Path(folder) / FOLDER / f"{name}.json"
