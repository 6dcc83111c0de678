"""The plan that a list of changes makes for the rows of a source.

A changed row copies its label from another row of its new class, in the spelling and type of the source (b"3.0", 3,
True, a code), so no format needs a rule for writing classes. Only a class without any row is written from its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.corrections.patch import Change


@dataclass(frozen=True, eq=False)
class Plan:
    """For a source of n rows.

    Attributes:
        take: (n,) int64, the row whose label each row gets; n + j stands for the j-th of the `fresh` names.
        fresh: names of classes that no row has.
        keep: (n,) bool, false where the example is left out.
        decision: n texts: who changed the label and why, "" where nobody did.
    """

    take: np.ndarray
    fresh: tuple[str, ...]
    keep: np.ndarray
    decision: list[str]


def plan(n: int, data: Dataset, changes: Sequence[Change]) -> Plan:
    """The plan for a source of `n` rows; `data` are its usable examples, which the changes name by their ids."""
    lost = np.flatnonzero(data.rows >= n)
    if len(lost):
        raise UserError(f"The data have no row {data.ids[lost[0]]!r} any more; run find on them again.")
    row_of = dict(zip(data.ids.tolist(), data.rows.tolist(), strict=True))
    present, first = np.unique(data.labels, return_index=True)
    example = {data.classes[c]: int(data.rows[i]) for c, i in zip(present, first, strict=True)}
    fresh = dict.fromkeys(c.new for c in changes if c.new and c.new not in example)
    example |= {name: n + j for j, name in enumerate(fresh)}
    take, keep, decision = np.arange(n), np.ones(n, bool), [""] * n
    for change in changes:
        row = row_of[change.id]
        decision[row] = " ".join(part for part in (change.who, change.why) if part) or "patch"
        if change.new:
            take[row] = example[change.new]
        else:
            keep[row] = False
    return Plan(take, tuple(fresh), keep, decision)
