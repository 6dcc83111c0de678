"""FiftyOne: a folder of the type FiftyOneImageClassificationDataset, with `data/` and `labels.json`.

Format: https://docs.voxel51.com/user_guide/import_datasets.html#fiftyoneimageclassificationdataset. Each label is an
object {label, confidence, attributes}; the finding is in the attributes, which FiftyOne shows as fields of the label.
Excluded examples have no label. An import reads the same layout, as `dataset.export(dataset_type=...)` writes it; a
label without these attributes, such as one that was made in FiftyOne, is known by the name of its picture.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.conflict import Conflict
from labelsieve.core.errors import UserError
from labelsieve.core.files import write_json
from labelsieve.core.findings import Findings
from labelsieve.encode.pixel_levels import Levels
from labelsieve.exchange.answers import Answer, Read, read_json
from labelsieve.exchange.export_rows import Row
from labelsieve.exchange.known_example import CONTENT, GIVEN, ID, WRITTEN, known_example, stem
from labelsieve.exchange.pictures import picture, require_pictures

FILE = "labels.json"


def write(
    rows: Sequence[Row], inputs: Sequence[Any], kind: str, classes: Sequence[str], out: Path, levels: Levels
) -> None:
    """Write into the empty folder `out`."""
    require_pictures(kind, "FiftyOne")
    (out / "data").mkdir()
    labels: dict[str, Any] = {}
    for i, row in enumerate(rows):
        raw, suffix, _ = picture(inputs[i], row.id, levels)
        name = stem(row, classes)
        (out / "data" / (name + suffix)).write_bytes(raw)
        facts = {
            ID: row.id,
            WRITTEN: row.label,
            GIVEN: row.given_label,
            "suggested_label": row.suggested_label,
        }
        more = {CONTENT: row.content, "p_wrong": row.p_wrong, "decision": row.decision}
        labels[name] = None if row.decision == "exclude" else {"label": row.label, "attributes": {**facts, **more}}
    write_json(out / FILE, {"classes": None, "labels": labels})  # no classes: labels are names, not positions


def read(path: Path, classes: Collection[str], findings: Findings) -> Read:
    """The labels of the folder or of its `labels.json`; a label may name its `annotator` in its attributes.

    Labels that are not one class of the file are listed as conflicts.

    Raises:
        UserError: it is not such a file, or it has no label.
    """
    path = path / FILE if path.is_dir() else path
    exported = read_json(path)
    try:
        named, labels = exported.get("classes"), exported["labels"].items()
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not the labels.json of a FiftyOneImageClassificationDataset.") from error
    answers: list[Answer] = []
    conflicts: list[Conflict] = []
    for name, value in labels:
        for one in value if isinstance(value, list) else [value]:
            if one is None:
                continue
            attributes = one.get("attributes", one) if isinstance(one, dict) else {}
            label = one.get("label") if isinstance(one, dict) else one
            if isinstance(label, int):
                label = named[label] if named and 0 <= label < len(named) else None
            key, hashed, given, exported = known_example(attributes, str(name), findings)
            if label is None:
                conflicts.append(Conflict(key, "it has no label, or a label that is not a class of the file"))
                continue
            who = str(attributes.get("annotator") or "")
            answers.append(Answer(key, "", str(label), exported, "", who, given, hashed))
    if conflicts and not answers:
        raise UserError(f"{path} has no label that can be read; the first, {conflicts[0].id!r}: {conflicts[0].reason}.")
    return Read(answers, conflicts)
