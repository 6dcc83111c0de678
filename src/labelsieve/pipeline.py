"""The order of the steps of `find`: load, encode, evidence, detect, decide."""

from __future__ import annotations

import inspect
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labelsieve.core import content_hash
from labelsieve.core.arguments import require_instance, require_keyword, require_path, require_text, require_whole
from labelsieve.core.box_formats import OF_BOXES
from labelsieve.core.dataset import Dataset, require_classes, require_sound
from labelsieve.core.errors import UserError
from labelsieve.core.evidence import NAMES, Evidence, Neighbours, Origin, sound
from labelsieve.core.files import scratch
from labelsieve.core.findings import Findings
from labelsieve.core.memory_map import blocks
from labelsieve.core.record import Record
from labelsieve.core.scores import Scores
from labelsieve.core.workers import Workers
from labelsieve.decide.findings_of_scores import findings_of_scores
from labelsieve.decide.plausibility import plausibility
from labelsieve.detectors import DETECTORS, detector
from labelsieve.detectors.detector_settings import Named, read_detectors
from labelsieve.detectors.each_class import run_each_class
from labelsieve.detectors.run_detectors import (
    choose,
    detector_of_loss,
    evidence_of,
    has_features,
    run_detectors,
)
from labelsieve.encode import arrays
from labelsieve.encode.arrays import Progress
from labelsieve.encode.small_example import Examples
from labelsieve.engine.progress import reporting
from labelsieve.evidence import box_views, from_record, gather_several
from labelsieve.evidence import gather as makers
from labelsieve.evidence.from_features import DIVIDED, FOLDS, finish
from labelsieve.evidence.read_arrays import read_arrays
from labelsieve.evidence.user_input import RECORD, read_input
from labelsieve.places.at_addresses import at_addresses
from labelsieve.places.many_files import replaced_files
from labelsieve.places.working_copy import address_in
from labelsieve.stats import duplicates
from labelsieve.stats.dependent_examples import bind
from labelsieve.store import run
from labelsieve.store.kept_data import keep
from labelsieve.store.previous_run import changes_since
from labelsieve.store.run_copies import write_run
from labelsieve.workers import asked_for
from labelsieve.workers.ray_cluster import RayWorkers

LOG = logging.getLogger(__name__)
EVIDENCE = "evidence"  # its folder in the run folder
NETWORK = (
    "The evidence comes from {}, trained in this run: probabilities and neighbours of each image come from a network "
    "that never saw its label, training dynamics from one that saw all labels, as their detectors require."
)
LOSS = (
    "Five networks were trained with the loss {}, each without a fifth of the images; the detector {} reads their "
    "predictions on that fifth."
)


@at_addresses(out=write_run)
def find(
    data: Dataset | Any = None,
    *,
    probs: Any = None,
    record: Any = None,
    out: str | Path | None = None,
    encoder: str | None = None,
    side: int | None = None,
    detectors: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None,
    from_network: str | None = None,
    loss: str | None = None,
    seed: int = 0,
    device: str | None = None,
    workers: int | None = None,
    ray: str | None = None,
    progress: Progress | Literal[False] | None = None,
    **columns: Any,
) -> Findings:
    """Find wrong labels: `gather`, then `detect`, then the decision.

    There are many parameters because each is an option of the command `find`.

    Args:
        data: a `Dataset`, or anything `labelsieve.load` takes (then `columns` are its arguments: label=, text=, image=,
            id= ...). None if there are only `probs` or a `record`, with `labels=` (and `id=`) as in
            `load_probabilities`.
        probs: (n, K) out-of-sample probabilities of the user's own model for these data, which then judge the labels:
            an array, a frame or a file, as in `load_probabilities`. There are neighbours too for features, and for
            images and texts if an `encoder` is set.
        record: the record of your own training loop (a `Recorder`, its `record()` or a folder with one): one column per
            example, in the order of the data. Detectors of training dynamics read it. Without `probs` it judges the
            labels too, by the probabilities that the network gave them during training.
        out: the run folder to write; None writes nothing. Data passed from memory are kept in it.
        encoder: name of the encoder for images and texts (`labelsieve.encode.encoder`); None is the default.
        side: image side in pixels; None is the encoder's default.
        detectors: names from `labelsieve.detectors.DETECTORS`, or a dict of name -> settings: {"o2u": {"forget_rate":
            0.1}, "aum": {}}. None runs all that the data allow. The consensus always runs.
        from_network: name of a network (`labelsieve.networks`) to train on the images instead of using an encoder;
            `side` is then the side of its images, None uses their own size, clipped to 16..64.
        loss: "blurry", "piecewise-zero" or "gce": five such networks are trained with this loss, each without a fifth
            of the images, and the detector of the same name reads their predictions on that fifth. None: three
            networks, and heads on their features.
        seed: seed of folds, panel and neighbours. The same seed gives the same findings on the same type of machine.
        device: the device of the training: "cpu", "cuda", "cuda:1", "mps". None: heads on the CPU with NumPy,
            whatever else is installed or imported; a network (`from_network`) on a GPU if there is one.
        workers: processes of this machine that share the encoding of images and texts; they share its processors too.
            None encodes in this process, and uses the shards that workers or `encode_shards` left in `out`. The
            findings are the same up to three million examples; beyond, workers share the evidence too (docs/scale.md).
        ray: the workers are on a Ray cluster: "auto" for the one that runs here or that RAY_ADDRESS names, "local" to
            start one on this machine, or HOST:PORT of its head. `workers` is then their number; None is as many as the
            cluster has room for.
        progress: called with (stage, done, total). None draws a bar on stderr in a terminal and in a notebook, False
            never.

    Raises:
        UserError: the data cannot be used; the message says why and what to do.

    >>> ls.find("photos/", out="photos.sieve").wrong  # doctest: +SKIP
    Estimate(count=104.2, low=88.1, high=121.7)
    """
    _require_columns(columns, find)
    plan = _plan(encoder, side, detectors, from_network, loss, seed, device, workers, ray)
    if out is not None:
        out = require_path(out, "out, the run folder,")
    with reporting(progress) as told:
        if out is None:
            with scratch() as folder:
                return _find(*read_input(data, probs, record, columns), folder, plan, told)
        dataset, dynamics = read_input(data, probs, record, columns)
        with run.claimed(out, dataset.source) as folder:
            findings = _find(dataset, dynamics, folder, plan, told)
            if dynamics is not None:
                rows = _rows_of(findings, dataset)
                from_record.of_rows(dynamics, rows).save(folder / EVIDENCE / "record")
            kept = keep(dataset if len(findings) == len(dataset) else dataset.pick(_rows_of(findings, dataset)), folder)
            findings = replace(
                findings,
                settings={**findings.settings, "recipe": kept.recipe, **changes_since(findings, folder)},
                notes=(*findings.notes, *([kept.note] if kept.note else [])),
                content=findings.content if kept.content is None else kept.content,
            )
            run.save(findings, folder)
            LOG.info("%r in %s", findings, folder)
        finish(folder / EVIDENCE)
    return findings


def gather(
    data: Dataset | Any = None,
    *,
    probs: Any = None,
    record: Any = None,
    encoder: str | None = None,
    side: int | None = None,
    detectors: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None,
    from_network: str | None = None,
    loss: str | None = None,
    seed: int = 0,
    device: str | None = None,
    workers: int | None = None,
    ray: str | None = None,
    progress: Progress | Literal[False] | None = None,
    **columns: Any,
) -> Evidence:
    """The evidence that `find` would read, in memory: out-of-fold probabilities, training dynamics, features,
    neighbours.

    There are many parameters because they are those of `find`.

    Args:
        data, probs, record, encoder, side, detectors, from_network, loss, seed, device, workers, ray, progress,
            columns: as in `find`.

    Returns:
        The evidence; its `origin` remembers the data, so that `detect` can lead to findings.

    Raises:
        UserError: as `find`.

    Example:
        >>> evidence = ls.gather("photos/")
        >>> evidence.probs                                  # (n, K), out of fold
        >>> ls.detect(evidence)["aum"].suspicion            # (n,)
        >>> ls.detect(evidence).decide()                    # what ls.find("photos/") returns
    """
    _require_columns(columns, gather)
    plan = _plan(encoder, side, detectors, from_network, loss, seed, device, workers, ray)
    with reporting(progress) as told, scratch() as folder:
        return _in_memory(_gather(*read_input(data, probs, record, columns), folder, plan, told, _Clock()))


def detect(
    evidence: Evidence,
    *,
    detectors: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | Literal[False] | None = None,
) -> Detected:
    """Compute the scores of each detector.

    Args:
        evidence: the evidence from `gather`, or put together by hand.
        detectors: as in `find`; None runs those for which the evidence was gathered, or all that it allows.
        progress: as in `find`.

    Returns:
        A mapping of the detectors' names to their scores, in the order of the data; `decide()` makes findings of them.

    Raises:
        UserError: the argument is not evidence, or a detector needs more evidence.

    >>> ls.detect(ls.gather("photos/")).decide().wrong  # doctest: +SKIP
    Estimate(count=104.2, low=88.1, high=121.7)
    """
    require_instance(evidence, Evidence, "evidence", "what labelsieve.gather returns, or an Evidence")
    named = read_detectors(detectors)
    evidence = evidence if evidence.origin is not None else sound(evidence)
    allowed = [
        name for name in DETECTORS if all(evidence.has(p) or optional for p, optional in evidence_of(name).items())
    ]
    if "consensus" in allowed and evidence.probs is None and evidence.probs_gce is None:
        allowed.remove("consensus")
    for name in named or ():
        _ = detector(name)  # refuses a name that no detector has
        if name not in allowed:
            raise UserError(
                f"The detector {name!r} needs evidence that is missing; this evidence allows "
                f"{', '.join(allowed) or 'no detector'}."
            )
    if named is None:
        named = {name: {} for name in allowed} if evidence.origin is None else evidence.origin.detectors
    last = [name for name in allowed if name == "consensus"]
    chosen = list(dict.fromkeys([*named, *last]))
    clock = _Clock()
    with reporting(progress) as told, clock("detect"):
        scores = _scores(chosen, named, evidence, told)
    return Detected(evidence, scores, clock.seconds)


@dataclass(frozen=True, eq=False, repr=False)
class Detected(Mapping[str, Scores]):
    """The scores of the detectors, by name.

    Attributes:
        evidence: the evidence that they read.
        scores: name -> the scores of n labels, in the order of the data.
        seconds: duration of each stage.
    """

    evidence: Evidence
    scores: dict[str, Scores]
    seconds: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Scores:
        return self.scores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f"<Detected: {', '.join(self.scores)} on {len(self.evidence.labels):,} labels>"

    def decide(self) -> Findings:
        """Return the findings that these scores lead to.

        Raises:
            UserError: the evidence has no probabilities, which the decision needs.
        """
        if "consensus" not in self.scores:
            raise UserError("The decision needs the consensus, which needs probs or probs_gce in the evidence.")
        evidence = self.evidence if self.evidence.origin is not None else _by_hand(self.evidence)
        clock = _Clock(dict(self.seconds))
        with clock("decide"):
            findings = _decided(evidence, self.scores)
        assert evidence.origin is not None
        seconds = {**evidence.origin.settings["seconds"], **clock.seconds}
        return replace(findings, settings={**findings.settings, "seconds": seconds})


def _by_hand(evidence: Evidence) -> Evidence:
    """Evidence that was put together by hand, with an origin: examples and classes are numbered."""
    judge = np.asarray(evidence.probs if evidence.probs is not None else evidence.probs_gce)
    n, k = judge.shape
    labels = np.asarray(evidence.labels, np.int64)
    ids = np.arange(n).astype(str).astype(object)
    data = Dataset(ids, labels, tuple(map(str, range(k))), judge, "probs", "the evidence")
    require_sound(data)
    raw = content_hash.of(judge, "probs", named=False)
    settings = _settings(data, None, _Plan(None, None, None, None, None, 0, None), [], {})
    return replace(evidence, origin=Origin(data, {}, None, None, raw, (), settings))


def _in_memory(evidence: Evidence) -> Evidence:
    """The evidence without the files that it was written to."""

    def whole(value: Any) -> Any:
        if isinstance(value, np.memmap):
            return np.array(value)
        if isinstance(value, Record | Neighbours):
            return replace(value, **{part.name: whole(getattr(value, part.name)) for part in fields(value)})
        return tuple(map(whole, value)) if isinstance(value, tuple) else value

    return replace(evidence, **{name: whole(getattr(evidence, name)) for name in NAMES})


@dataclass(frozen=True)
class _Plan:
    """The checked settings of one `find`."""

    encoder: str | None
    side: int | None
    named: Named | None
    network: str | None
    loss: str | None
    seed: int
    device: str | None
    workers: Workers | None = None


def _plan(
    encoder: Any,
    side: Any,
    detectors: Any,
    from_network: Any,
    loss: Any,
    seed: Any,
    device: Any,
    workers: Any,
    ray: Any,
) -> _Plan:
    for what, value in (("encoder", encoder), ("from_network", from_network)):
        require_text(value if value is not None else "", what)
    side = None if side is None else require_whole(side, "side")
    seed = require_whole(seed, "seed")
    if seed < 0:
        raise UserError(f"The seed is {seed}; it must be zero or a positive whole number.")
    named = read_detectors(detectors)
    loss = makers.require_loss(loss, from_network)
    if device is not None:  # a missing device is reported before anything is read
        makers.panel_device(require_text(device, "device"))
    return _Plan(encoder, side, named, from_network, loss, seed, device, asked_for(workers, ray))


def _rows_of(findings: Findings | Dataset, data: Dataset) -> np.ndarray:
    """The positions in the data of the examples of the findings, some of which could not be decoded."""
    if len(findings) == len(data):
        return np.arange(len(data))
    return _places(findings.ids, data)


def _places(ids: np.ndarray, data: Dataset) -> np.ndarray:
    """The positions of some ids in the data."""
    place = {key: i for i, key in enumerate(data.ids.tolist())}
    return np.array([place[key] for key in ids.tolist()], np.int64)


def _require_columns(columns: dict[str, Any], function: Callable) -> None:
    """Refuse keywords that neither the function nor `load` takes."""
    from labelsieve.data import load

    own, of_load = (list(inspect.signature(one).parameters) for one in (function, load))
    for name in columns:
        require_keyword(name, list(dict.fromkeys(own[:-1] + of_load[1:])), function.__name__)


@dataclass
class _Clock:
    """Measures the seconds of each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str):
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)
        LOG.info("%s: %.1f s", stage, self.seconds[stage])


def _scores(
    chosen: list[str],
    named: Mapping[str, Mapping[str, Any]],
    evidence: Evidence,
    progress: Progress | None,
    folder: Path | None = None,
) -> dict[str, Scores]:
    if evidence.labels.ndim == 2:  # several labels per example
        return run_each_class(chosen, named, evidence, progress)
    alone = evidence.origin is not None and evidence.origin.data.probs is not None
    return run_detectors(chosen, named, evidence, alone, progress, folder)


def _find(data: Dataset, record: Record | None, folder: Path, plan: _Plan, progress: Progress | None) -> Findings:
    clock = _Clock()
    evidence = _gather(data, record, folder, plan, progress, clock)
    origin = evidence.origin
    assert origin is not None
    with clock("detect"):
        scores = _scores(list(origin.detectors), origin.detectors, evidence, progress, folder)
    with clock("decide"):
        findings = _decided(evidence, scores)
    return replace(findings, settings={**findings.settings, "seconds": clock.seconds})


def _gather(
    data: Dataset, record: Record | None, folder: Path, plan: _Plan, progress: Progress | None, clock: _Clock
) -> Evidence:
    require_classes(data)
    LOG.info("%r", data)
    asked = data.questions
    data = data if asked is None else gather_several.examples_of(asked, network=plan.network, record=record)
    notes, whole = list(data.notes), data
    network, loss, seed = plan.network, plan.loss, plan.seed
    boxed = network is None and (data.recipe or {}).get("format") in OF_BOXES
    several = 0 if asked is None else len(asked.names)
    judged = RECORD in data.notes
    chosen = choose(plan.named, data, plan.encoder, loss, notes, record is not None, judged, boxed, several)
    with clock("encode"):
        usable = has_features(data, plan.encoder)
        workers = plan.workers
        if isinstance(workers, RayWorkers):  # on machines that must share this folder, or see its address
            workers = workers.beside(folder, data.source)
            workers = workers if address_in(folder) is None else replace(workers, folder=None)
        found = read_arrays(data, folder, plan.encoder, plan.side, network, usable, progress, workers)
    if found is not None:
        notes += [*found.data.notes[len(data.notes) :], *replaced_files(data.inputs)]  # of the encoder, of the storage
    if found is None:
        raw = content_hash.of(data.inputs, data.kind, named=data.named)
        group = None if data.kind == "probs" else duplicates.known_groups(raw)
    else:
        raw = found.raw
        data, group = found.data, arrays.copies(found)
    if asked is None:
        require_classes(data)
    else:
        asked = asked.pick_examples(_rows_of(data, whole))
    bonds = None
    # several steps, in several threads, share the work beyond this size: one connection for all of them
    held = workers.connected() if isinstance(workers, RayWorkers) and len(data) > DIVIDED else nullcontext()
    with clock("evidence"), held:
        if data.kind == "probs" or data.probs is not None:
            evidence = Evidence(
                labels=data.labels if asked is None else asked.given,
                n_classes=len(data.classes) if asked is None else several,
                probs=np.asarray(data.inputs if data.probs is None else data.probs),
            )
            if found is not None:
                evidence = replace(evidence, neighbours=_neighbours_only(found, group, seed, folder, progress, notes))
            if record is not None:
                seen = record if len(data) == len(whole) else from_record.of_rows(record, _places(data.ids, whole))
                cyclic = seen if "o2u" in chosen else None
                evidence = replace(evidence, record=seen, cyclic_record=cyclic)
        else:
            assert found is not None
            bonds = bind(data.labels, data.classes, FOLDS, groups=data.groups, copies=group)
            wanted = {parameter for name in chosen for parameter in evidence_of(name)}
            make = partial(makers.of_panel, workers=workers)
            if asked is not None:
                make = partial(gather_several.gather, given=asked.given)
            elif network is not None:
                make = partial(makers.of_network, network, loss=loss)
            place = folder / EVIDENCE
            evidence = make(wanted, found, bonds, seed=seed, folder=place, progress=progress, device=plan.device)
            if "views" in wanted:
                told = {"side": plan.side, "seed": seed, "progress": progress}
                evidence = replace(evidence, views=box_views.gather(found, bonds.fold, place, **told))
            notes += [*bonds.notes, *_few(evidence.neighbours), *([] if network is None else [NETWORK.format(network)])]
            notes += [] if loss is None else [LOSS.format(loss, detector_of_loss(loss))]
    evidence = replace(evidence, votes=data.votes)
    raw = content_hash.of(data.inputs, data.kind, named=data.named) if raw is None else raw
    alone = None if bonds is None or asked is not None else bonds.unjudged
    if asked is not None:
        data = asked.all()
        raw, group = np.repeat(raw, several), None if group is None else asked.copies(group)
    settings = _settings(data, found, plan, chosen, clock.seconds)
    named = {name: (plan.named or {}).get(name, {}) for name in chosen}
    return replace(evidence, origin=Origin(data, named, group, alone, raw, tuple(notes), settings))


def _settings(
    data: Dataset, found: arrays.Arrays | None, plan: _Plan, chosen: list[str], seconds: dict[str, float]
) -> dict[str, Any]:
    """The settings of the run, for the findings."""
    named = plan.named or {}
    return {
        "source": data.source,
        "kind": data.kind,
        "encoder": None if found is None else found.encoder,
        "network": plan.network,
        "loss": plan.loss,
        "detectors": chosen,
        "detector_settings": {name: named[name] for name in chosen if named.get(name)},
        "seed": plan.seed,
        "data_hash": data.fingerprint(),
        "seconds": seconds,
        "recipe": data.recipe,
        "folder": os.getcwd(),
        "named": data.named,
        "levels": None if found is None or data.kind != "image" else found.levels.plain(),
        "columns": None if data.columns is None else list(data.columns.names),
        "several": 0 if data.questions is None else len(data.questions.names),
        "versions": versions(),
    }


def _decided(evidence: Evidence, scores: dict[str, Scores]) -> Findings:
    """The findings from the scores on evidence with an origin."""
    origin = evidence.origin
    assert origin is not None
    findings = findings_of_scores(origin.data, evidence, scores, origin.copies, origin.unjudged, list(origin.notes))
    notes, settings = (*findings.notes, *plausibility(findings)), {**origin.settings, "detectors": list(scores)}
    examples = Examples(origin.data, settings["levels"])
    return replace(findings, examples=examples, settings=settings, notes=notes, content=origin.content)


def _neighbours_only(
    found: arrays.Arrays, group: np.ndarray | None, seed: int, folder: Path, progress: Progress | None, notes: list[str]
) -> Neighbours | None:
    """The neighbours of the examples if the user's own probabilities judge them."""
    data = found.data
    bonds = bind(data.labels, data.classes, FOLDS, groups=data.groups, copies=group)
    neighbours = makers.of_panel(
        {"neighbours"}, found, bonds, seed=seed, folder=folder / EVIDENCE, progress=progress
    ).neighbours
    notes += _few(neighbours)
    return neighbours


def _few(neighbours: Neighbours | None) -> list[str]:
    """A note if examples have fewer neighbours than others because of their own group and copies."""
    if neighbours is None:
        return []
    k, missing = neighbours.index.shape[1], np.zeros(len(neighbours.index), np.int32)
    for rows in blocks(neighbours.index, 1 << 16):
        missing[rows] = (neighbours.index[rows] < 0).sum(1)
    if not len(short := np.flatnonzero(missing)):
        return []
    none = int((missing == k).sum())
    alone = f" ({none:,} have none)" if none else ""
    return [
        f"{len(short):,} examples have fewer than {k} neighbours outside their own group and copies{alone}; fewer "
        "vote on them."
    ]


def versions() -> dict[str, str]:
    """The versions behind a run: of labelsieve, NumPy and Python."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("labelsieve")
    except PackageNotFoundError:
        own = "source"
    return {"labelsieve": own, "numpy": np.__version__, "python": platform.python_version()}
