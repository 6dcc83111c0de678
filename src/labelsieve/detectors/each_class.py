"""Detectors on several labels per example: each class is a problem of two classes, "not" and "has", judged apart.

The detectors are those of one label per example. What compares losses with each other (the mixtures, O2U-Net, ProMix)
runs on each side of a class apart: of a rare class the examples that have it are hard to learn and have large losses,
so that beside the others all of them would look wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from labelsieve.core.evidence import Evidence
from labelsieve.core.progress_callback import Progress
from labelsieve.core.record import COLUMNS, Record
from labelsieve.core.scores import Scores
from labelsieve.detectors import detector
from labelsieve.detectors.run_detectors import evidence_of

BY_SIDE = ("beta_mixture", "gaussian_mixture", "o2u", "promix")
RECORDS = ("record", "cyclic_record")
WITHOUT = frozenset(("votes", "threshold_records"))  # evidence that there is only for one label per example
# `apart` of the consensus: missing and superfluous labels of a class have different rates. By the formula of Bayes the
# exponent is 1; it is larger because judges that learnt from labels with errors show less of the difference. Chosen by
# leaving whole sets out (bench/several_labels.py).
APART = 1.5
_FEWEST = 4  # labels of one side of a class that can be compared with each other


def of_class(evidence: Evidence, c: int) -> Evidence:
    """The evidence on one class of several: two classes, 0 "not" and 1 "has"."""
    k, parts = evidence.n_classes, {}
    for name in ("probs", "probs_gce", "probs_blurry", "probs_piecewise_zero", "probs_lda"):
        if (probs := getattr(evidence, name)) is not None:
            own = np.asarray(probs[:, c])
            parts[name] = np.stack([1 - own, own], axis=1)
    for name in RECORDS:
        if (record := getattr(evidence, name)) is not None:
            parts[name] = _columns(record, slice(c, None, k))
    return replace(evidence, labels=evidence.labels[:, c].astype(np.int64), n_classes=2, **parts)


def run_each_class(
    chosen: list[str], named: Mapping[str, Mapping[str, Any]], evidence: Evidence, progress: Progress | None
) -> dict[str, Scores]:
    """The scores of each detector on the n K questions, those about one example after each other; classes of the
    suggestions are the answers of `core.questions.sides`.

    Args:
        chosen: names of detectors; `named` has settings of some.
        evidence: on n examples with labels (n, K) bool. If it has the user's own probabilities, these alone decide.
    """
    own = evidence.probs is not None and evidence.probs_gce is None and evidence.probs_lda is None
    by_class: dict[str, list[Scores]] = {name: [] for name in chosen}
    for c in range(evidence.n_classes):
        if progress:
            progress("detectors", c, evidence.n_classes)
        binary = of_class(evidence, c)
        for name in chosen:
            takes = [
                p
                for p in evidence_of(name)
                if binary.has(p) and not (own and name == "consensus" and p == "neighbours")
            ]
            settings = {**({"apart": APART} if name == "consensus" else {}), **named.get(name, {})}
            if name in BY_SIDE:
                score = _by_side(name, {p: getattr(binary, p) for p in takes}, binary.labels, settings)
            else:
                score = detector(name)(**{p: getattr(binary, p) for p in takes}, **settings)
            by_class[name].append(score)
    if progress:
        progress("detectors", evidence.n_classes, evidence.n_classes)
    return {name: _joined(scores) for name, scores in by_class.items()}


def _by_side(name: str, arguments: dict[str, Any], labels: np.ndarray, settings: Mapping[str, Any]) -> Scores:
    """The scores of a detector that compares losses, on each side of a class apart. A side with a few labels gets the
    least suspicion, because there is nothing to compare."""
    suspicion, flags = np.zeros(len(labels)), np.zeros(len(labels), bool)
    for side in (0, 1):
        rows = np.flatnonzero(labels == side)
        if len(rows) < _FEWEST:
            continue
        part = {p: _columns(value, rows) if p in RECORDS else value for p, value in arguments.items()}
        part |= {"labels": labels[rows]} if "labels" in part else {}
        score = detector(name)(**part, **settings)
        suspicion[rows], flags[rows] = score.suspicion, score.flags
    return Scores(suspicion, flags=flags)


def _columns(record: Record, which: slice | np.ndarray) -> Record:
    return Record(**{name: np.asarray(getattr(record, name)[:, which]) for name in COLUMNS})


def _joined(scores: list[Scores]) -> Scores:
    """The scores of K classes as those of n K questions."""
    first = scores[0]

    def join(column: Callable[[Scores], Any]) -> np.ndarray:
        return np.stack([column(score) for score in scores], axis=1).ravel()

    extra = {name: join(lambda score, name=name: score.extra[name]) for name in _common(scores)}
    suggested = [2 * c + score.suggestion for c, score in enumerate(scores) if score.suggestion is not None]
    wrong = [score.n_wrong for score in scores if score.n_wrong is not None]
    return Scores(
        join(lambda score: score.suspicion),
        np.stack(suggested, axis=1).ravel() if suggested else None,
        None if first.flags is None else join(lambda score: score.flags),
        extra,
        sum(wrong) if wrong else None,
        judges=first.judges,
    )


def _common(scores: list[Scores]) -> Iterator[str]:
    """The columns that explain the rows of every class."""
    return (name for name in scores[0].extra if all(name in score.extra for score in scores))
