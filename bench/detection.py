"""Finding wrong labels: Labelsieve against other tools and simple rules, on the same features and on the same
out-of-sample probabilities (oracle: true labels score, and nothing else reads them).

    python bench/detection.py SHARED|none [--sets PART,PART ...] [--seeds 5] [--cache FOLDER] [--out FOLDER/NAME.json]

SHARED as in human_noise.py, with cifar10h.npz, banking77/ and photos/ too; `none` is scikit-learn's digits alone.
`--sets` keeps the sets whose names contain one of the parts. `--cache` keeps the features; `--fashion` is the folder of
Debian's dataset-fashion-mnist, without which those sets are left out.

Sets: labels of people first, then wrong labels planted at 20 %. A seed draws at most 1,000 of 3,000 encoded examples,
and seeds the folds, the networks, the drawn votes and the planted noise. Everything runs with its default settings.
The probabilities are those of scikit-learn's logistic regression on standardised features, five stratified folds.
Figures are means over seeds. 95 % intervals: 500 bootstrap samples of the examples, the same for every method; an
example that several seeds drew counts once. `ahead` is the AUPRC of `find` on the same input less that of the method.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import labelsieve as ls
import record
from detection_peers import Answer, of_features, of_nothing, of_probabilities, probabilities
from detection_sets import FASHION, POOL, ROWS, Source, sources
from labelsieve.core.findings import Findings

OURS = "find"
REVIEWED = (5, 10, 20)  # percent
SAMPLES = 500
BINS = 15


def answers(x: np.ndarray, given: np.ndarray, seed: int) -> dict[tuple[str, str], Answer]:
    """What each method says, by its input and its name."""
    p = probabilities(x, given, seed)
    by_features = ls.find(x, labels=given, seed=seed, progress=False)
    by_probabilities = ls.find(probs=p, labels=given, seed=seed, progress=False)
    groups = {
        "nothing": of_nothing(len(given), seed),
        "features": _ours(by_features) | of_features(x, given, seed),
        "probabilities": _ours(by_probabilities) | of_probabilities(p, given),
    }
    return {(source, name): answer for source, group in groups.items() for name, answer in group.items()}


def _ours(found: Findings) -> dict[str, Answer]:
    """`find` and its single detectors."""
    order = -found.rank.astype(float)
    singles = {f"our {name}": Answer(found.scores[name], found.flags.get(name)) for name in sorted(found.scores)}
    del singles["our consensus"]
    return {OURS: Answer(order, found.flagged, found.p_wrong, found.wrong)} | singles


class Curve:
    """A ranking under weights of the examples. Examples with equal scores come as one: what a random order of them
    gives on average."""

    def __init__(self, score: np.ndarray, wrong: np.ndarray, weights: np.ndarray):
        order = np.argsort(-score, kind="stable")
        ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
        self.seen = np.cumsum(weights[:, order], 1)[:, ends]
        self.hits = np.cumsum(weights[:, order] * wrong[order], 1)[:, ends]

    def auprc(self) -> np.ndarray:
        """(B,) average precision of each row of weights; NaN where nothing is wrong."""
        gained = np.diff(self.hits, axis=1, prepend=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(self.seen > 0, self.hits / self.seen, 0)
            return (gained * precision).sum(1) / self.hits[:, -1]

    def found(self, reviewed: float) -> float:
        """Wrong labels among the first `reviewed` examples, under the first row of weights."""
        return float(np.interp(reviewed, np.r_[0, self.seen[0]], np.r_[0, self.hits[0]]))


def f1(flags: np.ndarray, wrong: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) F1 of the flags for each row of weights (B, n)."""
    hits = weights @ (flags & wrong)
    return 2 * hits / np.maximum(weights @ flags.astype(float) + weights @ wrong.astype(float), 1e-12)


def calibration_error(p: np.ndarray, wrong: np.ndarray) -> float:
    """Over bins of equal size: the mean gap between the stated and the true share of wrong labels."""
    bins = np.array_split(np.argsort(p, kind="stable"), min(BINS, len(p)))
    return float(sum(len(rows) * abs(p[rows].mean() - wrong[rows].mean()) for rows in bins) / len(p))


def judged(answer: Answer, wrong: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    """The figures of one answer; AUPRC and F1 for each row of weights (B, n), the first of which is all ones."""
    n, many = len(wrong), int(wrong.sum())
    curve = Curve(answer.score, wrong, weights)
    out: dict[str, Any] = {
        "auprc": curve.auprc(),
        "precision_at_wrong": curve.found(many) / max(1, many),
        **{f"found_{share}": curve.found(share * n / 100) / max(1, many) for share in REVIEWED},
    }
    if answer.flags is not None:
        out |= {"flags": int(answer.flags.sum()), "f1": f1(answer.flags, wrong, weights)}
    if answer.wrong is not None:
        out["count"] = [answer.wrong.count, answer.wrong.low, answer.wrong.high, many]
    if answer.p_wrong is not None:
        out["calibration_error"] = calibration_error(answer.p_wrong, wrong)
    return out


def measure(source: Source, seeds: int, most: int = ROWS) -> list[dict[str, Any]]:
    """One row for each method."""
    n, by_method, sizes = len(source.true), {}, []
    rng = np.random.default_rng(0)
    samples = np.stack([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(SAMPLES)])
    weights = np.concatenate([np.ones((1, n)), samples])
    for seed in range(seeds):
        rows, x, given, true = source.drawn(seed, most)
        wrong = given != true
        sizes.append([len(rows), int(max(given.max(), true.max())) + 1, int(wrong.sum())])
        for key, answer in answers(x, given, seed).items():
            by_method.setdefault(key, []).append(judged(answer, wrong, weights[:, rows]))
    size, classes, wrong_labels = np.mean(sizes, 0)
    ours = {kind: _mean(by_method[kind, OURS], "auprc") for kind in ("features", "probabilities")}
    ours["nothing"] = ours["features"]
    head = {"set": source.name, "human": source.human, "n": int(size), "classes": int(classes), "wrong": wrong_labels}
    return [
        _plain({**head, "input": kind, "method": name, **_summed(of_seeds, ours[kind])})
        for (kind, name), of_seeds in by_method.items()
    ]


def _summed(of_seeds: list[dict[str, Any]], ours: np.ndarray) -> dict[str, Any]:
    """The means over seeds of one method, with intervals."""
    first = of_seeds[0]
    plain = ["precision_at_wrong", *(f"found_{share}" for share in REVIEWED), "flags", "calibration_error"]
    out: dict[str, Any] = {name: _mean(of_seeds, name) for name in plain if name in first}
    out |= {name: _interval(_mean(of_seeds, name)) for name in ("auprc", "f1") if name in first}
    out["auprc_of_seeds"] = [float(one["auprc"][0]) for one in of_seeds]
    out["ahead"] = _interval(ours - _mean(of_seeds, "auprc"))
    if "count" in first:  # estimate, low, high, truth
        counts = np.array([one["count"] for one in of_seeds], float)
        out["counts"] = counts.tolist()
        if (counts[:, 2] > counts[:, 1]).any():
            out["holds"] = int(((counts[:, 1] <= counts[:, 3]) & (counts[:, 3] <= counts[:, 2])).sum())
    return out


def _mean(of_seeds: list[dict[str, Any]], name: str) -> Any:
    return np.mean([one[name] for one in of_seeds], 0)


def _interval(values: np.ndarray) -> list[float]:
    """The figure itself, and the 95 % interval of its bootstrap samples."""
    return [values[0], *np.nanpercentile(values[1:], (2.5, 97.5))]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 5)
    return value.item() if isinstance(value, np.generic) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared")
    parser.add_argument("--sets", default="", help="parts of names, separated by commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--fashion", type=Path, default=FASHION)
    parser.add_argument("--rows", type=int, default=ROWS, help="examples for each seed")
    parser.add_argument("--out", type=Path, default=record.RECORDS / "detection.json")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    shared = None if asked.shared == "none" else Path(asked.shared)
    settings = {"seeds": asked.seeds, "rows": asked.rows, "pool": POOL, "bootstrap_samples": SAMPLES}
    rows, seconds = [], {}
    for name, load in sources(shared, asked.cache, asked.fashion):
        if not any(part in name for part in asked.sets.split(",")):
            continue
        source, start = load(), time.process_time()
        rows += (made := measure(source, asked.seeds, asked.rows))
        seconds[name] = round(time.process_time() - start, 1)
        best = sorted(made, key=lambda row: -row["auprc"][0])[:4]
        said = ", ".join(f"{row['method']} {row['auprc'][0]:.3f}" for row in best)
        print(f"{name}: {seconds[name]} s; {said}", flush=True)
        about = record.about(settings | {"processor_seconds": seconds}, "cleanlab", "scikit-learn", "torch")
        record.write(asked.out.stem, about, rows, asked.out.parent)
    if shared is not None and not asked.fashion.is_dir():
        print("Fashion-MNIST is left out: the Debian package dataset-fashion-mnist is not installed.")


if __name__ == "__main__":
    main()
