"""How often a model says the given label of other data, as a whole and class by class."""

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
    """One class: number of examples with that label, recall and precision; None where a share has no whole."""

    n: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True, repr=False)
class Score:
    """A model against the labels of n examples.

    Attributes:
        accuracy: share of the examples on which the model says the given label.
        excluded: examples that could not be read, and why.
        notes: what `load` has to say of the data.
        classes: by name, in the order of the model.
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
    """Compare what the model says with the given labels.

    Raises:
        UserError: the data hold a class that the model was never taught, or none of them can be read.
    """
    position = {name: i for i, name in enumerate(model.classes)}
    unknown = [name for name in data.classes if name not in position]
    source = data.source or "The data"
    if unknown:
        known = ", ".join(model.classes[:5]) + (", ..." if len(model.classes) > 5 else "")
        raise UserError(f"{source} has the class {unknown[0]!r}, which the model was never taught; it knows {known}.")
    data, probs = model.probabilities(data, device=device, progress=progress)
    if len(data) == 0:
        raise UserError(
            f"No example of {data.source or 'the data'} could be read; the first: {data.excluded[0].reason}."
        )
    given = np.array([position[name] for name in data.classes])[data.labels]
    k = len(model.classes)
    table = np.bincount(given * k + probs.argmax(1), minlength=k * k).reshape(k, k)
    hits, there, predicted = table.diagonal(), table.sum(1), table.sum(0)
    classes = {
        name: ClassScore(int(there[c]), _ratio(hits[c], there[c]), _ratio(hits[c], predicted[c]))
        for c, name in enumerate(model.classes)
    }
    return Score(float(hits.sum() / len(data)), len(data), data.excluded, data.notes, classes)


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
