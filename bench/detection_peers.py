"""The other ways to find wrong labels that `detection.py` compares with, each with its own default settings.

cleanlab is the package itself. SimiFeat, AUM and FiftyOne's mistakenness are written here from their descriptions.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from cleanlab import Datalab
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from labelsieve.core.findings import Estimate
from labelsieve.stats.confident_joint import RULES


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method says of n labels.

    Attributes:
        score: (n,) higher = more suspicious.
        flags: (n,) bool, what its own rule calls wrong; None if it has no rule.
        p_wrong: (n,) what it states as the probability that the label is wrong, or None.
        wrong: its count of wrong labels with a range, or None.
    """

    score: np.ndarray
    flags: np.ndarray | None = None
    p_wrong: np.ndarray | None = None
    wrong: Estimate | None = None


def model() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression())


def probabilities(x: np.ndarray, given: np.ndarray, seed: int) -> np.ndarray:
    """(n, K) out-of-sample probabilities: scikit-learn's logistic regression in five stratified folds."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    out = np.zeros((len(given), int(given.max()) + 1))
    out[:, np.unique(given)] = cross_val_predict(model(), x, given, cv=folds, method="predict_proba")
    return out


def of_nothing(n: int, seed: int) -> dict[str, Answer]:
    return {
        "do nothing": Answer(np.zeros(n), np.zeros(n, bool)),
        "random order": Answer(np.random.default_rng([seed, 1]).random(n)),
    }


def of_features(x: np.ndarray, given: np.ndarray, seed: int) -> dict[str, Answer]:
    inside = model().fit(x, given).predict_proba(x)  # of the examples that it learnt from
    return {
        "kNN vote": knn_vote(x, given),
        "SimiFeat vote": simifeat(x, given, seed),
        "AUM": aum(x, given, seed),
        "cleanlab Datalab": _datalab(given, features=x),
        "LogisticRegression in-sample": Answer(1 - _own(inside, given), inside.argmax(1) != given),
    }


def of_probabilities(p: np.ndarray, given: np.ndarray) -> dict[str, Answer]:
    own = _own(p, given)
    other = p.copy()
    other[np.arange(len(given)), given] = -1
    apart = (p.argmax(1) != given).astype(float)
    out = {
        "prediction is not the label": Answer(apart, apart > 0),
        "1 - self-confidence": Answer(1 - own, p_wrong=1 - own),
        "normalised margin": Answer(other.max(1) - own),
        "mistakenness": Answer(mistakenness(p, given)),
        "mistakenness of logits": Answer(mistakenness(p, given, logits=True)),
        "cleanlab Datalab": _datalab(given, pred_probs=p),
    }
    quality = get_label_quality_scores(given, p)
    for rule in RULES:  # its flags first; within and after them by its default score
        flags = find_label_issues(given, p, filter_by=rule, n_jobs=1)
        out[f"cleanlab {rule}"] = Answer(flags + (1 - quality) / 2, flags, wrong=_just(flags.sum()))
    return out


def _own(p: np.ndarray, given: np.ndarray) -> np.ndarray:
    return p[np.arange(len(given)), given]


def _just(count: float) -> Estimate:
    """A count without a range."""
    return Estimate(float(count), float(count), float(count))


def _datalab(given: np.ndarray, **evidence: np.ndarray) -> Answer:
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab({"label": given}, label_name="label", verbosity=0)
        lab.find_issues(**evidence, issue_types={"label": {}})
    issues = lab.get_issues("label")
    flags = issues["is_label_issue"].to_numpy(bool)
    return Answer(1 - issues["label_score"].to_numpy(float), flags, wrong=_just(flags.sum()))


def knn_vote(x: np.ndarray, given: np.ndarray, k: int = 10) -> Answer:
    """The share of the k nearest other examples (cosine) without the given label; outvoted labels are flagged, where of
    equal votes the smallest class wins."""
    nearest, _ = _nearest(x, k)
    votes = _counts(given[nearest], np.ones(nearest.shape), int(given.max()) + 1)
    return Answer(1 - votes[np.arange(len(given)), given] / nearest.shape[1], votes.argmax(1) != given)


def simifeat(x: np.ndarray, given: np.ndarray, seed: int, k: int = 10, rounds: int = 21, part: float = 0.9) -> Answer:
    """Zhu, Dong, Liu, ICML 2022, by voting: of the k nearest examples by cosine, itself included, each votes for its
    label with 1 - distance, and the example's own distance is 2 d_1 - d_2. A label is wrong if it is outvoted in at
    least half of the rounds. The authors' rounds differ by random crops; those on fixed features judge 90 % of the
    examples each. The score is the mean of -log of the vote for the given label in a vote of length 1.
    """
    n, rng = len(given), np.random.default_rng([seed, 2])
    nearest, similar = _nearest(x, 3 * k)
    wrong, score, seen = np.zeros(n), np.zeros(n), np.zeros(n)
    for _ in range(rounds):
        there = np.zeros(n, bool)
        there[rng.permutation(n)[: max(k, round(part * n))]] = True
        rows = np.flatnonzero(there)
        near = there[nearest[rows]]
        first = np.argsort(~near, 1, kind="stable")[:, : k - 1]  # the nearest that take part, in order
        at = np.take_along_axis(nearest[rows], first, 1)
        weight = np.take_along_axis(np.where(near, similar[rows], 0), first, 1)
        own = 2 * weight[:, :1] - weight[:, 1:2]  # 1 - (2 d_1 - d_2)
        voters = np.concatenate([given[rows, None], given[at]], 1)
        votes = _counts(voters, np.concatenate([own, weight], 1), int(given.max()) + 1)
        votes /= np.maximum(np.linalg.norm(votes, axis=1, keepdims=True), 1e-12)
        wrong[rows] += votes.argmax(1) != given[rows]
        score[rows] -= np.log(np.maximum(_own(votes, given[rows]), 1e-12))
        seen[rows] += 1
    seen = np.maximum(seen, 1)
    return Answer(score / seen, wrong / seen >= 0.5)


def _nearest(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other examples (n, k) by cosine, and their cosines."""
    k = min(k, len(x) - 1)
    distance, index = NearestNeighbors(n_neighbors=k, metric="cosine").fit(x).kneighbors()
    return index, 1 - distance


def _counts(labels: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """(n, K) the weight of each class among labels (n, m) with weights (n, m)."""
    n = len(labels)
    cell = np.arange(n)[:, None] * k + labels
    return np.bincount(cell.ravel(), weights.ravel(), minlength=n * k).reshape(n, k)


def mistakenness(p: np.ndarray, given: np.ndarray, logits: bool = False) -> np.ndarray:
    """FiftyOne's mistakenness of a classification: (1 + m c) / 2, m = 1 where the prediction is another label and else
    -1. c is the confidence, the probability of the prediction (its default), or, from logits, exp(-entropy)."""
    certain = p.max(1)
    if logits:
        certain = np.exp((p * np.log(np.maximum(p, 1e-300))).sum(1))
    return (1 + np.where(p.argmax(1) == given, -1.0, 1.0) * certain) / 2


def aum(x: np.ndarray, given: np.ndarray, seed: int, epochs: int = 40, hidden: int = 64) -> Answer:
    """Pleiss et al., NeurIPS 2020: two trainings, in each of which n / (K + 1) other examples get a class K + 1; an
    example is flagged if its area under the margin is at most the 99th percentile of theirs in every training in which
    it had its own label. Learning rate 0.1 to the end, Nesterov momentum 0.9, weight decay 1e-4, batches of 64, the
    first epoch left out, as there. The network is one hidden layer with batch normalisation on standardised features,
    as wide as the last of the authors' ResNet-32, for 40 epochs (theirs: 150). The score is minus the mean area over
    those trainings.
    """
    n, k = len(given), int(given.max()) + 1
    order = np.random.default_rng([seed, 3]).permutation(n)
    size = n // (k + 1)
    flagged, total, times = np.ones(n, bool), np.zeros(n), np.zeros(n)
    for turn in range(2):
        fake = np.zeros(n, bool)
        fake[order[turn * size : (turn + 1) * size]] = True
        area = _areas(x, np.where(fake, k, given), k + 1, epochs, hidden, 2 * seed + turn)
        cut = np.percentile(area[fake], 99) if size else -np.inf
        flagged &= fake | (area <= cut)
        total[~fake] += area[~fake]
        times += ~fake
    return Answer(-total / times, flagged)


def _areas(x: np.ndarray, labels: np.ndarray, k: int, epochs: int, hidden: int, seed: int) -> np.ndarray:
    """(n,) the mean over epochs of the logit of the label less the largest other, as seen in training."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    inputs = torch.from_numpy(StandardScaler().fit_transform(x).astype(np.float32))
    target = torch.from_numpy(np.asarray(labels, np.int64))
    net = nn.Sequential(nn.Linear(x.shape[1], hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, k))
    step = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    area = np.zeros(len(labels))
    for epoch in range(epochs):
        for rows in torch.randperm(len(labels)).split(64):
            if len(rows) == 1:  # batch normalisation needs two
                continue
            logits = net(inputs[rows])
            step.zero_grad()
            nn.functional.cross_entropy(logits, target[rows]).backward()
            step.step()
            if epoch:
                area[rows.numpy()] += margins(logits.detach().numpy(), labels[rows.numpy()])
    return area / max(1, epochs - 1)


def margins(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) the logit of the label less the largest of the others."""
    other = logits.copy()
    other[np.arange(len(labels)), labels] = -np.inf
    return _own(logits, labels) - other.max(1)
