"""Consensus: the robust head and the neighbours judge together, and common confusions count a little more.

Idea: a log-opinion pool of the out-of-fold probabilities of a head trained with a robust loss (GCE) and of the kNN
    vote; the log-odds that another class explains the example better, with the estimated noise transition matrix as a
    tempered prior.
Paper: pool and transition matrix in `stats.opinion_pool`; GCE: Zhang and Sabuncu, NeurIPS 2018; kNN: Zhu et al., ICML
2022.
Good at: staying close to the best single detector on all tested kinds of noise: symmetric, pair, boundary and
human.
Bad at: a class with a handful of examples; data on which both judges share a blind spot (a background that gives
the class away).
Numbers: k = 20 neighbours; the matrix enters with exponent `trust` = 0.25; both chosen on development
sets with known
    errors, CIFAR-10N among them (docs/calibration.md). All constants are in `stats.opinion_pool`.
Differs: this detector is ours. It is the default score of `find`; probabilities of the user are the only judge if there
are some.
Cost: one pass over (n, K) in blocks, and an EM on a sample of rows.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.evidence import Neighbours
from labelsieve.core.scores import Scores
from labelsieve.stats import opinion_pool
from labelsieve.stats.confident_joint import require_finite
from labelsieve.stats.opinion_pool import Pool, estimate_transition, verdict


def consensus(
    labels: np.ndarray,
    n_classes: int,
    probs: np.ndarray | None = None,
    probs_gce: np.ndarray | None = None,
    neighbours: Neighbours | None = None,
    *,
    k: int = opinion_pool.NEIGHBOURS,
    sharpness: float = opinion_pool.SHARPNESS,
    spread: float = opinion_pool.SPREAD,
    trust: float = opinion_pool.TRUST,
    prior: float = opinion_pool.PRIOR,
    steps: int = opinion_pool.STEPS,
    floor: float = opinion_pool.FLOOR,
) -> Scores:
    """Log-odds that each given label is wrong.

    There are many parameters because each constant of the fit is one, besides the evidence.

    Args:
        labels: (n,) given labels.
        n_classes: K.
        probs: (n, K), used only if there are no robust probabilities.
        probs_gce: (n, K).
        neighbours: the kNN graph.
        k: number of neighbours that vote.
        sharpness: a neighbour weighs exp(sharpness (cosine - cosine of the nearest)).
        spread: share of a vote that is spread evenly over all classes.
        trust: exponent of the transition matrix.
        prior: weight, in examples per class, that pulls the rows of that matrix to a common noise rate.
        steps: steps of the EM that fits it.
        floor: lower bound of a judge's probabilities.
    """
    judge = probs if probs_gce is None else probs_gce
    if judge is None:
        raise ValueError("consensus needs probs or probs_gce")
    require_finite(judge, labels)
    pool = Pool([judge], neighbours, labels, n_classes, k, sharpness, spread, floor)
    transition = estimate_transition(pool, steps=steps, prior=prior)
    decided = verdict(pool, transition, trust=trust)
    why = {"p_given": decided.p_given, "p_other": decided.p_other, "judges_agree": decided.united}
    return Scores(decided.log_odds, decided.other, decided.log_odds > 0, why, transition.n_wrong)
