"""The data of a run, read again from where they were."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from labelsieve.core import run
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.data import load, load_probabilities, places

PLACES = ("source", "labels", "probs")  # arguments that name files


def reopen(folder: str | Path, findings: Findings | None = None) -> Dataset:
    """The data set that a run was made on, read again; its rows are those of the findings, in their order.

    Raises:
        UserError: the data were handed over in Python, have moved, or no longer hold every example.
    """
    findings = findings or run.load(folder)
    recipe = findings.settings.get("recipe")
    if recipe is None:
        raise UserError(f"The run in {folder} was made on data handed over in Python; they cannot be read again from a file.")
    here = located(findings)
    data = load_probabilities(**here) if "probs" in here else load(here.pop("source"), **here)
    place = {key: i for i, key in enumerate(data.ids)}
    lost = [key for key in findings.ids if key not in place]
    if lost:
        raise UserError(f"{data.source} no longer holds {len(lost)} of the examples of {folder}, the first is {lost[0]!r}; run find again.")
    return data.pick(np.array([place[key] for key in findings.ids], np.int64))


def located(findings: Findings) -> dict[str, str]:
    """The arguments that read the data of a run again, with its files where they are now; {} for data handed over in Python."""
    folder, recipe = findings.settings.get("folder", "."), findings.settings.get("recipe") or {}
    return {name: _found(value, folder) if name in PLACES else value for name, value in recipe.items()}


def _found(name: str, folder: str) -> str:
    """A path of the recipe, which was relative to `folder`: from here if it is here, else from there."""
    inner = name.removeprefix("hf:")
    if places.is_remote(name) or os.path.isabs(inner) or os.path.exists(inner) or not os.path.exists(os.path.join(folder, inner)):
        return name
    return name[: len(name) - len(inner)] + os.path.join(folder, inner)
