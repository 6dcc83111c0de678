"""A corrected copy of one split of Hugging Face `datasets`: the same features, the label corrected, two columns more (see `history`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelsieve.corrections.history import History
from labelsieve.corrections.plan import Plan
from labelsieve.corrections.table_file import corrected
from labelsieve.data.hub_folder import save


def apply_hub(dataset: Any, label: str, plan: Plan, out: Path) -> History:
    """Save the `datasets.Dataset` with the plan carried out on its column `label` into the folder `out`; returns the two columns added."""
    import datasets
    import pyarrow as pa
    from datasets.table import InMemoryTable

    features, table, fresh = dataset.features.copy(), dataset.with_format("arrow")[:], None
    names = getattr(features[label], "names", None)
    if names is not None:
        features[label] = datasets.ClassLabel(names=[*names, *(name for name in plan.fresh if name not in names)])
        fresh = pa.array([features[label].names.index(name) for name in plan.fresh], table[label].type)
    done, told = corrected(table, label, plan, fresh)
    before = features.get(told.before) if told.carried else features[label]
    if hasattr(before, "names") and before.names == features[label].names[: len(before.names)]:
        before = features[label]  # the same codes, and a row that is new in this round may have a later one
    own = datasets.Features({**features, told.before: before, told.decision: datasets.Value("string")})
    info = datasets.DatasetInfo(description=dataset.info.description, features=own)
    plain = done.replace_schema_metadata(None)
    save(datasets.Dataset(InMemoryTable(plain.cast(own.arrow_schema)), info=info, split=dataset.split), out)
    return told
