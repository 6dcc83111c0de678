"""What a format reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labelsieve.core.dataset import Exclusion, Kind


@dataclass(frozen=True, eq=False)
class Content:
    """n examples as they stand in a file or folder.

    Attributes:
        ids: n ids, unique; None for row numbers.
        labels: n given labels of any kind, None where there is no label; with `classes` they may be integers (n,) that
            are positions in them, -1 where there is no label. None if there are no labels, or `votes` has them.
        inputs: n inputs, read when indexed, as in `core.Dataset`.
        kind: what the inputs are.
        classes: class names in the order of the format; None if the labels say them.
        splits: n names of splits (train, test, ...), None for an example in no split; or None.
        groups: n names of groups, or None.
        votes: n lists of (annotator, class name) where each example was labelled by several people, who give one vote
            each on an example. None if `labels` has all that is known.
        unlabelled: position -> why the example has no label, where the format knows.
        unusable: position -> why the example cannot be used.
        excluded: what never became an example, and why.
        notes: sentences that the user should read.
    """

    ids: Sequence[str] | None
    labels: Sequence[Any] | np.ndarray | None
    inputs: Sequence[Any] | np.ndarray
    kind: Kind
    classes: tuple[str, ...] | None = None
    splits: Sequence[str | None] | None = None
    groups: Sequence[str | None] | None = None
    votes: Sequence[Sequence[tuple[str, str]]] | None = None
    unlabelled: Mapping[int, str] = field(default_factory=dict)
    unusable: Mapping[int, str] = field(default_factory=dict)
    excluded: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()
