"""Robust training on one GPU in 25 minutes: CIFAR-10 against the papers' figures, and epoch times against a plain loop.

    python bench/gpu/train.py IMAGES.npz [MORE.npz ...] --work runs/gpu --limit 560   # repeat until "finished"
    python bench/gpu/train.py IMAGES.npz --work runs/tiny --tiny --device cpu         # a trial of some minutes

Exit status 75 means "not finished".

The .npz files together hold `images` uint8 (n, 32, 32, 3), `labels`, `test_images`, `test_labels`, and `worst`,
CIFAR-10N's human labels in the same order; a name that occurs in several files is joined in their order, so that large
files can travel in parts.

The jobs, and the figures of the papers (best test accuracy of 300 epochs, last of 600):
    standard-80, m-dyr-h-80   PreAct ResNet-18, symmetric 80 % inclusive (72 % wrong)      M-DYR-H 86.8, CE 62.9
    promix-worst              two ResNet-18, the worst human labels (40 % wrong)           96.34, CE 77.69
    o2u-20, o2u-40            O2U's nine-layer network, symmetric 20 and 40 % exclusive    about 90 % of noisy labels
These are hundreds of epochs; here each job gets a share of --budget seconds (SHARES). First the time of an epoch of
every job is measured on a tenth of the images. The number of epochs that fits its share is the shortened schedule,
which is in the results ("plan"). Other settings are the methods' own for images. O2U gets the true rate, as in the
paper (oracle); the others get no rate.

It stops and saves before the epoch that would exceed --limit seconds, and resumes when it is started again: each job
has a folder with a checkpoint per epoch, and the results of each finished job are in --record, which is rewritten after
each job. Accuracy is that of the last epoch.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain import plain_epochs  # beside this file
from torch import nn

from labelsieve.core.files import write_json
from labelsieve.core.record import Record
from labelsieve.data.noise import inject
from labelsieve.detectors.o2u import o2u as o2u_score
from labelsieve.engine.device import pick, placed
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.methods import method
from labelsieve.networks import network

NOT_FINISHED = 75  # exit status: not finished, start again
K, LEAST, MOST = 10, 3, 300  # classes; epochs
SHARES = {"standard-80": 0.07, "m-dyr-h-80": 0.27, "promix-worst": 0.37, "o2u-20": 0.12, "o2u-40": 0.12}
NETWORKS = {
    "standard-80": "preact18",
    "m-dyr-h-80": "preact18",
    "promix-worst": "resnet18",
    "o2u-20": "o2u-cnn",
    "o2u-40": "o2u-cnn",
}


class Stop(Exception):
    """Raised when the time is over; everything is saved."""


class Clock:
    """Allows epochs until the next would end after the limit; at least one, so that each start makes progress."""

    def __init__(self, limit: float):
        self.end, self.passed, self.last, self.longest = time.monotonic() + limit, 0, None, 0.0

    def epoch(self) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self.last) if self.last is not None else self.longest
        if self.passed and now + self.longest > self.end:
            raise Stop
        self.passed, self.last = self.passed + 1, now

    def expect(self, seconds: float) -> None:
        """Expect epochs of about this many seconds, for the next job."""
        self.last, self.longest = None, seconds


@dataclass(frozen=True, eq=False)
class Watched(Samples):
    """Samples that check the clock when a method begins an epoch; the previous epoch is saved by then."""

    clock: Clock | None = None

    def batches(self, size: int, generator: torch.Generator, *, drop_last: bool = False) -> Iterator[torch.Tensor]:
        if self.clock is not None:
            self.clock.epoch()
        return super().batches(size, generator, drop_last=drop_last)


@dataclass(frozen=True, eq=False)
class Data:
    """Bytes (n, 3, 32, 32) and labels, on the CPU."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    worst: np.ndarray

    @classmethod
    def read(cls, paths: list[Path], tiny: bool) -> Data:
        arrays: dict[str, list[np.ndarray]] = {}
        for path in paths:
            with np.load(path, allow_pickle=False) as archive:
                for name in archive.files:
                    arrays.setdefault(name, []).append(archive[name])
        joined = {name: np.concatenate(parts)[: 160 if tiny else None] for name, parts in arrays.items()}
        step = 2 if tiny else 1
        images = {
            name: np.ascontiguousarray(joined[name][:, ::step, ::step].transpose(0, 3, 1, 2))
            for name in ("images", "test_images")
        }
        return cls(**images, **{name: joined[name].astype(np.int64) for name in ("labels", "test_labels", "worst")})

    def given(self, job: str) -> np.ndarray:
        """(n,) the labels that a job trains on; the seed of the noise is 0."""
        kind = job.rpartition("-")[2]
        if kind == "worst":
            return self.worst
        return inject(self.labels, "symmetric", int(kind) / 100, n_classes=K, inclusive=kind == "80", seed=0).labels


def samples(data: Data, given: np.ndarray, clock: Clock | None, device: torch.device) -> Watched:
    # pyright: ignore
    return replace(Watched.of(torch.from_numpy(data.images), torch.from_numpy(given), K), clock=clock).to(device)


def maker(name: str, device: torch.device) -> Callable[[int], nn.Module]:
    make = network(name, images=True, width=3)
    return lambda classes: placed(make(classes), device, images=True)


def settings(job: str, epochs: int, tiny: bool) -> dict[str, Any]:
    own: dict[str, Any] = {"epochs": epochs}
    if job.startswith("o2u"):  # after so few epochs the highest losses are those of whole classes
        own |= {"noise": int(job[-2:]) / 100, "per_class": epochs <= LEAST}
    return {**own, **({"batch": 32} if tiny else {})}


def epoch_seconds(job: str, data: Data, net: str, device: torch.device, tiny: bool) -> float:
    """Seconds of one epoch of each stage of a job, measured on a tenth of the images.

    The last of LEAST epochs counts, which has every step.
    """
    given = data.given(job)
    rows = torch.arange(0, len(given), 1 if tiny else 10)
    some = samples(data, given, None, device)
    last, before, seconds = "", time.perf_counter(), {}

    def record_time(sentence: str, *_: int) -> None:
        nonlocal last, before
        now, last = time.perf_counter(), sentence.partition(":")[0]
        seconds[last], before = now - before, now

    session = Session(len(rows), progress=record_time)
    method(job.rpartition("-")[0])(
        some.take(rows.to(device)), maker(net, device), session, **settings(job, LEAST, tiny)
    )
    return sum(seconds.values()) * len(given) / len(rows)


def plan(data: Data, budget: float, device: torch.device, tiny: bool) -> dict[str, dict[str, Any]]:
    """For each job its network, the measured seconds per epoch (of each stage), and the epochs that fit its share."""
    out = {}
    for job, share in SHARES.items():
        net = "small-cnn" if tiny else NETWORKS[job]
        seconds = epoch_seconds(job, data, net, device, tiny)
        epochs = LEAST if tiny else int(np.clip(share * budget / seconds, LEAST, MOST))
        out[job] = {"network": net, "seconds_an_epoch": round(seconds, 2), "epochs": epochs}
        print(f"{job}: {seconds:.2f} s per epoch, {epochs} epochs", flush=True)
    return out


def train(
    job: str, data: Data, planned: dict[str, Any], work: Path, clock: Clock, device: torch.device, tiny: bool
) -> dict[str, Any]:
    """Train or resume a job; returns its results."""
    given, epochs, name = data.given(job), planned["epochs"], job.rpartition("-")[0]
    wrong, chosen = given != data.labels, settings(job, planned["epochs"], tiny)
    folder = work / job
    folder.mkdir(parents=True, exist_ok=True)
    session = Session(
        len(given),
        folder=folder,
        key=json.dumps([job, planned, chosen]),
        progress=lambda *message: print(job, *message, flush=True),
    )
    ready = samples(data, given, clock, device)
    clock.expect(planned["seconds_an_epoch"])
    trained = method(name)(ready, maker(planned["network"], device), session, **chosen)
    test = replace(
        ready,
        inputs=torch.from_numpy(data.test_images).to(device),
        labels=torch.from_numpy(data.test_labels).to(device),
    )
    row = {**planned, "settings": chosen, "chosen": trained.settings, "wrong": float(wrong.mean())}
    row["accuracy"] = (trained.logits(test).argmax(1) == test.labels).float().mean().item()
    if name == "o2u" and session.dynamics is not None:
        cyclic = Record(**{column: values[epochs : 2 * epochs] for column, values in vars(session.dynamics).items()})
        worst = np.argsort(-o2u_score(cyclic, given, K).suspicion, kind="stable")
        row["precision_at_true_rate"] = float(wrong[worst[: wrong.sum()]].mean())  # oracle
        row["precision_top_tenth"] = float(wrong[worst[: len(worst) // 10]].mean())
    session.finish()
    return row


def against_plain(data: Data, device: torch.device, tiny: bool) -> dict[str, float]:
    """Seconds of the fastest of three epochs of `standard`, ours and plain, with the same network and precision."""
    make, workers = maker("small-cnn" if tiny else "resnet18", device), 0 if tiny else min(8, os.cpu_count() or 1)
    plain = min(plain_epochs(data.images, data.labels, make, device, workers=workers))
    ends = [time.perf_counter()]
    session = Session(len(data.labels), progress=lambda *_: ends.append(time.perf_counter()))
    method("standard")(samples(data, data.labels, None, device), make, session, epochs=3)
    ours = float(np.diff(ends).min())
    return {"ours": ours, "plain": plain, "ratio": plain / ours, "plain_workers": workers}


def hardware(device: torch.device) -> dict[str, Any]:
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "none"
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    return {"gpu": gpu, "cpu_cores": os.cpu_count(), "versions": versions}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, default=Path("runs/gpu"), help="folder for checkpoints and finished jobs")
    parser.add_argument("--record", type=Path, default=Path("bench/records/gpu.json"))
    parser.add_argument("--limit", type=float, default=560, help="seconds for this start")
    parser.add_argument("--budget", type=float, default=1400, help="seconds of all training together")
    parser.add_argument("--device", default=None)
    parser.add_argument(
        "--tiny", action="store_true", help="160 images of half the side, a small network, three epochs"
    )
    asked = parser.parse_args(arguments)
    clock, device = Clock(asked.limit), pick(asked.device)
    data = Data.read(asked.images, asked.tiny)
    asked.work.mkdir(parents=True, exist_ok=True)
    done: dict[str, Any] = {}
    with suppress(FileNotFoundError):
        done = json.loads((asked.work / "done.json").read_text())
    done |= hardware(device)

    def save() -> None:
        write_json(asked.work / "done.json", done)
        asked.record.parent.mkdir(parents=True, exist_ok=True)
        write_json(asked.record, done)

    if "plan" not in done:
        done |= {
            "plan": plan(data, asked.budget, device, asked.tiny),
            "epoch_of_standard": against_plain(data, device, asked.tiny),
            "jobs": {},
        }
        save()
    try:
        for job in SHARES:
            if job not in done["jobs"]:
                done["jobs"][job] = train(job, data, done["plan"][job], asked.work, clock, device, asked.tiny)
                save()
    except Stop:
        print("saved; start again to continue")
        return NOT_FINISHED
    print(json.dumps(done, indent=2))
    print("finished")
    return 0


if __name__ == "__main__":
    sys.exit(main())
