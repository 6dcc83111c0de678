"""Why `find` misses wrong labels of people, and flags too many with few examples in each class (oracle: true labels).

    python bench/detection_why.py SHARED [--seeds 3] [--cache FOLDER] [--out FOLDER/NAME.json]

SHARED, --cache and the sets as in detection.py. Two questions, a row for each answer, means over seeds:
- `people`: which share of the wrong and of the right labels do the pooled judges dispute, for the labels that people
  gave and for the same labels shuffled within each true class, so that they no longer depend on the example?
- `size`: how do the count, the flags and the AUPRC of `find` and of its judges change with more examples in each class?
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import labelsieve as ls
import record
from detection import Curve
from detection_sets import ROWS, sources
from labelsieve.stats.opinion_pool import pool_of

PEOPLE = ("CIFAR-10N worst", "CIFAR-10H one vote", "NoisyAG-News")
SIZES = {"Banking77 symmetric 20 %": (ROWS, 3000), "Banking77 pair 20 %": (ROWS, 3000)}
DETECTORS = ("consensus", "lda", "gce")


def shuffled(given: np.ndarray, true: np.ndarray, seed: int) -> np.ndarray:
    """(n,) the given labels of each true class in a random order."""
    out, rng = given.copy(), np.random.default_rng([seed, 4])
    for c in np.unique(true):
        rows = np.flatnonzero(true == c)
        out[rows] = rng.permutation(given[rows])
    return out


def judged(x: np.ndarray, given: np.ndarray, true: np.ndarray, seed: int) -> dict[str, float]:
    evidence = ls.gather(x, labels=given, detectors=DETECTORS, seed=seed, progress=False)
    detected = ls.detect(evidence)
    found, wrong = detected.decide(), given != true
    judges = {"probs_gce": evidence.probs_gce, "probs_lda": evidence.probs_lda}
    pool = pool_of(judges, evidence.neighbours, given, evidence.n_classes).probabilities()
    disputed = pool.argmax(1) != given
    scores = {"find": -found.rank.astype(float), **{name: detected[name].suspicion for name in DETECTORS[1:]}}
    one = np.ones((1, len(given)))
    return {
        "n": len(given),
        "wrong": int(wrong.sum()),
        "wrong_disputed": float(disputed[wrong].mean()),
        "right_disputed": float(disputed[~wrong].mean()),
        "count": found.wrong.count,
        "flags": int(found.flagged.sum()),
        **{f"auprc_{name}": float(Curve(score, wrong, one).auprc()[0]) for name, score in scores.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, default=record.RECORDS / "detection_why.json")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    load, rows = dict(sources(asked.shared, asked.cache)), []

    def ask(question: str, name: str, case: Any, draw: Callable[[int], tuple[np.ndarray, ...]]) -> None:
        every = [judged(*draw(seed), seed) for seed in range(asked.seeds)]
        mean = {key: round(float(np.mean([one[key] for one in every])), 5) for key in every[0]}
        rows.append({"question": question, "set": name, "case": case, **mean})
        print(rows[-1], flush=True)

    for name in (name for name in PEOPLE if name in load):
        drawn = {seed: load[name]().drawn(seed)[1:] for seed in range(asked.seeds)}
        ask("people", name, "people", lambda seed, of=drawn: of[seed])
        ask(
            "people", name, "shuffled", lambda seed, of=drawn: (of[seed][0], shuffled(*of[seed][1:], seed), of[seed][2])
        )
    for name, sizes in ((name, sizes) for name, sizes in SIZES.items() if name in load):
        source = load[name]()
        for size in sizes:
            ask("size", name, size, lambda seed, source=source, size=size: source.drawn(seed, size)[1:])
    record.write(asked.out.stem, record.about({"seeds": asked.seeds, "rows": ROWS}), rows, asked.out.parent)


if __name__ == "__main__":
    main()
