"""What a fitted model of the votes says about the annotators.

Accuracy: the expected share of right votes; the interval is Wilson's (1927) for that share of the votes, widened by how
    uncertain the true classes are.
Information: log2 of the probability of a vote under the annotator's matrix, with the class as it seems without this
    vote, over its probability under the annotator's habits alone (how often he gives each label). Its mean over the
    votes is about the mutual information of the vote and the true class, and 0 for spam.
Copies: two annotators who agree far more than two independent ones with their matrices would, with the class as it
    seems without their two votes. z > 5 of the agreements, and at least a third of the agreements to be had by copying.
Ask: the value of information of one more vote (Howard 1966) for the probability that the consensus is right.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.annotators import Annotator, Annotators, Ask, Confused, Copies
from labelsieve.stats.vote_model import VoteModel, agreement, consensus, one_more, thinned

SPAM = 0.25  # of the average information of a vote
STRIKING = 5.0  # z of two annotators' agreements
COPIED = 1 / 3  # of the agreements beyond the expected ones that copying could make
SHARED = 10  # examples that two annotators must share to be compared
CONFUSED = 5  # errors of an annotator that are listed
ASK = 1000  # examples that are listed
WHO = 3  # annotators to ask, per example
_PAIRS = 2_000_000  # pairs of votes that are compared, about
_CELLS = 50_000_000  # of the confusion matrices
_BLOCK = 1 << 18  # votes at once
_Z = 1.96


def annotators(model: VoteModel, classes: tuple[str, ...], ids: np.ndarray) -> Annotators:
    """The annotators of the votes that the model was fitted to.

    Args:
        model: of v votes on n examples in K classes.
        classes: K names.
        ids: (n,) of the examples.
    """
    votes, many, k = model.votes, len(model.votes.annotators), len(classes)
    who, count = votes.annotator, np.bincount(votes.annotator, minlength=many)
    p_right = model.posterior[votes.example, votes.label]
    right = np.bincount(who, p_right, minlength=many)
    spread = np.sqrt(np.bincount(who, p_right * (1 - p_right), minlength=many))
    low, high = _wilson(right, spread, count)
    bits = _information(model)
    mean, error = _mean(bits, who, many)
    kappa = _kappas(model, k)
    total = np.bincount(who, minlength=many)
    usual = float(bits.mean())
    people = [
        Annotator(
            votes.annotators[a],
            int(count[a]),
            float(right[a] / count[a]),
            float(low[a]),
            float(high[a]),
            float(kappa[a]) if np.isfinite(kappa[a]) else None,
            float(mean[a]),
            bool(total[a] >= SHARED and mean[a] + _Z * error[a] < SPAM * usual),
            confused,
        )
        for a, confused in enumerate(_confused(model, classes))
        if count[a]
    ]
    people.sort(key=lambda one: (one.accuracy, one.name))
    share, fleiss, alpha = agreement(votes, k)
    dense = None
    if many * k * k <= _CELLS:
        dense = np.zeros((many, k, k))
        dense[model.annotator, :, model.label] = model.counts
    return Annotators(
        tuple(people),
        _copies(model),
        _ask(model, classes, ids, mean),
        share,
        fleiss,
        alpha,
        model.sharpness,
        model.independence,
        model.shrinkage,
        votes,
        p_right,
        dense,
    )


def _wilson(right: np.ndarray, spread: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(A,) ends of the intervals of the accuracy; `spread` is the standard deviation of `right`."""
    n = np.maximum(count, 1)
    p, z2 = right / n, _Z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * np.sqrt(p * (1 - p) / n + z2 / (4 * n**2) + (spread / n) ** 2)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def _information(model: VoteModel) -> np.ndarray:
    """(v,) bits that each vote tells."""
    votes, k = model.votes, model.posterior.shape[1]
    habit = np.bincount(model.cell, minlength=len(model.label)) + 0.5
    of = np.bincount(model.annotator, habit, minlength=len(votes.annotators))[model.annotator]
    own = np.log2(habit / (of + 0.5 * (k - np.bincount(model.annotator)[model.annotator])))
    out = np.empty(len(votes))
    for start in range(0, len(votes), _BLOCK):
        some = np.arange(start, min(start + _BLOCK, len(votes)))
        cell = model.cell[some]
        said = (model.without(some) * model.matrix[cell]).sum(1)
        out[some] = np.log2(np.maximum(said, 1e-12)) - own[cell]
    return out


def _mean(values: np.ndarray, who: np.ndarray, many: int) -> tuple[np.ndarray, np.ndarray]:
    """(A,) mean and its standard error."""
    n = np.maximum(np.bincount(who, minlength=many), 1)
    mean = np.bincount(who, values, minlength=many) / n
    spread = np.bincount(who, (values - mean[who]) ** 2, minlength=many) / n
    return mean, np.sqrt(spread / n)


def _confused(model: VoteModel, classes: tuple[str, ...]) -> list[tuple[Confused, ...]]:
    """The commonest errors of each annotator."""
    many, k = len(model.votes.annotators), len(classes)
    per_class = np.zeros((many, k))
    np.add.at(per_class, model.annotator, model.counts)
    errors = np.array(model.counts)
    errors[np.arange(len(model.label)), model.label] = 0
    begin = np.searchsorted(model.annotator, np.arange(many + 1))
    out = []
    for a in range(many):
        some = errors[begin[a] : begin[a + 1]]
        order = np.argsort(-some, axis=None, kind="stable")[:CONFUSED]
        rows, true = np.unravel_index(order, some.shape)
        out.append(
            tuple(
                Confused(
                    classes[c],
                    classes[model.label[begin[a] + row]],
                    float(some[row, c]),
                    float(some[row, c] / per_class[a, c]),
                )
                for row, c in zip(rows.tolist(), true.tolist(), strict=True)
                if some[row, c] >= 0.5
            )
        )
    return out


def _pairs(votes, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of positions of votes on the same example."""
    size = np.diff(votes.starts)
    one, other = [], []
    room = most
    for apart in range(1, int(size.max(initial=0))):
        first = np.flatnonzero(votes.example[:-apart] == votes.example[apart:])
        if len(first) > room:
            first = first[:: -(-len(first) // max(1, room))]
        one.append(first)
        other.append(first + apart)
        room -= len(first)
        if room <= 0:
            break
    nothing = np.empty(0, np.int64)
    return (np.concatenate(one), np.concatenate(other)) if one else (nothing, nothing)


def _kappas(model: VoteModel, k: int) -> np.ndarray:
    """(A,) Cohen's kappa of each annotator against all others on the same examples."""
    votes, many = model.votes, len(model.votes.annotators)
    one, other = _pairs(thinned(votes, _PAIRS), _PAIRS)
    if len(one) == 0:
        return np.full(many, np.nan)
    votes = thinned(votes, _PAIRS)
    left, right = np.r_[one, other], np.r_[other, one]
    who, mine, theirs = votes.annotator[left], votes.label[left], votes.label[right]
    n = np.bincount(who, minlength=many)
    observed = np.bincount(who, mine == theirs, minlength=many) / np.maximum(n, 1)
    cells = [
        np.bincount(who.astype(np.int64) * k + said, minlength=many * k).reshape(many, k) / np.maximum(n, 1)[:, None]
        for said in (mine, theirs)
    ]
    chance = (cells[0] * cells[1]).sum(1)
    return np.where((n > 0) & (chance < 1), (observed - chance) / np.maximum(1 - chance, 1e-12), np.nan)


def _copies(model: VoteModel) -> tuple[Copies, ...]:
    """Pairs of annotators who agree far more than independent ones would."""
    votes, many, k = model.votes, len(model.votes.annotators), model.posterior.shape[1]
    one, other = _pairs(votes, _PAIRS)
    if len(one) == 0:
        return ()
    key, pair, shared = np.unique(
        votes.annotator[one].astype(np.int64) * many + votes.annotator[other], return_inverse=True, return_counts=True
    )
    worth = np.flatnonzero(shared >= SHARED)
    if not len(worth):
        return ()
    place = np.full(len(key), -1)
    place[worth] = np.arange(len(worth))
    kept = np.flatnonzero(place[pair] >= 0)
    one, other, pair = one[kept], other[kept], place[pair[kept]]
    matrices = np.zeros((0, 0, 0))
    if many * k * k <= _CELLS:
        matrices = np.zeros((many, k, k))
        matrices[model.annotator, :, model.label] = model.matrix
        matrices /= np.maximum(matrices.sum(2, keepdims=True), 1e-12)
    agreed = votes.label[one] == votes.label[other]
    expected = np.empty(len(one))
    step = max(1, _BLOCK // (k * k))
    for start in range(0, len(one), step):
        some = slice(start, start + step)
        q = model.without(one[some], other[some])
        if len(matrices):
            a, b = matrices[votes.annotator[one[some]]], matrices[votes.annotator[other[some]]]
            expected[some] = np.einsum("ik,ikl,ikl->i", q, a, b)
        else:
            expected[some] = q @ (model.common**2).sum(1)
    expected = np.clip(expected, 0, 1)
    n = shared[worth]
    same, likely = np.bincount(pair, agreed), np.bincount(pair, expected)
    z = (same - likely) / np.sqrt(np.maximum(np.bincount(pair, expected * (1 - expected)), 1e-9))
    striking = np.flatnonzero((z > STRIKING) & (same - likely > COPIED * (n - likely)))
    names = votes.annotators
    return tuple(
        Copies(names[key[worth[j]] // many], names[key[worth[j]] % many], int(n[j]), int(same[j]), float(likely[j]))
        for j in striking[np.argsort(-z[striking], kind="stable")]
    )


def _ask(model: VoteModel, classes: tuple[str, ...], ids: np.ndarray, information: np.ndarray) -> tuple[Ask, ...]:
    """The examples that want one more vote, and who should give it."""
    top = model.posterior.max(1)
    doubtful = np.argsort(top, kind="stable")[: 20 * ASK]
    gain = one_more(model, doubtful)
    order = np.lexsort((doubtful, top[doubtful], -gain))[:ASK]
    best = np.argsort(-information, kind="stable")
    said = consensus(model.posterior[doubtful])
    votes, out = model.votes, []
    for j in order.tolist():
        if gain[j] <= 1e-6:
            break
        i = int(doubtful[j])
        voted = set(votes.annotator[votes.starts[i] : votes.starts[i + 1]].tolist())
        who = [votes.annotators[a] for a in best[: WHO + len(voted)].tolist() if a not in voted][:WHO]
        out.append(Ask(str(ids[i]), classes[said[j]], float(top[i]), float(gain[j]), tuple(who)))
    return tuple(out)
