"""Sets of votes with true classes: public tables, and votes drawn for CIFAR-10's test pictures and for news texts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelsieve.core.dataset import Dataset, Kind
from labelsieve.core.vote_list import Votes, in_order
from labelsieve.stats import vote_model

KINDS = ("skills", "spam", "pair", "hard")


@dataclass(frozen=True, eq=False)
class Votings:
    """A set of votes with the true classes (n,), -1 where unknown, features (n, d) or None, and probabilities (n, K)
    or None."""

    name: str
    votes: Votes
    classes: int
    truth: np.ndarray
    features: np.ndarray | None = None
    probs: np.ndarray | None = None


def tables(folder: Path) -> list[Votings]:
    """The public tables below a folder; of tables with the same votes only the first."""
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


def few(one: Votings, each: int, seed: int = 0) -> Votings:
    """Of each example at most `each` votes, drawn at random."""
    votes = one.votes
    order = np.lexsort((np.random.default_rng(seed).random(len(votes)), votes.example))
    kept = order[np.arange(len(votes)) - votes.starts[votes.example] < each]
    some = in_order(votes.example[kept], votes.annotator[kept], votes.label[kept], votes.annotators, votes.n)
    return replace(one, name=f"{one.name}, {each} votes", votes=some)


def drawn(
    shared: Path, kind: str, features: np.ndarray | None, seed: int = 0, each: int = 3, people: int = 60
) -> Votings:
    """Votes for the test pictures of CIFAR-10, drawn from what people said (CIFAR-10H)."""
    rng, file = np.random.default_rng(seed), np.load(shared / "cifar10h.npz")
    p, truth = file["counts"] / file["counts"].sum(1, keepdims=True), file["labels"].astype(np.int64)
    n, k = p.shape
    example = np.repeat(np.arange(n), each)
    who = np.concatenate([rng.choice(people, each, replace=False) for _ in range(n)])
    label = (p[example].cumsum(1) > rng.random((n * each, 1))).argmax(1)
    if kind == "skills":  # errors like those of people, more of them the less the skill
        bad = rng.random(len(who)) > rng.beta(6, 2, people)[who]
        label[bad] = _drawn(_confused(truth, p, k)[truth[example[bad]]], rng)
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
    return Votings(f"cifar10h-{kind}", votes, k, truth, features)


def features(shared: Path, name: str, runs: Path) -> np.ndarray:
    """Features of CIFAR-10's test pictures or of the news texts by the default encoder, kept in `runs`."""
    import sys

    import pyarrow.parquet as pq

    from labelsieve.encode import arrays

    kind: Kind = "text" if name == "news" else "image"
    if kind == "text":
        inputs = pq.read_table(shared / "noisy_ag" / "noisy10k.parquet", columns=["text"])["text"].to_pylist()
    else:
        sys.path.insert(0, str(shared))
        import cifar10  # the reader next to the data

        inputs = cifar10.images("test")
    ids = np.array([str(i) for i in range(len(inputs))], object)
    data = Dataset(ids, np.zeros(len(inputs), np.int64), ("one", "other"), inputs, kind)
    return np.asarray(arrays.features(data, runs / name).values, np.float32)


def news(shared: Path, features: np.ndarray | None, seed: int = 0, people: int = 60) -> Votings:
    """The human label of each text of NoisyAG-News as one vote, and two drawn: an annotator is right with a probability
    of Beta(6, 2), and else errs as people do on that class."""
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    table = pq.read_table(shared / "noisy_ag" / "noisy10k.parquet", columns=["noisy", "clean"])
    human, truth = (table[name].to_numpy().astype(np.int64) for name in ("noisy", "clean"))
    n, k = len(truth), 4
    who = np.stack([rng.choice(people, 3, replace=False) for _ in range(n)])
    label = np.tile(truth[:, None], 3)
    label[:, 0] = human
    bad = rng.random((n, 2)) > rng.beta(6, 2, people)[who[:, 1:]]
    confused = _confused(truth, np.eye(k)[human], k)
    label[:, 1:][bad] = _drawn(confused[np.repeat(truth[:, None], 2, 1)[bad]], rng)
    example = np.repeat(np.arange(n), 3)
    votes = in_order(example, who.ravel(), label.ravel(), tuple(f"{a:03d}" for a in range(people)), n)
    return Votings("news", votes, k, truth, features)


def _confused(truth: np.ndarray, p: np.ndarray, k: int) -> np.ndarray:
    """(K, K) how people err: rows = true, the diagonal is 0."""
    out = np.zeros((k, k))
    np.add.at(out, truth, p)
    np.fill_diagonal(out, 0)
    return out / out.sum(1, keepdims=True)


def _drawn(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(m,) a class drawn from each row of p (m, K)."""
    return (p.cumsum(1) > rng.random((len(p), 1))).argmax(1)


def judged(features: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """(n, K) out-of-fold probabilities of Labelsieve's judges, trained on the labels."""
    import labelsieve as ls
    from labelsieve.stats.opinion_pool import pool_of

    ids = np.array([str(i) for i in range(len(labels))], object)
    data = Dataset(ids, labels, tuple(map(str, range(k))), np.asarray(features, np.float32), "features")
    found = ls.gather(data, detectors=["consensus"], progress=False)
    judges = {"probs_gce": found.probs_gce, "probs_lda": found.probs_lda}
    return np.asarray(pool_of(judges, found.neighbours, labels, k).probabilities(), np.float64)


def majority(votes: Votes, k: int, seed: int = 0) -> np.ndarray:
    """(n,) the label with most votes; ties are drawn."""
    shares = votes.shares(k)
    return (shares + np.random.default_rng(seed).random(shares.shape) * 1e-6).argmax(1)


def accuracy(p: np.ndarray, truth: np.ndarray) -> float:
    """The share of right classes; a tie counts as the share of its classes that are right."""
    return float(right(p, truth).mean())


def right(p: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(m,) for each example with a known class: 1 if the likeliest class is right, 0 if not, a share if tied."""
    known = np.flatnonzero(truth >= 0)
    p = p[known]
    best = p >= p.max(1, keepdims=True) - vote_model.EQUAL
    return best[np.arange(len(known)), truth[known]] / best.sum(1)
