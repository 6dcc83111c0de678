"""The panel: many linear heads over frozen features, trained in one sweep.

Every head (loss x fold x schedule) is a block of K columns in one weight matrix, so that a mini-batch costs one product X W and
one X^T G for all of them; rows that a fold holds out are masked out of that fold's gradient. The gradient is analytic:
w(p_y) (p - onehot(y)), see `losses.weights`. Features are standardised and divided by sqrt(d), which makes one learning rate fit
all encoders. Cost: 4 n d K heads floating-point operations an epoch; memory: features once more (float16 on disk when they are
large) and (d, heads K) weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.record import Record
from labelsieve.losses import weights


@dataclass(frozen=True)
class Track:
    """One training run of the panel: a loss under a learning-rate schedule, once for each fold or once for everything.

    Attributes:
        name: the key of its results.
        loss: p_y -> weight of the cross-entropy gradient (`losses.weights`).
        held_out: True: one head a fold, each example judged by the head that never saw it. False: one head on everything.
        delay: epochs of plain cross-entropy before `loss` acts (Pellegrino et al. 2025, "delay").
        schedule: (epoch, epochs) -> factor on the learning rate.
        record: keep the training dynamics. With held_out they are those of the held-out head.
    """

    name: str
    loss: Callable[[Any], Any] = weights.cross_entropy
    held_out: bool = True
    delay: int = 0
    schedule: Callable[[float, int], float] = lambda epoch, epochs: 0.5 * (1 + np.cos(np.pi * epoch / epochs))
    record: bool = False


@dataclass(frozen=True, eq=False)
class Panel:
    """What a sweep left: (n, K) float32 probabilities for each track, and the records of the tracks that keep one."""

    probs: dict[str, np.ndarray]
    records: dict[str, Record]


def cyclic(epoch: float, epochs: int, *, cycle: int = 10, high: float = 1.0, low: float = 0.1) -> float:
    """O2U-Net's learning rate (Huang et al. 2019, section 3.2): falls linearly from high to low within each cycle."""
    t = (epoch % cycle + 1) / cycle
    return (1 - t) * high + t * low


def constant(epoch: float, epochs: int) -> float:
    """AUM's learning rate never drops (Pleiss et al. 2020)."""
    return 1.0


def train(
    features: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    tracks: Sequence[Track],
    fold: np.ndarray,
    *,
    epochs: int,
    batch: int = 256,
    learning_rate: float = 2.0,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    seed: int = 0,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Panel:
    """Train all heads of all tracks.

    Args:
        features: (n, d) float, maybe memory-mapped.
        labels: (n,) int64 given labels in 0..n_classes-1.
        fold: (n,) int64, the held-out fold of each example (`folds.assign`).
        epochs: passes over the data.
        folder: where records (and a shuffled copy of large features) are memory-mapped; None keeps them in memory.
        progress: called with (epochs done, epochs).
    """
    n, d = features.shape
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    x, y, held = _shuffled(features, order), labels[order], fold[order]
    n_folds = int(fold.max()) + 1
    heads = [(track, f) for track in tracks for f in (range(n_folds) if track.held_out else [-1])]
    first = {track.name: next(i for i, (t, _) in enumerate(heads) if t is track) for track in tracks}
    head_fold = np.array([f for _, f in heads])
    w = np.zeros((d + 1, len(heads) * n_classes), np.float32)
    velocity = np.zeros_like(w)
    records = {t.name: Record.empty(epochs, n, folder / t.name if folder else None) for t in tracks if t.record}
    starts = np.arange(0, n, batch)
    for epoch in range(epochs):
        for step, start in enumerate(rng.permutation(starts)):
            rows = slice(start, min(start + batch, n))
            xb, yb, hb = x[rows], y[rows], held[rows]
            logits = (xb @ w).reshape(len(yb), len(heads), n_classes)
            for name, record in records.items():
                track, head = heads[first[name]][0], first[name]
                own = logits[np.arange(len(yb)), head + hb] if track.held_out else logits[:, head]
                record.write(epoch, order[rows], own, yb)
            gradient = _gradient(logits, yb, heads, head_fold, hb, epoch)
            moment = epoch + step / len(starts)
            rate = np.repeat([learning_rate * t.schedule(moment, epochs) for t, _ in heads], n_classes).astype(np.float32)
            step_ = xb.T @ gradient.reshape(len(yb), -1)
            step_ /= len(yb)
            step_ += weight_decay * w
            step_ *= rate
            velocity *= momentum
            velocity -= step_
            w += velocity
        if progress:
            progress(epoch + 1, epochs)
    return Panel(_probabilities(x, w, heads, first, held, order, tracks, n_classes, batch), records)


def _gradient(logits: np.ndarray, y: np.ndarray, heads: list, head_fold: np.ndarray, held: np.ndarray, epoch: int) -> np.ndarray:
    """w(p_y) (p - onehot(y)) for each head, zero where the head's fold holds the row out; overwrites logits (b, heads, K)."""
    p = _softmax(logits)
    rows = np.arange(len(y))
    p_y = p[rows, :, y]
    factor = np.empty_like(p_y)
    for h, (track, _) in enumerate(heads):
        loss = weights.cross_entropy if epoch < track.delay else track.loss
        factor[:, h] = loss(p_y[:, h])
    factor *= held[:, None] != head_fold
    p[rows, :, y] -= 1
    p *= factor[:, :, None]
    return p


def _softmax(logits: np.ndarray) -> np.ndarray:
    logits -= logits.max(-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(-1, keepdims=True)
    return logits


def _shuffled(features: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Standardised features in a random order, with a column of ones for the bias."""
    n, d = features.shape
    out = np.empty((n, d + 1), np.float32)
    total, square = np.zeros(d), np.zeros(d)
    for start in range(0, n, 4096):
        block = np.asarray(features[start : start + 4096], np.float64)
        total += block.sum(0)
        square += (block * block).sum(0)
    mean = total / n
    std = np.sqrt(np.maximum(square / n - mean**2, 0))
    scale = np.where(std > 1e-6 * (np.abs(mean) + 1e-12), 1 / np.maximum(std, 1e-30), 0) / np.sqrt(d)
    for start in range(0, n, 4096):
        rows = order[start : start + 4096]
        out[start : start + 4096, :d] = (features[rows] - mean) * scale
    out[:, d] = 1 / np.sqrt(d)
    return out


def _probabilities(x, w, heads, first, held, order, tracks, n_classes, batch) -> dict[str, np.ndarray]:
    probs = {t.name: np.empty((len(x), n_classes), np.float32) for t in tracks}
    for start in range(0, len(x), batch):
        rows = slice(start, start + batch)
        logits = (x[rows] @ w).reshape(-1, len(heads), n_classes)
        for track in tracks:
            head = first[track.name] + (held[rows] if track.held_out else 0)
            probs[track.name][order[rows]] = _softmax(logits[np.arange(len(logits)), head])
    return probs
