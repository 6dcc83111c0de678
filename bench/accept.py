"""Simulated acceptance of a batch: coverage of the interval at every look, and reviews saved by stratification.

    python bench/accept.py [--repeats 400]

Batches of 5,000 rows are drawn with good, poor (unrelated) and adversarial (reversed) scores. Coverage is the share of
batches whose true number stays inside the 95 % interval at all looks together, for perfect reviewers and for reviewers
with a stated error rate of 5 %. Cost is the number of reviews until the verdict at a limit of 3 %, by the same interval
with strata and with one stratum (a simple random sample).
"""

import argparse

import numpy as np

from labelsieve.acceptance.interval import Stratum, interval
from labelsieve.acceptance.verdict import RIGHT, WRONG, draw, judge, strata
from labelsieve.core.findings import Estimate, Findings

ROWS, LIMIT, RISK = 5000, 0.03, 0.05
LOOKS = np.unique(np.geomspace(30, ROWS, 32).astype(int))


def batch(rate, scores, rng):
    wrong = rng.permutation(ROWS) < round(ROWS * rate)
    p = np.clip(np.where(wrong, rng.beta(4, 2, ROWS), rng.beta(0.3, 12, ROWS)), 0.001, 0.999)
    if scores == "poor":
        p = rng.permutation(p)
    elif scores == "adversarial":
        p = np.clip(np.where(wrong, rng.beta(0.3, 12, ROWS), rng.beta(0.5, 6, ROWS)), 0.001, 0.999)
    ids = np.arange(ROWS).astype(str).astype(object)
    zero = np.zeros(ROWS, np.int64)
    rank = np.empty(ROWS, np.int64)
    rank[np.argsort(-p)] = np.arange(1, ROWS + 1)
    count = float(p.sum())
    return wrong, Findings(ids, ("a", "b"), zero, zero + 1, p, rank, p > 0.5, {}, {}, Estimate(count, count, count))


def looks(wrong, findings, kind, seed, error, rng):
    """Yield (reviews, interval) for each look."""
    rows = np.array(draw(findings, ROWS, name="bench", seed=seed, kind=kind).ids, np.int64)
    stratum = strata(findings, kind)
    answers = np.where(wrong ^ (rng.random(ROWS) < error), WRONG, RIGHT)
    size = np.bincount(stratum, minlength=2)
    expected = np.bincount(stratum, findings.p_wrong, minlength=2) / np.maximum(size, 1)
    for n in LOOKS:
        h = stratum[rows[:n]]
        seen = np.bincount(h, minlength=2)
        wrong_seen = np.bincount(h, answers[rows[:n]], minlength=2)
        cells = [
            Stratum(int(a), int(b), int(k), float(e))
            for a, b, k, e in zip(size, seen, wrong_seen, expected, strict=True)
        ]
        yield int(n), interval(cells, confidence=1 - RISK, error=error)


def run(rate, scores, kind, error, repeats):
    """Coverage at all looks together, mean number of reviews until a verdict, share of wrong verdicts."""
    covered, cost, mistaken = 0, [], 0
    for seed in range(repeats):
        rng = np.random.default_rng([seed, round(rate * 1e4)])
        wrong, findings = batch(rate, scores, rng)
        total, inside, verdict, spent = int(wrong.sum()), True, "go on", ROWS
        for n, estimate in looks(wrong, findings, kind, seed, error, rng):
            inside &= estimate.low <= total <= estimate.high
            if verdict == "go on":
                verdict = judge(estimate, ROWS, LIMIT)
                spent = n
        covered += inside
        cost.append(spent)
        mistaken += verdict == ("reject" if total <= ROWS * LIMIT else "accept")
    return covered / repeats, float(np.mean(cost)), mistaken / repeats


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=400)
    repeats = parser.parse_args().repeats
    print("scores       rate   error  covered  reviews  random  saved  wrong verdicts")
    for scores in ("good", "poor", "adversarial"):
        for rate in (0.0, 0.005, 0.01, 0.06):
            for error in (0.0, 0.05):
                covered, cost, mistaken = run(rate, scores, "sequential", error, repeats)
                _, simple, _ = run(rate, scores, "single", error, repeats)
                saved = f"{100 * (1 - cost / simple):5.0f} %"
                print(
                    f"{scores:<12} {rate:5.1%}  {error:4.0%}   {covered:6.1%}  {cost:7,.0f} {simple:7,.0f} {saved} "
                    f"{mistaken:8.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
