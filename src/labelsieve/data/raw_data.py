"""The content of a source before its labels are checked; every reader makes a `Draft`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.dataset import Exclusion, Kind
from labelsieve.core.feature_columns import FeatureColumns

if TYPE_CHECKING:
    from labelsieve.data.vote_columns import VoteTable


@dataclass(frozen=True, eq=False)
class Draft:
    """n examples as they were read.

    Attributes:
        inputs, kind, source: as in `Dataset`.
        labels: n given labels of any kind, including missing ones; None if the source has no labels.
        ids: n ids (None or "" = missing); None for row numbers.
        id_place: where the ids come from, for messages ("column 'key'").
        groups: n names (None or "" = no group), or None.
        splits: n names of splits (None or "" = none), or None.
        classes: class names that the source fixes. Labels that are integers are then positions in it, and -1 is a
            missing label.
        unlabelled: position -> why the example has no label, where the source says so.
        several: position -> which several labels the example has, where the source says so; it has no single label.
        unusable: position -> why the example cannot be used.
        excluded: what was left out before it became an example.
        notes: what the user should know about how it was read.
        columns: as in `Dataset`.
        categories: the names of the labels in their own order, as a Categorical has one.
        label_column: as in `Dataset`.
        format: name of the format in `labelsieve.formats` that read it; "" for what `labelsieve.data` reads itself.
        votes: of several annotators, if the source has them; `labels` are then those with most votes.
    """

    inputs: Sequence[Any] | np.ndarray
    kind: Kind
    source: str
    labels: Sequence[Any] | np.ndarray | None
    _: KW_ONLY
    ids: Sequence[str | None] | None = None
    id_place: str = "the ids"
    groups: Sequence[str | None] | None = None
    classes: tuple[str, ...] | None = None
    unlabelled: Mapping[int, str] = field(default_factory=dict)
    several: Mapping[int, str] = field(default_factory=dict)
    unusable: Mapping[int, str] = field(default_factory=dict)
    excluded: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()
    columns: FeatureColumns | None = None
    categories: tuple[str, ...] | None = None
    label_column: str = ""
    format: str = ""
    splits: Sequence[str | None] | None = None
    votes: VoteTable | None = None
