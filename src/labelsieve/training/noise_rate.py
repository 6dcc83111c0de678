"""What `find` expects of the labels, for training: the share that is wrong, from which a method chooses its settings.

From a run that is there, or by asking: the consensus of the default encoder's features of images, or of the features that are trained on.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

import numpy as np

from labelsieve import pipeline
from labelsieve.core.dataset import Dataset, Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.files import write_json
from labelsieve.core.findings import Estimate, Findings
from labelsieve.pipeline import Progress
from labelsieve.store.open_run import Run, open_run
from labelsieve.store.reopen import matched, row_numbers
from labelsieve.training.model_folder import CACHE


def of_run(data: Dataset, source: str | PathLike[str] | Run | Findings, *, drop: bool) -> tuple[Dataset, float]:
    """The data, with `drop` without what was flagged, and the share of wrong labels that findings, or those in a run folder, expect.

    Raises:
        UserError: the run was made on other data, or with other labels.
    """
    if isinstance(source, Findings):
        found, folder = source, "What was found"
    else:
        opened = open_run(source)
        found, folder = opened.findings, opened.path
    rows, known = _rows(data, found), {item.id for item in found.excluded}
    strange = next((key for key, i in zip(data.ids, rows, strict=True) if i < 0 and key not in known), None)
    if strange is not None:
        raise UserError(
            f"{folder} says nothing of the example {strange!r}, so it was made on other data, or with another <id>; run `find` on these.",
            id="",
        )
    for key, i, label in zip(data.ids.tolist(), rows.tolist(), data.labels.tolist(), strict=True):
        if i >= 0 and found.classes[found.given[i]] != data.classes[label]:
            raise UserError(
                f"{folder} has the label {found.classes[found.given[i]]!r} for the example {key!r}, and these data have "
                f"{data.classes[label]!r}, so it was made on others; run `find` on these."
            )
    if not drop:
        return data, _share(found.wrong, len(found.ids))
    keep = ~(found.flagged[np.maximum(rows, 0)] & (rows >= 0))
    share = found.p_wrong[~found.flagged]
    why = "flagged by `find`" if isinstance(source, Findings) else f"flagged in {folder}"
    gone = [Exclusion(key, why) for key in data.ids[~keep]]
    return data.take(keep, gone), float(share.mean()) if len(share) else 0.0


def _rows(data: Dataset, found: Findings) -> np.ndarray:
    """For each example its position in the findings, -1 where they say nothing of it: by id; by content where ids are row numbers and both
    hold the same kind of inputs, because rows may have moved."""
    same = found.content is not None and found.settings.get("kind") == data.kind and row_numbers(data)
    again = matched(data, found) if same else None
    if again is not None and again.compared.any():
        rows = np.full(len(data), -1, np.int64)
        rows[again.at[again.at >= 0]] = np.flatnonzero(again.at >= 0)
        return rows
    place = {key: i for i, key in enumerate(found.ids.tolist())}
    return np.array([place.get(key, -1) for key in data.ids.tolist()], np.int64)


def asked(
    data: Dataset, folder: Path | None, key: str, *, seed: int, progress: Progress | None = None
) -> tuple[float | None, str]:
    """The share of wrong labels that `find` expects in the data (None: it cannot say), and a note of it. The folder of a model keeps
    both under `key` until its training has finished, so that one that goes on, or another of its processes, need not ask again."""
    kept = None if folder is None else folder / CACHE / "noise.json"
    before = {} if kept is None or not kept.exists() else json.loads(kept.read_bytes())
    if before.get("key") == key:
        return before["noise"], before["note"]
    try:
        wrong, n = pipeline.find(data, detectors=("consensus",), seed=seed, progress=progress or False).wrong, len(data)
        noise = _share(wrong, n)
        count, low, high = (f"{part / n:.0%}" for part in (wrong.count, wrong.low, wrong.high))
        note = f"`find` expects {count} of the labels to be wrong ({low} to {high}); the method was told {noise:.0%}."
    except UserError as error:
        noise, note = (
            None,
            f"`find` cannot say how many labels are wrong, so the method estimates it: {error.in_words()}",
        )
    if kept is not None:
        kept.parent.mkdir(exist_ok=True)
        write_json(kept, {"key": key, "noise": noise, "note": note})
    return noise, note


def _share(wrong: Estimate, n: int) -> float:
    """None of n labels is taken to be wrong if none may be, so that a method does no harm to clean ones."""
    return wrong.count / max(1, n) if wrong.low > 0 else 0.0
