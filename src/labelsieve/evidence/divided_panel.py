"""The panel of linear heads from features in shards, by several workers: local SGD with averaged weights.

McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS 2017 (with all
clients in each round and one local epoch); Stich, "Local SGD converges fast and communicates little", ICLR 2019; the
velocities are averaged too (Yu, Jin and Yang, "On the linear speedup analysis of communication efficient momentum SGD",
ICML 2019). The shards are dealt to the workers. In each epoch a worker goes through its deal once, from the average of
the last epoch on; then the weights and the velocities of all are averaged. Its batches are as large as in one process,
or smaller, so that it makes at least some `STEPS` steps.

The record of training dynamics is measured by the average after each epoch, not in the training steps as in one
process: between averages the weights of a worker are noisier than those of one process, and AUM would lose .01 to .05
of its area under the precision-recall curve. An epoch is measured while the next one is trained.

A deal's part of an epoch depends on the average and the seed alone. So if its worker is killed, the deal is given to
another, which repeats this part. A worker keeps nothing between epochs: it reads its shards again, in another order.
Rows are in random order, because shards are random deals: a batch is a stretch of a shard whose rows are permuted.
The result depends on the number of workers, not on which is faster.
Cost: as the panel in one process. A worker returns the weights and 16 bytes for each row and record; memory: a shard,
the weights, its records. This process holds the weights of the deals that come before their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from labelsieve.core.memory_map import allocate, blocks, release
from labelsieve.core.record import COLUMNS, Record
from labelsieve.core.workers import Workers
from labelsieve.engine.linear_heads import LinearHeads, NumPyArrays, heads_of
from labelsieve.engine.standardise import Standardiser
from labelsieve.evidence.feature_shards import Made, Shard, Shards, divided, standardised
from labelsieve.evidence.panel import (
    STATE,
    Descent,
    Heads,
    Panel,
    Targets,
    Track,
    alike_at_first,
    batch_of,
    judged,
    learn,
    of_one_epoch,
    put_epoch,
    shuffled,
    write_steps,
)
from labelsieve.evidence.resume import State

STEPS = 3000  # of each worker, so that it learns as much as in one process (`panel.passes`)
SMALLEST = 16  # rows of a worker's batch
_MEASURED = 1024  # rows whose logits are in memory
_WHAT = "the training of the panel"


def train(
    shards: Shards,
    scale: Standardiser,
    labels: np.ndarray,
    n_classes: int,
    tracks: Sequence[Track],
    fold: np.ndarray,
    *,
    workers: Workers,
    epochs: int,
    batch: int = 256,
    learning_rate: float = 6.0,
    momentum: float = 0.9,
    weight_decay: float = 5e-6,
    seed: int = 0,
    folder: Path | None = None,
    key: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Panel:
    """What `panel.train` returns, by gradient descent that is divided among the workers.

    There are many parameters because they are those of `panel.train`, and where the features and workers are.

    Args:
        shards: the features; `scale` standardises them.
        labels, n_classes, tracks, fold, epochs, batch, folder, key, progress: as in `panel.train`.

    Raises:
        UserError: a part failed each time.
    """
    n, n_folds, width = len(labels), int(fold.max()) + 1, len(scale.mean) + 1
    w_count = min(workers.count, len(shards.parts))
    smaller = max(SMALLEST, n // w_count * epochs // STEPS)
    descent = Descent(epochs, min(batch, smaller), learning_rate, momentum, weight_decay)
    deals = np.array_split(np.random.default_rng(seed).permutation(len(shards.parts)), w_count)
    whole = Heads(tracks, n_folds, n_classes)
    together, parting = alike_at_first(tracks)
    tracks_of = Heads(together, n_folds, n_classes)
    heads = LinearHeads(NumPyArrays(), width, tracks_of.classes, len(tracks_of.of))
    state = State(folder and folder / STATE, key)
    saved = state.find()
    recorded = [t.name for t in tracks if t.record]
    if saved is None or folder is None:
        records = {name: Record.empty(epochs, n, folder and folder / name) for name in recorded}
    else:
        records = {name: Record.resume(folder / name) for name in recorded}
        if int(saved["epoch"]) > parting:
            tracks_of, heads = whole, heads.only(whole.begun_as(tracks_of))
        heads.w, heads.velocity = saved["w"], saved["velocity"]
    start = partial(_Setting, scale, tuple(replace(t, labels=None) for t in tracks), n_folds, n_classes, descent, seed)
    for epoch in range(0 if saved is None else int(saved["epoch"]), epochs):
        if epoch == parting:
            tracks_of, heads = whole, heads.only(whole.begun_as(tracks_of))
        names = list(tracks_of.tracks)

        def dealt(i: int) -> _Deal:
            rows = [_rows(shards, part, labels, tracks, fold) for part in deals[i]]
            return _Deal(i, epoch, names, heads.w, heads.velocity, rows)  # noqa: B023

        w, velocity = np.zeros(heads.w.shape), np.zeros(heads.w.shape)
        early: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        turn = 0
        for i, done in divided(workers, _epoch, Made(w_count, dealt), start=start, what=_WHAT):
            for part, of_shard in zip(deals[i], done.records, strict=True):
                _keep(records, epoch - 1, shards.rows[part], of_shard)
            _release(records)
            early[i] = done.w, done.velocity
            while turn in early:  # sums of floats depend on their order
                for total, own in zip((w, velocity), early.pop(turn), strict=True):
                    total += own
                turn += 1
        heads.w, heads.velocity = ((total / w_count).astype(np.float32) for total in (w, velocity))
        state.write(
            lambda: {"epoch": epoch + 1, "w": heads.w, "velocity": heads.velocity}  # noqa: B023
        )
        if progress:
            progress(epoch + 1, epochs)
    if tracks_of is not whole:  # no epochs
        heads = heads.only(whole.begun_as(tracks_of))
    names = [track.name for track in tracks if track.held_out]
    probs = {name: allocate((n, n_classes), np.float32, folder, f"probs_{name}") for name in names}
    items = Made(len(shards.parts), lambda i: _rows(shards, i, labels, tracks, fold))
    for i, found in divided(workers, _judged, items, start=partial(_judging, start, heads.w), what=_WHAT):
        for name in names:
            probs[name][shards.rows[i]] = found.probs[name]
        _keep(records, epochs - 1, shards.rows[i], found.record)
        if i % 64 == 0:
            _release(records)
    return Panel(probs, records)


@dataclass(frozen=True, eq=False)
class _Setting:
    """What is the same for all parts.

    Attributes:
        tracks: without their own labels.
    """

    scale: Standardiser
    tracks: tuple[Track, ...]
    n_folds: int
    n_classes: int
    descent: Descent
    seed: int

    def heads(self, names: Sequence[str], rows: _Rows) -> Heads:
        """The heads of some tracks for the rows of a shard."""
        tracks = [replace(t, labels=rows.own.get(t.name)) for t in self.tracks if t.name in names]
        return Heads(tracks, self.n_folds, self.n_classes)


@dataclass(frozen=True, eq=False)
class _Rows:
    """A shard of m rows.

    Attributes:
        labels: (m,) int32.
        fold: (m,) int32.
        own: (m,) int32 labels of the tracks that do not learn the given ones, by name.
    """

    shard: Shard
    labels: np.ndarray
    fold: np.ndarray
    own: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class _Deal:
    """A worker's part of an epoch.

    Attributes:
        number: of the deal.
        names: the tracks that are trained.
        w, velocity: those of all workers, averaged.
    """

    number: int
    epoch: int
    names: list[str]
    w: np.ndarray
    velocity: np.ndarray
    rows: list[_Rows]


@dataclass(frozen=True, eq=False)
class _Done:
    """What became of a deal.

    Attributes:
        records: for each shard of the deal the epoch before in each record, by the averaged weights.
    """

    w: np.ndarray
    velocity: np.ndarray
    records: list[dict[str, Record]]


def _rows(shards: Shards, part: int, labels: np.ndarray, tracks: Sequence[Track], fold: np.ndarray) -> _Rows:
    at = shards.rows[part]
    own = {t.name: t.labels[at].astype(np.int32) for t in tracks if t.labels is not None}
    return _Rows(shards.parts[part], labels[at].astype(np.int32), fold[at].astype(np.int32), own)


def _epoch(setting: _Setting, deal: _Deal) -> _Done:
    """Learn from each shard of the deal once."""
    rng = np.random.default_rng([setting.seed, deal.epoch, deal.number])
    batch = setting.descent.batch
    visited = rng.permutation(len(deal.rows))
    steps = sum(-(-len(rows.labels) // batch) for rows in deal.rows)
    of = setting.heads(deal.names, deal.rows[0])
    heads = heads_of(deal.w, deal.velocity, of.classes, len(of.of))
    average = heads.only(of.recorded)
    records: list[dict[str, Record]] = [{} for _ in deal.rows]
    step = 0
    for i, x in zip(visited, standardised([deal.rows[i].shard for i in visited], setting.scale), strict=True):
        rows, tracks_of = deal.rows[i], setting.heads(deal.names, deal.rows[i])
        order = rng.permutation(len(x))
        x, targets = shuffled(x, order, None), tracks_of.targets(rows.labels, order)
        if deal.epoch > 0:
            records[i] = _measured(average, tracks_of, x, targets, order)
        starts = np.arange(0, len(x), batch)
        moments = deal.epoch + (step + np.arange(len(starts))) / steps
        step += len(starts)
        learn(heads, tracks_of, x, rows.fold[order], targets, starts, moments, setting.descent, None)
    return _Done(heads.w, heads.velocity, records)


def _measured(
    average: LinearHeads, tracks_of: Heads, x: np.ndarray, targets: Targets, order: np.ndarray
) -> dict[str, Record]:
    """One epoch of each record, for the rows of a shard in their own order, by the heads that are recorded."""
    names = [name for name, (track, _) in tracks_of.tracks.items() if track.record]
    records = {name: Record.empty(1, len(x)) for name in names}
    measured = {name: of_one_epoch(len(x), None) for name in names}
    plain = [i for i, h in enumerate(tracks_of.recorded) if h in tracks_of.plain]
    for at in blocks(x, _MEASURED) if records else ():
        logits = average.logits(batch_of(x, at))
        logits[:, average.classes - tracks_of.extra :, plain] = -np.inf
        write_steps(measured, targets.only(tracks_of.recorded), [(at, logits)])
    for name, record in records.items():
        put_epoch(record, 0, order, measured[name])
    return records


def _keep(records: dict[str, Record], epoch: int, rows: np.ndarray, of_shard: dict[str, Record]) -> None:
    """Put an epoch of the records of a shard into those of all rows."""
    for name, part in of_shard.items():
        for column in COLUMNS:
            getattr(records[name], column)[epoch, rows] = getattr(part, column)[0]


def _release(records: dict[str, Record]) -> None:
    for record in records.values():
        for column in COLUMNS:
            release(getattr(record, column))


@dataclass(frozen=True, eq=False)
class _Judging:
    setting: _Setting
    w: np.ndarray


@dataclass(frozen=True, eq=False)
class _Judged:
    """What the final heads say about a shard.

    Attributes:
        probs: (m, K) float32 of each track with folds.
        record: the last epoch of each record.
    """

    probs: dict[str, np.ndarray]
    record: dict[str, Record]


def _judging(setting: Callable[[], _Setting], w: np.ndarray) -> _Judging:
    return _Judging(setting(), w)


def _judged(state: _Judging, rows: _Rows) -> _Judged:
    setting = state.setting
    tracks_of = setting.heads([track.name for track in setting.tracks], rows)
    heads = heads_of(state.w, state.w, tracks_of.classes, len(tracks_of.of))
    (x,) = standardised([rows.shard], setting.scale)
    order = np.arange(len(x))
    x = shuffled(x, order, None)
    record = {}
    if setting.descent.epochs:
        record = _measured(heads.only(tracks_of.recorded), tracks_of, x, tracks_of.targets(rows.labels, order), order)
    return _Judged(judged(heads, tracks_of, batch_of(x, slice(None)), rows.fold, setting.n_classes), record)
