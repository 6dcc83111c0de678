"""Consensus: three judges of the features, or the probabilities of the user, judge together.

Idea: a log-opinion pool of the out-of-fold probabilities of linear discriminant analysis, of a head trained with a
    robust loss (GCE) and of the kNN vote; the log-odds that another class explains the example better, with a small
    part for confusions that the noise transition matrix shows.
Paper: pool and transition matrix in `stats.opinion_pool`; LDA: Fisher 1936, in `evidence.linear_discriminant`; GCE:
    Zhang and Sabuncu, NeurIPS 2018; kNN: Zhu et al., ICML 2022; flags: confident learning (Northcutt et al., JAIR 2021)
    on the pooled probabilities.
Good at: staying close to the best single detector on all tested kinds of noise: symmetric, pair, boundary, distant and
    human.
Bad at: a class with a handful of examples; whole neighbourhoods with the same wrong label, which all judges learn.
Numbers: LDA weighs 4, GCE 2 and the vote of k = 20 neighbours 1; the transition matrix enters with an exponent that
    adds up to `trust` = 0.5. Chosen by leaving whole data sets out (docs/calibration.md). All constants are in
    `stats.opinion_pool`.
Differs: this detector is ours. It is the default score of `find`; probabilities of the user are the only judge if there
    are some.
Cost: three passes over (n, K) in blocks, and an EM on a sample of rows.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.evidence import Neighbours
from labelsieve.core.scores import Scores
from labelsieve.stats import opinion_pool
from labelsieve.stats.confident_joint import flagged_by
from labelsieve.stats.opinion_pool import estimate_transition, pool_of, verdict


def consensus(
    labels: np.ndarray,
    n_classes: int,
    probs: np.ndarray | None = None,
    probs_gce: np.ndarray | None = None,
    probs_lda: np.ndarray | None = None,
    neighbours: Neighbours | None = None,
    *,
    k: int = opinion_pool.NEIGHBOURS,
    sharpness: float = opinion_pool.SHARPNESS,
    spread: float = opinion_pool.SPREAD,
    trust: float = opinion_pool.TRUST,
    apart: float = opinion_pool.APART,
    prior: float = opinion_pool.PRIOR,
    steps: int = opinion_pool.STEPS,
    floor: float = opinion_pool.FLOOR,
) -> Scores:
    """Log-odds that each given label is wrong; flags are those of confident learning on the pooled probabilities.

    There are many parameters because each constant of the fit is one, besides the evidence.

    Args:
        labels: (n,) given labels.
        n_classes: K.
        probs: (n, K), used only if there are neither GCE nor LDA probabilities.
        probs_gce: (n, K).
        probs_lda: (n, K).
        neighbours: the kNN graph.
        k: number of neighbours that vote.
        sharpness: a neighbour weighs exp(sharpness (cosine - cosine of the nearest)).
        spread: share of a vote that is spread evenly over all classes.
        trust: exponent of the transition matrix.
        apart: of two classes, exponent of the rates at which each label is wrong; 1.5 with several labels per example
            (`detectors.each_class`).
        prior: weight, in examples per class, that pulls the rows of that matrix to a common noise rate.
        steps: steps of the EM that fits it.
        floor: lower bound of a judge's probabilities; of a single judge at most 1e-12.
    """
    judges = {"probs_gce": probs_gce, "probs_lda": probs_lda, "probs": probs}
    if all(judge is None for judge in judges.values()):
        raise ValueError("consensus needs probs, probs_gce or probs_lda")
    pool = pool_of(judges, neighbours, labels, n_classes, k=k, sharpness=sharpness, spread=spread, floor=floor)
    transition = estimate_transition(pool, steps=steps, prior=prior)
    decided = verdict(pool, transition, trust=trust, apart=apart)
    why = {"p_given": decided.p_given, "p_other": decided.p_other, "judges_agree": decided.united}
    flags = flagged_by(pool.probabilities(), labels, "prune_by_noise_rate")
    odds = decided.log_odds if pool.several else decided.log_odds + opinion_pool.CONFIDENT * flags
    return Scores(odds, decided.other, flags, why, transition.n_wrong, judges=len(pool.weights or ()))
