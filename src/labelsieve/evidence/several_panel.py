"""The panel for several labels per example: every head is K sigmoid columns, one for each class, in one sweep.

A sigmoid column z is the difference of the two columns of a softmax over "has the class" and "has it not". Both of
those would move by a step, so the gradient of z is twice w(p_y) (p - y); everything else is as in `panel`, and with one
class the two agree to rounding.
Cost and memory: as a panel of K classes; a record has n K columns, those of an example after each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.memory_map import allocate, blocks, release
from labelsieve.core.record import Record
from labelsieve.engine.linear_heads import LinearHeads, NumPyArrays, TorchArrays
from labelsieve.evidence.panel import (
    STATE,
    Heads,
    Panel,
    Track,
    alike_at_first,
    batch_of,
    of_one_epoch,
    put_epoch,
    shuffled,
    with_ones,
)
from labelsieve.evidence.resume import State


def train(
    features: np.ndarray,
    given: np.ndarray,
    tracks: Sequence[Track],
    fold: np.ndarray,
    *,
    epochs: int,
    batch: int = 256,
    learning_rate: float = 6.0,
    momentum: float = 0.9,
    weight_decay: float = 5e-6,
    seed: int = 0,
    folder: Path | None = None,
    key: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    device: str | None = None,
) -> Panel:
    """Train all heads of all tracks; (n, K) probabilities of each class apart, and records of n K columns.

    There are many parameters because they are those of `panel.train`.

    Args:
        features: (n, d) standardised (`standardise`), maybe memory-mapped.
        given: (n, K) bool, the given labels.
        tracks: as in `panel.train`, without labels of their own.
        fold, epochs, batch, learning_rate, momentum, weight_decay, seed, folder, key, progress, device: as there.
    """
    (n, k), folds = given.shape, int(fold.max()) + 1
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    x, held, y = shuffled(features, order, folder), fold[order], given[order].astype(np.float32)
    places = (order[:, None] * k + np.arange(k)).ravel()  # of the columns of a record
    whole = Heads(tracks, folds, k)
    together, parting = alike_at_first(tracks)
    now = Heads(together, folds, k)
    arrays = NumPyArrays() if device is None else TorchArrays(device)
    heads = LinearHeads(arrays, features.shape[1] + 1, k, len(now.of))
    state, recorded = State(folder and folder / STATE, key), [track.name for track in tracks if track.record]
    saved = state.find()
    records = {
        name: Record.empty(epochs, n * k, folder and folder / name)
        if saved is None or folder is None
        else Record.resume(folder / name)
        for name in recorded
    }
    if saved is not None:
        if int(saved["epoch"]) > parting:
            now, heads = whole, heads.only(whole.begun_as(now))
        heads.w, heads.velocity = arrays.put(saved["w"]), arrays.put(saved["velocity"])
        rng.bit_generator.state = json.loads(str(saved["rng"]))
    starts = np.arange(0, n, batch)
    measured = {name: of_one_epoch(n * k, folder) for name in recorded}
    for epoch in range(0 if saved is None else int(saved["epoch"]), epochs):
        if epoch == parting:
            now, heads = whole, heads.only(whole.begun_as(now))
        for step, start in enumerate(rng.permutation(starts).tolist()):
            rows = slice(start, min(start + batch, n))
            xb, yb = arrays.put(batch_of(x, rows)), arrays.put(y[rows])[:, :, None]
            z = heads.logits(xb)
            for name, head in zip(recorded, now.recorded, strict=True):
                _write(measured[name], rows, k, arrays.get(z[:, :, head]), y[rows])
            taught = np.repeat(now.taught(held[rows])[:, :, None], k, axis=2)
            gradient = _gradient(arrays.xp, z, yb, lambda p_y: now.weigh(arrays.put(taught), epoch, p_y))  # noqa: B023
            rate = arrays.put(heads.for_columns(now.rates(learning_rate, epoch + step / len(starts), epochs)))
            heads.step(xb, gradient, rate, momentum, weight_decay)
        release(x)
        for name, record in records.items():
            put_epoch(record, epoch, places, measured[name])
        state.write(
            lambda: {
                "epoch": epoch + 1,  # noqa: B023
                "w": arrays.get(heads.w),  # noqa: B023
                "velocity": arrays.get(heads.velocity),  # noqa: B023
                "rng": json.dumps(rng.bit_generator.state),
            }
        )
        if progress:
            progress(epoch + 1, epochs)
    heads = heads if now is whole else heads.only(whole.begun_as(now))  # no epochs
    return Panel(_probabilities(features, heads.in_memory(), whole, k, fold, batch, folder), records)


def _gradient(xp: Any, z: Any, y: Any, weigh: Callable[[Any], Any]) -> Any:
    """The gradient (b, K, H) with respect to logits (b, K, H) of labels (b, K, 1), 0 or 1; `weigh` takes p_y (b, H, K)
    and gives the weights."""
    p = _sigmoid(xp, z)
    weight = weigh((1 - xp.abs(y - p)).swapaxes(1, 2)).swapaxes(1, 2)
    return 2 * (p - y) * weight


def _sigmoid(xp: Any, z: Any) -> Any:
    return 1 / (1 + xp.exp(-z.clip(-80, 80)))


def _write(record: Record, rows: slice, k: int, z: np.ndarray, y: np.ndarray) -> None:
    """What a step saw of some rows, from logits (b, K), into the record of one epoch in the order of the training."""
    own = slice(rows.start * k, rows.stop * k)
    margin = (z * (2 * y - 1)).ravel()
    record.margin[0, own] = margin
    record.loss[0, own] = np.logaddexp(0, -margin)
    record.p_y[0, own] = _sigmoid(np, margin)
    record.argmax[0, own] = (z > 0).ravel()


def _probabilities(
    features: np.ndarray,
    heads: LinearHeads,
    tracks: Heads,
    k: int,
    fold: np.ndarray,
    batch: int,
    folder: Path | None,
) -> dict[str, np.ndarray]:
    """(n, K) float32 of each track with folds, by the heads that never saw the example."""
    probs = {name: allocate((len(features), k), np.float32, folder, f"probs_{name}") for name in tracks.judges()}
    for rows in blocks(features, batch) if probs else ():
        x = batch_of(with_ones(features[rows]), slice(None))
        z = heads.logits(x)
        for name, own in probs.items():
            own[rows] = _sigmoid(np, z[np.arange(len(x)), :, tracks.judge(name, fold[rows])])
    return probs
