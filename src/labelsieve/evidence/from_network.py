"""Evidence from networks that are trained on the images, while `from_features` trains heads on frozen features.

One network sees all images and writes the records: epochs at a constant learning rate (AUM), then O2U-Net's cycles
(Huang et al. 2019, stages 1 and 2), which are in-sample by their nature. All other evidence is out of sample: FOLDS
more networks each leave a fold out, and train first with cross-entropy, then with GCE. Each is used only for its own
fold: heads on its features of the other folds give the fold's probabilities, and each example's neighbours are the
nearest ones of its fold, whose labels did not influence the features. With `loss`, FOLDS_OF_LOSS networks replace the
FOLDS, and their predictions on their folds are used directly. This is the k-fold cross-validation with the loss itself
of Pellegrino, Szczecina and Fieguth (arXiv 2511.16512, 2025), whose confident learning on these probabilities is the
detector `blurry` or `piecewise_zero`; the same holds for GCE.
Differs: they train ten epochs with Adam from ImageNet
weights; these networks start from random weights, with the recipe of the others
    here. Their code trains one network through all folds, so that it has seen the examples that it judges; ours are new
    for each fold. AUM's threshold samples would need two more networks; without them AUM ranks but flags no example.
Cost: the epochs of FOLDS + 1 trainings, with `loss` of FOLDS_OF_LOSS + 1; (n, d) features of one network at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labelsieve.core.evidence import Evidence, Neighbours
from labelsieve.core.files import write_array
from labelsieve.core.loss_defaults import DELAY_OF_HEADS, c_to_classify, delay_to_classify, gamma_to_classify
from labelsieve.core.record import COLUMNS, Record
from labelsieve.engine.samples import Samples, outputs
from labelsieve.engine.session import Session
from labelsieve.engine.standardise import project, standardise
from labelsieve.evidence import linear_discriminant, panel
from labelsieve.evidence.folds import assign
from labelsieve.evidence.from_features import CHECKPOINTS, NEIGHBOURS, Progress, tracks
from labelsieve.evidence.resume import key_of
from labelsieve.losses import blurry, cross_entropy, gce, piecewise_zero
from labelsieve.stats.neighbours import nearest

FOLDS = 3
RATE, MOMENTUM, WEIGHT_DECAY = 0.05, 0.9, 5e-4
FOLDS_OF_LOSS = 5  # with `loss`: Pellegrino et al.'s k
Loss = Callable[[Tensor, Tensor], Tensor]
LATE: dict[str, tuple[Callable[[int], Loss], Callable[[int], int]]] = {
    # K -> the loss; epochs -> the number of epochs with cross-entropy before it. Without `loss` three networks train
    # with GCE.
    "blurry": (lambda k: partial(blurry, gamma=gamma_to_classify(k)), delay_to_classify),
    "piecewise_zero": (lambda k: partial(piecewise_zero, c=c_to_classify(k)), delay_to_classify),
    "gce": (lambda k: gce, lambda epochs: math.ceil(DELAY_OF_HEADS * epochs)),
}


def passes(n: int) -> tuple[int, int]:
    """The number of epochs over n images, 12 to 30, and the batch size."""
    return int(np.clip(300_000 // max(n, 1), 12, 30)), int(np.clip(n // 20, 32, 128))


def gather(
    requested: Collection[str],
    samples: Samples,
    network: Callable[[int], nn.Module],
    *,
    groups: np.ndarray | None = None,
    apart: Sequence[np.ndarray] = (),
    seed: int = 0,
    folder: Path | None = None,
    loss: str | None = None,
    content: str | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Return the evidence named in `requested` (fields of `Evidence`), except features and threshold records.

    Args:
        samples: images on the device.
        network: K -> a fresh network with `features`, on the device.
        groups: (n,) int ids of examples that must share a fold, or None.
        apart: groupings (n,) int; examples with the same number in any of them are never neighbours.
        folder: the folder where neighbours and the record are saved for the review page; None saves nothing.
        loss: name of a loss in `LATE`. FOLDS_OF_LOSS networks are trained with it, each without a fold; their own
            predictions on their folds are the probabilities under that loss.
        content: a hash of images and network; with it and a folder, a killed run continues after the last complete
            epoch of its network.
        progress: called with (stage, done, total).
    """
    labels, k = samples.labels.cpu().numpy(), samples.classes
    evidence = Evidence(labels=labels, n_classes=k)
    epochs, batch = passes(len(samples))
    checkpoints = (
        folder and content and folder / CHECKPOINTS / key_of(content, labels, groups, epochs, batch, seed, loss)[:16]
    )
    start = partial(_session, len(samples), progress=progress, kept=checkpoints or None)
    if {"record", "cyclic_record"} & set(requested):
        evidence = replace(evidence, **_records(samples, network, epochs, batch, start("network", seed)))
    own_probs = None if loss is None else f"probs_{loss}"
    heads = tracks(
        [name for name in requested if name.startswith("probs") and name not in (own_probs, "probs_lda")],
        panel.passes(len(samples))[0],
        [],
        labels,
        k,
    )
    if heads or {"neighbours", "probs_lda", own_probs} & set(requested):
        fold = assign(labels, FOLDS if loss is None else FOLDS_OF_LOSS, groups=groups, seed=seed)
        fold = np.unique(fold, return_inverse=True)[1]  # of a handful of examples some folds have none
        names = [track.name for track in heads] + ([own_probs] if own_probs else [])
        names += ["probs_lda"] if "probs_lda" in requested else []
        probs = {name: np.empty((len(samples), k), np.float32) for name in names}
        late = _late(loss, epochs, k)
        near = []
        for f in range(fold.max() + 1):
            session = start(f"network {f + 1} of {fold.max() + 1}", seed + 1 + f)
            net = _trained(samples, network, fold != f, epochs, batch, session, late)
            x = standardise(outputs(net, samples, net.features).cpu().numpy())
            own = np.flatnonzero(fold == f)
            if own_probs:
                probs[own_probs][own] = _predicted(net, samples, own)
            near_own = nearest(
                project(x[own], seed=seed), NEIGHBOURS, apart=[grouping[own] for grouping in apart], seed=seed
            )
            near.append((own, np.where(near_own.index < 0, -1, own[near_own.index]), near_own.similarity))
            if "probs_lda" in probs:
                only_own = np.where(fold == f, 0, -1)
                probs["probs_lda"][own] = linear_discriminant.out_of_fold(x, labels, k, only_own)[own]
            if heads:
                length, step = panel.passes(len(samples))
                heads_result = panel.train(
                    x, labels, k, heads, (fold != f).astype(np.int64), epochs=length, batch=step, seed=seed
                )
                for track in heads:
                    probs[track.name][own] = heads_result.probs[track.name][own]
        evidence = replace(evidence, neighbours=_joined(near, len(samples)), **probs)
    if folder is not None:
        _keep(evidence, folder)
    return evidence


def _records(
    samples: Samples, network: Callable[[int], nn.Module], epochs: int, batch: int, session: Session
) -> dict[str, Record]:
    """The record at a constant rate and that of the following cycles, `epochs` epochs each."""
    net = network(samples.classes)
    optimiser = torch.optim.SGD(net.parameters(), RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    cycle = max(2, min(10, epochs // 3))
    for epoch in session.epochs(2 * epochs, net=net, optimiser=optimiser):
        factor = 1.0 if epoch < epochs else panel.cyclic(epoch - epochs, epochs, cycle=cycle)
        _rate(optimiser, RATE * factor)
        for rows, logits, given in _forward(net, samples, batch, session):
            session.step(cross_entropy(logits, given).mean(), optimiser)
            session.record(rows, logits, given)
    dynamics = session.dynamics
    assert dynamics is not None
    halves = (slice(None, epochs), slice(epochs, None))
    return {
        name: Record(**{c: getattr(dynamics, c)[half] for c in COLUMNS})
        for name, half in zip(("record", "cyclic_record"), halves, strict=True)
    }


def _late(loss: str | None, epochs: int, n_classes: int) -> tuple[Loss, int]:
    """The loss of the fold networks, and the number of epochs with cross-entropy before it."""
    make, delay = LATE[loss or "gce"]
    return make(n_classes), delay(epochs)


def _trained(
    samples: Samples,
    network: Callable[[int], nn.Module],
    taught: np.ndarray,
    epochs: int,
    batch: int,
    session: Session,
    late: tuple[Loss, int],
) -> Any:
    """A network trained on the examples `taught` (n,): with cross-entropy, from epoch `late[1]` on with the loss
    `late[0]`."""
    part = samples.take(torch.from_numpy(np.flatnonzero(taught)).to(samples.labels.device))
    net: Any = network(samples.classes)
    optimiser = torch.optim.SGD(net.parameters(), RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    for epoch in session.epochs(epochs, net=net, optimiser=optimiser):
        _rate(optimiser, RATE * panel.cosine(epoch, epochs))
        loss = cross_entropy if epoch < late[1] else late[0]
        for _, logits, given in _forward(net, part, batch, session):
            session.step(loss(logits, given).mean(), optimiser)
    return net


def _predicted(net: nn.Module, samples: Samples, rows: np.ndarray) -> np.ndarray:
    """Probabilities (m, K) float32 of the examples at `rows` (m,), in evaluation mode."""
    part = samples.take(torch.from_numpy(rows).to(samples.labels.device))
    return outputs(net, part, net).softmax(1).cpu().numpy()


def _forward(net: nn.Module, samples: Samples, batch: int, session: Session) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Positions (b,), logits (b, K) and given labels (b,) of an epoch's batches."""
    net.train()
    for rows in samples.batches(batch, session.generator):
        logits = net(samples.weak(rows, session.generator))
        yield rows, logits, samples.given(rows)


def _session(n: int, stage: str, seed: int, *, progress: Progress | None, kept: Path | None) -> Session:
    folder = kept and kept / stage.replace(" ", "-")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return Session(
        n, seed=seed, folder=folder, progress=progress and (lambda _, done, total: progress(stage, done, total))
    )


def _rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = float(rate)


def _joined(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], n: int) -> Neighbours:
    """The neighbours of all folds in one table, as many per example as the smallest fold has."""
    k = min(index.shape[1] for _, index, _ in parts)
    joined = Neighbours(np.empty((n, k), np.int32), np.empty((n, k), np.float32))
    for own, index, similarity in parts:
        joined.index[own], joined.similarity[own] = index[:, :k], similarity[:, :k]
    return joined


def _keep(evidence: Evidence, folder: Path) -> None:
    if evidence.neighbours is not None:
        evidence.neighbours.save(folder)
    for name in ("record", "cyclic_record"):
        record = getattr(evidence, name)
        for column in COLUMNS if record is not None else ():
            write_array(folder / name / f"{column}.npy", getattr(record, column))
