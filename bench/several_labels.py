"""Several labels per example: planted errors found by us and by cleanlab 2.9 (oracle: for evaluation only).

    python bench/several_labels.py [SHARED] [--record bench/records/several_labels.json] [--seeds 2]

Sets with known labels: two that scikit-learn draws, pairs of digits, and in SHARED collages of CIFAR-10 pictures,
pairs of news texts and of questions to a bank. Of the labels that an example has, some are removed (missing), and of
those that it does not have some are given (superfluous), at different rates. cleanlab ranks the questions by
`multilabel_classification.rank.get_label_quality_scores_per_class` with out-of-fold probabilities of a logistic
regression for each class on the same features. Prints the AUPRC over all questions, and of each side; and the AUPRC
of the consensus for each value of `apart`, with the value that is best on all other sets.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

import labelsieve as ls
from labelsieve.detectors.each_class import APART

RATES = ((0.2, 0.01), (0.1, 0.03))  # of labels missing, and superfluous as a share of the answers "not"
TRIED = (0.0, 0.5, 1.0, 1.5)
LOGISTIC = "logistic regression, cleanlab"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Features (n, d) and the true labels (n, K)."""

    name: str
    features: np.ndarray
    truth: np.ndarray


def sets(shared: Path | None) -> Iterator[Labelled]:
    from sklearn.datasets import load_digits, make_multilabel_classification

    few = make_multilabel_classification(2000, 20, n_classes=5, random_state=0)
    many = make_multilabel_classification(3000, 100, n_classes=20, n_labels=3, length=200, random_state=0)
    digits = load_digits()
    yield Labelled("drawn, 5 classes", few[0], few[1].astype(bool))
    yield Labelled("drawn, 20 classes", many[0], many[1].astype(bool))
    yield together("pairs of digits", digits.target, 2, 3000, lambda rows: digits.data[rows].reshape(len(rows), -1))
    if shared is not None:
        yield from (collages(shared), news(shared), bank(shared))


def together(
    name: str, labels: np.ndarray, most: int, n: int, features: Callable[[np.ndarray], np.ndarray]
) -> Labelled:
    """n examples of `most` items each, which have the labels of all of them. `features` takes the rows of the items
    (n, most)."""
    rows = np.random.default_rng(0).integers(0, len(labels), (n, most))
    truth = np.zeros((n, int(labels.max()) + 1), bool)
    truth[np.arange(n)[:, None], labels[rows]] = True
    return Labelled(name, features(rows), truth)


def encoded(values: Sequence[str] | np.ndarray, encoder: str | None = None) -> np.ndarray:
    labels = np.arange(len(values)) % 2
    return np.asarray(ls.gather(values, labels=labels, encoder=encoder, detectors=["lda"], progress=False).features)


def joined(texts: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: encoded([" ".join(texts[i] for i in some) for some in rows.tolist()])


def collages(shared: Path, n: int = 1500) -> Labelled:
    sys.path.insert(0, str(shared))
    import cifar10

    images, labels = cifar10.images("test"), cifar10.labels("test").astype(np.int64)

    def features(rows: np.ndarray) -> np.ndarray:
        four = images[rows]
        upper, lower = (np.concatenate([four[:, k], four[:, k + 1]], axis=2) for k in (0, 2))
        return encoded(np.concatenate([upper, lower], axis=1), "fast")

    return together("collages of CIFAR-10", labels, 4, n, features)


def news(shared: Path, n: int = 2000) -> Labelled:
    import pyarrow.parquet as pq

    table = pq.read_table(next((shared / "noisy_ag").glob("test*.parquet")))
    codes = np.unique(np.array(table["clean"].to_pylist()), return_inverse=True)[1]
    return together("pairs of news", codes, 2, n, joined(table["text"].to_pylist()))


def bank(shared: Path, n: int = 3000, classes: int = 25) -> Labelled:
    import pandas as pd

    table = pd.read_csv(shared / "banking77" / "train.csv.gz")
    codes = np.unique(table.iloc[:, -1].to_numpy(), return_inverse=True)[1]
    texts, codes = table.iloc[:, 0].to_numpy()[codes < classes], codes[codes < classes]
    return together("pairs of bank questions", codes, 2, n, joined(texts.tolist()))


def spoiled(truth: np.ndarray, missing: float, extra: float, seed: int) -> np.ndarray:
    draw = np.random.default_rng([seed, 7]).random(truth.shape)
    return truth ^ (draw < np.where(truth, missing, extra))


def by_logistic_regression(one: Labelled, given: np.ndarray) -> np.ndarray:
    """(n, K) out-of-fold probabilities of each class."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    parts = [cross_val_predict(model, one.features, y, cv=folds, method="predict_proba")[:, 1] for y in given.T]
    return np.stack(parts, axis=1)


def by_cleanlab(given: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """(n, K) one minus cleanlab's quality of each label."""
    from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class

    return 1 - get_label_quality_scores_per_class([np.flatnonzero(row).tolist() for row in given], probs)


def precision(given: np.ndarray, truth: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """AUPRC over all questions and over those with each given answer."""
    from sklearn.metrics import average_precision_score

    wrong, score = given != truth, np.asarray(score).reshape(truth.shape)
    parts = {"all": np.ones_like(given), "missing": ~given, "superfluous": given}
    return {name: round(float(average_precision_score(wrong[at], score[at])), 4) for name, at in parts.items()}


def measure(one: Labelled, missing: float, extra: float, seed: int) -> dict:
    given = spoiled(one.truth, missing, extra, seed)
    start = time.perf_counter()
    evidence = ls.gather(one.features.astype(np.float32), labels=given, seed=seed, progress=False)
    found = ls.detect(evidence, progress=False).decide()
    seconds = time.perf_counter() - start
    auprc = {"ours": precision(given, one.truth, found.p_wrong)}
    auprc |= {name: precision(given, one.truth, score) for name, score in found.scores.items()}
    probs = by_logistic_regression(one, given)
    auprc[LOGISTIC] = precision(given, one.truth, by_cleanlab(given, probs))
    auprc["our GCE heads, cleanlab"] = precision(given, one.truth, by_cleanlab(given, np.asarray(evidence.probs_gce)))
    own = ls.find(probs=probs, labels=given, progress=False)
    auprc["logistic regression, ours"] = precision(given, one.truth, own.p_wrong)
    tried = {}
    for apart in TRIED:
        scores = ls.detect(evidence, detectors={"consensus": {"apart": apart}}, progress=False)["consensus"]
        tried[str(apart)] = precision(given, one.truth, scores.suspicion)
    n, k = one.truth.shape
    wrong = given != one.truth
    return {
        "set": one.name, "examples": n, "classes": k, "missing": missing, "superfluous": extra, "seed": seed,
        "wrong": int(wrong.sum()), "count, low, high": [round(x) for x in astuple(found.wrong)],
        "auprc": auprc, "apart": tried, "seconds": round(seconds, 1),
    }  # fmt: skip


def report(line: dict) -> None:
    shown = [f"{name} {value['all']:.3f}" for name, value in line["auprc"].items()]
    tried = [f"{apart} {value['all']:.3f}" for apart, value in line["apart"].items()]
    head = f"{line['set']}, {line['missing']} missing, {line['superfluous']} superfluous"
    print(f"{head}: {', '.join(shown)}; apart {', '.join(tried)}", flush=True)


def left_out(lines: list[dict]) -> dict:
    """The `apart` that is best on all other sets, and the mean AUPRC with each set's choice."""
    names = list(dict.fromkeys(line["set"] for line in lines))
    of = {name: [line["apart"] for line in lines if line["set"] == name] for name in names}
    mean = np.array([[np.mean([line[str(a)]["all"] for line in of[name]]) for a in TRIED] for name in names])
    chosen = [int(np.delete(mean, s, 0).mean(0).argmax()) for s in range(len(names))]
    return {
        "chosen": {name: TRIED[c] for name, c in zip(names, chosen, strict=True)},
        "left_out": round(float(np.mean([mean[s, c] for s, c in enumerate(chosen)])), 4),
        "mean": {str(a): round(float(m), 4) for a, m in zip(TRIED, mean.mean(0), strict=True)},
        "used": APART,
    }


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, nargs="?")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    lines = []
    for one in sets(given.shared):
        for missing, extra in RATES:
            for seed in range(given.seeds):
                lines.append(measure(one, missing, extra, seed))
                report(lines[-1])
                if given.record:
                    summary = left_out(lines) if len({line["set"] for line in lines}) > 1 else None
                    given.record.write_text(json.dumps({"apart": summary, "sets": lines}) + "\n")
    print(json.dumps(left_out(lines), indent=1))


if __name__ == "__main__":
    main()
