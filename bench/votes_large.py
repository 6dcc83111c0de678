"""The time and memory that the votes of several annotators need.

    python bench/votes_large.py [--record bench/records/votes_large.json] [--table FOLDER [--votes 10000000]]

Without --table: processor seconds of the model of the votes and of cleanlab's CROWDLAB on 50,000 examples with three
votes each and the same probabilities in ten classes, the best of three runs. With --table: `labelsieve find` in a
process of its own on a Parquet file of simulated votes, three on each example, of one annotator in 2,000 votes: seconds
and its own peak in megabytes (`large.py` says what counts), and which share of the consensus is right (oracle).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from labelsieve.core.vote_list import Votes, in_order
from labelsieve.stats import vote_model
from large import EVERY, HERE, pages

K = 10


def simulated(n: int, each: int, people: int, seed: int = 0) -> tuple[Votes, np.ndarray, np.ndarray]:
    """Votes of annotators who are right with a probability of Beta(6, 2), probabilities that are right for nine
    examples of ten, and the true classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(K, size=n)
    who = rng.integers(people, size=n)[:, None] + np.arange(each) * (1 + rng.integers(people // each, size=n))[:, None]
    who %= people
    label = np.where(
        rng.random((n, each)) < rng.beta(6, 2, people)[who], truth[:, None], rng.integers(K, size=(n, each))
    )
    guess = np.where(rng.random(n) < 0.9, truth, rng.integers(K, size=n))
    probs = 0.75 * np.eye(K)[guess] + 0.025
    names = tuple(f"worker {a:05d}" for a in range(people))
    return in_order(np.repeat(np.arange(n), each), who.ravel(), label.ravel(), names, n), probs, truth


def against_crowdlab(people: int, n: int = 50_000, each: int = 3) -> dict[str, object]:
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator

    votes, probs, truth = simulated(n, each, people)
    wide = np.full((n, people), np.nan)
    wide[votes.example, votes.annotator] = votes.label
    frame = pd.DataFrame(wide)
    quiet = {"verbose": False, "return_detailed_quality": False, "return_annotator_stats": False}

    def crowdlab() -> np.ndarray:
        return get_label_quality_multiannotator(frame, probs, **quiet)["label_quality"]["consensus_label"].to_numpy()

    line: dict[str, object] = {"examples": n, "votes": len(votes), "annotators": people}
    for name, method in (("ours", lambda: vote_model.fit(votes, K, probs).consensus()), ("crowdlab", crowdlab)):
        seconds, found = [], method()
        for _ in range(3):
            start = time.process_time()
            method()
            seconds.append(time.process_time() - start)
        line |= {
            f"{name}_seconds": round(min(seconds), 3),
            f"{name}_accuracy": round(float((found == truth).mean()), 5),
        }
    line["times_faster"] = round(line["crowdlab_seconds"] / line["ours_seconds"], 1)  # type: ignore[operator]
    return line


def of_table(folder: Path, many: int) -> dict[str, object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    n, people = many // 3, max(10, many // 2000)
    votes, _, truth = simulated(n, 3, people)
    order = np.random.default_rng(1).permutation(len(votes))
    names = pa.array([f"class {c}" for c in range(K)])
    table = {
        "item": pa.array(votes.example[order]),
        "worker": pa.array(votes.annotators).take(pa.array(votes.annotator[order])),
        "label": names.take(pa.array(votes.label[order])),
    }
    file, run = folder / "votes.parquet", folder / "votes.sieve"
    pq.write_table(pa.table(table), file)
    del table, votes, order
    command = [sys.executable, "-m", "labelsieve", "find", str(file), "--id", "item", "--annotator", "worker"]
    command += ["--label", "label", "-o", str(run), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    start = time.perf_counter()
    with open(os.devnull, "w") as nothing:
        silent = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1)]
        process = os.posix_spawn(sys.executable, command, environment, file_actions=silent)
    own, ended, status, used = 0, 0, 0, None
    while not ended:
        own = max(own, pages(process)[0])
        time.sleep(EVERY)
        ended, status, used = os.wait4(process, os.WNOHANG)
    assert used is not None and status == 0, f"find ended with {status}"
    found = pq.read_table(run / "findings.parquet", columns=["id", "suggested_votes"])
    at = found["id"].cast(pa.int64()).to_numpy()
    said = np.array([int(name.rpartition(" ")[2]) for name in found["suggested_votes"].to_pylist()])
    return {
        "votes": many,
        "examples": n,
        "annotators": people,
        "seconds": round(time.perf_counter() - start, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "own_megabytes": own // 1024,
        "accuracy": round(float((said == truth[at]).mean()), 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--votes", type=int, default=10_000_000)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    record = json.loads(given.record.read_text()) if given.record and given.record.exists() else {}
    if given.table is None:
        record["against_crowdlab"] = [against_crowdlab(people) for people in (60, 200)]
    else:
        record["table"] = of_table(given.table, given.votes)
    print(json.dumps(record, indent=1))
    if given.record:
        given.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
