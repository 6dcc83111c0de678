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
            are positions in them, -1 where there is no label. None if there are no labels.
        inputs: n inputs, read when indexed, as in `core.Dataset`.
        kind: what the inputs are.
        classes: class names in the order of the format; None if the labels say them.
        splits: n names of splits (train, test, ...), or None.
        groups: n names of groups, or None.
        unusable: position -> why the example cannot be used.
        excluded: what never became an example, and why.
        notes: sentences that the user should read.
    """

    ids: Sequence[str] | None
    labels: Sequence[Any] | np.ndarray | None
    inputs: Sequence[Any] | np.ndarray
    kind: Kind
    classes: tuple[str, ...] | None = None
    splits: Sequence[str] | None = None
    groups: Sequence[str | None] | None = None
    unusable: Mapping[int, str] = field(default_factory=dict)
    excluded: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()
