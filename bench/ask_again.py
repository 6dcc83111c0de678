"""Does one more vote help most where `find` asks for it? Simulated with true labels (oracle: for evaluation only).

    python bench/ask_again.py TABLES [--record bench/records/ask_again.json]

TABLES as for bench/votes.py. Of each set with many votes on each example, but not above 30,000 in all, two votes of
each example are known at first. In each of ten rounds, a tenth of the examples get one vote more, and the model is
fitted again:
- random: to any examples, from any annotator that has a vote left there;
- disputed: to the examples whose most voted label has the smallest share, from any annotator;
- asked: to the examples that `annotators.json` would ask for, from any annotator;
- asked whom: the same, from the annotator left there who tells most.
Prints the accuracy of the consensus before, after the last round, and on average over the rounds. Means over seeds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import vote_sets
from labelsieve.core.vote_list import Votes, in_order
from labelsieve.decide.judge_annotators import annotators
from labelsieve.stats import vote_model
from vote_sets import Votings, accuracy

WAYS = ("random", "disputed", "asked", "asked whom")
FIRST = 2  # votes of each example at first
ROUNDS = 10
SEEDS = 3
ENOUGH = 5.0  # votes of an example, on average, that a set must have
MOST = 30_000  # votes that it may have


def simulate(one: Votings, way: str, seed: int) -> list[float]:
    """The accuracy at first and after each round."""
    rng = np.random.default_rng(seed)
    votes = one.votes
    order = np.lexsort((rng.random(len(votes)), votes.example))  # the votes of each example in random order
    rank = np.arange(len(votes)) - votes.starts[votes.example]
    known = np.zeros(len(votes), bool)
    known[order[rank < FIRST]] = True
    each = max(1, votes.n // ROUNDS)
    out = []
    for step in range(ROUNDS + 1):
        model = vote_model.fit(_some(votes, known), one.classes)
        out.append(accuracy(model.posterior, one.truth))
        if step == ROUNDS:
            return out
        left = _left(votes, known)
        examples = _examples(way, model, left, rng)[:each]
        tells = _tells(model) if way == "asked whom" else rng.random(len(votes.annotators))
        for i in examples.tolist():
            candidates = left[i]
            best = candidates[np.argmax(tells[votes.annotator[candidates]])]
            known[best] = True
    return out


def _some(votes: Votes, known: np.ndarray) -> Votes:
    return in_order(votes.example[known], votes.annotator[known], votes.label[known], votes.annotators, votes.n)


def _left(votes: Votes, known: np.ndarray) -> dict[int, np.ndarray]:
    """The positions of the votes of each example that are not known yet."""
    unknown = np.flatnonzero(~known)
    examples, start = np.unique(votes.example[unknown], return_index=True)
    return dict(zip(examples.tolist(), np.split(unknown, start[1:]), strict=True))


def _examples(way: str, model: vote_model.VoteModel, left: dict[int, np.ndarray], rng: np.random.Generator):
    """The examples with votes left, the first to ask for first."""
    rows = rng.permutation(np.array(sorted(left)))
    if way == "random":
        return rows
    if way == "disputed":
        shares = model.votes.shares(model.posterior.shape[1]).max(1)
        return rows[np.argsort(shares[rows], kind="stable")]
    gain = vote_model.one_more(model, rows)
    return rows[np.lexsort((model.posterior[rows].max(1), -gain))]


def _tells(model: vote_model.VoteModel) -> np.ndarray:
    """(A,) bits that a vote of each annotator tells."""
    names = tuple(map(str, range(model.posterior.shape[1])))
    found = {one.name: one.information for one in annotators(model, names, np.arange(model.votes.n)).annotators}
    return np.array([found.get(name, 0.0) for name in model.votes.annotators])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    sets = [one for one in vote_sets.tables(given.tables) if ENOUGH * one.votes.n <= len(one.votes) <= MOST]
    lines = []
    for one in sets:
        curves = {way: np.mean([simulate(one, way, seed) for seed in range(SEEDS)], 0) for way in WAYS}
        lines.append(
            {
                "set": one.name,
                "n": one.votes.n,
                "votes": len(one.votes),
                "first": round(float(curves["random"][0]), 5),
                "last": {way: round(float(curve[-1]), 5) for way, curve in curves.items()},
                "mean": {way: round(float(curve[1:].mean()), 5) for way, curve in curves.items()},
            }
        )
        print(json.dumps(lines[-1]), flush=True)
        if given.record:
            given.record.write_text(json.dumps({"sets": lines}, indent=1) + "\n")


if __name__ == "__main__":
    main()
