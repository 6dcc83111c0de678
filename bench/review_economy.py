"""What reviews bring: wrong labels found, the count and its range, and fixes without a look (oracle: the true labels).

    python bench/review_economy.py DATA|none [--rows 3000] [--seeds 3] [--repeats 10] [--sets photographs-worst,news]
    python bench/review_economy.py DATA --tails 2.5,1.5,1,0.5

DATA as docs/benchmarks.md says; "none" measures the digits of scikit-learn alone. Labels of people are used as they
are; the digits get planted noise (symmetric, pair, whole neighbourhoods, none), and once more findings whose p_wrong is
badly off: three times too high, five times too low, in the wrong order. Every seed draws other rows. Reviews are
simulated with the true labels. Writes bench/records/review_economy.json, with three kinds of rows (`part`):
- economy: the share of all wrong labels found after reviewing 5, 10 and 20 % in the order of `find` (`ours`), in the
  same order recalibrated by the reviews so far (`recalibrated`: a random sample first, of 100 or a quarter of the
  budget, then ten rounds), in cleanlab's default order (`cleanlab`: self-confidence on a plain head over the same
  features, which is our `confident_learning`) and in a random one (`random`).
- count: the number of wrong labels and its range, for `reviews` 0 and 100 and three kinds of reviewers (perfect; 5 % of
  the answers reversed; the same with that rate stated): the share of repeats whose range holds the true number
  (`holds`) or lies above it (`above`), the median `width` and the mean absolute `error` of the count, all three as
  shares of the examples, and the calibration error of p_wrong.
- fixes: `apply --auto --max-wrong`: the share of wrong fixes averaged over repeats (`realised`) against the `stated`
  one, the share of wrong labels outside the sample that were set right (`fixed`), and how many repeats made any fix.

With --tails nothing is written: for each source of data the cut from the posterior (per cent on either side) is chosen
that is the widest to hold in 96 % of the repeats on all other sources, and tried on that one.
"""

from __future__ import annotations

import argparse
import json
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import labelsieve as ls
import record
from known_sets import KnownSet, folder, known_sets
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.decide import estimate
from labelsieve.decide.calibrate import calibrate
from labelsieve.decide.random_sample import draw, strata
from labelsieve.decide.sure_fixes import select
from labelsieve.stats.logistic_fit import log_odds
from noise_curves import noisy, rounded, some

SHARES = (0.05, 0.1, 0.2)
REVIEWERS = (("perfect", 0.0, None), ("5 % wrong", 0.05, None), ("5 % wrong, stated", 0.05, 0.05))
REVIEWS, ROUNDS = 100, 10
FIXES = tuple(product((100, 200, 500), (0.05, 0.1)))  # reviews, stated share
PLANTED = (("none", 0.0), ("symmetric", 0.1), ("pair", 0.2), ("neighbourhood", 0.15))
OFF = ("high", "low", "reversed")
HELD = 0.96


@dataclass(frozen=True, eq=False)
class Known:
    """Findings, and the true label (n,) of every example."""

    name: str
    findings: Findings
    true: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        return self.findings.given != self.true


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=folder, help='"none": only the digits of scikit-learn')
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=10, help="samples reviewed for each seed")
    parser.add_argument("--sets", default="")
    parser.add_argument("--tails", default="")
    parser.add_argument("--out", type=Path, default=record.RECORDS)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    sets = asked.sets.split(",") if asked.sets else None
    settings = {name: value for name, value in vars(asked).items() if name not in ("data", "out", "tails")}
    made, rows = record.about(settings, "scikit-learn"), []
    judged: dict[str, list[Known]] = {}
    for known, seed in product(known_sets(asked.data, asked.out / "features"), range(asked.seeds)):
        for each in findings(some(known, asked.rows, 0, seed), seed, sets):
            judged.setdefault(each.name, []).append(each)
            print(f"{each.name}: {each.wrong.sum()} of {len(each.true)} wrong", flush=True)
    if asked.tails:
        choose_tail(judged, [float(tail) for tail in asked.tails.split(",")], asked.repeats)
        return
    for name, seeds in judged.items():
        rows += [{"part": part, "set": name} | row for part, row in measure(seeds, asked.repeats)]
        record.write("review_economy", made, [rounded(row) for row in rows], asked.out)
        print(name, flush=True)


def findings(known: KnownSet, seed: int, sets: list[str] | None) -> Iterator[Known]:
    """The findings on one draw of a set, for all its given labels, and findings that are off."""
    for kind, given in known.people.items():
        name = known.name if kind == "people" else f"{known.name}-{kind}"
        if sets is None or name in sets:
            yield judge(name, known, given, seed)
    if known.people:
        return
    for kind, rate in PLANTED:
        name = f"{known.name} {kind} {100 * rate:.0f} %" if rate else f"{known.name} clean"
        if sets is None or name in sets:
            made = judge(name, known, noisy(known, kind, rate, seed), seed)
            yield made
            if kind == "symmetric":
                yield from (off(made, how) for how in OFF)


def judge(name: str, known: KnownSet, given: np.ndarray, seed: int) -> Known:
    found = ls.find(
        known.features, labels=given, detectors=("consensus", "confident_learning"), seed=seed, progress=False
    )
    return Known(name, found, known.true)


def off(known: Known, how: str) -> Known:
    """The same set with p_wrong badly off."""
    found = known.findings
    p = {
        "high": np.minimum(3 * found.p_wrong, 0.999),
        "low": found.p_wrong / 5,
        "reversed": np.sort(found.p_wrong)[::-1][np.argsort(np.argsort(found.p_wrong, kind="stable"))],
    }[how]
    rank = np.empty(len(p), np.int64)
    rank[np.argsort(-p, kind="stable")] = np.arange(1, len(p) + 1)
    count = float(p.sum())
    changed = {"p_wrong": p, "rank": rank, "wrong": Estimate(count, 0.7 * count, min(1.3 * count, len(p)))}
    scores = found.scores | {"consensus": log_odds(p)}
    return Known(f"{known.name} {how}", replace(found, scores=scores, **changed), known.true)


def measure(seeds: list[Known], repeats: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of one set; `seeds` holds its draws."""
    truth = {"n": len(seeds[0].true), "wrong": [int(known.wrong.sum()) for known in seeds]}
    if all(truth["wrong"]):
        found = [economy(known, seed) for seed, known in enumerate(seeds)]
        for order in found[0]:
            yield "economy", truth | {"order": order, "found": [of_seed[order] for of_seed in found]}
    yield "count", truth | {"reviews": 0, "reviewer": "none"} | summed([no_review(known) for known in seeds])
    for reviewer, error, stated in REVIEWERS:
        counts = [count(known, error, stated, seed) for known in seeds for seed in range(repeats)]
        yield "count", truth | {"reviews": REVIEWS, "reviewer": reviewer} | summed(counts)
    if all(truth["wrong"]):
        made = np.array([fixes(known, seed) for known in seeds for seed in range(repeats)])
        for i, (size, share) in enumerate(FIXES):
            realised, fixed = made[:, i].mean(0)
            row = {"reviews": size, "stated": share, "realised": realised, "fixed": fixed}
            yield "fixes", truth | row | {"repeats": len(made), "with_fixes": int(made[:, i].any(1).sum())}


def economy(known: Known, seed: int) -> dict[str, list[float]]:
    """Name of the order -> share of all wrong labels found at each of SHARES."""
    wrong, found = known.wrong, known.findings
    sizes = [round(share * len(wrong)) for share in SHARES]
    orders = {
        "ours": [found.order()[:size] for size in sizes],
        "recalibrated": [recalibrated(known, size, seed) for size in sizes],
        "cleanlab": [np.argsort(-found.scores["confident_learning"], kind="stable")[:size] for size in sizes],
        "random": [np.random.default_rng(seed).permutation(len(wrong))[:size] for size in sizes],
    }
    return {name: [round(float(wrong[rows].sum() / wrong.sum()), 4) for rows in each] for name, each in orders.items()}


def recalibrated(known: Known, budget: int, seed: int) -> np.ndarray:
    """The rows reviewed if the ranking is recalibrated by the reviews so far."""
    found, rng = known.findings, np.random.default_rng(seed)
    seen = [int(id) for id in draw(found, min(REVIEWS, budget // 4), seed=seed).ids]
    fold = Fold(review(known, np.array(seen), 0.0, rng, "sample"))
    for stop in np.linspace(len(seen), budget, ROUNDS + 1)[1:].astype(int):
        now = calibrate(found, fold)
        order = np.argsort(now.rank)
        rows = order[~now.reviewed_rows[order]][: stop - len(seen)]
        fold.add(review(known, rows, 0.0, rng, f"ranked{stop}-"))
        seen += rows.tolist()
    return np.array(seen)


def review(known: Known, rows: np.ndarray, error: float, rng: np.random.Generator, pick: str) -> list[Decision]:
    """The decisions of a reviewer with the error rate `error`."""
    found, wrong = known.findings, known.wrong[rows] ^ (rng.random(len(rows)) < error)
    return [
        Decision(
            str(found.ids[i]),
            "relabel" if w else "keep",
            found.classes[found.other[i]] if w else None,
            "simulated",
            f"{t:06d}",
            f"{pick}{t}",
            pick,
        )
        for t, (i, w) in enumerate(zip(rows, wrong, strict=True))
    ]


def count(known: Known, error: float, stated: float | None, seed: int) -> tuple[float, ...]:
    """What `within` says after REVIEWS simulated reviews of a random sample."""
    rng = np.random.default_rng([seed, zlib.crc32(known.name.encode()), int(known.wrong.sum())])
    rows = np.array([int(id) for id in draw(known.findings, REVIEWS, seed=int(rng.integers(2**31))).ids])
    now = calibrate(known.findings, Fold(review(known, rows, error, rng, "sample")), reviewer_error=stated)
    return within(now.wrong, now.p_wrong, known.wrong)


def no_review(known: Known) -> tuple[float, ...]:
    return within(known.findings.wrong, known.findings.p_wrong, known.wrong)


def within(made: Estimate, p: np.ndarray, wrong: np.ndarray) -> tuple[float, ...]:
    """Whether the range holds the true number, whether it lies above, its width, the count less the truth, and the
    calibration error of p over 15 bins of equal mass."""
    total, n = int(wrong.sum()), len(wrong)
    bins = np.array_split(np.argsort(p, kind="stable"), 15)
    off_by = sum(len(rows) * abs(p[rows].mean() - wrong[rows].mean()) for rows in bins) / n
    inside = made.low <= total <= made.high
    return float(inside), float(made.low > total), (made.high - made.low) / n, (made.count - total) / n, float(off_by)


def summed(each: list[tuple[float, ...]]) -> dict[str, float]:
    holds, above, width, off_by, calibration = np.array(each).T
    return {
        "repeats": len(each),
        "holds": holds.mean(),
        "above": above.mean(),
        "width": np.median(width),
        "bias": off_by.mean(),
        "error": np.abs(off_by).mean(),
        "calibration_error": calibration.mean(),
    }


def fixes(known: Known, seed: int) -> list[tuple[float, float]]:
    """The share of wrong fixes and the share of wrong labels set right, for each of FIXES."""
    found, out = known.findings, []
    rng = np.random.default_rng([seed, zlib.crc32(known.name.encode())])
    right, stratum = found.other == known.true, strata(found.p_wrong)
    most = max(size for size, _ in FIXES)
    drawn = np.array([int(id) for id in draw(found, most, seed=int(rng.integers(2**31))).ids])
    for size, share in FIXES:  # a smaller sample is the beginning of a larger one
        undecided = np.ones(len(found), bool)
        undecided[drawn[:size]] = False
        rows = select(found.rank, stratum, drawn[:size], ~right[drawn[:size]], undecided, share).rows
        wrong = float((~right[rows]).mean()) if len(rows) else 0.0
        out.append((wrong, float(right[rows].sum() / max(1, (known.wrong & undecided).sum()))))
    return out


def choose_tail(judged: dict[str, list[Known]], tails: list[float], repeats: int) -> None:
    """Print the tail that each source of data gets from the others, and how often it holds on that source."""
    held: dict[tuple[str, float], list[list[float]]] = {}
    for (name, seeds), (_, error, stated), estimate._TAIL in product(judged.items(), REVIEWERS, tails):
        each = [count(known, error, stated, seed)[0] for known in seeds for seed in range(repeats)]
        held.setdefault((source(name), estimate._TAIL), []).append(each)
    sources = list(dict.fromkeys(name for name, _ in held))
    if len(sources) < 2:
        print(f"Only {sources[0]} is there; the choice needs another source of data to leave out.")
        return
    for left_out in sources:
        least = {tail: min(np.mean(held[other, tail]) for other in sources if other != left_out) for tail in tails}
        tail = max((tail for tail in tails if least[tail] >= HELD), default=min(tails))
        print(json.dumps({"left out": left_out, "tail": tail, "holds": float(np.mean(held[left_out, tail]))}))


def source(name: str) -> str:
    return name.split()[0].split("-")[0]


if __name__ == "__main__":
    main()
