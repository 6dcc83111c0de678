"""Inputs for a model to label: read as in `load`, but labels are neither needed nor used."""

from __future__ import annotations

import numpy as np

from labelsieve.core.dataset import Dataset, Exclusion, require_examples
from labelsieve.data.finish import identify
from labelsieve.data.raw_data import Draft


def unlabelled(draft: Draft) -> Dataset:
    """The data set of a draft; every label is position 0, the only class "".

    Raises:
        UserError: no usable example; duplicate or missing ids.
    """
    n = len(draft.inputs)
    ids = identify(draft, n)
    keep = np.ones(n, bool)
    keep[list(draft.unusable)] = False
    zeros = np.zeros(n, np.int64)
    notes = draft.notes if draft.columns is None else (*draft.notes, *draft.columns.notes)
    data = Dataset(
        ids, zeros, ("",), draft.inputs, draft.kind, draft.source, None, draft.excluded, notes, columns=draft.columns
    )
    return require_examples(data.take(keep, [Exclusion(ids[i], draft.unusable[i]) for i in sorted(draft.unusable)]))
