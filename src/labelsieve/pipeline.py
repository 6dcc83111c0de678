"""The order of the steps: load, encode, evidence, detect, decide. The only file that knows them all."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from labelsieve import arrays, gather
from labelsieve.arrays import Progress
from labelsieve.core import content, duplicates, run
from labelsieve.core.bonds import Bonds, bind
from labelsieve.core.dataset import Dataset, require_classes
from labelsieve.core.errors import UserError
from labelsieve.core.evidence import Evidence, Neighbours
from labelsieve.core.findings import Estimate, Findings
from labelsieve.core.scores import Scores
from labelsieve.decide.findings import HARD, count_wrong, probability_wrong, rank, unjudgeable, unseen
from labelsieve.decide.notes import plausibility
from labelsieve.detect import DETECTORS, detector
from labelsieve.train.evidence import FOLDS, finish

EVIDENCE = "evidence"  # its place in the run folder
LEAN = ("consensus", "gce", "knn_vote")  # the default detectors where classes are so many that the others would take long
LEAN_ABOVE = 200  # classes
NETWORK = (
    "The evidence comes from {}, trained here: probabilities and neighbours of each image from a network that never saw its label, "
    "training dynamics from one that saw all, as their detectors want it."
)


def find(
    data: Dataset | Any,
    *,
    out: str | Path | None = None,
    encoder: str | None = None,
    side: int | None = None,
    detectors: Sequence[str] | None = None,
    from_network: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **columns: Any,
) -> Findings:
    """Which labels are wrong?

    Args:
        data: a `Dataset`, or anything `labelsieve.load` takes (then `columns` are its arguments: label=, text=, image=, id= ...).
        out: the run folder to write; None writes nothing.
        encoder: name of the encoder for images and texts (`labelsieve.encode.encoder`); None is the default.
        side: image side in pixels; None is the encoder's default.
        detectors: names from `labelsieve.detect.DETECTORS`; None takes all that the data allow.
        from_network: name of a network (`labelsieve.models`) to train on the images instead of asking an encoder; `side` is then that
            of its images, None their own between 16 and 64.
        seed: of folds, panel and neighbours. The same seed gives the same findings on the same type of machine.
        progress: called with (stage, done, total).

    Raises:
        UserError: the data cannot be used; the message says why and what to do.
    """
    if out is None:
        with TemporaryDirectory(prefix="labelsieve-") as folder:
            return _find(_dataset(data, columns), Path(folder), encoder, side, detectors, from_network, seed, progress)
    dataset = _dataset(data, columns)
    folder = run.claim(Path(out), dataset.source)
    findings = _find(dataset, folder, encoder, side, detectors, from_network, seed, progress)
    run.save(findings, folder)
    finish(folder / EVIDENCE)
    return findings


def _dataset(data: Any, columns: dict[str, Any]) -> Dataset:
    if isinstance(data, Dataset):
        return data
    from labelsieve.data import load

    return load(data, **columns)


@dataclass
class _Clock:
    """Seconds each stage took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str):
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)


def _find(
    data: Dataset,
    folder: Path,
    encoder: str | None,
    side: int | None,
    names: Sequence[str] | None,
    network: str | None,
    seed: int,
    progress: Progress | None,
) -> Findings:
    if seed < 0:
        raise UserError(f"The seed is {seed}; it should be zero or a positive whole number.")
    require_classes(data)
    clock, notes = _Clock(), list(data.notes)
    chosen = _chosen(names, data, notes)
    with clock("encode"):
        found = _arrays(data, folder, encoder, side, network, progress)
    if found is not None:
        notes += found.data.notes[len(data.notes) :]  # of the encoder
    data, group = (data, None) if found is None else (found.data, duplicates.duplicate_groups(found.content, found.sketch))
    require_classes(data)
    bonds = None
    with clock("evidence"):
        if found is None:
            evidence = Evidence(labels=data.labels, n_classes=len(data.classes), probs=np.asarray(data.inputs))
        else:
            bonds = bind(data.labels, data.classes, FOLDS, groups=data.groups, copies=group)
            wanted = {parameter for name in chosen for parameter in _parameters(name)}
            make = gather.of_panel if network is None else partial(gather.of_network, network)
            evidence = make(wanted, found, bonds, seed=seed, folder=folder / EVIDENCE, progress=progress)
            notes += [*bonds.notes, *_few(evidence.neighbours), *([] if network is None else [NETWORK.format(network)])]
    with clock("detect"):
        scores = _detect(chosen, evidence, progress)
    with clock("decide"):
        findings = _decide(data, evidence, scores, group, bonds, notes)
    settings = {
        "source": data.source,
        "kind": data.kind,
        "encoder": None if found is None else found.encoder,
        "network": network,
        "detectors": chosen,
        "seed": seed,
        "data_hash": data.fingerprint(),
        "seconds": clock.seconds,
        "recipe": data.recipe,
        "folder": os.getcwd(),
        "columns": None if data.columns is None else list(data.columns.names),
        "versions": versions(),
    }
    raw = content.of(data.inputs, data.kind) if found is None or found.raw is None else found.raw
    return replace(findings, settings=settings, notes=(*findings.notes, *plausibility(findings)), content=raw)


def _arrays(
    data: Dataset, folder: Path, encoder: str | None, side: int | None, network: str | None, progress: Progress | None
) -> arrays.Arrays | None:
    """Features, or pixels for a network; None for probabilities, which are evidence already."""
    if network is not None:
        if data.kind != "image":
            raise UserError(f"A network is trained on images, and {data.source or 'the data'} holds {data.kind}; leave out --from-network.")
        if encoder is not None:
            raise UserError("A network takes the place of an encoder; name --encoder or --from-network.")
        return arrays.pixels(data, folder, side=side)
    return None if data.kind == "probs" else arrays.features(data, folder, encoder=encoder, side=side, progress=progress)


def _parameters(name: str) -> dict[str, bool]:
    """The evidence a detector takes -> whether it can do without."""
    parameters = inspect.signature(detector(name)).parameters.values()
    return {p.name: p.default is not p.empty for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}


def _chosen(names: Sequence[str] | None, dataset: Dataset, notes: list[str]) -> list[str]:
    """The detectors to run: those asked for, or all that the data allow. The consensus decides, so it always runs."""
    possible = {"labels", "n_classes"} | ({"probs"} if dataset.kind == "probs" else set(inspect.signature(Evidence).parameters))
    allowed = [n for n in DETECTORS if all(p in possible or optional for p, optional in _parameters(n).items())]
    if names is None:
        if dataset.kind != "probs" and len(dataset.classes) > LEAN_ABOVE:
            notes.append(f"With {len(dataset.classes)} classes only {', '.join(LEAN)} are run by default; ask for others with --detectors.")
            return list(LEAN)
        return allowed
    for name in names:
        detector(name)
        if name not in allowed:
            raise UserError(f"The detector {name!r} needs features; {dataset.kind} alone allow {', '.join(allowed)}.")
    return list(dict.fromkeys([*names, "consensus"]))


def _detect(chosen: list[str], evidence: Evidence, progress: Progress | None) -> dict[str, Scores]:
    scores = {}
    for done, name in enumerate(chosen):
        if progress:
            progress("detectors", done, len(chosen))
        scores[name] = detector(name)(**{p: getattr(evidence, p) for p in _parameters(name) if evidence.has(p)})
    if progress:
        progress("detectors", len(chosen), len(chosen))
    return scores


def _few(neighbours: Neighbours | None) -> list[str]:
    """A note where an example's own group and copies leave it fewer neighbours than the others."""
    if neighbours is None or not len(short := np.flatnonzero((neighbours.index < 0).any(1))):
        return []
    k, none = neighbours.index.shape[1], int((neighbours.index[short] < 0).all(1).sum())
    alone = f" ({none:,} have none)" if none else ""
    return [f"{len(short):,} examples have fewer than {k} neighbours outside their own group and copies{alone}; fewer vote on them."]


def _decide(
    dataset: Dataset, evidence: Evidence, scores: dict[str, Scores], group: np.ndarray | None, bonds: Bonds | None, notes: list[str]
) -> Findings:
    main = scores["consensus"]
    judge = evidence.probs_gce if evidence.probs_gce is not None else evidence.probs
    assert judge is not None and main.suggestion is not None
    unjudged = unjudgeable(dataset.labels)
    shut_in = np.zeros(len(dataset), bool) if bonds is None else bonds.unjudged
    blind = unseen(judge, dataset.labels) if dataset.kind == "probs" else np.zeros(len(dataset), bool)
    wrong, doubt = _count(judge, dataset.labels, _without(main, blind), ~(shut_in | blind))
    p_wrong = probability_wrong(main, wrong, unjudged | shut_in | blind)
    if doubt:
        other = " Another encoder (--encoder) may do better." if doubt == HARD and dataset.kind in ("image", "text") else ""
        notes.append(doubt + other)
    if unjudged.any():
        names = sorted({dataset.classes[c] for c in dataset.labels[unjudged]})
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        notes.append(
            f"Classes with one example only: {len(names)} ({shown}). Nothing can be said about those examples; they get the overall rate."
        )
    extra = dict(main.extra)
    if "knn_vote" in scores:
        extra |= scores["knn_vote"].extra
    if group is not None:
        _, inverse, count = np.unique(group, return_inverse=True, return_counts=True)
        several = count[inverse] > 1
        extra["duplicate_group"] = np.where(several, group, -1)
        extra["duplicate_conflict"] = np.isin(group, duplicates.conflicts(group, dataset.labels))
    return Findings(
        ids=dataset.ids,
        classes=dataset.classes,
        given=dataset.labels,
        other=main.suggestion,
        p_wrong=p_wrong,
        rank=rank(p_wrong, main.suspicion),
        flagged=p_wrong > 0.5,
        scores={name: np.asarray(score.suspicion, np.float64) for name, score in scores.items()},
        extra=extra,
        wrong=wrong,
        excluded=dataset.excluded,
        notes=tuple(notes),
    )


def _without(consensus: Scores, blind: np.ndarray) -> Scores:
    """The scores with a count that leaves out the labels of classes that the judge never knew (n,), each of which it held to be wrong."""
    if consensus.n_wrong is None or not blind.any():
        return consensus
    return replace(consensus, n_wrong=max(0.0, consensus.n_wrong - float(blind.sum())) / float((~blind).mean()))


def _count(judge: np.ndarray, labels: np.ndarray, consensus: Scores, judged: np.ndarray) -> tuple[Estimate, str | None]:
    """The count of wrong labels; where some cannot be judged (n,), that of the others and as large a share of the rest."""
    if judged.all() or not judged.any():
        return count_wrong(judge, labels, consensus)
    share = float(judged.mean())
    rows = np.flatnonzero(judged)
    seen = None if consensus.n_wrong is None else consensus.n_wrong * share
    extra = {name: column[rows] for name, column in consensus.extra.items()}
    part = replace(consensus, suspicion=consensus.suspicion[rows], extra=extra, n_wrong=seen)
    wrong, doubt = count_wrong(np.asarray(judge)[rows], labels[rows], part)
    return Estimate(wrong.count / share, wrong.low / share, min(float(len(labels)), wrong.high / share)), doubt


def versions() -> dict[str, str]:
    """What made a run: our version, NumPy's, Python's."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("labelsieve")
    except PackageNotFoundError:
        own = "source"
    return {"labelsieve": own, "numpy": np.__version__, "python": platform.python_version()}
