"""Several labels per example, as questions: does this example have this class?

Each pair of an example and a class is one row of a data set and of the findings. Its given label is `dog` or `not dog`,
so that a class that was forgotten and one that was given wrongly are judged, counted and corrected apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelsieve.core.dataset import Dataset, Subset
from labelsieve.core.errors import UserError

NOT = "not "  # before the name of a class that an example does not have
BETWEEN = "#"  # in the id of a question: the id of the example, this, the class


@dataclass(frozen=True, eq=False)
class Questions:
    """What N questions are about.

    Attributes:
        examples: the n examples. Their labels are no classes, but groups that folds keep in proportion: the rarest of
            the classes that each has. Their `probs`, if any, are (n, K): of each class apart.
        names: the K classes.
        given: (n, K) bool, the given labels.
        example, asked: (N,) int64, the example and the class of each question.
    """

    examples: Dataset
    names: tuple[str, ...]
    given: np.ndarray
    example: np.ndarray
    asked: np.ndarray

    def pick(self, rows: np.ndarray) -> Questions:
        """Some of the questions, about the same examples."""
        return replace(self, example=self.example[rows], asked=self.asked[rows])

    def pick_examples(self, rows: np.ndarray) -> Questions:
        """All questions about the examples at the positions `rows`."""
        made = ask(self.examples.pick(rows), self.given[rows], self.names).questions
        assert made is not None
        return made

    def all(self) -> Dataset:
        """All questions about all examples, as a data set."""
        return ask(self.examples, self.given, self.names)

    def copies(self, of: np.ndarray) -> np.ndarray:
        """(n K,) numbers of the same question about copies, from numbers (n,) that copies share."""
        return np.repeat(of, len(self.names)) * len(self.names) + np.tile(np.arange(len(self.names)), len(of))


def sides(names: Sequence[str]) -> tuple[str, ...]:
    """The 2 K answers: position 2 c is "not" class c, and 2 c + 1 is class c."""
    return tuple(answer for name in names for answer in (NOT + name, name))


def ask(examples: Dataset, given: np.ndarray, names: Sequence[str]) -> Dataset:
    """The n K questions about n examples, those about one example after each other.

    Args:
        examples: their labels are not read.
        given: (n, K) bool.
        names: the K classes.

    Raises:
        UserError: two questions have the same id or answer, because ids and classes hold the signs between them.
    """
    n, k = given.shape
    answers = sides(names)
    if len(set(answers)) < len(answers):
        twice = next(name for name in names if NOT + name in names)
        raise UserError(f"There are classes {twice!r} and {NOT + twice!r}; rename one of them.")
    example, asked = np.repeat(np.arange(n), k), np.tile(np.arange(k), n)
    ids = np.empty(n * k, object)
    ids[:] = [f"{key}{BETWEEN}{name}" for key in examples.ids.tolist() for name in names]
    if len(set(ids.tolist())) < len(ids):
        raise UserError(f"Ids of {examples.source or 'the data'} and names of classes hold {BETWEEN!r}; rename one.")
    kept = replace(examples, labels=_rarest(given), classes=(*names, "none of them"))
    return replace(
        kept,
        ids=ids,
        labels=2 * asked + given.ravel().astype(np.int64),
        classes=answers,
        inputs=Subset(kept.inputs, example),
        groups=None if kept.groups is None else kept.groups[example],
        splits=None if kept.splits is None else kept.splits[example],
        probs=None,
        rows=kept.rows[example],
        questions=Questions(kept, tuple(names), given, example, asked),
    )


def _rarest(given: np.ndarray) -> np.ndarray:
    """(n,) int64 the rarest class that each example has, K for none."""
    n, k = given.shape
    order = np.argsort(given.sum(0), kind="stable")
    first = given[:, order].argmax(1) if k else np.zeros(n, np.int64)
    return np.where(given.any(1), order[first], k).astype(np.int64)
