"""The evidence that detectors ask for, of the panel of heads on features or of a network trained on the images."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.core.evidence import Evidence
from labelsieve.encode.arrays import Arrays, Progress
from labelsieve.evidence import from_features
from labelsieve.evidence.resume import key_of
from labelsieve.stats.dependent_examples import Bonds


def of_panel(
    wanted: Collection[str], arrays: Arrays, bonds: Bonds, *, seed: int, folder: Path, progress: Progress | None
) -> Evidence:
    """`wanted` names the fields of `Evidence`; `bonds` says which examples share a fold and are no neighbours; `folder` keeps what a
    killed run had."""
    return from_features.gather(
        wanted,
        arrays.values,
        arrays.data.labels,
        len(arrays.data.classes),
        groups=bonds.fold,
        apart=bonds.apart,
        seed=seed,
        folder=folder,
        content=key_of(arrays.content, arrays.encoder),
        progress=progress,
        device=_device(),
    )


def of_network(
    name: str,
    wanted: Collection[str],
    arrays: Arrays,
    bonds: Bonds,
    *,
    seed: int,
    folder: Path,
    progress: Progress | None,
) -> Evidence:
    """The same from the network `name`, trained here on pixels."""
    try:
        from labelsieve.engine import inputs
        from labelsieve.engine.device import pick, placed
        from labelsieve.evidence import from_network
    except ImportError as error:
        raise UserError(
            "<from_network> needs PyTorch; install it with: pip install 'labelsieve[train]'", from_network=""
        ) from error
    from labelsieve.networks import network

    device = pick()
    make = network(name, images=True, width=arrays.values.shape[1])
    samples, _ = inputs.samples(arrays.values, arrays.data.labels, len(arrays.data.classes))
    return from_network.gather(
        wanted,
        samples.to(device),
        lambda classes: placed(make(classes), device, images=True),
        groups=bonds.fold,
        apart=bonds.apart,
        seed=seed,
        folder=folder,
        content=key_of(arrays.content, arrays.values.shape, name),
        progress=progress,
    )


def _device() -> str | None:
    """A GPU for the panel if torch is loaded already and has one; NumPy otherwise."""
    torch = sys.modules.get("torch")
    return "cuda" if torch is not None and torch.cuda.is_available() else None
