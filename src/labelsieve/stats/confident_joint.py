"""Confident learning's counts and rules, streamed over row blocks of the probabilities.

Northcutt, Jiang, Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 2021, sections 3.1-3.2.
The rules and the order of the arithmetic are those of cleanlab 2.9 (`filter_by`), so that the same probabilities give
the same flags, ties included: a class threshold is a mean in the dtype of the probabilities, and ties are ordered as by
`numpy.argsort`. Probabilities may be a memory map; they are read once in row blocks and, for the noise-rate rules, once
more class by class.
Cost: two passes; memory is a few numbers per example, K x K counts, and one block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelsieve.core.arguments import require_one_order, require_text
from labelsieve.core.errors import UserError
from labelsieve.core.memory_map import blocks, release
from labelsieve.core.plain_values import plain_array, plain_labels
from labelsieve.stats.probability_rows import TOLERANCE

RULES = (
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_self_confidence",
    "low_normalized_margin",
)
EPSILON = 1e-6  # cleanlab's tolerance for "equal"
BLOCK = 1 << 20  # numbers in a block of probabilities: stays in the cache


@dataclass(frozen=True, eq=False)
class _Reading:
    """The results of one pass over the probabilities, per example.

    p_y: probability of the given label; guess: the confidently predicted class, -1 if none;
    best: argmax; agrees: the given label is (nearly) the argmax.
    """

    p_y: np.ndarray
    guess: np.ndarray
    best: np.ndarray
    agrees: np.ndarray


def confident_joint(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Estimated counts (K, K) int64 of (given label, true label); rows add up to the given-label counts.

    Args:
        probs: (n, K) out-of-sample probabilities.
        labels: (n,) given labels in 0..K-1.
    """
    return _calibrated(_read(probs, labels), labels, probs.shape[1]).T


def flags(probs: Any, labels: Any, rule: str = "prune_by_noise_rate") -> np.ndarray:
    """(n,) bool: the examples that `rule` calls wrong; equal to cleanlab's `find_label_issues(filter_by=rule)`.

    Args:
        probs: (n, K) out-of-sample probabilities: an array, a tensor, a frame, or a list of rows.
        labels: (n,) given labels, whole numbers from 0 to K-1: the columns of `probs`; or the names of the columns of a
            frame.
        rule: one of `RULES`.

    Raises:
        UserError: an unknown rule, rows that are not probabilities, labels that are not columns, or arrays that do not
            fit each other.
    """
    if probs is None or labels is None:
        raise UserError(f"{'probs' if probs is None else 'labels'} is None; give probabilities (n, K) and labels (n,).")
    require_one_order(probs, labels, "probs", "labels")
    names = list(map(str, getattr(probs, "columns", ())))
    probs, labels = plain_array(probs, "probs"), plain_labels(labels, "labels")
    labels = _places(labels, names)
    if probs.ndim != 2 or len(probs) != len(labels) or not probs.size:
        raise UserError(f"Probabilities of shape {probs.shape} do not fit {len(labels)} labels; expected (n, K).")
    if probs.dtype.kind != "f":
        raise UserError(
            f"probs holds {probs.dtype}, which are not probabilities; give floats (n, K), as from predict_proba."
        )
    labels = _columns_of(labels, probs.shape[1])
    _require_shares(probs)
    return flagged_by(probs, labels, rule)


def _places(labels: Any, names: Sequence[str]) -> Any:
    """The labels as positions of the columns `names`, if all of them are such names; else unchanged."""
    texts = [str(label) for label in (labels.tolist() if isinstance(labels, np.ndarray) else labels)] if names else []
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[text] for text in texts], np.int64) if texts and set(texts) <= place.keys() else labels


def _require_shares(probs: np.ndarray) -> None:
    """Refuse values outside 0 to 1; sums are not checked, as in cleanlab."""
    for rows in _blocks(probs):
        low, high = probs[rows].min(1), probs[rows].max(1)
        bad = np.flatnonzero(~((low >= -TOLERANCE) & (high <= 1 + TOLERANCE)))  # NaN is neither
        if len(bad):
            row = bad[0]
            what = "log-probabilities, logits or NaN" if not low[row] >= 0 else "logits or percentages"
            raise UserError(
                f"Row {rows.start + row} (from 0) of probs holds {low[row]:.4g} to {high[row]:.4g}: {what}, not "
                "probabilities. Give the output of predict_proba, and leave out rows with NaN."
            )


def _columns_of(labels: Any, k: int) -> np.ndarray:
    """The labels as int64, if they are columns 0 to k-1."""
    array = np.asarray(labels)
    first = labels[0].item() if array.size and hasattr(labels[0], "item") else labels[0] if array.size else None
    if array.dtype.kind not in "iub":
        what = (
            f"{array.dtype} numbers"
            if array.dtype.kind in "fc"
            else f"names, such as {str(first)!r}"
            if array.size
            else "nothing"
        )
        raise UserError(
            f"labels holds {what}; flags takes whole numbers from 0 to {k - 1}, the columns of probs. "
            "load_probabilities takes names too."
        )
    outside = np.flatnonzero((array < 0) | (array >= k))
    if len(outside):
        row = outside[0]
        raise UserError(
            f"labels holds {array[row]} in row {row} (from 0), and {len(outside)} rows in all are outside the columns "
            f"of probs, 0 to {k - 1}."
        )
    return array.astype(np.int64)


def flagged_by(probs: np.ndarray, labels: np.ndarray, rule: str = "prune_by_noise_rate") -> np.ndarray:
    """`flags` for arrays that have been checked already.

    Raises:
        UserError: an unknown rule.
    """
    if require_text(rule, "rule") not in RULES:
        raise UserError(f"Unknown rule {rule!r}; choose one of {', '.join(RULES)}.")
    reading = _read(probs, labels)
    off_diagonal = (reading.guess >= 0) & (reading.guess != labels) & ~reading.agrees
    if rule == "confident_learning":
        return off_diagonal
    if rule == "predicted_neq_given":
        return (reading.best != labels) & ~reading.agrees
    flagged = np.zeros(len(labels), bool)
    if rule.startswith("low_"):
        quality = reading.p_y if rule == "low_self_confidence" else (reading.p_y - best_other(probs, labels)[1] + 1) / 2
        flagged[np.argsort(quality)[: off_diagonal.sum()]] = True
        return flagged
    counts = _prunable(_calibrated(reading, labels, probs.shape[1]))
    for given, rows in _rows_by_class(labels):
        if len(rows) > 1:
            wrong = np.ones(len(rows), bool)
            if rule != "prune_by_noise_rate":
                wrong &= _least(reading.p_y[rows], len(rows) - counts[given, given])
            if rule != "prune_by_class":
                wrong &= _likely_other(probs, reading.p_y[rows], rows, counts[:, given], given)
            flagged[rows] = wrong
    return flagged & ~reading.agrees


def best_other(probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest class (n,) int64 other than the given label, and its probability (n,) in the dtype of `probs`.

    Raises:
        UserError: a probability is NaN or infinite.
    """
    best = np.empty(len(labels), np.int64)
    p = np.empty(len(labels), probs.dtype)
    for rows in _blocks(probs):
        block = np.array(probs[rows])
        at = np.arange(len(block))
        block[at, labels[rows]] = -1
        best[rows] = block.argmax(1)
        p[rows] = block[at, best[rows]]  # a NaN counts as the largest value
        _require_finite(p[rows], rows.start)
    return best, p


def given_probability(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """p_y (n,), the probability of the given label, in the dtype of `probs`.

    Raises:
        UserError: one is not a finite number.
    """
    p_y = np.empty(len(labels), probs.dtype)
    for rows in _blocks(probs):
        own = labels[rows]
        p_y[rows] = probs[rows][np.arange(len(own)), own]
    _require_finite(p_y)
    return p_y


def require_finite(probs: np.ndarray, labels: np.ndarray) -> None:
    """Refuse probabilities (n, K) with a row that is not finite.

    Raises:
        UserError: a row is not finite; the message names it.
    """
    given_probability(probs, labels)
    best_other(probs, labels)


def _require_finite(p: np.ndarray, first: int = 0) -> None:
    """Refuse NaN and infinity in `p` (b,), the values of the rows from `first` on."""
    bad = np.flatnonzero(~np.isfinite(p))
    if len(bad):
        raise UserError(
            f"Row {first + bad[0]} (from 0) of the probabilities holds {p[bad[0]]}, and one such row would spoil the "
            "thresholds of its class; leave the example out or predict it again."
        )


def _read(probs: np.ndarray, labels: np.ndarray) -> _Reading:
    n, n_classes = probs.shape
    p_y = given_probability(probs, labels)
    confident = _thresholds(p_y, labels, n_classes) - EPSILON
    guess, best, agrees = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, bool)
    for rows in _blocks(probs):
        block, given = probs[rows], labels[rows]
        top = block.argmax(1)
        _require_finite(block[np.arange(len(block)), top], rows.start)
        best[rows] = top
        # Raising p_y a little and taking the argmax again, without a copy of the block.
        raised, highest = p_y[rows] + probs.dtype.type(EPSILON), block[np.arange(len(block)), top]
        agrees[rows] = (top == given) | (raised > highest) | ((raised == highest) & (given < top))
        hit = np.flatnonzero((block >= confident).reshape(-1))
        row, column = np.divmod(hit, n_classes)
        hits = np.bincount(row, minlength=len(block))
        only = np.full(len(block), -1)
        only[row] = column
        guess[rows] = np.where(hits > 1, top, only)
    return _Reading(p_y, guess, best, agrees)


def _blocks(probs: np.ndarray) -> Iterator[slice]:
    return blocks(probs, max(1, BLOCK // probs.shape[1]))


def _rows_by_class(labels: np.ndarray) -> list[tuple[int, np.ndarray]]:
    order = np.argsort(labels, kind="stable")
    present, start = np.unique(labels[order], return_index=True)
    return list(zip(present.tolist(), np.split(order, start[1:]), strict=True))


def _thresholds(p_y: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Mean probability of class j among the examples labelled j; 2 (out of reach) for a class without examples."""
    rows_of = _rows_by_class(labels)
    threshold = np.full(n_classes, 2, p_y.dtype if len(rows_of) == n_classes else np.float64)
    for given, rows in rows_of:
        threshold[given] = p_y[rows].mean()
    return np.maximum(threshold, threshold.dtype.type(2 * EPSILON))


def _calibrated(reading: _Reading, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Counts (true, given), scaled so that the column of a given class adds up to its size, as whole numbers."""
    sure = reading.guess >= 0
    counts = np.bincount(reading.guess[sure] * n_classes + labels[sure], minlength=n_classes**2).reshape(
        n_classes, n_classes
    )
    diagonal = np.arange(n_classes)
    counts[diagonal, diagonal] = np.maximum(counts.diagonal(), 1)
    size = np.bincount(labels, minlength=n_classes)
    scaled = counts / counts.sum(0) * size
    scaled = scaled / scaled.sum() * len(labels)
    for given in range(n_classes):
        counts[:, given] = _round_to_total(scaled[:, given])
    return counts


def _round_to_total(x: np.ndarray) -> np.ndarray:
    """Round each number, then adjust those with the largest rounding error until the rounded total is kept."""
    whole = x.round()
    missing = int(x.sum().round() - whole.sum())
    while missing:
        step = 1 if missing > 0 else -1
        furthest = np.argsort(x - whole)[::-step][: abs(missing)]
        whole[furthest] += step
        missing -= step * len(furthest)
    return whole.astype(np.int64)


def _prunable(counts: np.ndarray) -> np.ndarray:
    """Keep at least one example in each class: what the diagonal of (true, given) gains, its column loses."""
    diagonal = np.arange(len(counts))
    kept = np.maximum(counts.diagonal(), 1)
    gained = kept - counts.diagonal()
    share = gained / np.maximum(np.count_nonzero(counts, axis=0) - 1, 1)
    counts = np.maximum(counts - share, 0).astype(np.int64)
    counts[diagonal, diagonal] = kept
    return counts


def _least(values: np.ndarray, number: int) -> np.ndarray:
    chosen = np.zeros(len(values), bool)
    if number >= 1:
        chosen[np.argsort(values)[:number]] = True
    return chosen


def _likely_other(probs: np.ndarray, p_y: np.ndarray, rows: np.ndarray, number: np.ndarray, given: int) -> np.ndarray:
    """Of the examples `rows` of one class: for each other class j the number[j] with the largest p_j - p_y."""
    chosen = np.zeros(len(rows), bool)
    others = np.flatnonzero((number > 0) & (np.arange(len(number)) != given))
    width = max(1, BLOCK // len(rows))
    for start in range(0, len(others), width):
        other = others[start : start + width]
        margin = _columns(probs, rows, other) - p_y
        order = np.argsort(-margin, axis=1)
        chosen[order[np.arange(len(rows)) < number[other, None]]] = True
    return chosen


def _columns(probs: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """probs[rows][:, columns].T, contiguous, without holding more than a block of whole rows."""
    out = np.empty((len(columns), len(rows)), probs.dtype)
    step = max(1, BLOCK // probs.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        out[:, part] = probs[rows[part]][:, columns].T
        release(probs)
    return out
