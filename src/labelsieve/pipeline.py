"""The order of the steps: load, encode, evidence, detect, decide. The only file that knows them all."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from labelsieve.core import duplicates, run
from labelsieve.core.dataset import Dataset, Exclusion, require_classes
from labelsieve.core.errors import UserError
from labelsieve.core.evidence import Evidence
from labelsieve.core.findings import Findings
from labelsieve.core.scores import Scores
from labelsieve.decide.findings import HARD, count_wrong, probability_wrong, rank, unjudgeable
from labelsieve.decide.notes import plausibility
from labelsieve.detect import DETECTORS, detector
from labelsieve.encode import encode
from labelsieve.encode import encoder as load_encoder
from labelsieve.train import evidence as making
from labelsieve.train.resume import key_of

Progress = Callable[[str, int, int], None]
EVIDENCE = "evidence"  # its place in the run folder
LEAN = ("consensus", "gce", "knn_vote")  # the default detectors where classes are so many that the others would take long
LEAN_ABOVE = 200  # classes
_HASHED = 256  # rows at a time: they stay in the cache


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
    making.finish(folder / EVIDENCE)
    return findings


def features(
    data: Dataset, folder: str | Path, *, encoder: str | None = None, side: int | None = None, progress: Progress | None = None
) -> tuple[Dataset, np.ndarray]:
    """The data set without what cannot be encoded, and its features (n, d); `folder` caches them. Arguments as in `find`."""
    data, encoded, *_ = _features(data, Path(folder), encoder, side, progress)
    if encoded is None:
        raise UserError("Probabilities have no features.")
    return data, encoded


def reopen(folder: str | Path, findings: Findings | None = None) -> Dataset:
    """The data set that a run was made on, read again; its rows are those of the findings, in their order.

    Raises:
        UserError: the data were handed over in Python, have moved, or no longer hold every example.
    """
    from labelsieve.data import load, load_probabilities

    findings = findings or run.load(folder)
    recipe = findings.settings.get("recipe")
    if recipe is None:
        raise UserError(f"The run in {folder} was made on data handed over in Python; they cannot be read again from a file.")
    here = {name: _found(value, findings.settings.get("folder", ".")) if name in _PLACES else value for name, value in recipe.items()}
    data = load_probabilities(**here) if "probs" in here else load(here.pop("source"), **here)
    place = {key: i for i, key in enumerate(data.ids)}
    lost = [key for key in findings.ids if key not in place]
    if lost:
        raise UserError(f"{data.source} no longer holds {len(lost)} of the examples of {folder}, the first is {lost[0]!r}; run find again.")
    return data.pick(np.array([place[key] for key in findings.ids], np.int64))


_PLACES = ("source", "labels", "probs")  # arguments that name files


def _found(name: str, folder: str) -> str:
    """A path of the recipe, which was relative to `folder`: from here if it is here, else from there."""
    from labelsieve.data import places

    inner = name.removeprefix("hf:")
    if places.is_remote(name) or os.path.isabs(inner) or os.path.exists(inner) or not os.path.exists(os.path.join(folder, inner)):
        return name
    return name[: len(name) - len(inner)] + os.path.join(folder, inner)


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
    dataset: Dataset,
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
    require_classes(dataset)
    k, clock, notes = len(dataset.classes), _Clock(), list(dataset.notes)
    chosen = _chosen(names, dataset, notes)
    needs = {name: _parameters(name) for name in chosen}
    wanted = {parameter for parameters in needs.values() for parameter in parameters}
    with clock("encode"):
        if network is None:
            dataset, features, content, sketch, encoder_name = _features(dataset, folder, encoder, side, progress)
        else:
            dataset, features, content = _pixels(dataset, folder, encoder, side)
            sketch = encoder_name = None
    require_classes(dataset)
    group = duplicates.duplicate_groups(content, sketch) if content is not None else None
    with clock("evidence"):
        if features is None:
            evidence = Evidence(labels=dataset.labels, n_classes=k, probs=np.asarray(dataset.inputs))
        else:
            together = _together(dataset, group, notes)
            if network is None:
                evidence = making.gather(
                    wanted,
                    features,
                    dataset.labels,
                    k,
                    groups=together,
                    seed=seed,
                    folder=folder / EVIDENCE,
                    content=None if content is None else key_of(content, encoder_name),
                    progress=progress,
                    device=_device(),
                )
            else:
                evidence = _from_network(network, wanted, dataset, features, together, seed, folder / EVIDENCE, progress)
                notes.append(
                    f"The evidence comes from {network}, trained here: probabilities and neighbours of each image from a network "
                    "that never saw its label, training dynamics from one that saw all, as their detectors want it."
                )
    with clock("detect"):
        scores: dict[str, Scores] = {}
        for done, name in enumerate(chosen):
            if progress:
                progress("detectors", done, len(chosen))
            arguments = {p: getattr(evidence, p) for p in needs[name] if evidence.has(p)}
            scores[name] = detector(name)(**arguments)
        if progress:
            progress("detectors", len(chosen), len(chosen))
    with clock("decide"):
        findings = _decide(dataset, evidence, scores, group, notes)
    settings = {
        "source": dataset.source,
        "kind": dataset.kind,
        "encoder": encoder_name,
        "network": network,
        "detectors": chosen,
        "seed": seed,
        "data_hash": dataset.fingerprint(),
        "seconds": clock.seconds,
        "recipe": dataset.recipe,
        "folder": os.getcwd(),
        "versions": versions(),
    }
    return replace(findings, settings=settings, notes=(*findings.notes, *plausibility(findings)))


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


def _features(
    dataset: Dataset, folder: Path, name: str | None, side: int | None, progress: Progress | None
) -> tuple[Dataset, np.ndarray | None, np.ndarray | None, np.ndarray | None, str | None]:
    """The data set without what could not be encoded, its features (n, d), content hashes, sketches, and the encoder's name."""
    if dataset.kind == "probs":
        return dataset, None, None, None, None
    model = load_encoder(name, dataset.kind, side=side)
    if model is None:
        features = np.asarray(dataset.inputs) if not isinstance(dataset.inputs, np.ndarray) else dataset.inputs
        return dataset, features, _row_hashes(features), None, None
    stage = None if progress is None else lambda done, total: progress("encode", done, total)
    encoded = encode(dataset.inputs, model, folder / "features", key="", progress=stage)
    keep = np.ones(len(dataset), bool)
    keep[[position for position, _ in encoded.failed]] = False
    gone = [Exclusion(dataset.ids[position], reason) for position, reason in encoded.failed]
    features = encoded.features if keep.all() else encoded.features[keep]
    return dataset.take(keep, gone), features, encoded.content[keep], encoded.sketch[keep], model.name


def _pixels(dataset: Dataset, folder: Path, encoder: str | None, side: int | None) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """The data set without images that cannot be read, their pixels (n, C, side, side), and content hashes (n,)."""
    if dataset.kind != "image":
        raise UserError(
            f"A network is trained on images, and {dataset.source or 'the data'} holds {dataset.kind}; leave out --from-network."
        )
    if encoder is not None:
        raise UserError("A network takes the place of an encoder; name --encoder or --from-network.")
    from labelsieve.encode.pixels import pixels, usual_side, without

    array, failed = pixels(dataset.inputs, side or usual_side(dataset.inputs), None, folder)
    keep = np.ones(len(dataset), bool)
    keep[[i for i, _ in failed]] = False
    array = without(array, keep) if failed else array
    content = _row_hashes(array.reshape(len(array), -1))
    return dataset.take(keep, [Exclusion(dataset.ids[i], reason) for i, reason in failed]), array, content


def _from_network(
    name: str,
    wanted: set[str],
    dataset: Dataset,
    pixels: np.ndarray,
    groups: np.ndarray | None,
    seed: int,
    folder: Path,
    progress: Progress | None,
) -> Evidence:
    try:
        from labelsieve.train import from_network, inputs
        from labelsieve.train.device import layout, pick
    except ImportError as error:
        raise UserError("--from-network needs PyTorch; install it with: pip install 'labelsieve[train]'") from error
    from labelsieve.models import network

    device = pick()
    make = network(name, images=True, width=pixels.shape[1])
    samples, _ = inputs.samples(pixels, dataset.labels, len(dataset.classes))
    return from_network.gather(
        wanted,
        samples.to(device),
        lambda classes: make(classes).to(device).to(memory_format=layout(device)),  # pyright: ignore[reportCallIssue]
        groups=groups,
        seed=seed,
        folder=folder,
        progress=progress,
    )


def _row_hashes(features: np.ndarray) -> np.ndarray:
    """(n,) uint64, equal for equal rows: a fixed random projection of the bytes, wrapping."""
    n, d = features.shape
    kind = np.result_type(features, np.float16)  # bytes too are numbers
    words = -(-d * kind.itemsize // 8)
    key = np.random.default_rng(0).integers(1, 2**63, words, dtype=np.uint64) | np.uint64(1)
    padded = np.zeros((min(n, _HASHED), 8 * words // kind.itemsize), kind)
    out = np.empty(n, np.uint64)
    for start in range(0, n, _HASHED):
        block = padded[: min(n - start, _HASHED)]
        block[:, :d] = features[start : start + _HASHED]
        raw = block.view(f"u{kind.itemsize}")
        raw[raw == 1 << (8 * kind.itemsize - 1)] = 0  # -0.0 is 0.0
        bits = block.view(np.uint64)
        bits ^= bits >> np.uint64(29)
        bits *= key
        out[start : start + _HASHED] = bits.sum(1)
        bits[:, -1] = 0  # the filling
    return out


def _together(dataset: Dataset, group: np.ndarray | None, notes: list[str]) -> np.ndarray | None:
    """Which examples must share a fold: duplicates, and the user's groups where there are enough of them to make folds."""
    if dataset.groups is None:
        return group
    _, own = np.unique(dataset.groups.astype(str), return_inverse=True)
    if own.max() + 1 < 2 * making.FOLDS:
        notes.append(f"There are only {own.max() + 1} groups, too few to keep each in one fold; folds ignore them.")
        return group
    return own if group is None else duplicates.merge(own, group)


def _device() -> str | None:
    """A GPU for the panel if torch is loaded already and has one; NumPy otherwise."""
    import sys

    torch = sys.modules.get("torch")
    return "cuda" if torch is not None and torch.cuda.is_available() else None


def _decide(dataset: Dataset, evidence: Evidence, scores: dict[str, Scores], group: np.ndarray | None, notes: list[str]) -> Findings:
    main = scores["consensus"]
    judge = evidence.probs_gce if evidence.probs_gce is not None else evidence.probs
    assert judge is not None and main.suggestion is not None
    wrong, doubt = count_wrong(judge, dataset.labels, main)
    unjudged = unjudgeable(dataset.labels)
    p_wrong = probability_wrong(main, wrong, unjudged)
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


def versions() -> dict[str, str]:
    """What made a run: our version, NumPy's, Python's."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("labelsieve")
    except PackageNotFoundError:
        own = "source"
    return {"labelsieve": own, "numpy": np.__version__, "python": platform.python_version()}
