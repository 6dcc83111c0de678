"""A corrected copy of Hugging Face `datasets`: corrected labels, two more columns (see `history`).

Of several splits all are saved, with the same features; those that were not read stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.corrections.arrow_columns import corrected
from labelsieve.corrections.history import History
from labelsieve.corrections.plan import Plan
from labelsieve.data.hub_folder import save


def apply_hub(splits: Mapping[str, Any], name: str, label: str, plan: Plan, out: Path) -> History:
    """Save the splits, with the column `label` of the split `name` corrected, into `out`; returns the added columns."""
    import datasets

    done, columns = _corrected(splits[name], label, plan)
    if len(splits) > 1:
        others = {key: _as_it_is(other, label, plan) for key, other in splits.items() if key != name}
        done = datasets.DatasetDict({key: others.get(key, done) for key in splits})
    save(done, out)
    return columns


def _as_it_is(dataset: Any, label: str, plan: Plan) -> Any:
    """A split that was not read, with the features of the corrected one."""
    n = len(dataset)
    if label not in dataset.features:
        return dataset
    return _corrected(dataset, label, replace(plan, take=np.arange(n), keep=np.ones(n, bool), decision=[""] * n))[0]


def _corrected(dataset: Any, label: str, plan: Plan) -> tuple[Any, History]:
    import datasets
    import pyarrow as pa
    from datasets.table import InMemoryTable

    features, table, new_labels = dataset.features.copy(), dataset.with_format("arrow")[:], None
    names = getattr(features[label], "names", None)
    if names is not None:
        features[label] = datasets.ClassLabel(names=[*names, *(name for name in plan.fresh if name not in names)])
        new_labels = pa.array([features[label].names.index(name) for name in plan.fresh], table[label].type)
    done, columns = corrected(table, label, plan, new_labels)
    before = features.get(columns.before) if columns.carried else features[label]
    if hasattr(before, "names") and before.names == features[label].names[: len(before.names)]:
        before = features[label]  # the same codes; a row that changes first in this round may have a newer code
    own = datasets.Features({**features, columns.before: before, columns.decision: datasets.Value("string")})
    info = datasets.DatasetInfo(description=dataset.info.description, features=own)
    plain = done.replace_schema_metadata(None)
    return datasets.Dataset(InMemoryTable(plain.cast(own.arrow_schema)), info=info, split=dataset.split), columns
