"""Detection and training while the share of wrong labels grows from 0 to 60 % (true labels: for evaluation only).

    python bench/noise_curves.py DATA|none [--rows 1000] [--tests 1000] [--seeds 3] [--rates 0,10,20,30,40,50,60]
    [--kinds symmetric,pair,instance,neighbourhood] [--sets photographs,news,digits] [--keep]

DATA as docs/benchmarks.md says; "none" measures the digits of scikit-learn alone. Every seed draws other rows of a set
and other noise: symmetric, pair and instance-dependent (`labelsieve.data.noise.inject`), and whole neighbourhoods,
where all that look alike get the same wrong label. Features, settings and rules for flags are the defaults; nothing is
chosen with the true labels. Writes bench/records/noise_curves.json, one row for each set, kind, rate and seed:
- `auprc` of the ranking and `f1` of the flags of each detector on heads over the features (`flags`: how many), and the
  number of wrong labels: true (`wrong`), estimated (`count`) and its range (`low`, `high`);
- `accuracy` on clean test examples of heads that were trained on the given labels: by each method with its settings
  for features, told the share of wrong labels that `find` estimated (null: the method refused the labels, because it
  would have removed a whole class); `lip` is the head of `standard` after `repair` with the default settings; `cleaned`
  is `standard` without the labels that `find` flagged.
"""

from __future__ import annotations

import argparse
import json
import warnings
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score

import labelsieve as ls
import record
from known_sets import KnownSet, folder, known_sets
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.data.noise import inject
from labelsieve.engine.device import placed
from labelsieve.engine.inputs import samples
from labelsieve.engine.many_heads import together
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.head_repair.other_libraries import repair_linear
from labelsieve.methods import all_for_features, for_features, head_recipe, method
from labelsieve.networks import network
from labelsieve.networks.heads import Linear
from leave_one_out import neighbourhoods
from robust_features import told_noise

DETECTORS = (
    "consensus", "beta_mixture", "blurry", "piecewise_zero", "o2u", "promix", "lda", "confident_learning",
)  # fmt: skip
TOGETHER, ALONE = ("standard", "blurry", "piecewise-zero"), ("m-dyr-h", "o2u", "promix")
KINDS = ("symmetric", "pair", "instance", "neighbourhood")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=folder, help='"none": only the digits of scikit-learn')
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", default="0,10,20,30,40,50,60")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--sets", default="photographs,news,digits")
    parser.add_argument("--keep", action="store_true", help="continue the record of a run that was stopped")
    parser.add_argument("--out", type=Path, default=record.RECORDS)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    settings = {name: value for name, value in vars(asked).items() if name not in ("data", "out", "keep")}
    made = record.about(settings, "torch", "scikit-learn")
    points = list(points_of([int(rate) for rate in asked.rates.split(",")], asked.kinds.split(",")))
    sets = [known for known in known_sets(asked.data, asked.out / "features") if known.name in asked.sets.split(",")]
    done = {}
    if asked.keep:
        kept = json.loads((asked.out / "noise_curves.json").read_text())["rows"]
        done = {(row["seed"], row["set"], row["kind"], row["rate"]): row for row in kept}
    rows = []
    for seed, known, (kind, rate) in product(range(asked.seeds), sets, points):
        row = done.get((seed, known.name, kind, rate))
        rows.append(row or measure(some(known, asked.rows, asked.tests, seed), kind, rate, seed))
        print(seed, known.name, kind, rate, flush=True)
        record.write("noise_curves", made, rows, asked.out)


def points_of(rates: list[int], kinds: list[str]) -> Iterator[tuple[str, int]]:
    """Kinds and rates in per cent; no noise is the same for all kinds."""
    if 0 in rates:
        yield "none", 0
    yield from product(kinds, [rate for rate in rates if rate])


def some(known: KnownSet, rows: int, tests: int, seed: int) -> KnownSet:
    """Part of a set."""
    rng = np.random.default_rng([seed, zlib.crc32(known.name.encode())])
    train, test = rng.permutation(len(known.true))[:rows], rng.permutation(len(known.test_true))[:tests]
    return KnownSet(
        known.name,
        known.features[train],
        known.true[train],
        known.test_features[test],
        known.test_true[test],
        {kind: given[train] for kind, given in known.people.items()},
    )


def measure(known: KnownSet, kind: str, rate: int, seed: int) -> dict[str, Any]:
    """One row of the record."""
    given = noisy(known, kind, rate / 100, seed)
    wrong = given != known.true
    found = ls.find(known.features, labels=given, detectors=DETECTORS, seed=seed, progress=False)
    flags = {name: found.flagged if name == "consensus" else found.flags[name] for name in DETECTORS}
    row = {"set": known.name, "kind": kind, "rate": rate, "seed": seed, "n": len(given), "wrong": int(wrong.sum())}
    row |= {"count": found.wrong.count, "low": found.wrong.low, "high": found.wrong.high}
    if wrong.any():
        row["auprc"] = {name: average_precision_score(wrong, found.scores[name]) for name in DETECTORS}
    row["f1"] = {name: 2 * (flag & wrong).sum() / max(1, flag.sum() + wrong.sum()) for name, flag in flags.items()}
    row["flags"] = {name: int(flag.sum()) for name, flag in flags.items()}
    return rounded(row | {"accuracy": accuracy(known, given, found, seed)})


def noisy(known: KnownSet, kind: Any, rate: float, seed: int) -> np.ndarray:
    """(n,) given labels."""
    if kind == "none":
        return known.true.copy()
    if kind == "neighbourhood":
        return neighbourhoods(known.features, known.true, rate, np.random.default_rng(seed))
    return inject(known.true, kind, rate, n_classes=known.classes, features=known.features, seed=seed).labels


def accuracy(known: KnownSet, given: np.ndarray, found: Findings, seed: int) -> dict[str, float | None]:
    """Name of the method -> accuracy on the test examples; None where the method refused the labels."""
    ready, scale = samples(known.features, given, known.classes)
    test, _ = samples(known.test_features, known.test_true, known.classes, scale)
    x, inputs = test.plain(torch.arange(len(test))), ready.plain(torch.arange(len(ready)))
    kept = torch.from_numpy(np.flatnonzero(~found.flagged))
    nets = dict(zip(TOGETHER, heads(ready, TOGETHER, seed), strict=True))
    nets["cleaned"] = heads(ready.take(kept), ("standard",), seed)[0]
    logits = {name: net(x).detach() for name, net in nets.items()}
    net = nets["standard"]
    layer, _ = repair_linear(net.head, net.features(inputs).numpy(), given)
    logits["lip"] = layer(net.features(x)).detach()
    plain = network("linear", images=False, width=inputs.shape[1])

    def make(classes: int) -> torch.nn.Module:
        return placed(plain(classes), ready.inputs.device, images=False)

    for name in ALONE:
        told = told_noise(name, found.wrong.count / len(given))
        call = partial(method(name), **for_features(name), **told)
        try:
            logits[name] = call(ready, make, Session(len(given), seed=seed)).logits(test)
        except UserError as error:
            print(f"{name}: {error.in_words()}", flush=True)
    right = {name: float((each.argmax(1) == test.labels).float().mean()) for name, each in logits.items()}
    return {name: right.get(name) for name in (*nets, "lip", *ALONE)}


def heads(ready: Samples, methods: tuple[str, ...], seed: int) -> list[Linear]:
    settings = {name: all_for_features(name) for name in methods}
    recipes = [head_recipe(name)(ready, 1, own) for name, own in settings.items()]
    return [nets[0] for nets in together(ready, recipes, [seed], batch=settings[methods[0]]["batch"])]


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: rounded(value) if isinstance(value, dict) else round(float(value), 4) if is_fraction(value) else value
        for key, value in row.items()
    }


def is_fraction(value: Any) -> bool:
    return isinstance(value, float | np.floating)


if __name__ == "__main__":
    main()
