"""Fixes without a look (`apply --auto --max-wrong`), simulated: the realised share of wrong ones (oracle).

    python bench/reviewed_sets.py SETS FEATURES.npz ...
    python bench/auto_apply.py SETS [--only TEXT,TEXT] [--reviews 100,200,500] [--repeats 100] [--error 0]

Every repeat draws a stratified sample, answers it with the true labels (whether the suggestion is right is reversed for
a share `error` of the answers), and lets `decide.sure_fixes` choose. Prints per set, number of reviews and stated
share: the share of wrong fixes averaged over the repeats with its standard error, the share of the wrong labels outside
the sample that were set right, how many repeats made any fix, and for those alone the mean share of wrong fixes and how
often it was above the stated one.
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path

import numpy as np

from labelsieve.decide.random_sample import draw, strata
from labelsieve.decide.sure_fixes import select
from reviewed_sets import Known, read_all

SHARES = (0.05, 0.1)


def one(known: Known, sizes: list[int], error: float, seed: int) -> list[tuple[float, float]]:
    """The share of wrong fixes and the share of wrong labels set right, for each size and stated share."""
    found, out = known.findings, []
    rng = np.random.default_rng([seed, zlib.crc32(known.name.encode())])
    right, stratum = found.other == known.true, strata(found.p_wrong)
    drawn = np.array([int(id) for id in draw(found, max(sizes), seed=int(rng.integers(2**31))).ids])
    unsure = ~right[drawn] ^ (rng.random(len(drawn)) < error)
    for size in sizes:  # a smaller sample is the beginning of a larger one
        undecided = np.ones(len(found), bool)
        undecided[drawn[:size]] = False
        for share in SHARES:
            rows = select(found.rank, stratum, drawn[:size], unsure[:size], undecided, share).rows
            wrong = float((~right[rows]).mean()) if len(rows) else 0.0
            out.append((wrong, float(right[rows].sum() / max(1, (known.wrong & undecided).sum()))))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--reviews", default="100,200,500")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--error", type=float, default=0.0)
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.reviews.split(",")]
    for known in read_all(arguments.sets, arguments.only):
        repeats = np.array([one(known, sizes, arguments.error, seed) for seed in range(arguments.repeats)])
        mean, spread = repeats.mean(0), repeats.std(0) / np.sqrt(len(repeats))
        some = repeats.any(2)  # the repeats with fixes, right or wrong
        cells = [(size, share) for size in sizes for share in SHARES]
        for i, ((size, share), (wrong, fixed), (error, _)) in enumerate(zip(cells, mean, spread, strict=True)):
            row = {"set": known.name, "wrong": int(known.wrong.sum()), "reviews": size, "stated": share}
            row |= {"realised": round(float(wrong), 4), "standard_error": round(float(error), 4)}
            row |= {"fixed": round(float(fixed), 3), "with_fixes": int(some[:, i].sum())}
            of_those = repeats[some[:, i], i, 0]
            if len(of_those):
                above = float((of_those > share).mean())
                row |= {"of_those": round(float(of_those.mean()), 4), "above": round(above, 3)}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
