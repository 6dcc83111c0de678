"""How often a model predicts the given label of other data, in total and per class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from labelsieve.core.dataset import Dataset, Exclusion
from labelsieve.core.errors import UserError

if TYPE_CHECKING:
    from labelsieve.encode.arrays import Progress
    from labelsieve.training.classifier import Model


@dataclass(frozen=True)
class ClassScore:
    """One class: number of examples with that label, recall and precision; None if the denominator is zero."""

    n: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True, repr=False)
class Score:
    """A model compared with the labels of n examples.

    Attributes:
        accuracy: share of the examples on which the model predicts the given label.
        excluded: examples that could not be read, and why.
        notes: the notes of `load` on the data.
        classes: class name -> its score, in the order of the model.
    """

    accuracy: float
    n: int
    excluded: tuple[Exclusion, ...]
    notes: tuple[str, ...]
    classes: dict[str, ClassScore]

    def __repr__(self) -> str:
        return f"Score(accuracy {self.accuracy:.4f} on {self.n:,} examples)"


def measure(
    model: Model, data: Dataset, *, device: str | None = None, progress: Progress | Literal[False] | None = None
) -> Score:
    """Compare the predictions of the model with the given labels.

    Raises:
        UserError: the data hold a class that the model was not trained on, or none of them can be read.
    """
    position = {name: i for i, name in enumerate(model.classes)}
    unknown = [name for name in data.classes if name not in position]
    source = data.source or "The data"
    if unknown:
        known = ", ".join(model.classes[:5]) + (", ..." if len(model.classes) > 5 else "")
        raise UserError(f"{source} has the class {unknown[0]!r}; the model was trained on other classes ({known}).")
    data, probs = model.probabilities(data, device=device, progress=progress)
    if len(data) == 0:
        raise UserError(
            f"No example of {data.source or 'the data'} could be read; the first: {data.excluded[0].reason}."
        )
    given = np.array([position[name] for name in data.classes])[data.labels]
    k = len(model.classes)
    table = np.bincount(given * k + probs.argmax(1), minlength=k * k).reshape(k, k)
    hits, sizes, predicted = table.diagonal(), table.sum(1), table.sum(0)
    classes = {
        name: ClassScore(int(sizes[c]), _ratio(hits[c], sizes[c]), _ratio(hits[c], predicted[c]))
        for c, name in enumerate(model.classes)
    }
    return Score(float(hits.sum() / len(data)), len(data), data.excluded, data.notes, classes)


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
