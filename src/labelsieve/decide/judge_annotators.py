"""What a fitted model of the votes says about the annotators.

Accuracy: the expected share of right votes; the interval is Wilson's (1927) for that share of the votes, widened by how
    uncertain the true classes are.
Information: log2 of the probability of a vote under the annotator's matrix, with the class as it seems without this
    vote, over its probability under the annotator's habits alone (how often he gives each label). Its mean over the
    votes is about the mutual information of the vote and the true class, and 0 for spam.
Copies: `decide.copied_votes`.
Ask: the value of information of one more vote (Howard 1966) for the probability that the consensus is right.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.annotators import Annotator, Annotators, Ask, Confused
from labelsieve.decide.copied_votes import PAIRS, copies, pairs_of_votes
from labelsieve.stats.vote_model import VoteModel, agreement, consensus, one_more, thinned

SPAM = 0.25  # of the average information of a vote
FEW = 10  # votes below which nobody is called spam
CONFUSED = 5  # errors of an annotator that are listed
ASK = 1000  # examples that are listed
WHO = 3  # annotators to ask, per example
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
    spam = (total >= FEW) & (mean + _Z * error < SPAM * float(bits.mean()))
    people = [
        Annotator(
            votes.annotators[a],
            int(count[a]),
            float(right[a] / count[a]),
            float(low[a]),
            float(high[a]),
            float(kappa[a]) if np.isfinite(kappa[a]) else None,
            float(mean[a]),
            bool(spam[a]),
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
        copies(model),
        _ask(model, classes, ids, np.where(spam, 0, mean)),
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


def _kappas(model: VoteModel, k: int) -> np.ndarray:
    """(A,) Cohen's kappa of each annotator against all others on the same examples."""
    votes, many = model.votes, len(model.votes.annotators)
    votes = thinned(votes, PAIRS)
    one, other = pairs_of_votes(votes)
    if len(one) == 0:
        return np.full(many, np.nan)
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


def _ask(model: VoteModel, classes: tuple[str, ...], ids: np.ndarray, information: np.ndarray) -> tuple[Ask, ...]:
    """The examples that want one more vote, and who should give it: those whose votes tell most, nobody whose votes
    tell nothing."""
    top = model.posterior.max(1)
    doubtful = np.argsort(top, kind="stable")[: 20 * ASK]
    gain = one_more(model, doubtful)
    order = np.lexsort((doubtful, top[doubtful], -gain))[:ASK]
    best = np.argsort(-information, kind="stable")
    best = best[information[best] > 0]
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
