"""Which detectors run on a data set, and their scores."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.dataset import KINDS, Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.evidence import NAMES, Evidence, Neighbours
from labelsieve.core.memory_map import release, stored
from labelsieve.core.progress_callback import Progress
from labelsieve.core.record import Record
from labelsieve.core.scores import Scores
from labelsieve.detectors import DETECTORS, detector

# The default detectors if there are more classes than this, because the others would take long.
LEAN, LEAN_ABOVE = ("consensus", "gce", "knn_vote", "lda"), 200
LEAN_QUESTIONS = 5_000_000  # the same for examples times classes, where an example has several labels
ON_REQUEST = ("placement",)  # it makes the encoding of boxes up to four times as long
PLACEMENT = "Badly placed boxes are not looked for; the detector placement ranks them, if you name it."
BESIDE = "Your own probabilities judge the labels."
NEAR = " The neighbours are shown but not used for the decision."
FAR = (
    " No features of the {} were computed, so there are no neighbours, and only exact duplicates are found; set an "
    "encoder to change that."
)


def evidence_of(name: str) -> dict[str, bool]:
    """The evidence that a detector takes -> whether it is optional."""
    parameters = inspect.signature(detector(name)).parameters.values()
    return {p.name: p.default is not p.empty for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}


def detector_of_loss(loss: str) -> str:
    """The detector that reads the predictions of networks trained with a loss."""
    return loss.replace("-", "_")


def has_features(data: Dataset, encoder: str | None) -> bool:
    """Whether there are features: never for probabilities alone; next to probabilities only free or requested ones."""
    return data.kind != "probs" and (data.probs is None or data.kind == "features" or encoder is not None)


def choose(
    names: Collection[str] | None,
    dataset: Dataset,
    encoder: str | None,
    loss: str | None,
    notes: list[str],
    recorded: bool = False,
    record_judges: bool = False,
    boxed: bool = False,
    several: int = 0,
) -> list[str]:
    """The detectors to run: the named ones, or all that the data allow. The consensus always runs, because it decides,
    and so does the detector of a named loss. A record of the user (`recorded`) is used for O2U-Net only if O2U-Net is
    named, because its learning rate should be cyclic. `boxed`: the inputs are boxes, and an encoder reads them.
    `several` is the number of classes of which an example may have several; 0 for one label each."""
    of_loss = [] if loss is None else [detector_of_loss(loss)]
    own = dataset.kind == "probs" or dataset.probs is not None
    near = own and has_features(dataset, encoder)
    dynamics = () if not recorded else ("record", "cyclic_record") if names and "o2u" in names else ("record",)
    possible = {"labels", "n_classes", "probs", *dynamics, *(("neighbours",) if near else ())}
    possible = (possible if own else set(NAMES)) - {"votes"} | ({"votes"} if dataset.votes is not None else set())
    possible -= set() if boxed else {"views"}
    always = ["consensus"] if dataset.votes is None else ["votes", "consensus"]
    possible -= {"threshold_records"} if several else set()
    allowed = [n for n in DETECTORS if all(p in possible or optional for p, optional in evidence_of(n).items())]
    if dataset.probs is not None:
        who = "" if record_judges else BESIDE
        notes.append((who + (NEAR if near else FAR.format(KINDS[dataset.kind]))).strip())
    if names is None:
        if dataset.votes is not None and dataset.votes.alone:
            return always
        k = several or len(dataset.classes)
        if not own and (k > LEAN_ABOVE or several * len(dataset) > LEAN_QUESTIONS):
            notes.append(f"With {k} classes only {', '.join(LEAN)} run by default; name detectors to run others.")
            return list(dict.fromkeys([*LEAN, *of_loss, *always]))
        if "placement" in allowed:
            notes.append(PLACEMENT)
        return [name for name in allowed if name not in ON_REQUEST]
    for name in names:
        detector(name)
        if name not in allowed:
            what = "probabilities beside the data" if dataset.probs is not None else f"{dataset.kind} alone"
            raise UserError(f"The detector {name!r} needs more evidence; {what} allow {', '.join(allowed)}.")
    return list(dict.fromkeys([*names, *of_loss, *always]))


def run_detectors(
    chosen: list[str],
    named: Mapping[str, Mapping[str, Any]],
    evidence: Evidence,
    alone: bool,
    progress: Progress | None,
    folder: Path | None = None,
) -> dict[str, Scores]:
    """The scores of each detector, with the named settings; if the user's own probabilities judge `alone`, the
    consensus does not use the neighbours. Large columns are in temporary files in the `folder`, if one is given."""
    scores = {}
    for done, name in enumerate(chosen):
        if progress:
            progress("detectors", done, len(chosen))
        takes = [
            p
            for p in evidence_of(name)
            if evidence.has(p) and not (name in ("consensus", "votes") and alone and p == "neighbours")
        ]
        score = detector(name)(**{p: getattr(evidence, p) for p in takes}, **named.get(name, {}))
        scores[name] = _stored(score, folder)
        for name in takes:
            _release(getattr(evidence, name))
    if progress:
        progress("detectors", len(chosen), len(chosen))
    return scores


def _stored(scores: Scores, folder: Path | None) -> Scores:
    def kept(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else stored(column, folder)

    extra = {name: stored(column, folder) for name, column in scores.extra.items()}
    columns = {"suspicion": stored(scores.suspicion, folder), "suggestion": kept(scores.suggestion)}
    return replace(scores, **columns, flags=kept(scores.flags), extra=extra)


def _release(evidence: Any) -> None:
    """Give back the pages of evidence in memory maps."""
    if isinstance(evidence, np.ndarray):
        release(evidence)
    elif isinstance(evidence, Record | Neighbours):
        for part in fields(evidence):
            release(getattr(evidence, part.name))
    elif isinstance(evidence, tuple):
        for part in evidence:
            _release(part)
