"""Simulated acceptance of a batch: coverage of the interval at every look, and the reviews until the verdict.

    python bench/accept.py [--repeats 400] [--scores good,poor,adversarial] [--rows 5000]

Batches are drawn with good, poor (unrelated) and adversarial (reversed) scores. Each is reviewed by perfect reviewers
and by those with a stated error rate of 5 %, at a limit of 3 %. Writes bench/records/accept.json, one row for each kind
of scores, share of wrong labels and error rate:
- `covered`: share of batches whose true number stays inside the 95 % interval at all looks together;
- `reviews` until the verdict of the sequential plan, `random`: of the same interval with one stratum (a simple random
  sample), and the shares of batches that each judged falsely (`mistaken`, `mistaken_random`) or not before the last row
  (`undecided`, `undecided_random`);
- `fixed`: reviews of `--plan single`, a sample of fixed size that stops early only to reject, and `mistaken_fixed`.
  Plans of fixed size take answers as exact, so they have no row with an error rate.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import record
from labelsieve.acceptance.counting_plan import single
from labelsieve.acceptance.interval import Stratum, interval
from labelsieve.acceptance.verdict import RIGHT, WRONG, Kind, draw, judge, strata
from labelsieve.core.findings import Estimate, Findings

LIMIT, RISK = 0.03, 0.05
RATES, ERRORS = (0.0, 0.005, 0.01, 0.06), (0.0, 0.05)
FIRST, LOOKS = 30, 32  # rows at the first look; number of looks


def batch(rate: float, scores: str, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, Findings]:
    """Which labels are wrong (n,), and findings with such scores."""
    wrong = rng.permutation(rows) < round(rows * rate)
    p = np.clip(np.where(wrong, rng.beta(4, 2, rows), rng.beta(0.3, 12, rows)), 0.001, 0.999)
    if scores == "poor":
        p = rng.permutation(p)
    elif scores == "adversarial":
        p = np.clip(np.where(wrong, rng.beta(0.3, 12, rows), rng.beta(0.5, 6, rows)), 0.001, 0.999)
    ids = np.arange(rows).astype(str).astype(object)
    zero = np.zeros(rows, np.int64)
    rank = np.empty(rows, np.int64)
    rank[np.argsort(-p)] = np.arange(1, rows + 1)
    count = float(p.sum())
    return wrong, Findings(ids, ("a", "b"), zero, zero + 1, p, rank, p > 0.5, {}, {}, Estimate(count, count, count))


def looks(wrong: np.ndarray, findings: Findings, kind: Kind, seed: int, error: float) -> Iterator[tuple[int, Estimate]]:
    """Reviews and interval of each look."""
    rng, n = np.random.default_rng([seed, 1]), len(wrong)
    rows = np.array(draw(findings, n, name="bench", seed=seed, kind=kind).ids, np.int64)
    stratum = strata(findings, kind)
    answers = np.where(wrong ^ (rng.random(n) < error), WRONG, RIGHT)
    size = np.bincount(stratum, minlength=2)
    expected = np.bincount(stratum, findings.p_wrong, minlength=2) / np.maximum(size, 1)
    for many in np.unique(np.geomspace(min(FIRST, n), n, LOOKS).astype(int)):
        h = stratum[rows[:many]]
        seen = np.bincount(h, minlength=2)
        wrong_seen = np.bincount(h, answers[rows[:many]], minlength=2)
        cells = [
            Stratum(int(a), int(b), int(k), float(e))
            for a, b, k, e in zip(size, seen, wrong_seen, expected, strict=True)
        ]
        yield int(many), interval(cells, confidence=1 - RISK, error=error)


def sequential(
    wrong: np.ndarray, findings: Findings, kind: Kind, seed: int, error: float
) -> tuple[bool, int, bool, bool]:
    """Whether all looks hold the true number, reviews until the verdict, whether it is false, whether there is none."""
    n, total, inside, verdict, spent = len(wrong), int(wrong.sum()), True, "go on", len(wrong)
    for many, estimate in looks(wrong, findings, kind, seed, error):
        inside &= estimate.low <= total <= estimate.high
        if verdict == "go on":
            verdict, spent = judge(estimate, n, LIMIT), many
    return inside, spent, verdict == ("reject" if total <= n * LIMIT else "accept"), verdict == "go on"


def fixed(wrong: np.ndarray, seed: int) -> tuple[int, bool]:
    """Reviews of the single plan of `accept`, and whether its verdict is false."""
    plan = single(len(wrong), aql=LIMIT / 4, ltpd=LIMIT, producer_risk=RISK, consumer_risk=RISK)
    found = np.cumsum(wrong[np.random.default_rng(seed).permutation(len(wrong))[: plan.first]])
    accepted = found[-1] <= plan.accept
    spent = plan.first if accepted else int(np.searchsorted(found, plan.accept + 1)) + 1
    return spent, bool(accepted) != bool(wrong.sum() <= len(wrong) * LIMIT)


def run(rate: float, scores: str, error: float, rows: int, repeats: int) -> dict[str, Any]:
    """One row of the record."""
    ours, simple, plan = [], [], []
    for seed in range(repeats):
        wrong, findings = batch(rate, scores, rows, np.random.default_rng([seed, round(rate * 1e4)]))
        ours.append(sequential(wrong, findings, "sequential", seed, error))
        simple.append(sequential(wrong, findings, "single", seed, error))
        plan.append(fixed(wrong, seed))
    (covered, reviews, mistaken, undecided), other = np.mean(ours, axis=0), np.mean(simple, axis=0)
    row = {"scores": scores, "wrong": rate, "error": error, "repeats": repeats, "covered": covered, "reviews": reviews}
    row |= {"random": other[1], "saved": 1 - reviews / other[1], "mistaken": mistaken, "mistaken_random": other[2]}
    row |= {"undecided": undecided, "undecided_random": other[3]}
    if not error:
        spent, false = np.mean(plan, axis=0)
        row |= {"fixed": spent, "saved_of_fixed": 1 - reviews / spent, "mistaken_fixed": false}
    return {key: round(float(value), 4) if isinstance(value, np.floating) else value for key, value in row.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--scores", default="good,poor,adversarial")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=record.RECORDS)
    asked = parser.parse_args()
    plan = single(asked.rows, aql=LIMIT / 4, ltpd=LIMIT)
    settings = {"repeats": asked.repeats, "rows": asked.rows, "limit": LIMIT, "confidence": 1 - RISK, "looks": LOOKS}
    made = record.about(settings | {"fixed": {"rows": plan.first, "accept": plan.accept}})
    rows = []
    for scores, rate, error in product(asked.scores.split(","), RATES, ERRORS):
        rows.append(run(rate, scores, error, asked.rows, asked.repeats))
        print(rows[-1], flush=True)
    record.write("accept", made, rows, asked.out)


if __name__ == "__main__":
    main()
