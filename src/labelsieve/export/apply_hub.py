"""A corrected copy of one split of Hugging Face `datasets`: the same features, the label corrected, two columns more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.export.apply_table import corrected
from labelsieve.export.hub import save
from labelsieve.export.plan import BEFORE, DECISION, Plan


def apply_hub(dataset: Any, label: str, plan: Plan, out: Path) -> None:
    """Save the `datasets.Dataset` with the plan carried out on its column `label` into the folder `out`."""
    import datasets
    import pyarrow as pa
    from datasets.table import InMemoryTable

    features, table = dataset.features.copy(), dataset.with_format("arrow")[:]
    if plan.fresh and hasattr(features[label], "names"):
        names = features[label].names
        added = [name for name in plan.fresh if name not in names]
        codes = [*table[label].to_pylist(), *(([*names, *added]).index(name) for name in plan.fresh)]
        values = pa.array(codes, table[label].type).take(pa.array(plan.take))
        before = table[label]
        still = Plan(np.arange(len(plan.take)), (), plan.keep, plan.decision)
        done = corrected(table.set_column(table.schema.get_field_index(label), label, values), label, still)
        done = done.set_column(done.schema.get_field_index(BEFORE), BEFORE, before.filter(pa.array(plan.keep)))
        features[label] = datasets.ClassLabel(names=[*names, *added])
    else:
        done = corrected(table, label, plan)
    own = datasets.Features({**features, BEFORE: features[label], DECISION: datasets.Value("string")})
    info = datasets.DatasetInfo(description=dataset.info.description, features=own)
    plain = done.replace_schema_metadata(None)
    save(datasets.Dataset(InMemoryTable(plain.cast(own.arrow_schema)), info=info, split=dataset.split), out)
