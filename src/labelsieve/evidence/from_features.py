"""Makes the evidence that detectors need from features: one kNN graph and one sweep of the panel, each only if
needed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from labelsieve.core.evidence import Evidence, Neighbours
from labelsieve.core.loss_defaults import DELAY_OF_HEADS
from labelsieve.core.progress_callback import Progress
from labelsieve.core.workers import Workers
from labelsieve.engine.standardise import project, standardise, standardiser
from labelsieve.evidence import divided_discriminant, divided_neighbours, divided_panel, linear_discriminant
from labelsieve.evidence.feature_shards import Shards
from labelsieve.evidence.folds import assign
from labelsieve.evidence.panel import STATE, Track, constant, cyclic, passes, train
from labelsieve.evidence.resume import State, key_of
from labelsieve.places.working_copy import origin
from labelsieve.stats import loss_weights
from labelsieve.stats.neighbours import nearest

NEIGHBOURS = 20
SMALL, LARGE = 20_000, 100_000  # examples
_NEIGHBOURS = "neighbours.npz"  # describes what the saved neighbours belong to
_THRESHOLD = "threshold_record_{}"
CHECKPOINTS = "networks"  # folder of checkpoints
SCRATCH = ("standardised", "shuffled")  # arrays that are needed only during the computation
DIVIDED = 3_000_000  # examples; up to that one process is fast enough, and its findings stay the same to the bit
ON_ONE_NODE = 20_000_000  # examples; beyond, where its copy of 1,280 features takes 51 GB, the panel is divided too
FOLDS = 5
MANY_CLASSES = 1000  # above: two folds, so that the panel stays affordable
_PROBS = {
    "probs": Track("probs"),
    "probs_gce": Track("probs_gce", loss_weights.gce),
    "probs_blurry": Track("probs_blurry", loss_weights.blurry),
    "probs_piecewise_zero": Track("probs_piecewise_zero", loss_weights.piecewise_zero),
}


def gather(
    requested: Collection[str],
    features: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    *,
    groups: np.ndarray | None = None,
    apart: Sequence[np.ndarray] = (),
    seed: int = 0,
    folder: Path | None = None,
    content: str | None = None,
    progress: Progress | None = None,
    device: str | None = None,
    workers: Workers | None = None,
    shards: Shards | None = None,
) -> Evidence:
    """Return the evidence named in `requested` (fields of `Evidence`).

    There are many parameters because each is one kind of input of some evidence.

    Args:
        features: (n, d) float, maybe memory-mapped.
        labels: (n,) int64 given labels.
        n_classes: K.
        groups: (n,) int ids of examples that must share a fold, or None.
        apart: groupings (n,) int; examples with the same number in any of them are never neighbours.
        folder: the folder where large arrays and records are memory-mapped; None keeps all in memory.
        content: a hash of the features; with it and a folder, a killed run does not repeat finished work.
        progress: called with (stage, done, total).
        device: a torch device for the panel; None is NumPy.
        workers: share the work on the neighbours and LDA beyond `DIVIDED` examples, and on the panel beyond
            `ON_ONE_NODE`; None, or a single one, leaves everything to this process.
        shards: the features in files that the workers can read; None leaves everything to this process.
    """
    # On small products two threads that wait for each other on a busy machine are a hundred times slower than one. On
    # two processors the panel and the rest run at the same time, because much of either is not a product. On more
    # processors they run one after the other, because BLAS serves one caller at a time with all processors.
    beside = _processors() == 2 and SMALL <= len(labels) <= LARGE
    with threadpool_limits(1 if beside or len(labels) < SMALL else None, "blas"), ThreadPoolExecutor(1) as pool:
        alongside = pool if beside else None
        return _gather(
            requested,
            features,
            labels,
            n_classes,
            groups,
            apart,
            seed,
            folder,
            content,
            progress,
            device,
            alongside,
            _shared(workers, shards, len(labels), folder),
        )


def finish(folder: Path) -> None:
    """Remove what only a killed run would need, because the findings are saved."""
    for name in (STATE, _NEIGHBOURS):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    for place in {str(folder), origin(folder)}:
        divided_neighbours.sweep(place)


def _gather(
    requested: Collection[str],
    features: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    groups: np.ndarray | None,
    apart: Sequence[np.ndarray],
    seed: int,
    folder: Path | None,
    content: str | None,
    progress: Progress | None,
    device: str | None,
    pool: Executor | None,
    shared: tuple[Workers, Shards] | None,
) -> Evidence:
    evidence = Evidence(labels=labels, n_classes=n_classes, features=features)
    fold = assign(labels, min(FOLDS if n_classes <= MANY_CLASSES else 2, len(labels)), groups=groups, seed=seed)
    root = linear_discriminant.prefers_roots(features, labels, n_classes, fold)
    x = standardise(features, folder, root=root)
    find = partial(nearest_of, x, apart, seed, folder)
    judge = partial(linear_discriminant.out_of_fold, x, labels, n_classes, fold, folder=folder)
    learn, told = partial(train, x, device=device), ()
    if shared is not None:
        assert folder is not None
        workers, shards = shared
        scale = standardiser(features, root=root)
        lists = partial(divided_neighbours.nearest, shards, features, scale, NEIGHBOURS, workers)
        find = partial(lists, apart=apart, seed=seed, folder=folder)
        judge = partial(divided_discriminant.out_of_fold, x, shards, scale, labels, n_classes, fold, workers)
        judge = partial(judge, folder=folder)
        if len(labels) > ON_ONE_NODE and device is None:
            learn, told = partial(divided_panel.train, shards, scale, workers=workers), (workers.count,)
    graph = partial(kept_graph, find, apart, seed, folder, content and key_of(content, root), progress)
    beside = {name: make for name, make in (("neighbours", graph), ("probs_lda", judge)) if name in requested}
    pending = {name: pool.submit(make) for name, make in beside.items()} if pool else {}
    if pool is None:
        evidence = replace(evidence, **{name: make() for name, make in beside.items()})
    epochs, batch = passes(len(labels))
    fakes = _fakes(labels, n_classes, seed) if "threshold_records" in requested else []
    chosen = tracks(requested, epochs, fakes, labels, n_classes)
    if chosen:
        panel = learn(
            labels,
            n_classes,
            chosen,
            fold,
            epochs=epochs,
            batch=batch,
            seed=seed,
            folder=folder,
            key=content
            and key_of(
                *(content, root, labels, fold, [(t.name, t.delay) for t in chosen], epochs, batch, seed, device), *told
            ),
            progress=_stage(progress, "panel"),
        )
        threshold = tuple((panel.records.pop(_THRESHOLD.format(i)), fake) for i, fake in enumerate(fakes))
        evidence = replace(evidence, **panel.probs, **panel.records, threshold_records=threshold or None)
    evidence = replace(evidence, **{name: made.result() for name, made in pending.items()})
    if folder is not None:
        for name in SCRATCH:
            (folder / f"{name}.npy").unlink(missing_ok=True)
    return evidence


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shared(
    workers: Workers | None, shards: Shards | None, n: int, folder: Path | None
) -> tuple[Workers, Shards] | None:
    """The workers and the shards, if the work on n examples is worth sharing."""
    if workers is None or shards is None or folder is None or n <= DIVIDED or workers.count == 1:
        return None
    return workers, shards


def nearest_of(x: np.ndarray, apart: Sequence[np.ndarray], seed: int, folder: Path | None) -> Neighbours:
    projected = project(x, seed=seed, folder=folder)
    return nearest(projected, NEIGHBOURS, apart=apart, seed=seed, overwrite=projected is not x, folder=folder)


def kept_graph(
    find: Callable[[], Neighbours],
    apart: Sequence[np.ndarray],
    seed: int,
    folder: Path | None,
    content: str | None,
    progress: Progress | None,
) -> Neighbours:
    state = State(folder and folder / _NEIGHBOURS, content and key_of(content, NEIGHBOURS, seed, *apart))
    if folder is not None and state.find() is not None:
        return Neighbours.load(folder)
    if progress:
        progress("neighbours", 0, 1)
    result = find()
    if folder is not None:
        result.save(folder)  # the review page shows them
        result = Neighbours.load(folder) if isinstance(result.index, np.memmap) else result
        state.write(dict, now=True)
    if progress:
        progress("neighbours", 1, 1)
    return result


def tracks(
    requested: Collection[str], epochs: int, fakes: list[np.ndarray], labels: np.ndarray, n_classes: int
) -> list[Track]:
    """The training runs of the panel for the requested evidence; `fakes` are masks (n,) of AUM's threshold samples."""
    delay = max(1, round(DELAY_OF_HEADS * epochs))
    out = [replace(track, delay=delay if name != "probs" else 0) for name, track in _PROBS.items() if name in requested]
    if "record" in requested:
        out.append(Track("record", held_out=False, schedule=constant, record=True))
    if "cyclic_record" in requested:
        out.append(
            Track(
                "cyclic_record",
                held_out=False,
                schedule=partial(cyclic, cycle=max(2, min(10, epochs // 3))),
                record=True,
            )
        )
    for i, fake in enumerate(fakes):
        with_fakes = np.where(fake, n_classes, labels)
        out.append(Track(_THRESHOLD.format(i), held_out=False, schedule=constant, record=True, labels=with_fakes))
    return out


def _fakes(labels: np.ndarray, n_classes: int, seed: int) -> list[np.ndarray]:
    """Two masks (n,) of disjoint random n / (K + 1) examples that get a class that does not exist, one for each of
    AUM's two runs with threshold samples (Pleiss et al. 2020, section 3.3)."""
    n = len(labels)
    chosen = np.random.default_rng([seed, 1]).permutation(n)[: 2 * (n // (n_classes + 1))].reshape(2, -1)
    return [np.isin(np.arange(n), rows) for rows in chosen]


def _stage(progress: Progress | None, stage: str) -> Callable[[int, int], None] | None:
    return None if progress is None else partial(progress, stage)
