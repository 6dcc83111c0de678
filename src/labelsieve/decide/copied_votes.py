"""Pairs of annotators who agree as if one had copied from the other.

Two numbers say how often annotators a and b would agree, on the examples that both voted on, without copying:
- by agreement with others: beyond chance, a and b agree in m_a m_b / m of the cases, where m_a is how often a agrees
    with all but b beyond chance, and m is the average of all pairs (each annotator has a skill, skills multiply);
- by their errors: sum_k q(k) sum_l T_a[k, l] T_b[k, l], with the class k as it seems without their two votes, and the
    matrices T_a and T_b that make the votes of each most probable, given these classes. Those of the model will not do:
    copied votes confirm each other, so they look right. Nor will plain counts over q: where the others are few or poor,
    q is vague, and two good annotators would seem bad, so that they agree too often.
The pair is named if the agreements exceed the larger number by STRIKING standard errors, and by the share COPIED of
what copying could add. Both need OTHERS annotators besides the pair: with one, three rates of agreement fit three
independent annotators of some skill as well as a pair that copies.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.annotators import Copies
from labelsieve.core.vote_list import Votes
from labelsieve.stats.vote_model import VoteModel

STRIKING = 5.0  # z of two annotators' agreements
COPIED = 1 / 3  # of the agreements beyond the expected ones that copying could make
SHARED = 10  # examples that two annotators must share to be compared
PAIRS = 2_000_000  # pairs of votes that are compared, about
MOST = 1000  # pairs of annotators that are named
OTHERS = 2  # annotators who share examples with each of the pair
STEPS = 100  # of the fit of one annotator's matrix


def copies(model: VoteModel) -> tuple[Copies, ...]:
    """The pairs, the most striking first."""
    votes, many, k = model.votes, len(model.votes.annotators), model.posterior.shape[1]
    one, other = pairs_of_votes(votes)
    key, pair, shared = np.unique(
        votes.annotator[one].astype(np.int64) * many + votes.annotator[other], return_inverse=True, return_counts=True
    )
    if not len(key) or shared.max() < SHARED:
        return ()
    a, b = np.divmod(key, many)
    same = np.bincount(pair, votes.label[one] == votes.label[other])
    habit = np.bincount(votes.annotator.astype(np.int64) * k + votes.label, minlength=many * k).reshape(many, k)
    habit = habit / np.maximum(habit.sum(1, keepdims=True), 1)
    chance = np.empty(len(key))
    for start in range(0, len(key), size := max(1, PAIRS // k)):
        some = slice(start, start + size)
        chance[some] = (habit[a[some]] * habit[b[some]]).sum(1)
    beyond = same - shared * chance
    all_beyond, all_shared = (
        np.bincount(a, values, minlength=many) + np.bincount(b, values, minlength=many) for values in (beyond, shared)
    )
    usual = beyond.sum() / shared.sum()
    rest = [all_shared[who] - shared for who in (a, b)]
    skill = [
        np.maximum(all_beyond[who] - beyond, 0) / np.maximum(left, 1) for who, left in zip((a, b), rest, strict=True)
    ]
    likely = shared * np.minimum(chance + skill[0] * skill[1] / max(usual, 1e-9), 1)
    met = shared >= SHARED
    partners = np.bincount(a[met], minlength=many) + np.bincount(b[met], minlength=many) - 1
    compared = met & (np.minimum(*rest) >= SHARED) & (np.minimum(partners[a], partners[b]) >= OTHERS) & (usual > 0)
    z = _excess(same, likely, likely * (1 - likely / shared))
    found = []
    order = np.argsort(pair, kind="stable")
    begin = np.searchsorted(pair[order], np.arange(len(key) + 1))
    candidates = np.flatnonzero(compared & (z > STRIKING))
    for j in candidates[np.argsort(-z[candidates], kind="stable")][:MOST].tolist():
        rows = order[begin[j] : begin[j + 1]]
        expected = _by_errors(model, one[rows], other[rows])
        n, least = int(shared[j]), max(float(expected.sum()), float(likely[j]))
        striking = min(float(z[j]), float(_excess(same[j], expected.sum(), (expected * (1 - expected)).sum())))
        if striking > STRIKING and same[j] - least > COPIED * (n - least):
            names = votes.annotators
            found.append((striking, Copies(names[a[j]], names[b[j]], n, int(same[j]), least)))
    return tuple(pair for _, pair in sorted(found, key=lambda one: (-one[0], one[1].one, one[1].other)))


def _excess(same, likely, variance):
    """How many standard errors more agreements there are than likely."""
    return (same - likely) / np.sqrt(np.maximum(variance, 1e-9))


def _by_errors(model: VoteModel, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(m,) the probability that the votes `one` and `other` of two annotators on m examples agree."""
    q = model.without(one, other)
    matrices = [_matrix(q, model.votes.label[rows], model.common) for rows in (one, other)]
    return np.clip(q @ (matrices[0] * matrices[1]).sum(1), 0, 1)


def _matrix(q: np.ndarray, votes: np.ndarray, common: np.ndarray) -> np.ndarray:
    """(K, K) the probability of each vote in each class, the most likely one (EM) if the classes have the probabilities
    q (m, K); shrunk to the `common` one by one vote in each class."""
    k = q.shape[1]
    matrix, said = common, np.zeros((k, k))
    for _ in range(STEPS):
        now = q * matrix[:, votes].T
        now /= np.maximum(now.sum(1, keepdims=True), 1e-300)
        before, said = said, np.stack([np.bincount(votes, of_class, minlength=k) for of_class in now.T])
        matrix = (said + common) / (said.sum(1, keepdims=True) + 1)
        if np.abs(said - before).sum() < 1e-3 * len(votes):
            break
    return matrix


def pairs_of_votes(votes: Votes, most: int = PAIRS) -> tuple[np.ndarray, np.ndarray]:
    """Positions of pairs of votes on the same example, at most about `most`."""
    size = np.diff(votes.starts)
    one, other = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
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
    return np.concatenate(one), np.concatenate(other)
