"""The evidence that detectors need, from the panel of heads on features or from networks trained on the images."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from labelsieve.core.arguments import require_text
from labelsieve.core.errors import UserError, meant
from labelsieve.core.evidence import Evidence
from labelsieve.core.extras import need
from labelsieve.core.workers import Workers
from labelsieve.encode.arrays import Arrays, Progress
from labelsieve.evidence import from_features
from labelsieve.evidence.feature_shards import in_files
from labelsieve.evidence.resume import key_of
from labelsieve.places.working_copy import origin
from labelsieve.stats.dependent_examples import Bonds

LOSSES = ("blurry", "piecewise-zero", "gce")  # losses of networks that find wrong labels


def require_loss(loss: str | None, network: str | None) -> str | None:
    """Return the name of a loss for networks, "piecewise_zero" as "piecewise-zero".

    Raises:
        UserError: there is no such loss, or no network to train with it.
    """
    if loss is None:
        return None
    name = require_text(loss, "loss").replace("_", "-")
    if name not in LOSSES:
        choose = f"Choose from {', '.join(LOSSES)}."
        raise UserError(f"There is no loss {loss!r} for finding wrong labels.{meant(name, LOSSES)} {choose}")
    if network is None:
        raise UserError(
            f"The loss {name!r} trains networks, but no network is set; add <from_network>, or leave out <loss>.",
            from_network="small-cnn",
            loss="",
        )
    return name


def of_panel(
    requested: Collection[str],
    arrays: Arrays,
    bonds: Bonds,
    *,
    seed: int,
    folder: Path,
    progress: Progress | None,
    device: str | None = None,
    workers: Workers | None = None,
) -> Evidence:
    """Return the evidence `requested` (fields of `Evidence`) from the panel. `bonds` lists the examples that share a
    fold and those that are never neighbours; `folder` keeps the state of a killed run; `device` is as in
    `panel_device`; `workers` share the work on many millions of examples that were encoded in shards."""
    return from_features.gather(
        requested,
        arrays.values,
        arrays.data.labels,
        len(arrays.data.classes),
        groups=bonds.fold,
        apart=bonds.apart,
        seed=seed,
        folder=folder,
        content=key_of(arrays.content, arrays.encoder),
        progress=progress,
        device=panel_device(device),
        workers=workers,
        shards=in_files(arrays.shards, origin(folder)) if arrays.shards else None,
    )


def of_network(
    name: str,
    requested: Collection[str],
    arrays: Arrays,
    bonds: Bonds,
    *,
    seed: int,
    folder: Path,
    progress: Progress | None,
    device: str | None = None,
    loss: str | None = None,
) -> Evidence:
    """Return the evidence `requested` from networks of the kind `name`, trained on the pixels. `device` None is a GPU
    if there is one; `loss`, one of `LOSSES`, trains one network per fold."""
    try:
        from labelsieve.engine import inputs
        from labelsieve.engine.device import pick, placed
        from labelsieve.evidence import from_network
    except ImportError as error:
        raise UserError(
            "<from_network> needs PyTorch; install it with: pip install 'labelsieve[train]'", from_network=""
        ) from error
    from labelsieve.networks import network

    where = pick(device)
    make = network(name, images=True, width=arrays.values.shape[1])
    samples, _ = inputs.samples(arrays.values, arrays.data.labels, len(arrays.data.classes))
    return from_network.gather(
        requested,
        samples.to(where),
        lambda classes: placed(make(classes), where, images=True),
        groups=bonds.fold,
        apart=bonds.apart,
        seed=seed,
        folder=folder,
        loss=loss and loss.replace("-", "_"),
        content=key_of(arrays.content, arrays.values.shape, name),
        progress=progress,
    )


def panel_device(name: str | None) -> str | None:
    """Return the torch device on which the panel trains; None, also for "cpu", means NumPy on the CPU.

    Raises:
        UserError: the device is not available, or PyTorch is not installed.
    """
    if name in (None, "cpu"):
        return None
    need("torch", f"The device {name!r}", "train", "PyTorch")
    from labelsieve.engine.device import pick

    return str(pick(name))
