"""Simulated reviews of a random sample: does the interval of the count hold the truth, and how wide is it (oracle).

    python bench/reviewed_sets.py SETS FEATURES.npz ...
    python bench/reviewed.py SETS [--only TEXT,TEXT] [--reviews 40,100,200,500] [--repeats 40] [--first 0]
    python bench/reviewed.py SETS --reviews 100 --tails 2.5,1.5,1,0.5

Every repeat draws a stratified sample, answers it with the true labels (5 % of the answers reversed, without or with
that rate stated), and calibrates. With --first K the K most suspicious rows are reviewed before the sample is drawn.
Prints one row of JSON per set, number of reviews and reviewer: the share of repeats whose interval holds the true
number, the share in which the truth is below it, the median width, the mean count. With --tails (per cent cut off on
either side) it ends with a choice by leaving out: for every source of data the narrowest interval that holds in 96 % of
the repeats on all others with every reviewer, and how often that one holds on the source left out.
"""

from __future__ import annotations

import argparse
import json
import zlib
from itertools import product
from pathlib import Path

import numpy as np

from calibrate import REVIEWERS, review
from labelsieve.core.decision import Fold
from labelsieve.decide import estimate
from labelsieve.decide.calibrate import calibrate
from labelsieve.decide.random_sample import draw
from reviewed_sets import Known, read_all


def one(known: Known, reviews: int, first: int, error: float, stated: float | None, seed: int) -> tuple[float, ...]:
    """Count, low and high after one simulated review."""
    found = known.findings
    rng = np.random.default_rng([seed, zlib.crc32(known.name.encode())])
    top = found.order()[:first]
    sample = draw(found, reviews, seed=int(rng.integers(2**31)), without={str(found.ids[i]) for i in top})
    rows = review(found, known.wrong, top, error, rng, "ranked")
    rows += review(found, known.wrong, np.array([int(id) for id in sample.ids]), error, rng, "sample")
    wrong = calibrate(found, Fold(rows), reviewer_error=stated).wrong
    return wrong.count, wrong.low, wrong.high


def leave_out(rows: list[dict], least: float = 0.96) -> None:
    """Print the tail that each source gets from the others."""
    sources = sorted({row["set"].split()[0] for row in rows})
    tails = sorted({row["tail"] for row in rows}, reverse=True)
    for source in sources:
        own, others = [[r for r in rows if (r["set"].split()[0] == source) == here] for here in (True, False)]
        enough = [tail for tail in tails if others and min(holds(others, tail).values()) >= least]
        tail = enough[0] if enough else tails[-1]
        print(json.dumps({"left out": source, "tail": tail, "holds": holds(own, tail)}))


def holds(rows: list[dict], tail: float) -> dict[str, float]:
    """Reviewer -> mean share of repeats that hold."""
    some = {name: [r["holds"] for r in rows if r["reviewer"] == name and r["tail"] == tail] for name, *_ in REVIEWERS}
    return {name: round(float(np.mean(shares)), 3) for name, shares in some.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--reviews", default="40,100,200,500")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tails", default="")
    arguments = parser.parse_args()
    tails, rows = [float(tail) for tail in arguments.tails.split(",") if tail] or [estimate._TAIL], []
    for known in read_all(arguments.sets, arguments.only):
        true = int(known.wrong.sum())
        for reviews in map(int, arguments.reviews.split(",")):
            for (reviewer, error, stated), estimate._TAIL in product(REVIEWERS, tails):
                ends = [one(known, reviews, arguments.first, error, stated, seed) for seed in range(arguments.repeats)]
                count, low, high = np.array(ends).T
                row = {"set": known.name, "wrong": true, "reviews": reviews, "reviewer": reviewer}
                row |= {"tail": estimate._TAIL, "holds": round(float(((low <= true) & (true <= high)).mean()), 3)}
                row |= {"below": round(float((true < low).mean()), 3), "width": round(float(np.median(high - low)))}
                rows.append(row | {"count": round(float(count.mean()))})
                print(json.dumps(rows[-1]), flush=True)
    if len(tails) > 1:
        leave_out(rows)


if __name__ == "__main__":
    main()
