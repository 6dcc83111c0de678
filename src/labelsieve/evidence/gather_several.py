"""Evidence on several labels per example: the folds, the neighbours and the sweep of the panel once for all classes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.evidence import Evidence
from labelsieve.core.progress_callback import Progress
from labelsieve.core.questions import Questions
from labelsieve.encode.arrays import Arrays
from labelsieve.engine.standardise import standardise
from labelsieve.evidence import linear_discriminant, several_discriminant, several_panel
from labelsieve.evidence.folds import assign
from labelsieve.evidence.from_features import FOLDS, SCRATCH, SMALL, kept_graph, nearest_of, tracks
from labelsieve.evidence.gather import panel_device
from labelsieve.evidence.panel import passes
from labelsieve.evidence.resume import key_of
from labelsieve.stats.dependent_examples import Bonds


def examples_of(asked: Questions, *, network: str | None, record: Any) -> Dataset:
    """The examples that questions are about.

    Raises:
        UserError: a network or a record of one label per example was asked for.
    """
    if network is not None:
        raise UserError(
            "Networks are trained on one label per example, and these have several; leave out <from_network>.",
            from_network="",
        )
    if record is not None:
        raise UserError(
            "A record has one label per example, and these have several; leave out <record>. Pass probabilities of "
            "each class with <probs>.",
            record="",
            probs="",
        )
    return asked.examples


def gather(
    requested: Collection[str],
    arrays: Arrays,
    bonds: Bonds,
    *,
    given: np.ndarray,
    seed: int,
    folder: Path,
    progress: Progress | None,
    device: str | None = None,
) -> Evidence:
    """Return the evidence `requested` (fields of `Evidence`), each array with one column per class.

    Args:
        arrays: the features; the labels of their data say what folds keep in proportion.
        given: (n, K) bool, the given labels.
        bonds: as in `gather.of_panel`.
        seed, folder, progress, device: as there.
    """
    features, strata = arrays.values, arrays.data.labels
    n, k = given.shape
    evidence = Evidence(labels=given, n_classes=k, features=features)
    fold = assign(strata, min(FOLDS, n), groups=bonds.fold, seed=seed)
    with threadpool_limits(1 if n < SMALL else None, "blas"):
        root = linear_discriminant.prefers_roots(features, strata, k + 1, fold)
        x = standardise(features, folder, root=root)
        content = key_of(arrays.content, arrays.encoder, root)
        if "neighbours" in requested:
            graph = kept_graph(
                partial(nearest_of, x, bonds.apart, seed, folder), bonds.apart, seed, folder, content, progress
            )
            evidence = replace(evidence, neighbours=graph)
        if "probs_lda" in requested:
            evidence = replace(evidence, probs_lda=several_discriminant.out_of_fold(x, given, fold, folder=folder))
        epochs, batch = passes(n)
        chosen = tracks(requested, epochs, [], strata, k)
        if chosen:
            panel = several_panel.train(
                x,
                given,
                chosen,
                fold,
                epochs=epochs,
                batch=batch,
                seed=seed,
                folder=folder,
                key=key_of(content, given, fold, [(track.name, track.delay) for track in chosen], seed, device),
                progress=None if progress is None else partial(progress, "panel"),
                device=panel_device(device),
            )
            evidence = replace(evidence, **panel.probs, **panel.records)
    for name in SCRATCH:
        (folder / f"{name}.npy").unlink(missing_ok=True)
    return evidence
