"""Findings with known errors, for simulations of reviews (oracle: the truth is used for noise and answers only).

    python bench/reviewed_sets.py OUT FEATURES.npz ...

FEATURES.npz holds features (n, d), labels (n,) taken as true, and maybe `given` (n,), the labels of people. The digits
of scikit-learn are always there. Each file gets planted noise (symmetric, pair, instance-dependent, whole
neighbourhoods; 0 to 60 %), and is judged from its features and by probabilities of good and bad models. From some of
the findings more are made whose p_wrong is badly off: three times too high, five times too low, in the wrong order,
shuffled, or the same for all. Writes one .npz per set to OUT; sets that are there are kept.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import labelsieve as ls
from labelsieve.core.findings import Estimate, Findings
from labelsieve.data.noise import inject
from labelsieve.stats.logistic_fit import log_odds

PLANTED = (
    ("symmetric", 0.0),
    ("symmetric", 0.1),
    ("symmetric", 0.4),
    ("pair", 0.2),
    ("pair", 0.4),
    ("instance", 0.2),
    ("neighbourhood", 0.15),
)
OFF = ("high", "low", "reversed", "shuffled", "equal")


@dataclass(frozen=True, eq=False)
class Known:
    """Findings, and the true label (n,) of every example."""

    name: str
    findings: Findings
    true: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        return self.findings.given != self.true


def noisy(labels: np.ndarray, features: np.ndarray, kind: str, rate: float) -> np.ndarray:
    """(n,) labels with planted noise."""
    if kind != "neighbourhood":
        return inject(labels, kind, rate, features=features, seed=1).labels
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    x, rng = PCA(20, random_state=0).fit_transform(features), np.random.default_rng(1)
    group = KMeans(max(10, len(labels) // 25), n_init=1, random_state=0).fit_predict(x)
    given, k = labels.copy(), int(labels.max()) + 1
    for g in rng.permutation(group.max() + 1):
        if (given != labels).mean() >= rate:
            break
        given[group == g] = (labels[group == g] + rng.integers(1, k)) % k
    return given


def probabilities(features: np.ndarray, given: np.ndarray, model: str) -> np.ndarray:
    """(n, K) out-of-fold probabilities of a user's model."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier

    few = PCA(40, random_state=0).fit_transform(features)
    models = {"bayes": GaussianNB(), "logistic": LogisticRegression(max_iter=200), "knn": KNeighborsClassifier(15)}
    p = cross_val_predict(models[model.split("^")[0]], few, given, method="predict_proba")
    sharp = p ** float(model.split("^")[1]) if "^" in model else p
    return sharp / sharp.sum(1, keepdims=True)


def off(known: Known, how: str) -> Known:
    """The same set with p_wrong badly off."""
    found, rng = known.findings, np.random.default_rng(0)
    p = {
        "high": np.minimum(3 * found.p_wrong, 0.999),
        "low": found.p_wrong / 5,
        "reversed": np.sort(found.p_wrong)[::-1][np.argsort(np.argsort(found.p_wrong, kind="stable"))],
        "shuffled": rng.permutation(found.p_wrong),
        "equal": np.full(len(found), found.p_wrong.mean()),
    }[how]
    rank = np.empty(len(p), np.int64)
    rank[np.argsort(-p, kind="stable")] = np.arange(1, len(p) + 1)
    count = float(p.sum())
    changed = {"p_wrong": p, "rank": rank, "wrong": Estimate(count, 0.7 * count, min(1.3 * count, len(p)))}
    return Known(f"{known.name} {how}", replace(found, scores={"consensus": log_odds(p)}, **changed), known.true)


def save(known: Known, folder: Path) -> None:
    found = known.findings
    np.savez_compressed(
        folder / f"{known.name}.npz",
        true=known.true,
        given=found.given,
        other=found.other,
        p_wrong=found.p_wrong,
        rank=found.rank,
        flagged=found.flagged,
        wrong=[found.wrong.count, found.wrong.low, found.wrong.high],
        classes=len(found.classes),
        **{f"score_{name}": score for name, score in found.scores.items()},
    )


def read(path: Path) -> Known:
    with np.load(path) as kept:
        found = Findings(
            ids=np.array([str(i) for i in range(len(kept["true"]))], object),
            classes=tuple(map(str, range(int(kept["classes"])))),
            wrong=Estimate(*kept["wrong"].tolist()),
            scores={name[6:]: kept[name] for name in kept.files if name.startswith("score_")},
            extra={},
            **{name: kept[name] for name in ("given", "other", "p_wrong", "rank", "flagged")},
        )
        return Known(path.stem, found, kept["true"])


def read_all(folder: Path, names: str = "") -> list[Known]:
    """The sets of a folder whose names contain one of the comma-separated texts."""
    paths = [path for path in sorted(folder.glob("*.npz")) if any(part in path.name for part in names.split(","))]
    return [read(path) for path in paths]


def main() -> None:
    from sklearn.datasets import load_digits

    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    sources = {"digits": {"features": digits.data / 16, "labels": digits.target}}
    for path in sys.argv[2:]:
        with np.load(path) as arrays:
            sources[Path(path).stem] = {name: arrays[name] for name in arrays.files}
    for name, source in sources.items():
        x, labels = source["features"].astype(np.float32), source["labels"].astype(np.int64)
        plans = [("people", 0.0)] if "given" in source else PLANTED
        for kind, rate in plans:
            given = source["given"].astype(np.int64) if kind == "people" else noisy(labels, x, kind, rate)
            stem = f"{name} {kind} {rate:g}" if rate or kind != "people" else f"{name} people"
            judges = [""]
            if kind == "people" or (kind, rate) in (("symmetric", 0.1), ("pair", 0.4)):
                judges += ["logistic", "bayes", "logistic^3", "knn"] if len(x) < 6000 else ["logistic"]
            for judge in judges:
                title = stem + (f" {judge}" if judge else "")
                if (out / f"{title}.npz").exists():
                    continue
                if judge:
                    found = ls.find(probs=probabilities(x, given, judge), labels=given, progress=False)
                else:
                    found = ls.find(x, labels=given, progress=False)
                known = Known(title, found, labels)
                save(known, out)
                print(f"{title}: {known.wrong.sum()} of {len(labels)} wrong, {found.wrong}", flush=True)
                if not judge and (kind in ("people", "neighbourhood") or (kind, rate) == ("symmetric", 0.1)):
                    for how in OFF:
                        save(off(known, how), out)


if __name__ == "__main__":
    main()
