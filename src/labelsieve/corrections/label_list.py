"""A corrected file of labels that are stored outside the data: `labels.csv`, with the two columns of `history`."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from labelsieve.core.added_columns import BEFORE, DECISION, PREFIX
from labelsieve.corrections.history import History, first, history, latest
from labelsieve.corrections.patch import Change

OWN = (BEFORE, DECISION, PREFIX + BEFORE, PREFIX + DECISION)


def apply_labels(
    ids: Sequence[str],
    labels: Sequence[str],
    more: Mapping[str, Sequence[str]],
    changes: Sequence[Change],
    out: Path,
    by_order: bool,
) -> History:
    """Write the changed labels.

    Args:
        ids: n ids in the order of the file.
        labels: n class names, "" where there is none.
        more: existing columns with the names of the two added ones, n cells each.
        by_order: whether a later reader may match the rows by order; then an example that is left out keeps its row,
            without a label.
    """
    added = history([*more, "label"], more.__getitem__, labels, "label")
    new = {change.id: change.new for change in changes}
    why = {change.id: " ".join(part for part in (change.who, change.why) if part) or "patch" for change in changes}
    decision = [why.get(key, "") for key in ids]
    columns = {"id": ids, "label": [new.get(key, label) for key, label in zip(ids, labels, strict=True)], **more}
    columns[added.before] = first(more[added.before], labels) if added.before in more else labels
    columns[added.decision] = latest(more[added.decision], decision) if added.decision in more else decision
    rows = zip(*columns.values(), strict=True)
    with open(out, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(row for row in rows if by_order or new.get(row[0]) != "")
    return added
