"""Findings under cleanlab's column names, and cleanlab's table of label issues as findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from labelsieve.core.dataset import encode_labels
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Estimate, Findings
from labelsieve.data.frames import index_ids, is_indexed, to_arrow
from labelsieve.data.labels import faulty
from labelsieve.data.table import index_column, names_of
from labelsieve.decide.count import rank

QUALITY = ("label_score", "label_quality")  # Datalab's name and CleanLearning's; low = suspicious
COLUMNS = ("is_label_issue", "given_label", "predicted_label")


def to_cleanlab(findings: Findings) -> pa.Table:
    """The columns of cleanlab's `Datalab.get_issues("label")`, one row per example in the order of the data.

    The first column is `id`; the last ones are each detector's `flag_<detector>` and `suggested_<detector>`.
    """
    table = findings.table(ranked=False)
    opinions = {*(f"flag_{name}" for name in findings.flags), *(f"suggested_{name}" for name in findings.suggestions)}
    return pa.table(
        {
            "id": table["id"],
            "is_label_issue": table["flagged"],
            "label_score": pa.array(1.0 - findings.p_wrong),
            "given_label": table["given_label"],
            "predicted_label": table["suggested_label"],
            **{name: table[name] for name in table.column_names if name in opinions},
        }
    )


def from_cleanlab(issues: Any, *, ids: Sequence[str] | None = None) -> Findings:
    """Findings from cleanlab's table of label issues (any frame that supports Arrow: pandas, Polars, pyarrow).

    cleanlab's quality score is not a probability; `p_wrong` is one minus the score, and a note says so.

    Args:
        issues: columns is_label_issue, given_label, predicted_label, and label_score (Datalab) or label_quality
            (CleanLearning).
        ids: (n,) ids; None uses a column `id`, else the index of a pandas frame if it is more than 0, 1, 2, ..., else
            row numbers.

    Raises:
        UserError: a column is missing, the number of ids differs from the number of rows, or ids repeat or are missing.
    """
    if type(issues).__name__ == "LazyFrame" and hasattr(issues, "collect"):  # of Polars
        issues = issues.collect()
    try:
        table = to_arrow(issues, ["id"]) if is_indexed(issues) else pa.table(issues)
    except (TypeError, AttributeError, pa.ArrowInvalid) as error:
        raise UserError(
            f"from_cleanlab takes a frame of cleanlab's label issues, not {type(issues).__name__}."
        ) from error
    quality = next((name for name in QUALITY if name in table.column_names), None)
    missing = [name for name in COLUMNS if name not in table.column_names] + ([] if quality else [" or ".join(QUALITY)])
    if missing or quality is None:
        raise UserError(
            f"This is not a table of cleanlab's label issues: it lacks {', '.join(missing)}; "
            f"it has {', '.join(table.column_names)}."
        )
    n = table.num_rows
    names, note = _ids(issues, table) if ids is None else (ids, ())
    if len(names) != n:
        raise UserError(f"There are {len(names)} ids for {n} rows of label issues.")
    if fault := faulty(names):
        raise UserError(
            f"The ids of cleanlab's label issues cannot be used: {fault}; pass unique ids with <ids>.", ids=""
        )
    labels, classes = encode_labels(table["given_label"].to_pylist() + table["predicted_label"].to_pylist())
    p_wrong = np.clip(1.0 - table[quality].to_numpy().astype(np.float64), 0, 1)
    flagged = table["is_label_issue"].to_numpy(zero_copy_only=False).astype(bool)
    return Findings(
        ids=np.array([str(key) for key in names], object),
        classes=classes,
        given=labels[:n],
        other=labels[n:],
        p_wrong=p_wrong,
        rank=rank(p_wrong, p_wrong),
        flagged=flagged,
        scores={"cleanlab": p_wrong},
        flags={"cleanlab": flagged},
        suggestions={"cleanlab": labels[n:]},
        extra={},
        wrong=Estimate(float(flagged.sum()), 0.0, float(n)),
        notes=("These findings come from cleanlab: p_wrong is one minus its quality score, not a probability.", *note),
        settings={"source": "cleanlab", "kind": "", "seconds": {}},
    )


def _ids(issues: Any, table: pa.Table) -> tuple[Sequence[str | None], tuple[str, ...]]:
    """The ids from a column `id`, an index or the row numbers."""
    if "id" in table.column_names:
        return names_of(table["id"]), ()
    name = index_column(table.schema)
    if name is not None:
        return names_of(table[name]), (f"The ids are the column {name!r}, the index of a frame.",)
    ids, note = index_ids(issues, "the table of label issues")
    return ids or [str(i) for i in range(table.num_rows)], note
