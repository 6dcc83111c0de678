"""Pairs of annotators who agree as if one had copied from the other.

Two numbers say how often annotators a and b would agree, on the examples that both voted on, without copying:
- by agreement with others: beyond chance, a and b agree in m_a m_b / m of the cases, where m_a is how often a agrees
    with all but b beyond chance, and m is the average of all pairs (each annotator has a skill, skills multiply);
- by their errors: sum_k q(k) sum_l T_a[k, l] T_b[k, l], with the class k as it seems without their two votes, and the
    matrices T_a and T_b that these classes and their votes give. Those of the model will not do: copied votes confirm
    each other, so they look right.
The pair is named if the agreements exceed the larger number by STRIKING standard errors, and by the share COPIED of
what copying could add.
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
    compared = (shared >= SHARED) & (np.minimum(*rest) >= SHARED) & (usual > 0)
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
    k = q.shape[1]
    matrices = []
    for rows in (one, other):
        said = np.stack([np.bincount(model.votes.label[rows], of_class, minlength=k) for of_class in q.T])
        matrices.append((said + model.common) / (said.sum(1, keepdims=True) + 1))
    return np.clip(q @ (matrices[0] * matrices[1]).sum(1), 0, 1)


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
