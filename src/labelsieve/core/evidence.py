"""Everything that a detector may take as input."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.arguments import require_whole
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.files import write_array
from labelsieve.core.record import Record
from labelsieve.core.vote_list import Votes


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest examples of each example, without itself, its copies and its own group.

    Attributes:
        index: (n, k) int32, nearest first; -1 in the last places if there are fewer than k.
        similarity: (n, k) float32, cosine; 0 in those places.
    """

    index: np.ndarray
    similarity: np.ndarray

    def __repr__(self) -> str:
        n, k = self.index.shape
        return f"<Neighbours: the {k:,} nearest of {n:,} examples>"

    def cosines(self, rows: np.ndarray | slice, k: int) -> np.ndarray:
        """(b, k) float64 similarities to the k nearest; NaN counts as 0, an infinite one as 1 or -1."""
        return np.nan_to_num(self.similarity[rows, :k].astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0)

    def save(self, folder: Path) -> None:
        write_array(folder / "neighbours.npy", self.index)
        write_array(folder / "similarity.npy", self.similarity)

    @classmethod
    def load(cls, folder: Path) -> Neighbours:
        """What `save` wrote, memory-mapped."""
        return cls(np.load(folder / "neighbours.npy", mmap_mode="r"), np.load(folder / "similarity.npy", mmap_mode="r"))


@dataclass(frozen=True, eq=False)
class Origin:
    """What the evidence was made of; the last step of `find` needs it to decide.

    Attributes:
        data: the n examples that are judged.
        detectors: the detectors that the evidence was made for, by name, with the settings that were named for each.
        copies: (n,) int, duplicates have the same number; None where none were looked for.
        unjudged: (n,) bool, examples that nothing outside their own group can judge; None where there are no groups.
        content: (n,) uint64, as in `Findings`.
        notes: sentences that the user should read.
        settings: as in `Findings`.
    """

    data: Dataset
    detectors: dict[str, dict[str, Any]]
    copies: np.ndarray | None
    unjudged: np.ndarray | None
    content: np.ndarray
    notes: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Evidence:
    """The inputs of detectors for n examples in K classes. A detector names the fields it needs as its parameters.

    Attributes:
        labels: (n,) int64 given labels.
        n_classes: K.
        features: (n, d) float, from a frozen encoder.
        neighbours: the kNN graph of the features.
        probs: (n, K) out-of-sample probabilities of a head trained with cross-entropy, or the user's own.
        probs_gce: (n, K) out-of-sample probabilities of a head trained with the generalised cross-entropy.
        probs_blurry: (n, K) out-of-sample probabilities of a head trained with the Blurry loss.
        probs_piecewise_zero: (n, K) out-of-sample probabilities of a head trained with the Piecewise-zero loss.
        probs_lda: (n, K) out-of-sample probabilities of linear discriminant analysis.
        record: training dynamics at a constant learning rate.
        cyclic_record: training dynamics under O2U-Net's cyclic learning rate.
        threshold_records: for AUM, pairs of (record with K + 1 classes, mask (n,) of the examples that had the fake
            class).
        votes: of several annotators.
        views: (n, 4) out-of-sample probabilities that a box lies well, beside its object, inside it, around it; NaN for
            examples that are no boxes (`evidence.box_views`).
        origin: what it was made of; None of evidence that was put together by hand.
    """

    labels: np.ndarray
    n_classes: int
    features: np.ndarray | None = None
    neighbours: Neighbours | None = None
    probs: np.ndarray | None = None
    probs_gce: np.ndarray | None = None
    probs_blurry: np.ndarray | None = None
    probs_piecewise_zero: np.ndarray | None = None
    probs_lda: np.ndarray | None = None
    record: Record | None = None
    cyclic_record: Record | None = None
    threshold_records: tuple[tuple[Record, np.ndarray], ...] | None = None
    votes: Votes | None = None
    views: np.ndarray | None = None
    origin: Origin | None = None

    def __repr__(self) -> str:
        held = [name for name in NAMES[2:] if self.has(name)]
        return f"<Evidence of {len(self.labels):,} labels in {self.n_classes:,} classes: {', '.join(held) or 'none'}>"

    def has(self, name: str) -> bool:
        return getattr(self, name) is not None


NAMES = tuple(field.name for field in fields(Evidence) if field.name != "origin")  # what a detector may ask for


def sound(evidence: Evidence) -> Evidence:
    """Evidence that was put together by hand, its labels as an array, after a check that everything fits.

    Raises:
        UserError: labels that are not positions of the classes, or evidence of another number of examples or classes.
    """
    k, labels = require_whole(evidence.n_classes, "n_classes of the Evidence"), np.asarray(evidence.labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not ((labels >= 0) & (labels < k)).all():
        raise UserError(
            f"The labels of the Evidence are not positions (n,) of the classes, whole numbers from 0 to {k - 1}."
        )
    for name in NAMES[2:]:
        value = getattr(evidence, name)
        shape = np.shape(value) if name == "features" or name.startswith("probs") else None
        if value is None or shape is None:
            continue
        if len(shape) != 2 or shape[0] != len(labels) or (name != "features" and shape[1] != k):
            right = "d" if name == "features" else str(k)
            raise UserError(f"{name} of the Evidence has shape {shape}; it should be ({len(labels)}, {right}).")
    for name in ("record", "cyclic_record"):
        record = getattr(evidence, name)
        if record is not None and record.loss.shape[1] != len(labels):
            raise UserError(
                f"{name} of the Evidence has {record.loss.shape[1]} examples; there are {len(labels)} labels."
            )
    return replace(evidence, labels=labels)
