"""The constants of the consensus and of the count, judged by leaving whole data sets out (oracle: the truth).

    python bench/leave_one_out.py [SHARED] [--corpus FOLDER ...] [--records FILE] [--part 1/2]

SHARED as in human_noise.py. FOLDER holds more sets: NAME.npz with `features` (n, d), `true` (n,) and any number of
`given_KIND` (n,) of real wrong labels, and probs/NAME__KIND__MODEL.npz with `probs` (n, K), `given`, `true` (K for an
example of no class). To these come sets of scikit-learn and sets that are drawn here.
Real wrong labels are used as they are; five kinds of planted ones are chosen for each set by its name: symmetric, pair,
instance-dependent, near the boundary, whole neighbourhoods, and none, 5 to 60 %. At most 2,000 rows of a set (1,000 if
it has more than 400 columns).
Writes one line per set and continues after a stop. Then (without SHARED at once, from the lines that are there) writes
bench/records/leave_one_out_summary.json, with every figure averaged over families (sets made of
the same data are one family):
- the ranking (AUPRC) against self-confidence and normalised margin on the probabilities of scikit-learn's logistic
  regression, or on the same probabilities where they are the input;
- flags (F1) against cleanlab's `find_label_issues` on the same probabilities;
- the coverage of the range of the count: of the shipped constants, and of constants chosen for each family on all other
  families (the narrowest pair with a coverage of 91 % there);
- the calibration error of p_wrong, with the slope chosen in the same way.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from sklearn import datasets
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

import labelsieve as ls
from human_noise import cifar10n, noisy_ag
from labelsieve.core.findings import Estimate
from labelsieve.data.noise import inject
from labelsieve.decide import count as counting
from labelsieve.decide.count import probability_wrong
from labelsieve.detectors.consensus import consensus
from labelsieve.encode import encode, encoder
from record import about
from record import write as write_record

RECORDS = Path(__file__).parent / "records" / "leave_one_out.jsonl"
ROWS, ROWS_WIDE, WIDE = 2000, 1000, 400
PLANTED = [("symmetric", rate) for rate in (0.05, 0.2, 0.4, 0.6)] + [
    ("pair", 0.1),
    ("pair", 0.2),
    ("pair", 0.4),
    ("instance", 0.1),
    ("instance", 0.3),
    ("boundary", 0.1),
    ("boundary", 0.3),
    ("neighbourhood", 0.1),
    ("neighbourhood", 0.25),
]
CHOSEN = 4  # planted kinds per set, besides none
GIVEN_BACK, UNDISPUTED = (0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0), (1.1, 1.2, 1.35, 1.5, 1.75, 2.0)
SLOPES = (1.0, 1.5, 2.0, 3.0)
HELD = 0.91  # of the families that constants are chosen on
# names of sets -> family, where sets are made of the same data
FAMILIES = {
    "cifar": "cifar", "labelerrors-cifar": "cifar", "digits": "digits", "photos": "photos", "noisyag": "ag",
    "agtest": "ag", "agnews": "ag", "banking": "banking", "breast": "cancer", "medrel": "medrel", "syn": "drawn",
    "drawn": "drawn", "mnist": "mnist", "labelerrors-mnist": "mnist", "imdb": "imdb", "labelerrors-imdb": "imdb",
}  # fmt: skip


def family(name: str) -> str:
    base = name.split("__")[0]
    return next((of for start, of in FAMILIES.items() if base.startswith(start)), base)


def shared_sets(folder: Path, cache: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
    """Name, features, true labels and given labels by kind, of the data at hand."""
    for side, name in ((None, "cifar10n"), (96, "cifar10n_96")):
        data, true = cifar10n(folder, "aggre")
        rows = np.sort(np.random.default_rng(0).choice(len(true), ROWS_WIDE, replace=False))
        x = _features(data.inputs[rows], "image", side, cache / name)
        yield name, x, true[rows], {kind: cifar10n(folder, kind)[0].labels[rows] for kind in ("aggre", "worst")}
    data, true = noisy_ag(folder)
    rows = np.sort(np.random.default_rng(0).choice(len(true), ROWS, replace=False))
    x = _features([data.inputs[i] for i in rows], "text", None, cache / "noisyag")
    yield "noisyag", x, true[rows], {"human": data.labels[rows]}
    photos = ls.load(folder / "photos")
    yield "photos", _features(photos.inputs, "image", None, cache / "photos"), photos.labels, {}
    for name, made in (
        ("digits", datasets.load_digits()),
        ("breast_cancer", datasets.load_breast_cancer()),
        ("wine", datasets.load_wine()),
    ):
        yield name, made.data, made.target, {}
    for i, (x, y) in enumerate(
        (
            datasets.make_blobs(1870, 8, centers=2, cluster_std=2.0, random_state=3),
            datasets.make_moons(1500, noise=0.25, random_state=2),
            datasets.make_classification(2500, 30, n_informative=10, n_classes=5, random_state=5),
            datasets.make_classification(
                2500, 60, n_informative=30, n_classes=20, n_clusters_per_class=1, random_state=6
            ),
        )
    ):
        yield f"drawn{i}", x, y, {}


def _features(inputs: Any, kind: str, side: int | None, folder: Path) -> np.ndarray:
    made = encoder(None, kind, side=side) if side else encoder(None, kind)
    assert made is not None
    return np.asarray(encode(inputs, made, folder, key=str(folder)).features, np.float32)


def corpus_sets(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            if "features" not in arrays.files:
                continue
            given = {name[6:]: arrays[name].astype(int) for name in arrays.files if name.startswith("given_")}
            yield path.stem, np.nan_to_num(arrays["features"].astype(np.float32)), arrays["true"].astype(int), given


def planted(x: np.ndarray, true: np.ndarray, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """No wrong labels, and some kinds of wrong ones; near the boundary and in neighbourhoods they depend on the truth
    and the features."""
    yield "none", true
    k = int(true.max()) + 1
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for kind, rate in (PLANTED[i] for i in rng.permutation(len(PLANTED))[:CHOSEN]):
        if k == 2 and rate > 0.45:
            continue
        if kind == "boundary":
            given = _near_the_boundary(x, true, rate, rng)
        elif kind == "neighbourhood":
            given = neighbourhoods(x, true, rate, rng)
        else:
            given = inject(true, kind, rate, n_classes=k, features=x, seed=1).labels  # type: ignore[arg-type]
        yield f"{kind}{100 * rate:.0f}", given


def _near_the_boundary(x: np.ndarray, true: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    flat = x if x.shape[1] <= 60 else PCA(60, random_state=0).fit_transform(x)
    model = LogisticRegression(C=0.1, max_iter=200)
    p = cross_val_predict(model, StandardScaler().fit_transform(flat), true, cv=5, method="predict_proba")
    own = p[np.arange(len(true)), true]
    p[np.arange(len(true)), true] = -1
    order = np.argsort(own - p.max(1) + rng.gumbel(0, 0.15, len(true)))
    given = true.copy()
    given[order[: int(rate * len(true))]] = p.argmax(1)[order[: int(rate * len(true))]]
    return given


def neighbourhoods(x: np.ndarray, true: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    k, given = int(true.max()) + 1, true.copy()
    scaled = (x - x.mean(0)) / (x.std(0) + 1e-6)
    cluster = MiniBatchKMeans(max(20, len(x) // 25), random_state=0, n_init=1).fit_predict(scaled)
    for c in rng.permutation(cluster.max() + 1):
        rows = cluster == c
        if rows.any():
            given[rows] = (np.bincount(true[rows], minlength=k).argmax() + 1 + rng.integers(k - 1)) % k
        if (given != true).mean() >= rate:
            break
    return given


def judge_features(x: np.ndarray, given: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """One line of the records, from features; the peer is logistic regression."""
    data = ls.load(x, labels=given)
    evidence = ls.gather(data, detectors=("consensus",), progress=False)
    peer = np.zeros((len(given), int(max(given.max(), true.max())) + 1))
    model = LogisticRegression(max_iter=100)
    peer[:, np.unique(given)] = cross_val_predict(
        model, StandardScaler().fit_transform(x), given, cv=5, method="predict_proba"
    )
    k = len(data.classes)
    scores = consensus(
        data.labels, k, probs_gce=evidence.probs_gce, probs_lda=evidence.probs_lda, neighbours=evidence.neighbours
    )
    singles = {
        name: _ap(given != true, -getattr(evidence, name)[np.arange(len(given)), data.labels])
        for name in ("probs_gce", "probs_lda")
    }
    return _line(scores, given, true, peer) | {"route": "features", "judges": singles}


def judge_probs(probs: np.ndarray, given: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """One line of the records, from somebody else's probabilities."""
    probs = np.maximum(probs.astype(np.float64), 0)
    probs /= np.maximum(probs.sum(1, keepdims=True), 1e-12)
    scores = consensus(given, probs.shape[1], probs)
    return _line(scores, given, true, probs) | {"route": "probs", "judges": {}}


def _line(scores: Any, given: np.ndarray, true: np.ndarray, peer: np.ndarray) -> dict[str, Any]:
    wrong, at = given != true, np.arange(len(given))
    peer = np.maximum(peer, 1e-9) / np.maximum(peer, 1e-9).sum(1, keepdims=True)
    other = peer.copy()
    other[at, given] = -1
    estimate, _ = counting.count_wrong(scores)
    flagged = np.zeros(len(given), bool)
    flagged[np.argsort(-scores.suspicion, kind="stable")[: counting.to_flag(scores)]] = True
    theirs = find_label_issues(given, peer)
    errors = {str(slope): _calibration_error(_p(scores, estimate, slope), wrong) for slope in SLOPES}
    return {
        "n": len(given),
        "classes": int(peer.shape[1]),
        "wrong": int(wrong.sum()),
        "ap": _ap(wrong, scores.suspicion),
        "ap_self_confidence": _ap(wrong, -peer[at, given]),
        "ap_margin": _ap(wrong, other.max(1) - peer[at, given]),
        "f1": _f1(flagged, wrong),
        "f1_cleanlab": _f1(theirs, wrong),
        "flags": int(flagged.sum()),
        "precision": float(wrong[flagged].mean()) if flagged.any() else None,
        "surer": counting.surer_than_right(scores),
        "confident": float(scores.flags.sum()),
        "modelled": float(scores.n_wrong),
        "disputes": int(counting.disputed(scores).sum()),
        "low": estimate.low,
        "high": estimate.high,
        "calibration_error": errors,
    }


def _p(scores: Any, estimate: Estimate, slope: float) -> np.ndarray:
    shipped, counting.SLOPE = counting.SLOPE, slope
    p = probability_wrong(scores, estimate, np.zeros(len(scores.suspicion), bool))
    counting.SLOPE = shipped
    return p


def _ap(wrong: np.ndarray, score: np.ndarray) -> float | None:
    return float(average_precision_score(wrong, score)) if wrong.any() else None


def _f1(flagged: np.ndarray, wrong: np.ndarray) -> float:
    return float(2 * (flagged & wrong).sum() / max(1, flagged.sum() + wrong.sum()))


def _calibration_error(p: np.ndarray, wrong: np.ndarray) -> float:
    """The calibration error over 15 bins of equal mass."""
    bins = np.array_split(np.argsort(p, kind="stable"), 15)
    return float(sum(len(rows) * abs(p[rows].mean() - wrong[rows].mean()) for rows in bins) / len(p))


def measure(shared: Path, folders: list[Path], records: Path, part: str) -> None:
    done = {line["set"] for line in read(records)} if records.exists() else set()
    which, of = (int(number) for number in part.split("/"))
    records.parent.mkdir(exist_ok=True)

    def write(name: str, judged: Any) -> None:
        if name in done or zlib.crc32(name.encode()) % of != which - 1:
            return
        try:
            line = {"set": name, "family": family(name)} | judged()
        except ValueError as error:  # scikit-learn's folds need as many examples of each class
            print(name, error, file=sys.stderr)
            return
        with records.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(name, flush=True)

    sets = [shared_sets(shared, records.parent / "features"), *(corpus_sets(folder) for folder in folders)]
    for name, x, true, real in (item for group in sets for item in group):
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        size = ROWS_WIDE if x.shape[1] > WIDE else ROWS
        rows = np.sort(rng.choice(len(x), size, replace=False)) if len(x) > size else np.arange(len(x))
        x, true, real = np.asarray(x[rows], np.float32), true[rows], {kind: y[rows] for kind, y in real.items()}
        classes = np.unique(np.concatenate([true, *real.values()]))
        true = np.searchsorted(classes, true)
        kinds = [(kind, np.searchsorted(classes, y)) for kind, y in real.items()]
        for kind, given in (*kinds, *planted(x, true, name)):
            write(f"{name}__{kind}", lambda x=x, given=given, true=true: judge_features(x, given, true))
    for folder in folders:
        for path in sorted((folder / "probs").glob("*.npz")):
            with np.load(path) as arrays:
                p, given, true = arrays["probs"], arrays["given"].astype(int), arrays["true"].astype(int)
            write(path.stem, lambda p=p, given=given, true=true: judge_probs(p, given, true))


def read(records: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in records.read_text().splitlines()]


def report(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for the sets that are judged by features, and one for those by probabilities."""
    routes = {route: [line for line in lines if line["route"] == route] for route in ("features", "probs")}
    rows = [{"route": route, **_report(own)} for route, own in routes.items() if own]
    return [*rows, {"route": "over sets", **_over_sets(routes["features"])}]


def _over_sets(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The sets with wrong labels: the ranking, its judges alone, the flags; and two kinds of noise."""
    lines = [line for line in lines if line["wrong"]]
    lda = np.array([line["judges"]["probs_lda"] for line in lines])
    ap = np.array([line["ap"] for line in lines])
    row: dict[str, Any] = {"sets": len(lines), "ap": ap.mean(), "ap_lda": lda.mean()}
    row["ap_gce"] = np.mean([line["judges"]["probs_gce"] for line in lines])
    row["ap_self_confidence"] = np.mean([line["ap_self_confidence"] for line in lines])
    row |= {"ahead_of_lda": int((ap - lda > 0.01).sum()), "behind_lda": int((ap - lda < -0.01).sum())}
    row["precision"] = np.mean([line["precision"] for line in lines if line["flags"]])
    for kind in ("symmetric", "neighbourhood"):
        some = [line["ap"] for line in lines if line["set"].split("__")[-1].rstrip("0123456789") == kind]
        row |= {f"{kind}_sets": len(some), f"{kind}_ap": np.mean(some)}
    return {key: round(float(value), 5) for key, value in row.items()}


def _report(lines: list[dict[str, Any]]) -> dict[str, Any]:
    families = np.array([line["family"] for line in lines])
    weight = np.array([1 / (families == f).sum() for f in families])
    some = np.array([line["wrong"] > 0 for line in lines])
    everything = np.ones(len(lines), bool)

    def mean(values: Any, rows: np.ndarray) -> float:
        return float(np.average(np.asarray(values, float)[rows], weights=weight[rows]))

    row: dict[str, Any] = {"sets": len(lines), "families": len(set(families))}
    row["median_wrong"] = float(np.median([line["wrong"] / line["n"] for line in lines]))
    row |= {name: mean([line[name] or 0 for line in lines], some) for name in ("ap", "ap_self_confidence", "ap_margin")}
    gap = np.array([(line["ap"] or 0) - (line["ap_self_confidence"] or 0) for line in lines])[some]
    row |= {"behind_self_confidence": float((gap < -0.01).mean()), "furthest_behind": float(-gap.min())}
    ours, theirs = (np.array([line[name] for line in lines]) for name in ("f1", "f1_cleanlab"))
    row |= {"f1": mean(ours, some), "f1_cleanlab": mean(theirs, some)}
    row["flags_as_good"] = float((ours >= theirs - 1e-9)[some].mean())
    row["flags_far_behind"] = float((ours < 0.8 * theirs)[some].mean())
    grid = {(a, b): _ranges(lines, a, b) for a in GIVEN_BACK for b in UNDISPUTED}
    truth, n = (np.array([line[name] for line in lines], float) for name in ("wrong", "n"))
    hold = {key: (low <= truth) & (truth <= high) for key, (low, high) in grid.items()}
    width = {key: (high - low) / n for key, (low, high) in grid.items()}
    held = np.zeros(len(lines), bool)
    for left_out in set(families):
        rows = families != left_out
        fits = [key for key in grid if mean(hold[key], rows) >= HELD]
        best = min(fits or [max(grid)], key=lambda key: mean(width[key], rows))
        held[~rows] = hold[best][~rows]
    row |= {"range_left_out": float(held.mean()), "range_left_out_families": mean(held, everything)}
    low, high = _ranges(lines)
    inside = (low <= truth) & (truth <= high)
    row |= {"range": float(inside.mean()), "range_families": mean(inside, everything)}
    row["median_width"] = float(np.median((high - low) / n))
    slopes = list(lines[0]["calibration_error"])
    errors = {slope: np.array([line["calibration_error"][slope] for line in lines]) for slope in slopes}
    left = np.zeros(len(lines))
    for left_out in set(families):
        rows = families != left_out
        left[~rows] = errors[min(slopes, key=lambda slope: mean(errors[slope], rows))][~rows]
    row |= {"calibration_error": mean(left, everything), "median_calibration_error": float(np.median(left))}
    return {key: round(value, 5) for key, value in row.items()}


def _ranges(
    lines: list[dict[str, Any]], back: float | None = None, undisputed: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The range of each set, with the shipped constants or others."""
    shipped = counting.GIVEN_BACK, counting.UNDISPUTED
    if back is not None and undisputed is not None:
        counting.GIVEN_BACK, counting.UNDISPUTED = back, undisputed
    made = [
        counting.range_of(line["confident"], line["modelled"], line["disputes"], line["n"], line["surer"])
        for line in lines
    ]
    counting.GIVEN_BACK, counting.UNDISPUTED = shipped
    return np.array([e.low for e in made]), np.array([e.high for e in made])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, nargs="?")
    parser.add_argument("--corpus", type=Path, nargs="*", default=[])
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--part", default="1/1", help="run every second set: 1/2, and 2/2 beside it")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    if asked.shared:
        measure(asked.shared, asked.corpus, asked.records, asked.part)
    rows = report(read(asked.records))
    print(json.dumps(rows, indent=1))
    print(write_record("leave_one_out_summary", about({"lines": asked.records.name}, "scikit-learn", "cleanlab"), rows))


if __name__ == "__main__":
    main()
