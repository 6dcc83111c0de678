"""The consensus of several annotators against other methods, measured with true labels (oracle: for evaluation only).

    python bench/votes.py TABLES [--shared SHARED] [--features FOLDER] [--record bench/records/votes.json] [--slow]

TABLES is a folder with NAME/label.csv (item,worker,label) and NAME/truth.csv (item,truth) at any depth: public tables
of crowdsourced votes (the collection of yuan-li/truth-inference-at-scale on GitHub). SHARED has cifar10h.npz, FOLDER
cifar_test_joint.npy, features of its pictures: three votes for each picture are drawn from what people said, by
simulated annotators of different skill, with spam, with pairs of classes, or on hard pictures.
Prints the accuracy of the consensus on each set (ties count as their share), and where others are ahead. Needs
crowd-kit 1.4.1 (Dawid-Skene, MACE, GLAD, majority) and cleanlab (CROWDLAB, with the same probabilities as ours). --slow
runs MACE and GLAD on tables above 30,000 votes, too. --choose leaves whole sets out to choose two constants.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.vote_list import Votes, in_order
from labelsieve.stats import vote_model

FEW = 30_000  # votes
KINDS = ("skills", "spam", "pair", "hard")


@dataclass(frozen=True, eq=False)
class Votings:
    """A set of votes with the true classes (n,), -1 where unknown, and probabilities (n, K) or None."""

    name: str
    votes: Votes
    classes: int
    truth: np.ndarray
    probs: np.ndarray | None = None


def tables(folder: Path) -> list[Votings]:
    """The public tables; of tables with the same votes only the first."""
    import pandas as pd

    out, seen = [], set()
    for file in sorted(folder.rglob("label.csv")):
        beside = file.with_name("truth.csv")
        if not beside.exists():
            continue
        said, true = pd.read_csv(file), pd.read_csv(beside)
        said = said.set_axis(["item", "worker", "label"], axis=1).drop_duplicates(["item", "worker"])
        known = dict(zip(true.iloc[:, 0].astype(str), true.iloc[:, 1], strict=True))
        ids, example = np.unique(said["item"].astype(str), return_inverse=True)
        people, who = np.unique(said["worker"].astype(str), return_inverse=True)
        names = np.unique([*said["label"], *known.values()])
        key = (len(said), len(ids), len(people))
        if key in seen:
            continue
        seen.add(key)
        votes = in_order(example, who, np.searchsorted(names, said["label"]), tuple(people), len(ids))
        truth = np.array([np.searchsorted(names, known[i]) if i in known else -1 for i in ids])
        out.append(Votings(file.parent.name, votes, len(names), truth))
    return out


def drawn(shared: Path, kind: str, features: np.ndarray, seed: int = 0, each: int = 3, people: int = 60) -> Votings:
    """Votes for the test pictures of CIFAR-10, drawn from CIFAR-10H, and out-of-fold probabilities."""
    rng, file = np.random.default_rng(seed), np.load(shared / "cifar10h.npz")
    p, truth = file["counts"] / file["counts"].sum(1, keepdims=True), file["labels"].astype(np.int64)
    n, k = p.shape
    example = np.repeat(np.arange(n), each)
    who = np.concatenate([rng.choice(people, each, replace=False) for _ in range(n)])
    label = (p[example].cumsum(1) > rng.random((n * each, 1))).argmax(1)
    if kind == "skills":  # errors like those of people, more of them the less the skill
        confused = np.zeros((k, k))
        np.add.at(confused, truth, p)
        np.fill_diagonal(confused, 0)
        confused /= confused.sum(1, keepdims=True)
        bad = rng.random(len(who)) > rng.beta(6, 2, people)[who]
        label[bad] = (confused[truth[example[bad]]].cumsum(1) > rng.random((bad.sum(), 1))).argmax(1)
    elif kind == "spam":  # a quarter: one class always, or any class
        favourite, spam = rng.integers(k, size=people), who < people // 4
        label[spam] = np.where(who[spam] % 2 == 0, favourite[who[spam]], rng.integers(k, size=spam.sum()))
    elif kind == "pair":  # a third takes each class for the next one, half of the time
        swapped = (who % 3 == 0) & (rng.random(len(who)) < 0.5)
        label[swapped] = (label[swapped] + 1) % k
    else:  # half of the votes on the hardest pictures are for the second class
        entropy = -(p * np.log(p + 1e-9)).sum(1)
        hard = (entropy > np.quantile(entropy, 0.7))[example] & (rng.random(len(who)) < 0.5)
        label[hard] = np.argsort(p + rng.random(p.shape) * 1e-3, 1)[example[hard], -2]
    votes = in_order(example, who, label, tuple(f"{a:03d}" for a in range(people)), n)
    return Votings(f"cifar10h-{kind}", votes, k, truth, judged(features, votes, k))


def judged(features: np.ndarray, votes: Votes, k: int) -> np.ndarray:
    """(n, K) out-of-fold probabilities of Labelsieve's judges, trained on the majority."""
    import labelsieve as ls
    from labelsieve.stats.opinion_pool import pool_of

    shares = votes.shares(k)
    labels = (shares + np.random.default_rng(0).random(shares.shape) * 1e-6).argmax(1)
    ids = np.array([str(i) for i in range(len(labels))], object)
    data = Dataset(ids, labels, tuple(map(str, range(k))), np.asarray(features, np.float32), "features")
    found = ls.gather(data, detectors=["consensus"], progress=False)
    judges = {"probs_gce": found.probs_gce, "probs_lda": found.probs_lda}
    return np.asarray(pool_of(judges, found.neighbours, labels, k).probabilities(), np.float64)


def accuracy(p: np.ndarray, truth: np.ndarray) -> float:
    """The share of right classes; a tie counts as the share of its classes that are right."""
    known = np.flatnonzero(truth >= 0)
    p = p[known]
    best = p >= p.max(1, keepdims=True) - vote_model.EQUAL
    return float((best[np.arange(len(known)), truth[known]] / best.sum(1)).mean())


def others(one: Votings, slow: bool) -> dict[str, Callable[[], np.ndarray]]:
    """The other methods: each gives (n, K)."""
    import pandas as pd
    from crowdkit.aggregation import GLAD, MACE, DawidSkene, MajorityVote

    votes, k = one.votes, one.classes
    frame = pd.DataFrame({"task": votes.example, "worker": votes.annotator, "label": votes.label})

    def of(make: Callable) -> Callable[[], np.ndarray]:
        shape = {"index": range(votes.n), "columns": range(k)}
        return lambda: make().fit_predict_proba(frame).reindex(**shape, fill_value=0.0).to_numpy()

    methods = {"majority": of(MajorityVote), "dawid-skene": of(DawidSkene)}
    if slow or len(votes) <= FEW:
        methods |= {"mace": of(lambda: MACE(random_state=0)), "glad": of(GLAD)}
    if one.probs is not None:
        methods["crowdlab"] = lambda: crowdlab(one)
    return methods


def crowdlab(one: Votings) -> np.ndarray:
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator

    wide = np.full((one.votes.n, len(one.votes.annotators)), np.nan)
    wide[one.votes.example, one.votes.annotator] = one.votes.label
    found = get_label_quality_multiannotator(
        pd.DataFrame(wide), one.probs, verbose=False, return_detailed_quality=False, return_annotator_stats=False
    )
    return np.eye(one.classes)[found["label_quality"]["consensus_label"].to_numpy()]


def measure(one: Votings, slow: bool) -> dict:
    """One line of the record."""
    start = time.process_time()
    fitted = vote_model.fit(one.votes, one.classes, one.probs)
    seconds = {"ours": time.process_time() - start}
    right = {"ours": accuracy(fitted.posterior, one.truth)}
    if one.probs is not None:
        right["ours, votes alone"] = accuracy(vote_model.fit(one.votes, one.classes).posterior, one.truth)
        right["classifier"] = accuracy(one.probs, one.truth)
    for name, method in others(one, slow).items():
        start = time.process_time()
        right[name] = accuracy(method(), one.truth)
        seconds[name] = time.process_time() - start
    plain = vote_model.fit(one.votes, one.classes, shrinkage=0, steps=30, tolerance=0).posterior
    known = one.truth >= 0
    counted = {"n": one.votes.n, "votes": len(one.votes), "annotators": len(one.votes.annotators)}
    p = fitted.posterior.max(1)[known]
    return {
        "set": one.name,
        **counted,
        "classes": one.classes,
        "known": int(known.sum()),
        "accuracy": {name: round(value, 5) for name, value in right.items()},
        "expected_accuracy": round(float(p.mean()), 5),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "fit": {"shrinkage": fitted.shrinkage, "t": fitted.sharpness, "w": fitted.independence, "steps": fitted.steps},
        "difference_from_crowd_kit": _difference(one, plain),
    }


def _difference(one: Votings, plain: np.ndarray) -> float:
    """The largest difference of the posterior from crowd-kit's Dawid-Skene after 30 steps."""
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    frame = pd.DataFrame({"task": one.votes.example, "worker": one.votes.annotator, "label": one.votes.label})
    theirs = DawidSkene(n_iter=30, tol=-1e9).fit_predict_proba(frame)
    theirs = theirs.reindex(index=range(one.votes.n), columns=range(one.classes), fill_value=0.0).to_numpy()
    voted = np.diff(one.votes.starts) > 0
    return float(np.abs(theirs - plain)[voted].max())


def behind(line: dict) -> str:
    """Who is ahead of ours on this set, in examples."""
    right, known = line["accuracy"], line["known"]
    ahead = {
        name: (value - right["ours"]) * known
        for name, value in right.items()
        if name not in ("ours, votes alone",) and value > right["ours"] + 0.5 / known
    }
    return ", ".join(f"{name} by {gain:.0f} of {known:,}" for name, gain in ahead.items())


def choose(sets: list[Votings]) -> dict:
    """Each set's accuracy with the constants that are best on all other sets, and the choice of each."""
    grid = [(prior, errors) for prior in (2.0, 30.0, 100.0, 300.0) for errors in (3.0, 10.0, 30.0)]
    right = np.empty((len(grid), len(sets)))
    before = vote_model.PRIOR, vote_model.ERRORS
    for g, (prior, errors) in enumerate(grid):
        vote_model.PRIOR, vote_model.ERRORS = prior, errors
        for s, one in enumerate(sets):
            right[g, s] = accuracy(vote_model.fit(one.votes, one.classes, one.probs).posterior, one.truth)
    vote_model.PRIOR, vote_model.ERRORS = before
    chosen = [int(np.argmax(np.delete(right, s, 1).mean(1))) for s in range(len(sets))]
    return {
        "grid": grid,
        "mean": right.mean(1).round(5).tolist(),
        "chosen": {one.name: grid[c] for one, c in zip(sets, chosen, strict=True)},
        "left_out": round(float(np.mean([right[c, s] for s, c in enumerate(chosen)])), 5),
        "best_on_all": round(float(right.mean(1).max()), 5),
        "used": round(float(right[grid.index(before)].mean()), 5),
    }


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--choose", action="store_true")
    given = parser.parse_args()
    sets = tables(given.tables)
    if given.shared and given.features:
        features = np.load(given.features / "cifar_test_joint.npy")
        sets += [drawn(given.shared, kind, features) for kind in KINDS]
    lines = []
    for one in sets:
        lines.append(measure(one, given.slow))
        shown = " ".join(f"{name} {100 * value:.2f}" for name, value in lines[-1]["accuracy"].items())
        print(f"{one.name}: {shown}; ahead of ours: {behind(lines[-1]) or 'nobody'}", flush=True)
        if given.record:
            given.record.write_text(json.dumps({"sets": lines}, indent=1) + "\n")
    if given.choose:
        constants = choose(sets)
        print(json.dumps(constants, indent=1))
        if given.record:
            given.record.write_text(json.dumps({"sets": lines, "constants": constants}, indent=1) + "\n")


if __name__ == "__main__":
    main()
