"""Votes: what several annotators and the judges of the examples say together.

Idea: the true class of each example and the confusion matrix of each annotator explain the votes; a classifier that
    never saw the labels of the example is the prior of its class. The score is the log-odds that another class than the
    given one is the true one.
Paper: Dawid and Skene, Applied Statistics 1979, with a classifier as prior (Raykar et al., JMLR 2010); the model is in
    `stats.vote_model`, the pool of the classifiers in `stats.opinion_pool`.
Good at: annotators of different skill, spam, pairs of classes that some confuse; few votes per example.
Bad at: errors that all annotators make alike, where no classifier contradicts them.
Numbers: those of `stats.vote_model`; the shrinkage is found in the votes.
Differs: each annotator's matrix is shrunk to the common one, and the votes weigh less where annotators err together.
    Without probabilities and shrinkage it would be Dawid-Skene.
Cost: at most 100 steps of an EM over the votes, K sums over the votes each.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.evidence import Neighbours
from labelsieve.core.scores import Scores
from labelsieve.core.vote_list import Votes
from labelsieve.stats import vote_model as model
from labelsieve.stats.opinion_pool import pool_of


def votes(
    votes: Votes,
    labels: np.ndarray,
    n_classes: int,
    probs: np.ndarray | None = None,
    probs_gce: np.ndarray | None = None,
    probs_lda: np.ndarray | None = None,
    neighbours: Neighbours | None = None,
    *,
    steps: int = model.STEPS,
) -> Scores:
    """Log-odds that each given label is wrong; flags where another class is likelier.

    There are many parameters because each judge is one, besides the votes.

    Args:
        votes: of several annotators on the n examples.
        labels: (n,) given labels.
        n_classes: K.
        probs: (n, K), used only if there are neither GCE nor LDA probabilities.
        probs_gce: (n, K).
        probs_lda: (n, K).
        neighbours: the kNN graph.
        steps: of the EM, at most.
    """
    judges = {"probs_gce": probs_gce, "probs_lda": probs_lda, "probs": probs}
    known = None
    if not votes.alone and any(judge is not None for judge in judges.values()):
        known = pool_of(judges, neighbours, labels, n_classes).probabilities()
    fitted = model.fit(votes, n_classes, known, steps=steps)
    at, q = np.arange(len(labels)), np.array(fitted.posterior)
    best, given = fitted.consensus(), q[at, labels]
    q[at, labels] = -1
    other = model.consensus(q)
    rest = np.maximum(1 - given, 1e-300)
    extra = {
        "p_given": given,
        "p_other": q[at, other],
        "p_consensus": fitted.posterior[at, best],
        "votes": np.diff(votes.starts),
        "votes_for_given": np.bincount(votes.example[votes.label == labels[votes.example]], minlength=votes.n),
    }
    odds = np.log(rest) - np.log(np.maximum(given, 1e-300))
    return Scores(odds, other, best != labels, extra, float(rest.sum()), model=fitted)
