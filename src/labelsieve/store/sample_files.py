"""Samples drawn for review, one JSON file each in the run folder (`samples/NAME.json`)."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.content_hash import is_hex
from labelsieve.core.errors import UserError, cause
from labelsieve.core.files import replacing, write_json
from labelsieve.core.sample import Sample

FOLDER = "samples"
_COUNTS = {"first", "accept", "second", "limit"}  # the fields of `acceptance.counting_plan.CountingPlan`


def save(folder: str | Path, sample: Sample) -> Path:
    """Write the sample into the run folder; returns the file."""
    path = _path(folder, sample.name)
    write_json(path, asdict(sample))
    return path


def load(folder: str | Path, name: str) -> Sample:
    """Return a sample of the run folder.

    Raises:
        UserError: the folder has no sample of that name, or its file is damaged.
    """
    path = _path(folder, name)
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it should be one JSON object")
        ids, stratum, chance = (tuple(value[key]) for key in ("ids", "stratum", "chance"))
        content, given = (tuple(value.get(key) or ()) for key in ("content", "given"))
        sample = Sample(
            value["name"], value["seed"], value["size"], ids, stratum, chance, value.get("plan", {}), content, given
        )
        _require_sound(sample, name)
        return sample
    except FileNotFoundError:
        existing = ", ".join(names(folder)) or "none"
        raise UserError(f"{folder} has no sample named {name!r} (existing samples: {existing}).") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({cause(error)}); remove it and draw the sample again.") from error


def _require_sound(sample: Sample, name: str) -> None:
    """Raise a ValueError for anything that `save` never writes."""
    sound = {
        "name": sample.name == name,
        "seed": _whole(sample.seed),
        "size": _whole(sample.size),
        "ids": all(isinstance(id, str) for id in sample.ids) and len(set(sample.ids)) == len(sample.ids),
        "stratum": all(map(_whole, sample.stratum)) and len(sample.stratum) == len(sample.ids),
        "chance": all(map(_chance, sample.chance)) and len(sample.chance) == len(sample.ids),
        "content": _texts(sample.content, len(sample.ids)) and all(not what or is_hex(what) for what in sample.content),
        "given": _texts(sample.given, len(sample.ids)),
        "plan": isinstance(sample.plan, dict) and (not sample.plan or _is_plan(sample.plan)),
    }
    for key, well in sound.items():
        if not well:
            raise ValueError(f"its {key} is not valid for a sample")


def _texts(values: tuple[Any, ...], n: int) -> bool:
    """Whether they are n texts, or none at all, as in samples of older versions."""
    return all(isinstance(value, str) for value in values) and len(values) in (0, n)


def _is_plan(plan: dict[str, Any]) -> bool:
    """Whether it is the plan of an acceptance: its terms, and the counts of a single or double plan."""
    counts = plan.get("counts")
    counting = counts is None or (
        isinstance(counts, dict) and set(counts) == _COUNTS and all(map(_whole, counts.values()))
    )
    terms = all(_share(plan.get(key)) for key in ("max_error", "confidence", "aql", "producer_risk", "reviewer_error"))
    kind = plan.get("kind")
    return (
        counting and terms and kind in ("sequential", "single", "double") and (kind == "sequential") == (counts is None)
    )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1


def _chance(value: Any) -> bool:
    return value == 1 or (_share(value) and value > 0)


def save_strata(folder: str | Path, name: str, content: np.ndarray, stratum: np.ndarray) -> None:
    """Save the stratum of every row that the sample was drawn from, by content (n,) uint64, because a later `find` may
    change its score."""
    path = _path(folder, name).with_suffix(".npz")
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, content=content, stratum=stratum.astype(np.uint8))


def load_strata(folder: str | Path, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return content and stratum (n,) of the rows that a sample was drawn from; None if they were not saved.

    Raises:
        UserError: the file is damaged.
    """
    path = _path(folder, name).with_suffix(".npz")
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as loaded:
            return loaded["content"].astype(np.uint64), loaded["stratum"].astype(np.int64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged ({cause(error)}); draw a sample with another name.") from error


def names(folder: str | Path) -> list[str]:
    """The samples of the run folder, in alphabetical order."""
    return sorted(path.stem for path in (Path(folder) / FOLDER).glob("*.json"))


def require_name(name: str) -> None:
    """Refuse a text that cannot be the name of a sample.

    Raises:
        UserError: it has characters other than letters, digits, "-" and "_", or too many.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise UserError(f"{name!r} cannot be the name of a sample; use up to 64 letters, digits, '-' and '_'.")


def _path(folder: str | Path, name: str) -> Path:
    require_name(name)
    return Path(folder) / FOLDER / f"{name}.json"
