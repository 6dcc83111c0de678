"""Who reviews the reviewer: known items planted among the others, overlap, agreement, suggestions accepted.

Agreement corrected for chance: Fleiss' kappa (Psychological Bulletin 1971) over all pairs of answers to the same
example, where reviewers are taken to share one distribution of answers (for two of them it is Scott's pi); of one
class, the same on "this class or not". Differs: an example counts once, however many people answered it (its pairs
share a weight of one). What a reviewer said is the class: to keep a label is to name the given class. A settled
conflict counts with what was said before it. Cost: one pass over the decisions.
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
    """What one person did. Shares are None where there is nothing to divide.

    Attributes:
        name: of the reviewer.
        answers: examples this person answered.
        acts: act -> how often.
        offered: answers that had a suggestion other than the given label before them.
        accepted: how many of those took the suggestion.
        shared: examples that somebody else answered too.
        agreed: how many of those have the same answer from everybody.
        planted: known items answered.
        planted_right: how many of those as they are known to be.
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
    """Agreement on examples with several answers: of all classes together (`label` None) or on one class.

    Attributes:
        label: the class, or None.
        examples: with several answers (for a class: of which at least one names it).
        agree: share of pairs that agree (for a class: of pairs in which one names it, how often the other does).
        kappa: corrected for chance: 1 always, 0 no more than by chance; NaN where only one answer ever occurs.
    """

    label: str | None
    examples: int
    agree: float
    kappa: float


def reviewers(findings: Findings, fold: Fold, known: Mapping[str, str | None] | None = None) -> tuple[Reviewer, ...]:
    """Every reviewer, the busiest first.

    Args:
        known: id -> true class of planted items (None: no class fits); only decisions picked as "planted" are held
            against it.
    """
    given = _given(findings, fold)
    answers: dict[str, list[Decision]] = {}
    shared: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    for id in fold.ids():
        said = own_answers(fold, id)
        same = len({_named(row, given) for row in said.values()}) == 1
        for name, row in said.items():
            answers.setdefault(name, []).append(row)
            shared[name] += len(said) > 1
            agreed[name] += len(said) > 1 and same
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
    """Agreement over all classes, then class by class in the order of the classes, then "exclude" and "ambiguous" as
    they occur. Empty where no example has two answers."""
    given = _given(findings, fold)
    said = [[_named(row, given) for row in own_answers(fold, id).values()] for id in fold.ids()]
    said = [names for names in said if len(names) > 1]
    if not said:
        return ()
    found = {name for names in said for name in names}
    order = [name for name in (*findings.classes, _NONE, _SEVERAL) if name in found]
    place = {name: i for i, name in enumerate(order)}
    pairs = np.zeros((len(order), len(order)))
    for names in said:
        weight = 1 / (len(names) * (len(names) - 1))
        for a, b in combinations(names, 2):
            pairs[place[a], place[b]] += weight
            pairs[place[b], place[a]] += weight
    share = pairs.sum(1) / pairs.sum()
    same = float(np.trace(pairs) / pairs.sum())
    out = [Agreement(None, len(said), same, _kappa(same, float((share**2).sum())))]
    for i, name in enumerate(order):
        both = float(pairs[i, i] / pairs.sum())
        two_way = 1 - 2 * (float(share[i]) - both)  # share of pairs alike on "this class or not"
        chance = float(share[i] ** 2 + (1 - share[i]) ** 2)
        out.append(
            Agreement(name, sum(name in names for names in said), both / float(share[i]), _kappa(two_way, chance))
        )
    return tuple(out)


def overlap(fold: Fold) -> tuple[int, int]:
    """How often two people differ on whether a label is wrong: (pairs that differ, pairs), one pair an example, the
    first two answers."""
    differ = pairs = 0
    for id in fold.ids():
        said = [row.act != "keep" for row in own_answers(fold, id).values() if row.act != "ambiguous"][:2]
        if len(said) == 2:
            pairs += 1
            differ += said[0] != said[1]
    return differ, pairs


def plant(queue: np.ndarray, known: np.ndarray, *, every: int = 20, seed: int = 0) -> np.ndarray:
    """The queue (m,) with one known item at a random place in every `every` examples, while there are any; the order of
    the queue stays. A planted item that is in the queue leaves its own place."""
    rng = np.random.default_rng(seed)
    blocks = -(-int((~np.isin(queue, known)).sum()) // every)
    chosen = rng.permutation(known)[:blocks]
    queue = queue[~np.isin(queue, chosen)]
    start = every * np.arange(len(chosen))
    return np.insert(queue, rng.integers(start, np.minimum(start + every, len(queue)) + 1), chosen)


def own_answers(fold: Fold, id: str) -> dict[str, Decision]:
    """Reviewer -> own last standing answer; a settling decision is nobody's own."""
    return {row.reviewer: row for row, stands in fold.history(id) if stands and row.act in FINAL and row.pick != SETTLE}


_NONE, _SEVERAL = "exclude", "ambiguous"


def _given(findings: Findings, fold: Fold) -> dict[str, str]:
    wanted = set(fold.ids())
    return {
        id: findings.classes[findings.given[i]] for i, id in enumerate(findings.ids if wanted else ()) if id in wanted
    }


def _named(row: Decision, given: Mapping[str, str]) -> str:
    if row.act == "keep":
        return given.get(row.id, "")
    return str(row.label) if row.act == "relabel" else row.act


def _kappa(same: float, chance: float) -> float:
    return (same - chance) / (1 - chance) if chance < 1 else float("nan")
