"""The panel: many linear heads over frozen features, trained in one sweep.

Every head (loss x fold x schedule) is a block of K columns in one weight matrix, so that a mini-batch costs one product
X W and one X^T G for all of them; rows that a fold holds out are masked out of that fold's gradient. The gradient is
analytic: w(p_y) (p - onehot(y)), see `stats.loss_weights`. Features are standardised and divided by sqrt(d), which
makes one learning rate fit all encoders. SGD with momentum runs over shuffled contiguous blocks of one shuffled copy of
the features, which is memory-mapped if it is large. The arithmetic is written once for NumPy and, on a GPU, PyTorch
(`xp`).
Cost: 4 n d K heads floating-point operations per epoch; memory: the shuffled copy, the (d, heads K) weights, one batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.memory_map import allocate, blocks, release, take, temporary
from labelsieve.core.record import COLUMNS, Record
from labelsieve.engine.linear_heads import LinearHeads, NumPyArrays, TorchArrays, softmax
from labelsieve.evidence.resume import State
from labelsieve.stats import loss_weights

STATE = "panel.npz"
_WRITTEN_TOGETHER = 32  # steps; writing a record costs some fifteen small calls
_RELEASED = 200  # steps between two releases of the pages of a memory map
Schedule = Callable[[float, int], float]


def cosine(epoch: float, epochs: int) -> float:
    """A cosine from one to zero."""
    return 0.5 * (1 + np.cos(np.pi * min(epoch / epochs, 1)))


def constant(epoch: float, epochs: int) -> float:
    """AUM's learning rate never drops (Pleiss et al. 2020)."""
    return 1.0


def cyclic(epoch: float, epochs: int, *, cycle: int = 10, high: float = 1.0, low: float = 0.1) -> float:
    """O2U-Net's learning rate (Huang et al. 2019, section 3.2): set once per epoch, it falls from high to low in a
    cycle."""
    t = (int(epoch) % cycle + 1) / cycle
    return (1 - t) * high + t * low


@dataclass(frozen=True)
class Track:
    """One training run of the panel: a loss with a learning-rate schedule, once per fold or once on everything.

    Attributes:
        name: the key of its results.
        loss: p_y -> weight of the cross-entropy gradient (`stats.loss_weights`).
        held_out: True: one head per fold, each example judged by the head that never saw it. False: one head on
            everything.
        delay: epochs of plain cross-entropy before `loss` is used (Pellegrino et al. 2025).
        schedule: (epoch, epochs) -> factor on the learning rate.
        record: keep the training dynamics, as seen by the training steps.
        labels: (n,) labels to train with instead of the given ones, or None; they may contain one extra class, number
            K.
    """

    name: str
    loss: Callable[[Any], Any] = loss_weights.cross_entropy
    held_out: bool = True
    delay: int = 0
    schedule: Schedule = cosine
    record: bool = False
    labels: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """The result of a sweep: (n, K) float32 out-of-fold probabilities of the tracks with folds, and the records of the
    tracks that keep one."""

    probs: dict[str, np.ndarray]
    records: dict[str, Record]


@dataclass(frozen=True)
class Descent:
    """The settings of gradient descent.

    Attributes:
        epochs: passes over the data, by the end of which the schedules end.
        batch: rows of a step.
        learning_rate, momentum, weight_decay: as in `engine.linear_heads`.
    """

    epochs: int
    batch: int
    learning_rate: float
    momentum: float
    weight_decay: float


def passes(n: int) -> tuple[int, int]:
    """The number of epochs over n examples, and the batch size: at least some 2,300 steps for small data, fewer epochs
    for large data."""
    batch = int(np.clip(n // 40, 16, 256))
    return int(np.clip(600_000 // max(n, 1), 4, 30)), batch


def train(
    features: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
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
    """Train all heads of all tracks.

    There are many parameters because each is a number of the schedule or a place for the state.

    Args:
        features: (n, d) standardised (`standardise`), maybe memory-mapped.
        labels: (n,) int64 given labels in 0..n_classes-1.
        fold: (n,) int64, the held-out fold of each example (`folds.assign`).
        epochs: passes over the data.
        folder: the folder where large arrays are memory-mapped; None keeps all in memory.
        key: a hash of everything that the result depends on; with it and a folder, a killed sweep continues from the
            last epoch whose state was written (every few seconds), with the same result. Remove `STATE` once the result
            is saved.
        progress: called with (epochs done, epochs).
        device: a torch device to train on; None is NumPy.
    """
    n, d = features.shape
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    x, held = shuffled(features, order, folder), fold[order]
    whole = Heads(tracks, int(fold.max()) + 1, n_classes)
    together, parting = alike_at_first(tracks)
    tracks_of = Heads(together, int(fold.max()) + 1, n_classes)
    descent = Descent(epochs, batch, learning_rate, momentum, weight_decay)
    arrays = NumPyArrays() if device is None else TorchArrays(device)
    put, get = arrays.put, arrays.get
    heads = LinearHeads(arrays, d + 1, tracks_of.classes, len(tracks_of.of))
    state = State(folder and folder / STATE, key)
    saved = state.find()
    recorded = [t.name for t in tracks if t.record]
    if saved is None or folder is None:
        records = {name: Record.empty(epochs, n, folder and folder / name) for name in recorded}
    else:
        records = {name: Record.resume(folder / name) for name in recorded}
        if int(saved["epoch"]) > parting:  # at `parting` itself they have not parted yet
            tracks_of, heads = whole, heads.only(whole.begun_as(tracks_of))
        heads.w, heads.velocity = put(saved["w"]), put(saved["velocity"])
        rng.bit_generator.state = json.loads(str(saved["rng"]))
    starts = np.arange(0, n, batch)
    measured = {name: of_one_epoch(n, folder) for name in recorded}
    for epoch in range(0 if saved is None else int(saved["epoch"]), epochs):
        if epoch == parting:
            tracks_of, heads = whole, heads.only(whole.begun_as(tracks_of))
        targets = tracks_of.targets(labels, order)
        moments = epoch + np.arange(len(starts)) / len(starts)
        write = partial(write_steps, measured, targets.only(tracks_of.recorded))
        learn(heads, tracks_of, x, held, targets, rng.permutation(starts), moments, descent, write)
        for name, record in records.items():
            put_epoch(record, epoch, order, measured[name])
        state.write(
            lambda: {
                "epoch": epoch + 1,  # noqa: B023
                "w": get(heads.w),  # noqa: B023
                "velocity": get(heads.velocity),  # noqa: B023
                "rng": json.dumps(rng.bit_generator.state),
            }
        )
        if progress:
            progress(epoch + 1, epochs)
    if tracks_of is not whole:  # no epochs
        heads = heads.only(whole.begun_as(tracks_of))
    return Panel(_probabilities(features, heads, whole, n_classes, fold, batch, folder), records)


def learn(
    heads: LinearHeads,
    tracks_of: Heads,
    x: np.ndarray,
    held: np.ndarray,
    targets: Targets,
    starts: np.ndarray,
    moments: np.ndarray,
    descent: Descent,
    write: Callable[[list[tuple[slice, np.ndarray]]], None] | None,
) -> None:
    """One step of the heads for each batch of shuffled rows.

    Args:
        heads: what is trained, in place; `tracks_of` says what each head is.
        x: (m, d + 1) shuffled rows as from `shuffled`.
        held: (m,) their folds.
        targets: the classes that they teach.
        starts: (steps,) where the batch of each step begins.
        moments: (steps,) float, the epoch and the part of it that is over.
        descent: the settings.
        write: takes the rows of some steps with their logits (b, K, records), and empties the list; None records
            nothing.
    """
    put, get, m = heads.arrays.put, heads.arrays.get, len(x)
    k = heads.classes - tracks_of.extra
    unwritten: list[tuple[slice, np.ndarray]] = []
    for step, (start, moment) in enumerate(zip(starts, moments, strict=True)):
        rows = slice(int(start), min(int(start) + descent.batch, m))
        xb = put(batch_of(x, rows))
        logits = heads.logits(xb)
        logits[:, k:, tracks_of.plain] = -np.inf
        if write is not None and tracks_of.recorded:
            unwritten.append((rows, get(logits[:, :, tracks_of.recorded])))
            if len(unwritten) == _WRITTEN_TOGETHER:
                write(unwritten)
        weigh = partial(tracks_of.weigh, put(tracks_of.taught(held[rows])), int(moment))
        gradient = heads.gradient(logits, put(targets[rows]), weigh)
        rate = heads.for_columns(tracks_of.rates(descent.learning_rate, moment, descent.epochs))
        heads.step(xb, gradient, put(rate), descent.momentum, descent.weight_decay)
        if step % _RELEASED == 0:
            release(x)
    if write is not None:
        write(unwritten)


def alike_at_first(tracks: Sequence[Track]) -> tuple[list[Track], int]:
    """One track of each kind that is the same until the first loss begins to act, and the epoch in which it does."""
    parting = min((track.delay for track in tracks if track.delay), default=0)
    return list({_kind(track): track for track in reversed(tracks)}.values())[::-1] if parting else list(
        tracks
    ), parting


def _kind(track: Track) -> Any:
    """What a track is until its loss begins to act."""
    plain = not track.record and (track.delay or track.loss is loss_weights.cross_entropy)
    return (track.held_out, track.schedule, id(track.labels)) if plain else track.name


class Heads:
    """The heads, with their tracks and folds."""

    def __init__(self, tracks: Sequence[Track], n_folds: int, n_classes: int):
        self.of = [(track, fold) for track in tracks for fold in (range(n_folds) if track.held_out else [-1])]
        self.fold = np.array([fold for _, fold in self.of])
        self.extra = int(any(track.labels is not None for track in tracks))  # classes that do not exist
        self.classes = n_classes + self.extra
        self.plain = [h for h, (track, _) in enumerate(self.of) if track.labels is None]  # without the class number K
        self.recorded = [h for h, (track, _) in enumerate(self.of) if track.record]
        self.tracks = {
            track.name: (track, [h for h, (t, _) in enumerate(self.of) if t.name == track.name]) for track in tracks
        }

    def begun_as(self, first: Heads) -> list[int]:
        """For each head the one of `first` that was the same until now."""
        place = {(_kind(track), fold): h for h, (track, fold) in enumerate(first.of)}
        return [place[_kind(track), fold] for track, fold in self.of]

    def targets(self, labels: np.ndarray, order: np.ndarray) -> Targets:
        """The class that each head learns of each row, in this order of the rows."""
        of = [labels if track.labels is None else track.labels for track, _ in self.of]
        kinds = list({id(one): one for one in of}.values())
        which = [next(i for i, kind in enumerate(kinds) if kind is one) for one in of]
        return Targets([kind[order].astype(np.int32) for kind in kinds], np.array(which, np.int64))

    def judges(self) -> list[str]:
        """The tracks with folds."""
        return [name for name, (track, _) in self.tracks.items() if track.held_out]

    def judge(self, name: str, held: np.ndarray) -> np.ndarray:
        """(b,) for each row, the head of a track with folds that never saw it."""
        return self.tracks[name][1][0] + held

    def taught(self, held: np.ndarray) -> np.ndarray:
        """(b, heads) float32, 0 if a head's fold holds the row out, else 1."""
        return (held[:, None] != self.fold).astype(np.float32)

    def rates(self, learning_rate: float, moment: float, epochs: int) -> np.ndarray:
        """(heads,) float32."""
        factor = [track.schedule(moment, epochs) for track, _ in self.of]
        return np.array(factor, np.float32) * np.float32(learning_rate)

    def weigh(self, taught: Any, epoch: int, p_y: Any) -> Any:
        """The weight of each row's gradient (b, heads); overwrites `taught`."""
        for track, own in self.tracks.values():
            loss = loss_weights.cross_entropy if epoch < track.delay else track.loss
            taught[:, own[0] : own[-1] + 1] *= loss(p_y[:, own[0] : own[-1] + 1])
        return taught


@dataclass(frozen=True, eq=False)
class Targets:
    """The classes that heads learn; many heads share their labels.

    Attributes:
        labels: arrays (n,) int32.
        which: (heads,) the array of each head.
    """

    labels: list[np.ndarray]
    which: np.ndarray

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """(b, heads) int64 of some rows."""
        return np.stack([of[rows] for of in self.labels], axis=1).astype(np.int64)[:, self.which]

    def only(self, heads: list[int]) -> Targets:
        """Those of some heads."""
        return Targets(self.labels, self.which[heads])


def of_one_epoch(n: int, folder: Path | None) -> Record:
    """The record of one epoch in the order of the training, to be filled."""
    return Record(**{column: temporary((1, n), kind, folder) for column, kind in COLUMNS.items()})


def put_epoch(record: Record, epoch: int, order: np.ndarray, measured: Record) -> None:
    """Write what was measured in an epoch, in the order of the training, into a record."""
    for column in COLUMNS:
        into, of = getattr(record, column), getattr(measured, column)
        in_order = np.empty(len(order), of.dtype)
        in_order[order] = of[0]
        into[epoch] = in_order
        release(into)
        release(of)


def write_steps(records: dict[str, Record], targets: Targets, unwritten: list[tuple[slice, np.ndarray]]) -> None:
    """Write the logits (b, K, records) of some steps into the records of one epoch, and empty the list."""
    if not unwritten:
        return
    at = np.concatenate([np.arange(rows.start, rows.stop) for rows, _ in unwritten])
    logits, taught = np.concatenate([block for _, block in unwritten]), targets[at]
    for i, record in enumerate(records.values()):
        record.write(0, at, logits[:, :, i], taught[:, i])
        for column in COLUMNS:
            release(getattr(record, column))
    unwritten.clear()


def shuffled(features: np.ndarray, order: np.ndarray, folder: Path | None) -> np.ndarray:
    """The features in a random order, with a column of ones for the bias, (n, d + 1) float16; see `batch_of`."""
    n, d = features.shape
    out = allocate((n, d + 1), np.float16, folder, "shuffled")
    for rows in blocks(out, 1 << 14):
        out[rows] = with_ones(take(features, order[rows]))
    return out


def with_ones(features: np.ndarray) -> np.ndarray:
    """(b, d) -> (b, d + 1) float16."""
    return np.concatenate([features, np.ones((len(features), 1), np.float16)], axis=1, dtype=np.float16)


def batch_of(x: np.ndarray, rows: slice) -> np.ndarray:
    """Some rows of `shuffled` as the heads see them: float32, over sqrt(d)."""
    return np.multiply(x[rows], np.float32(1 / np.sqrt(x.shape[1] - 1)), dtype=np.float32)


def _probabilities(
    features: np.ndarray,
    heads: LinearHeads,
    tracks_of: Heads,
    n_classes: int,
    fold: np.ndarray,
    batch: int,
    folder: Path | None,
) -> dict[str, np.ndarray]:
    names = tracks_of.judges()
    probs = {name: allocate((len(features), n_classes), np.float32, folder, f"probs_{name}") for name in names}
    heads = heads.in_memory()
    for i, rows in enumerate(blocks(features, batch) if names else ()):
        x = batch_of(with_ones(features[rows]), slice(None))
        for name, own in judged(heads, tracks_of, x, fold[rows], n_classes).items():
            probs[name][rows] = own
            if i % _RELEASED == 0:
                release(probs[name])
    return probs


def judged(
    heads: LinearHeads, tracks_of: Heads, x: np.ndarray, held: np.ndarray, n_classes: int
) -> dict[str, np.ndarray]:
    """(b, K) float32 probabilities of rows (b, d + 1), as from `batch_of`, by the heads in memory that never saw
    them."""
    logits = heads.logits(x)[:, :n_classes]
    owns = {name: logits[np.arange(len(x)), :, tracks_of.judge(name, held)] for name in tracks_of.judges()}
    return {name: softmax(np, own[..., None])[..., 0] for name, own in owns.items()}
