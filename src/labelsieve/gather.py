"""The evidence that detectors ask for, of the panel of heads on features or of a network trained on the images."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

import numpy as np

from labelsieve.arrays import Arrays, Progress
from labelsieve.core import duplicates
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.evidence import Evidence
from labelsieve.train import evidence
from labelsieve.train.resume import key_of


def of_panel(
    wanted: Collection[str], arrays: Arrays, groups: np.ndarray | None, *, seed: int, folder: Path, progress: Progress | None
) -> Evidence:
    """`wanted` names the fields of `Evidence`; `groups` (n,) says which examples share a fold; `folder` keeps what a killed run had."""
    return evidence.gather(
        wanted,
        arrays.values,
        arrays.data.labels,
        len(arrays.data.classes),
        groups=groups,
        seed=seed,
        folder=folder,
        content=key_of(arrays.content, arrays.encoder),
        progress=progress,
        device=_device(),
    )


def of_network(
    name: str, wanted: Collection[str], arrays: Arrays, groups: np.ndarray | None, *, seed: int, folder: Path, progress: Progress | None
) -> Evidence:
    """The same from the network `name`, trained here on pixels."""
    try:
        from labelsieve.train import from_network, inputs
        from labelsieve.train.device import pick, placed
    except ImportError as error:
        raise UserError("--from-network needs PyTorch; install it with: pip install 'labelsieve[train]'") from error
    from labelsieve.models import network

    device = pick()
    make = network(name, images=True, width=arrays.values.shape[1])
    samples, _ = inputs.samples(arrays.values, arrays.data.labels, len(arrays.data.classes))
    return from_network.gather(
        wanted,
        samples.to(device),
        lambda classes: placed(make(classes), device, images=True),
        groups=groups,
        seed=seed,
        folder=folder,
        content=key_of(arrays.content, arrays.values.shape, name),
        progress=progress,
    )


def together(data: Dataset, group: np.ndarray | None) -> tuple[np.ndarray | None, list[str]]:
    """(n,) which examples must share a fold, duplicates and the user's groups, and a note if those are too few to make folds."""
    if data.groups is None:
        return group, []
    _, own = np.unique(data.groups.astype(str), return_inverse=True)
    if own.max() + 1 < 2 * evidence.FOLDS:
        return group, [f"There are only {own.max() + 1} groups, too few to keep each in one fold; folds ignore them."]
    return own if group is None else duplicates.merge(own, group), []


def _device() -> str | None:
    """A GPU for the panel if torch is loaded already and has one; NumPy otherwise."""
    torch = sys.modules.get("torch")
    return "cuda" if torch is not None and torch.cuda.is_available() else None
