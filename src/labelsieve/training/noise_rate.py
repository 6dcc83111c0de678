"""The share of wrong labels that `find` estimates, from which a training method chooses its settings.

It comes from an existing run, or from `find` itself: the consensus on the default encoder's features of images, or on
the training features.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

import numpy as np

from labelsieve import pipeline
from labelsieve.core.count_words import ends
from labelsieve.core.dataset import Dataset, Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.files import write_json
from labelsieve.core.findings import Estimate, Findings
from labelsieve.core.shares import percent
from labelsieve.pipeline import Progress
from labelsieve.store.open_run import Run, open_run
from labelsieve.store.reopen import matched, row_numbers
from labelsieve.training.model_folder import CACHE


def of_run(
    data: Dataset, source: str | PathLike[str] | Run | Findings, *, drop: bool
) -> tuple[np.ndarray, list[Exclusion], float]:
    """Which examples (n,) to keep (with `drop` all but the flagged), why the others are left out, and the share of
    wrong labels that the findings estimate.

    Raises:
        UserError: the run was made on other data, or with other labels.
    """
    if isinstance(source, Findings):
        findings, folder = source, "the findings"
    else:
        opened = open_run(source)
        findings, folder = opened.findings, opened.path
    rows, known = _rows(data, findings), {item.id for item in findings.excluded}
    missing = next((key for key, i in zip(data.ids, rows, strict=True) if i < 0 and key not in known), None)
    if missing is not None:
        raise UserError(
            f"The example {missing!r} is missing from {folder}, so the findings belong to other data, or to another "
            "<id>; run `find` on these data.",
            id="",
        )
    for key, i, label in zip(data.ids.tolist(), rows.tolist(), data.labels.tolist(), strict=True):
        if i >= 0 and findings.classes[findings.given[i]] != data.classes[label]:
            raise UserError(
                f"The example {key!r} has the label {findings.classes[findings.given[i]]!r} in {folder}, but "
                f"{data.classes[label]!r} in these data, so the findings belong to other data; run `find` on these "
                "data."
            )
    if not drop:
        return np.ones(len(data), bool), [], _share(findings.wrong, len(findings.ids))
    keep = ~(findings.flagged[np.maximum(rows, 0)] & (rows >= 0))
    share = findings.p_wrong[~findings.flagged]
    why = "flagged by `find`" if isinstance(source, Findings) else f"flagged in {folder}"
    dropped = [Exclusion(key, why) for key in data.ids[~keep]]
    return keep, dropped, float(share.mean()) if len(share) else 0.0


def _rows(data: Dataset, findings: Findings) -> np.ndarray:
    """For each example its position in the findings, -1 if they have no entry for it: by id, or by content if ids are
    row numbers and both hold the same kind of inputs, because rows may have moved."""
    same = findings.content is not None and findings.settings.get("kind") == data.kind and row_numbers(data)
    reopened = matched(data, findings) if same else None
    if reopened is not None and reopened.compared.any():
        rows = np.full(len(data), -1, np.int64)
        rows[reopened.at[reopened.at >= 0]] = np.flatnonzero(reopened.at >= 0)
        return rows
    place = {key: i for i, key in enumerate(findings.ids.tolist())}
    return np.array([place.get(key, -1) for key in data.ids.tolist()], np.int64)


def estimated(
    data: Dataset, folder: Path | None, key: str, *, seed: int, progress: Progress | None = None
) -> tuple[float | None, str]:
    """The share of wrong labels that `find` estimates in the data (None if it cannot), and a note on it. The model
    folder keeps both under `key` until the training has finished, so that a resumed run need not repeat
    it."""
    cache_file = None if folder is None else folder / CACHE / "noise.json"
    cached = {} if cache_file is None or not cache_file.exists() else json.loads(cache_file.read_bytes())
    if cached.get("key") == key:
        return cached["noise"], cached["note"]
    try:
        wrong, n = pipeline.find(data, detectors=("consensus",), seed=seed, progress=progress or False).wrong, len(data)
        noise = _share(wrong, n)
        count, low, high = (percent(part / n, ".0f") for part in (wrong.count, wrong.low, wrong.high))
        note = (
            f"`find` estimates that {count} of the labels are wrong ({ends(low, high, measured=False, n=n)}). The "
            f"method uses {percent(noise, '.0f')}."
        )
    except UserError as error:
        noise, note = (
            None,
            f"`find` cannot estimate how many labels are wrong, so the method estimates it: {error.in_words()}",
        )
    if cache_file is not None:
        cache_file.parent.mkdir(exist_ok=True)
        write_json(cache_file, {"key": key, "noise": noise, "note": note})
    return noise, note


def _share(wrong: Estimate, n: int) -> float:
    """The estimated share of wrong labels. The low end does not matter: without reviews it is often 0, also where many
    labels are wrong."""
    return wrong.count / max(1, n)
