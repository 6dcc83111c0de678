"""Robust methods on features of one encoder: accuracy on a clean test set after training on partly wrong labels.

    python bench/robust_features.py TRAIN.npz TEST.npz [--labels worst,aggre] [--methods gce,elr] [--seeds 5] [--network
    linear] [--runs F] [--record NAME]

TRAIN.npz: `features` (n, d), and one array of given labels (n,) per label set, with the names in `--labels` (default:
all others). TEST.npz: `features` (m, d) and `labels` (m,), which are taken as true (oracle: for scoring only).
Protocol: every method with its settings for features, the network of the last epoch, no choice by seed, epoch or test
set. As in `train`, methods that need the share of wrong labels get the estimate of `find` (same features, same labels).
`cleaned` is `standard` without the labels that `find` flags (same features, same given labels); F keeps those findings,
one run folder per label set.
One row per method: mean accuracy over seeds and its t interval; its difference to `standard` and to `cleaned`, each
example's correctness averaged over seeds, with a 95 % bootstrap interval over the test examples; seconds per seed. They
are written to bench/records/NAME.json, after each label set. cifar_features.py makes TRAIN.npz and TEST.npz.
"""

from __future__ import annotations

import argparse
import inspect
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

import labelsieve as ls
from labelsieve.core.dataset import Dataset
from labelsieve.engine.device import placed
from labelsieve.engine.inputs import samples
from labelsieve.engine.many_heads import together
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.methods import METHODS, TOGETHER, all_for_features, for_features, head_recipe, method
from labelsieve.networks import network
from record import about, write

RESAMPLED = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--labels")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--network", default="linear")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--record", default="robust_features")
    asked = parser.parse_args()
    with np.load(asked.train) as train, np.load(asked.test) as test:
        features, unseen, true = train["features"], test["features"], test["labels"].astype(np.int64)
        names = asked.labels.split(",") if asked.labels else [name for name in train.files if name != "features"]
        given = {name: train[name].astype(np.int64) for name in names}
        clean = train["clean"] if "clean" in train.files else None  # to say how many labels are wrong
    rows = []
    for name, labels in given.items():
        print(f"\n{name}: {len(labels)} examples, {len(true)} to test", flush=True)
        found = compare(
            features,
            labels,
            unseen,
            true,
            asked.methods.split(","),
            range(asked.seeds),
            asked.network,
            asked.runs / name,
        )
        wrong = None if clean is None else round(float((labels != clean).mean()), 5)
        rows += [{"labels": name, "wrong": wrong, **row} for row in found]
        settings = {"examples": len(labels), "test": len(true), "width": features.shape[1]}
        settings |= {"seeds": asked.seeds, "network": asked.network}
        print(write(asked.record, about(settings, "torch", "scipy"), rows), flush=True)


def compare(
    features: np.ndarray,
    labels: np.ndarray,
    unseen: np.ndarray,
    true: np.ndarray,
    methods: list[str],
    seeds: range,
    head: str,
    run: Path,
) -> list[dict[str, Any]]:
    classes = int(max(labels.max(), true.max())) + 1
    ready, scale = samples(features, labels, classes)
    test, _ = samples(unseen, true, classes, scale)
    found = findings(features, labels, classes, run)
    kept, noise = torch.from_numpy(np.flatnonzero(~found.flagged)), found.wrong.count / len(labels)
    print(f"find flagged {len(labels) - len(kept)} and expects {noise:.1%} to be wrong", flush=True)
    right = {"cleaned": correct(ready.take(kept), test, ["standard"], seeds, head, noise)["standard"]}
    alone = [name for name in methods if head != "linear" or name not in TOGETHER]
    right |= correct(
        ready, test, [name for name in dict.fromkeys(("standard", *methods)) if name not in alone], seeds, head, noise
    )
    for name in alone:
        right |= correct(ready, test, [name], seeds, head, noise)
        told(name, right, seeds)
    print("\n| method | accuracy | less `standard` | less `cleaned` | s a seed |\n| --- | --- | --- | --- | --- |")
    return [
        {**told(name, right, seeds), "flagged": len(labels) - len(kept), "expected": round(noise, 5)}
        for name in sorted(right, key=lambda name: -right[name][0].mean())
    ]


def findings(features: np.ndarray, labels: np.ndarray, classes: int, run: Path) -> ls.Findings:
    if (run / "run.json").exists():
        return ls.open_run(run).findings
    ids = np.array([str(i) for i in range(len(labels))], object)
    return ls.find(
        Dataset(ids, labels, tuple(str(k) for k in range(classes)), features, "features", "features"), out=run
    )


def correct(
    train: Samples, test: Samples, methods: list[str], seeds: range, head: str, noise: float
) -> dict[str, tuple[np.ndarray, float]]:
    """For each method: correctness of each test example (seeds, m), and seconds per seed; methods may share a sweep."""
    start = time.perf_counter()
    calls = {name: partial(method(name), **for_features(name), **told_noise(name, noise)) for name in methods}
    if head == "linear" and all(name in TOGETHER for name in methods):
        settings = {name: all_for_features(name) for name in methods}
        recipes = [head_recipe(name)(train, len(seeds), own) for name, own in settings.items()]
        made = together(train, recipes, seeds, batch=settings[methods[0]]["batch"])
        rows = torch.arange(len(test))
        logits = {name: [net(test.plain(rows)) for net in nets] for name, nets in zip(methods, made, strict=True)}
    else:
        plain = network(head, images=False, width=train.inputs.shape[1])

        def make(classes: int) -> torch.nn.Module:
            return placed(plain(classes), train.inputs.device, images=False)

        logits = {
            name: [calls[name](train, make, Session(len(train), seed=seed)).logits(test) for seed in seeds]
            for name in methods
        }
    seconds = (time.perf_counter() - start) / len(seeds) / len(methods)
    return {
        name: ((torch.stack(each).argmax(2) == test.labels).numpy().astype(float), seconds)
        for name, each in logits.items()
    }


def told_noise(name: str, noise: float) -> dict[str, float]:
    return {"noise": noise} if "noise" in inspect.signature(method(name)).parameters else {}


def told(name: str, right: dict[str, tuple[np.ndarray, float]], seeds: range) -> dict[str, Any]:
    """The row of one method, which is printed too."""
    mine, seconds = right[name]
    accuracy, n = mine.mean(1), len(seeds)
    row: dict[str, Any] = {"method": name, "accuracy": round(float(accuracy.mean()), 5)}
    if n > 1:
        half = student.ppf(0.975, n - 1) * accuracy.std(ddof=1) / np.sqrt(n)
        row["interval"] = round(float(half), 5)
    for other in ("standard", "cleaned"):
        if other in right and other != name:
            row[f"more_than_{other}"] = difference(mine, right[other][0])
    row["seconds"] = round(seconds, 1)
    cells = (
        " ".join(f"{value:+.2f}" for value in row.get(f"more_than_{other}", ())) for other in ("standard", "cleaned")
    )
    print(f"| {name} | {row['accuracy']:.4f} | {' | '.join(cells)} | {seconds:.1f} |", flush=True)
    return row


def difference(mine: np.ndarray, other: np.ndarray) -> list[float]:
    """The difference in percentage points of accuracy, and its interval over test examples."""
    each = 100 * (mine.mean(0) - other.mean(0))
    rng = np.random.default_rng(0)
    means = [each[rng.integers(len(each), size=len(each))].mean() for _ in range(RESAMPLED)]
    return [round(float(value), 3) for value in (each.mean(), *np.percentile(means, [2.5, 97.5]))]


if __name__ == "__main__":
    main()
