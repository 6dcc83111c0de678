"""Evidence from the record of the user's own training: training dynamics, and a judge if there are no out-of-sample
probabilities.

The judge is the network during its training: the mean over the epochs of its probability of the given label; the rest
goes to the class that it predicted instead. A wrong label is learnt late (Toneva et al. 2019; Swayamdipta et al.,
"Dataset cartography", EMNLP 2020, whose confidence is this mean), so its mean stays low even if the last epochs have
memorised it.
"""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.record import Record


def read_record(record: Any) -> Record:
    """Return the record from a `Record`, a `Recorder` or the path of a folder.

    Raises:
        UserError: it is none of these, or empty.
    """
    if isinstance(record, str | os.PathLike):
        record = Record.load(Path(record))
    elif hasattr(record, "end_epoch"):
        record = record.record()
    if not isinstance(record, Record):
        raise UserError(
            f"record is of type {type(record).__name__}; pass the Recorder of your training loop, its record(), or a "
            "folder with a record."
        )
    shapes = {getattr(record, field.name).shape for field in fields(Record)}
    if len(shapes) > 1 or record.loss.ndim != 2 or not record.loss.size:
        raise UserError("The record is empty, or its columns differ in shape; each is (epochs, examples).")
    return record


def predicted(record: Record, labels: Any = None) -> np.ndarray:
    """(n, K) how often each class was predicted, rows add up to 1; an example that was never seen has equal shares. K
    covers the predicted classes and those in `labels`, if they are a sequence."""
    n = record.argmax.shape[1]
    k = max(2, int(record.argmax.max()) + 1, _named(labels))
    count = np.zeros((n, k))
    for epoch in record.argmax:
        seen = np.flatnonzero(epoch >= 0)
        count[seen, epoch[seen]] += 1
    count[count.sum(1) == 0] = 1
    return count / count.sum(1, keepdims=True)


def _named(labels: Any) -> int:
    """The number of classes in a sequence of labels: positions up to the highest, or the number of names."""
    if labels is None or isinstance(labels, str | os.PathLike) or not hasattr(labels, "__len__"):
        return 0
    values = [value for value in np.asarray(labels).ravel().tolist() if value is not None and value == value]
    if values and all(isinstance(value, int | float) and value >= 0 and value == int(value) for value in values):
        return int(max(values)) + 1
    return len(set(map(str, values)))


def columns_of(record: Record, data: Dataset) -> np.ndarray:
    """Return for each example its column in the record (n,), by order.

    Raises:
        UserError: the record has another number of examples.
    """
    n, whole = record.loss.shape[1], len(data) + len(data.excluded)
    if n == whole and data.rows.max() < n:
        return data.rows
    if n == len(data):
        return np.arange(n)
    source = data.source or "the data"
    raise UserError(
        f"The record has {n:,} examples, but {source} has {whole:,}; a record has one column per example, in the "
        "order of the data."
    )


def of_rows(record: Record, columns: np.ndarray) -> Record:
    """The record of some examples, by their columns (m,)."""
    return Record(**{field.name: np.asarray(getattr(record, field.name))[:, columns] for field in fields(Record)})


def require_same_labels(record: Record, data: Dataset) -> None:
    """Refuse a record (in the order of the data) whose network was trained on other labels than those of the data.

    Raises:
        UserError: an example was recorded with another label.
    """
    hit = (record.margin > 0) & (record.argmax >= 0) & (record.argmax != data.labels)
    missed = (record.margin < 0) & (record.argmax == data.labels)
    if not (other := hit | missed).any():
        return
    epoch, i = (int(where[0]) for where in np.nonzero(other))
    raise UserError(
        f"The record was made with other labels: {data.ids[i]!r} has the label {data.classes[data.labels[i]]!r} in "
        f"the data, class {data.labels[i]} of {len(data.classes)}, but epoch {epoch} recorded another. Pass the "
        "labels of the training, as their positions, or name the classes in the order of the network's outputs."
    )


def while_learning(record: Record, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """(n, K) float64, the mean over the epochs of the network's probabilities, as far as the record has them: p_y for
    the given label, the rest for the predicted class, or equally for all others if the given label was predicted.
    Unseen examples have 1 / K."""
    n = len(labels)
    rows, out, times = np.arange(n), np.zeros((n, n_classes)), np.zeros(n)
    for p_y, best in zip(np.asarray(record.p_y, np.float64), record.argmax, strict=True):
        seen = (best >= 0) & np.isfinite(p_y)
        p = np.clip(np.where(seen, p_y, 0), 0, 1)
        times += seen
        out[rows, labels] += p
        other = seen & (best != labels)
        out[rows[other], best[other]] += 1 - p[other]
        same = rows[seen & (best == labels)]
        share = (1 - p[same]) / max(1, n_classes - 1)
        out[same] += share[:, None]
        out[same, labels[same]] -= share
    out[times == 0] = 1
    return out / out.sum(1, keepdims=True)
