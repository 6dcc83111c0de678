"""Whether all processes of a training have the same program, command and data; checked before anything is computed."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from labelsieve.core import content_hash
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.engine import distributed
from labelsieve.engine.watch import Place

SAMPLED = 64  # inputs that every process reads; the rest only one of them reads
SHOWN = 60  # characters of a value


def require_same_program(versions: dict[str, str]) -> None:
    """Compare the versions of the packages.

    Raises:
        UserError: they differ, in all processes.
    """
    compared = {name: value for name, value in versions.items() if name != "python"}
    _require("has {name} {value}, but {first} has {other}; install the same version on every machine.", compared)


def require_same_call(**arguments: Any) -> None:
    """Compare the arguments of the call that do not depend on the machine; errors as in `require_same_program`."""
    shown = {name: repr(value)[:SHOWN] for name, value in arguments.items()}
    _require(
        "was started with {name} {value}, but {first} with {other}; give every machine the same command and versions.",
        shown,
    )


def require_same_data(data: Dataset) -> None:
    """Compare ids, labels, classes and some inputs; errors as in `require_same_program`."""
    if distributed.size() == 1:
        return
    rows = np.unique(np.linspace(0, len(data) - 1, SAMPLED).astype(int)) if len(data) else np.zeros(0, int)
    some = data.pick(rows)
    told = {"number of examples": f"{len(data):,}", "classes": ", ".join(data.classes)[:SHOWN]}
    _require("reads another {name}: {value}, but {first} reads {other}. " + _SAME_DATA, told)
    inputs = content_hash.of(some.inputs, data.kind).tobytes()
    hashed = {
        "ids": "\0".join(data.ids).encode("utf-8", "surrogatepass"),
        "labels": "\0".join(data.classes).encode("utf-8", "surrogatepass") + data.labels.tobytes(),
        f"{data.kind} inputs": inputs,
    }
    require_same_hashes(**{name: hashlib.sha256(value).hexdigest() for name, value in hashed.items()})


def require_same_hashes(**hashes: str) -> None:
    """Compare hashes of the data by name; errors as in `require_same_program`."""
    _require("reads other {name} than {first}. " + _SAME_DATA, hashes)


_SAME_DATA = "Give every machine the same data, in the same order."


def _require(sentence: str, told: dict[str, str]) -> None:
    everywhere = distributed.exchange((Place.own(), told))
    first, expected = everywhere[0]
    for place, values in everywhere[1:]:
        for name, value in values.items():
            if value != expected[name]:
                rest = sentence.format(name=name, value=value, first=first, other=expected[name])
                raise UserError(f"{str(place).capitalize()} {rest}")
