"""A corrected copy of one split of Hugging Face `datasets`: corrected labels, two more columns (see `history`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelsieve.corrections.arrow_columns import corrected
from labelsieve.corrections.history import History
from labelsieve.corrections.plan import Plan
from labelsieve.data.hub_folder import save


def apply_hub(dataset: Any, label: str, plan: Plan, out: Path) -> History:
    """Save the `datasets.Dataset`, with its column `label` corrected, into `out`; returns the added columns."""
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
    save(datasets.Dataset(InMemoryTable(plain.cast(own.arrow_schema)), info=info, split=dataset.split), out)
    return columns
