"""`noise`: a data set with labels that are wrong on purpose, and the folder with the noisy and the original labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labelsieve.core.arguments import require_path, require_seed, require_text
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.files import scratch
from labelsieve.core.shares import share
from labelsieve.data import as_dataset
from labelsieve.data.noise import Kind, Noise, inject, write
from labelsieve.encode import arrays
from labelsieve.encode.arrays import Progress
from labelsieve.engine.progress import with_progress
from labelsieve.places.at_addresses import at_addresses, read_from, written_to_address

ENCODED = "encoded"  # the features of an encoder, in the folder


@with_progress
@at_addresses(out=written_to_address, transition=read_from)
def noise(
    data: Dataset | Any,
    *,
    rate: float | str | None = None,
    out: str | PathLike[str] | None = None,
    kind: Kind = "symmetric",
    inclusive: bool = False,
    bernoulli: bool = False,
    transition: str | PathLike[str] | np.ndarray | None = None,
    seed: int = 0,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    id: str | None = None,
    split: str | Sequence[str] | None = None,
    progress: Progress | Literal[False] | None = None,
) -> Noise:
    """Make labels wrong on purpose, for tests and benchmarks.

    There are many parameters because four of them name the columns of a table, as in `ls.load`.

    Args:
        data: a `Dataset`, or anything `ls.load` takes.
        rate: the share of the labels to change, 0.2 or "20%".
        out: a folder for labels.csv (noisy labels), truth.csv (original labels) and noise.json; None writes nothing.
        kind: "symmetric", "pair", "asymmetric" or "instance" (`data/noise.py`).
        inclusive: symmetric noise may draw the original class again.
        bernoulli: change each label independently instead of an exact number.
        transition: for asymmetric noise: a matrix (K, K) whose rows sum to one, or its .npy or .csv file.
        seed: same seed, same noise.
        image, text, label, id: columns of a table.
        split: the splits to read, as in `ls.load`.
        progress: called with (stage, done, total) while an encoder runs. None draws a bar on stderr in a terminal and
            in a notebook, False never.

    Raises:
        UserError: the data cannot be read, a setting does not apply to this kind, or the folder holds other files.

    >>> ls.noise("photos/", rate="20%", out="noisy")  # doctest: +SKIP
    Noise(symmetric, 20.00 % of 1,000 labels wrong)
    """
    seed, kind = require_seed(seed), require_text(kind, "kind")  # pyright: ignore[reportAssignmentType]
    rate = None if rate is None else share(rate, "The noise rate")
    folder = None if out is None else require_path(out, "out, the folder,")
    if folder is not None:
        _require_own(folder)
    matrix = _matrix(transition)
    data, features = as_dataset(data, image=image, text=text, label=label, id=id, split=split), None
    notes = data.notes
    if kind == "instance" and data.kind in ("image", "text"):
        data, features = _encoded(data, folder, progress or None)
    noisy = inject(
        data, kind, rate, inclusive=inclusive, exact=not bernoulli, transition=matrix, features=features, seed=seed
    )
    if folder is not None:
        try:
            write(noisy, data, folder)
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written ({error.strerror or error}); name another folder with <out>.", out=""
            ) from error
    return replace(noisy, ids=data.ids, notes=notes)


def _require_own(folder: Path) -> None:
    """Refuse a folder that holds other things than an earlier `noise` wrote."""
    if folder.is_file():
        raise UserError(f"{folder} is a file; name a folder for the labels with <out>.", out="")
    others = folder.is_dir() and any(path.name != ENCODED for path in folder.iterdir())
    if others and not (folder / "noise.json").exists():
        raise UserError(
            f"{folder} is not empty and was not written by noise; name another folder with <out>, or empty it.", out=""
        )


def _encoded(data: Dataset, folder: Path | None, progress: Progress | None) -> tuple[Dataset, np.ndarray]:
    """The examples that can be read, and the features of the default encoder; kept in the folder, if there is one."""
    with scratch() as spare:
        found = arrays.features(data, spare if folder is None else folder / ENCODED, progress=progress)
        return found.data, np.array(found.values) if folder is None else found.values


def _matrix(transition: Any) -> np.ndarray | None:
    if not isinstance(transition, str | PathLike):
        return transition
    path = require_path(transition, "transition, the file of a matrix,")
    try:
        return np.load(path) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as a matrix ({error}); save it with numpy.save or as CSV without a header."
        ) from error
