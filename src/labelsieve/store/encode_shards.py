"""Encode a data set in shards by hand, as jobs of Slurm or Kubernetes do; `find` on the same run folder goes on from
them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from labelsieve.core.arguments import require_path, require_text
from labelsieve.core.dataset import KINDS, Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.progress_callback import Progress
from labelsieve.encode import encoder as load_encoder
from labelsieve.encode import shard_plan, shards
from labelsieve.encode.arrays import FEATURES, levels_of
from labelsieve.engine.progress import reporting
from labelsieve.places import paths
from labelsieve.store.run_claim import claim
from labelsieve.workers import asked_for
from labelsieve.workers.in_turn import InTurn
from labelsieve.workers.ray_cluster import RayWorkers

_DIFFER = {
    "n": "the number of examples",
    "ids": "the ids",
    "encoder": "the encoder",
    "key": "the scale of the pictures",
}


@dataclass(frozen=True)
class EncodedShards:
    """What one call of `encode_shards` did.

    Attributes:
        out: the run folder or its address.
        shards: how many the data set has.
        own: how many of them this call was to finish.
        encoded: how many of those it encoded; the others had been finished before.
        examples: in the shards of this call.
        encoder: its name, with its settings.
        notes: sentences that the user should read.
    """

    out: str
    shards: int
    own: int
    encoded: int
    examples: int
    encoder: str
    notes: tuple[str, ...] = ()


def encode_shards(
    data: Dataset | Any,
    out: str | Path,
    *,
    shard: str | None = None,
    encoder: str | None = None,
    side: int | None = None,
    workers: int | None = None,
    ray: str | None = None,
    progress: Progress | Literal[False] | None = None,
    **columns: Any,
) -> EncodedShards:
    """Encode the images or texts of a data set in shards, or only those of one job. Any number of jobs may run at the
    same time, on any machine that sees the data and `out`; `find` with the same data and encoder then only puts the
    shards together.

    Args:
        data: a `Dataset`, or anything `labelsieve.load` takes (then `columns` are its arguments: label=, text=, image=,
            id= ...). It must be the same in every job.
        out: the run folder that `find` will write, or its fsspec address; the shards are in `features/` below it.
        shard: "17/400" for job 17 of 400, which takes every 400th shard; jobs may be counted from 0 or from 1. None:
            all shards.
        encoder, side, workers, ray, progress: as in `find`.

    Returns:
        How many shards there are, and how many were encoded.

    Raises:
        UserError: the data cannot be used or need no encoder, `out` was planned for other data or another encoder, the
            disk is full, or shards were given up. What is finished is kept, and the same call continues from there.

    >>> ls.encode_shards("photos/", "photos.sieve", shard="17/400").own  # doctest: +SKIP
    6
    """
    from labelsieve.data import as_dataset

    job, of = _job(shard)
    require_text(encoder if encoder is not None else "", "encoder")
    sharing = asked_for(workers, ray)
    address = os.fspath(out) if isinstance(out, str | os.PathLike) else ""
    folder = None if paths.is_remote(address) else require_path(out, "out, the run folder,")
    with reporting(progress) as told:
        dataset = as_dataset(data, **columns)
        model = load_encoder(encoder, dataset.kind, side=side, inputs=dataset.inputs)
        if model is None:
            raise UserError(f"Only images and texts are encoded, and these are {KINDS[dataset.kind]}.")
        if folder is not None:
            folder = claim(folder, dataset.source)
            if isinstance(sharing, RayWorkers):  # on machines that must share this folder
                sharing = sharing.beside(folder, dataset.source)
        place = paths.join(address if folder is None else str(folder), FEATURES)
        levels = levels_of(dataset)
        plan = shard_plan.plan_of(dataset, model, levels.key)
        _agree(place, shard_plan.planned(place) or shard_plan.start(plan, dataset, place), plan)
        numbers = range(job % of, len(plan), of)
        jobs = shards.Jobs(dataset, plan, place, levels, numbers)
        load = shards.Loader(getattr(model, "option", encoder), dataset.kind, side, model.name)
        encoded = shards.run(jobs, sharing or InTurn(), load if sharing else lambda: model, told)
        # Another job that began at the same moment may have written its own plan over this one.
        _agree(place, shard_plan.planned(place) or {"plan": plan.identity}, plan)
    examples = sum(len(plan.rows(number)) for number in numbers)
    notes = (*dataset.notes, *getattr(model, "notes", ()))
    return EncodedShards(address, len(plan), len(numbers), encoded, examples, model.name, notes)


def _job(shard: str | None) -> tuple[int, int]:
    """The job and how many there are."""
    if shard is None:
        return 0, 1
    match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", shard) if isinstance(shard, str) else None
    if match is None or not int(match[1]) <= int(match[2]) or int(match[2]) == 0:
        raise UserError(f"The shard is {shard!r}; write the job and how many there are, such as '17/400'.")
    return int(match[1]), int(match[2])


def _agree(place: str, found: Mapping[str, Any], plan: shard_plan.Plan) -> None:
    """Refuse to encode for a plan that other jobs do not follow."""
    if found["plan"] == plan.identity:
        return
    differ = next((words for name, words in _DIFFER.items() if found.get(name) != plan.settings[name]), "how it is cut")
    raise UserError(
        f"{paths.join(place, shard_plan.MANIFEST)} was made for other data or another encoder ({differ} is not the "
        f"same). Every job needs the same data and options; to begin anew, remove {place}, or name another folder with "
        "<out>.",
        out="",
    )
