"""The quality of the reviewers: known items planted among the others, overlap, agreement, suggestions accepted.

Agreement corrected for chance: Fleiss' kappa (Psychological Bulletin 1971) over all pairs of answers to the same
example. Reviewers are assumed to share one distribution of answers (for two of them it is Scott's pi). For one class it
is the same on "this class or not". An answer counts as a class: to keep a label is to name the given class. A settled
conflict counts with the answers before it.
Differs: an example counts once, however many people answered it (its pairs share a weight of one).
Cost: one pass over the decisions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from labelsieve.core.decision import FINAL, SETTLE, Decision, Fold
from labelsieve.core.findings import Findings

PLANTED = "planted"  # the pick of a known item


@dataclass(frozen=True)
class Reviewer:
    """What one person did. Shares are None if their denominator is zero.

    Attributes:
        name: name of the reviewer.
        answers: examples this person answered.
        acts: action -> how often.
        offered: answers to examples shown with a suggestion other than the given label.
        accepted: how many of those took the suggestion.
        shared: examples that somebody else answered too.
        agreed: how many of those got the same answer from everybody.
        planted: known items answered.
        planted_right: how many of those were answered correctly.
    """

    name: str
    answers: int
    acts: dict[str, int]
    offered: int
    accepted: int
    shared: int
    agreed: int
    planted: int
    planted_right: int

    @property
    def acceptance(self) -> float | None:
        return self.accepted / self.offered if self.offered else None

    @property
    def agreement(self) -> float | None:
        return self.agreed / self.shared if self.shared else None

    @property
    def planted_accuracy(self) -> float | None:
        return self.planted_right / self.planted if self.planted else None


@dataclass(frozen=True)
class Agreement:
    """Agreement on examples with several answers, over all classes together (`label` None) or on one class.

    Attributes:
        label: the class, or None.
        examples: examples with several answers (for a class: at least one of which names it).
        agree: share of pairs that agree (for a class: of pairs in which one names it, how often the other does).
        kappa: agreement corrected for chance: 1 complete, 0 no better than chance; NaN if only one answer ever occurs.
    """

    label: str | None
    examples: int
    agree: float
    kappa: float


def reviewers(findings: Findings, fold: Fold, known: Mapping[str, str | None] | None = None) -> tuple[Reviewer, ...]:
    """Every reviewer, the busiest first.

    Args:
        known: id -> true class of planted items (None: no class fits); only decisions picked as "planted" are compared
            with it.
    """
    given = _given(findings, fold)
    answers: dict[str, list[Decision]] = {}
    shared: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    for id in fold.ids():
        answered = own_answers(fold, id)
        same = len({_named(row, given) for row in answered.values()}) == 1
        for name, row in answered.items():
            answers.setdefault(name, []).append(row)
            shared[name] += len(answered) > 1
            agreed[name] += len(answered) > 1 and same
    people = [_reviewer(name, rows, shared[name], agreed[name], given, known or {}) for name, rows in answers.items()]
    return tuple(sorted(people, key=lambda person: (-person.answers, person.name)))


def _reviewer(
    name: str, rows: list[Decision], shared: int, agreed: int, given: dict[str, str], known: Mapping[str, str | None]
) -> Reviewer:
    offered = [
        row for row in rows if row.suggestion is not None and not row.blind and row.suggestion != given.get(row.id)
    ]
    planted = [row for row in rows if row.pick == PLANTED and row.id in known]
    return Reviewer(
        name=name,
        answers=len(rows),
        acts=dict(Counter(row.act for row in rows).most_common()),
        offered=len(offered),
        accepted=sum(row.act == "relabel" and row.label == row.suggestion for row in offered),
        shared=shared,
        agreed=agreed,
        planted=len(planted),
        planted_right=sum(
            _named(row, given) == (known[row.id] if known[row.id] is not None else _NONE) for row in planted
        ),
    )


def agreement(findings: Findings, fold: Fold) -> tuple[Agreement, ...]:
    """Agreement over all classes, then per class in the order of the classes, then on "exclude" and "ambiguous" if they
    occur. Empty if no example has two answers."""
    given = _given(findings, fold)
    named = [[_named(row, given) for row in own_answers(fold, id).values()] for id in fold.ids()]
    named = [names for names in named if len(names) > 1]
    if not named:
        return ()
    used = {name for names in named for name in names}
    order = [name for name in (*findings.classes, _NONE, _SEVERAL) if name in used]
    place = {name: i for i, name in enumerate(order)}
    pairs = np.zeros((len(order), len(order)))
    for names in named:
        weight = 1 / (len(names) * (len(names) - 1))
        for a, b in combinations(names, 2):
            pairs[place[a], place[b]] += weight
            pairs[place[b], place[a]] += weight
    share = pairs.sum(1) / pairs.sum()
    same = float(np.trace(pairs) / pairs.sum())
    out = [Agreement(None, len(named), same, _kappa(same, float((share**2).sum())))]
    for i, name in enumerate(order):
        both = float(pairs[i, i] / pairs.sum())
        two_way = 1 - 2 * (float(share[i]) - both)  # share of pairs alike on "this class or not"
        chance = float(share[i] ** 2 + (1 - share[i]) ** 2)
        out.append(
            Agreement(name, sum(name in names for names in named), both / float(share[i]), _kappa(two_way, chance))
        )
    return tuple(out)


def overlap(fold: Fold) -> tuple[int, int]:
    """How often two people differ on whether a label is wrong: (pairs that differ, pairs), one pair per example, from
    its first two answers."""
    differ = pairs = 0
    for id in fold.ids():
        called_wrong = [row.act != "keep" for row in own_answers(fold, id).values() if row.act != "ambiguous"][:2]
        if len(called_wrong) == 2:
            pairs += 1
            differ += called_wrong[0] != called_wrong[1]
    return differ, pairs


def plant(queue: np.ndarray, known: np.ndarray, *, every: int = 20, seed: int = 0) -> np.ndarray:
    """The queue (m,) with one known item at a random place in every `every` examples, as long as there are known items.
    The order of the queue stays; a planted item that was in the queue moves."""
    rng = np.random.default_rng(seed)
    blocks = -(-int((~np.isin(queue, known)).sum()) // every)
    chosen = rng.permutation(known)[:blocks]
    queue = queue[~np.isin(queue, chosen)]
    start = every * np.arange(len(chosen))
    return np.insert(queue, rng.integers(start, np.minimum(start + every, len(queue)) + 1), chosen)


def own_answers(fold: Fold, id: str) -> dict[str, Decision]:
    """Reviewer -> own last answer that is still valid; a settling decision is nobody's own."""
    return {row.reviewer: row for row, stands in fold.history(id) if stands and row.act in FINAL and row.pick != SETTLE}


_NONE, _SEVERAL = "exclude", "ambiguous"


def _given(findings: Findings, fold: Fold) -> dict[str, str]:
    decided = set(fold.ids())
    return {
        id: findings.classes[findings.given[i]] for i, id in enumerate(findings.ids if decided else ()) if id in decided
    }


def _named(row: Decision, given: Mapping[str, str]) -> str:
    if row.act == "keep":
        return given.get(row.id, "")
    return str(row.label) if row.act == "relabel" else row.act


def _kappa(same: float, chance: float) -> float:
    return (same - chance) / (1 - chance) if chance < 1 else float("nan")
