"""Makes the evidence that detectors ask for: one kNN graph and one sweep of the panel, each only if somebody needs it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from labelsieve.core.evidence import Evidence
from labelsieve.core.neighbours import nearest
from labelsieve.core.record import Record
from labelsieve.losses import weights
from labelsieve.train.folds import assign
from labelsieve.train.panel import Track, constant, cyclic, passes, train
from labelsieve.train.standardise import project, standardise

NEIGHBOURS = 20
SMALL = 20_000  # examples
SCRATCH = ("standardised", "shuffled")  # arrays that only the making needs
FOLDS = 5
MANY_CLASSES = 1000  # above: two folds, so that the panel stays affordable
_DELAY = 1 / 3  # of the epochs under plain cross-entropy before Blurry and Piecewise-zero act (Pellegrino et al.: 2 to 8 of 10)
_PROBS = {
    "probs": Track("probs"),
    "probs_gce": Track("probs_gce", weights.gce),
    "probs_blurry": Track("probs_blurry", weights.blurry),
    "probs_piecewise_zero": Track("probs_piecewise_zero", weights.piecewise_zero),
}
Progress = Callable[[str, int, int], None]


def gather(
    wanted: Collection[str],
    features: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress | None = None,
    device: str | None = None,
) -> Evidence:
    """The evidence named in `wanted` (fields of `Evidence`).

    Args:
        features: (n, d) float, maybe memory-mapped.
        labels: (n,) int64 given labels.
        n_classes: K.
        groups: (n,) int ids of examples that must share a fold, or None.
        folder: where large arrays and records are memory-mapped; None keeps all in memory.
        progress: called with (stage, done, total).
        device: a torch device for the panel; None is NumPy.
    """
    # On small products two threads that wait for each other on a busy machine are a hundred times slower than one.
    with threadpool_limits(1 if len(labels) < SMALL else None, "blas"):
        return _gather(wanted, features, labels, n_classes, groups, seed, folder, progress, device)


def _gather(
    wanted: Collection[str],
    features: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    groups: np.ndarray | None,
    seed: int,
    folder: Path | None,
    progress: Progress | None,
    device: str | None,
) -> Evidence:
    evidence = Evidence(labels=labels, n_classes=n_classes, features=features)
    x = standardise(features, folder)
    if "neighbours" in wanted:
        if progress:
            progress("neighbours", 0, 1)
        neighbours = nearest(project(x, seed=seed), NEIGHBOURS, seed=seed)
        evidence = replace(evidence, neighbours=neighbours)
        if folder is not None:
            neighbours.save(folder)  # the review page shows them
        if progress:
            progress("neighbours", 1, 1)
    epochs, batch = passes(len(labels))
    tracks = _tracks(wanted, epochs)
    sweep = partial(train, x, epochs=epochs, batch=batch, seed=seed, device=device)
    if tracks:
        fold = assign(labels, min(FOLDS if n_classes <= MANY_CLASSES else 2, len(labels)), groups=groups, seed=seed)
        panel = sweep(labels, n_classes, tracks, fold, folder=folder, progress=_stage(progress, "panel"))
        evidence = replace(evidence, **panel.probs, **panel.records)
    if "threshold_records" in wanted:
        evidence = replace(evidence, threshold_records=_threshold_records(sweep, labels, n_classes, seed, folder, progress))
    if folder is not None:
        for name in SCRATCH:
            (folder / f"{name}.npy").unlink(missing_ok=True)
    return evidence


def _tracks(wanted: Collection[str], epochs: int) -> list[Track]:
    delay = max(1, round(_DELAY * epochs))
    tracks = [replace(track, delay=delay if name != "probs" else 0) for name, track in _PROBS.items() if name in wanted]
    if "record" in wanted:
        tracks.append(Track("record", held_out=False, schedule=constant, record=True))
    if "cyclic_record" in wanted:
        tracks.append(Track("cyclic_record", held_out=False, schedule=partial(cyclic, cycle=max(2, min(10, epochs // 3))), record=True))
    return tracks


def _threshold_records(
    sweep: Callable, labels: np.ndarray, n_classes: int, seed: int, folder: Path | None, progress: Progress | None
) -> tuple[tuple[Record, np.ndarray], ...]:
    """AUM's two runs in which disjoint random n / (K + 1) examples wear a class that does not exist (Pleiss et al. 2020, section 3.3)."""
    n = len(labels)
    chosen = np.random.default_rng([seed, 1]).permutation(n)[: 2 * (n // (n_classes + 1))].reshape(2, -1)
    masks = [np.isin(np.arange(n), rows) for rows in chosen]
    tracks = [
        Track(f"threshold_record_{i}", held_out=False, schedule=constant, record=True, labels=np.where(mask, n_classes, labels))
        for i, mask in enumerate(masks)
    ]
    none_held = np.zeros(n, np.int64)
    panel = sweep(labels, n_classes + 1, tracks, none_held, folder=folder, progress=_stage(progress, "threshold samples"))
    return tuple((panel.records[track.name], mask) for track, mask in zip(tracks, masks, strict=True))


def _stage(progress: Progress | None, stage: str) -> Callable[[int, int], None] | None:
    return None if progress is None else partial(progress, stage)
