"""What the votes say about the annotators: how right each one is, what each confuses, whom and what to ask again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.vote_list import Votes

if TYPE_CHECKING:
    import pyarrow as pa

NUMBERS = ("agreement", "fleiss_kappa", "alpha", "sharpness", "independence", "shrinkage")


@dataclass(frozen=True)
class Confused:
    """Examples of the class `true` that an annotator called `said`: their expected number, and the share of his votes
    on that class."""

    true: str
    said: str
    expected: float
    share: float


@dataclass(frozen=True)
class Annotator:
    """One annotator.

    Attributes:
        name: as in the votes.
        votes: how many.
        accuracy: the expected share of right votes; low to high is its 95 % interval.
        kappa: Cohen's kappa against the other annotators of the same examples; None where there are none.
        information: how much one vote tells about the true class, in bits; about 0 for answers that do not depend on
            the example.
        spam: the answers hardly depend on the example: the whole 95 % interval of `information` is below a quarter of
            the average of all annotators.
        confused: the commonest errors, which are what to train on.
    """

    name: str
    votes: int
    accuracy: float
    low: float
    high: float
    kappa: float | None
    information: float
    spam: bool
    confused: tuple[Confused, ...]


@dataclass(frozen=True)
class Copies:
    """Two annotators who agree far more often than their matrices explain, as if one had copied from the other.

    Attributes:
        one, other: their names.
        shared: examples that both voted on.
        agreed: how many of those with the same label.
        expected: how many would agree if they voted independently.
    """

    one: str
    other: str
    shared: int
    agreed: int
    expected: float


@dataclass(frozen=True)
class Ask:
    """An example that wants one more vote: how probable the consensus is, by how much one vote of an average annotator
    raises that, and the annotators who have not voted on it and tell most, the best first."""

    id: str
    consensus: str
    p: float
    gain: float
    annotators: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Annotators:
    """What v votes say about A annotators.

    Attributes:
        annotators: the least accurate first.
        copies: suspicious pairs, the most striking first.
        ask: the examples that want one more vote, the most useful first.
        agreement: the share of pairs of votes on one example that agree.
        fleiss_kappa: Fleiss's kappa; examples weigh by their pairs of votes.
        alpha: Krippendorff's alpha for nominal data.
        sharpness: the exponent t of the classifier's probabilities; 1 without a classifier.
        independence: the exponent w of the votes: 1, or less where annotators err on the same examples.
        shrinkage: votes of a class that pull the matrix of each annotator to that of all.
        votes: the votes; None if they could not be read again.
        p_right: (v,) the probability that each vote is right, in the order of the votes.
        confusion: (A, K, K) expected votes of each annotator, in the order of `votes.annotators`; rows = true. None
            for many classes and annotators (more than 50 million cells).
    """

    annotators: tuple[Annotator, ...]
    copies: tuple[Copies, ...]
    ask: tuple[Ask, ...]
    agreement: float
    fleiss_kappa: float
    alpha: float
    sharpness: float
    independence: float
    shrinkage: float
    votes: Votes | None = None
    p_right: np.ndarray | None = None
    confusion: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.annotators)

    def __repr__(self) -> str:
        spam = sum(one.spam for one in self.annotators)
        doubt = "".join(
            f", {count} {what}"
            for count, what in ((spam, "like spam"), (len(self.copies), "pairs like copies"))
            if count
        )
        return f"<Annotators: {len(self):,}, alpha {self.alpha:.2f}{doubt}>"

    def of(self, name: str) -> Annotator:
        """The annotator called `name`.

        Raises:
            KeyError: there is none.
        """
        return {one.name: one for one in self.annotators}[name]

    def table(self) -> pa.Table:
        """One row per annotator, the least accurate first: annotator, votes, accuracy, accuracy_low, accuracy_high,
        kappa, information, spam, confuses (the commonest error in words, "" for none)."""
        import pyarrow as pa

        rows = self.annotators
        return pa.table(
            {
                "annotator": pa.array([one.name for one in rows], pa.string()),
                "votes": pa.array([one.votes for one in rows], pa.int64()),
                "accuracy": pa.array([one.accuracy for one in rows], pa.float64()),
                "accuracy_low": pa.array([one.low for one in rows], pa.float64()),
                "accuracy_high": pa.array([one.high for one in rows], pa.float64()),
                "kappa": pa.array([one.kappa for one in rows], pa.float64()),
                "information": pa.array([one.information for one in rows], pa.float64()),
                "spam": pa.array([one.spam for one in rows], pa.bool_()),
                "confuses": pa.array([worst(one) for one in rows], pa.string()),
            }
        )

    def plain(self) -> dict[str, Any]:
        """Everything but arrays, as plain values."""
        return {
            **{name: _number(getattr(self, name)) for name in NUMBERS},
            "annotators": [asdict(one) for one in self.annotators],
            "copies": [asdict(pair) for pair in self.copies],
            "ask": [asdict(one) for one in self.ask],
        }

    @classmethod
    def of_plain(cls, value: dict[str, Any], votes: Votes | None, p_right: np.ndarray | None) -> Annotators:
        """What `plain` returned, with the votes and p_right again."""
        people = [
            Annotator(**{**one, "confused": tuple(Confused(**c) for c in one["confused"])})
            for one in value["annotators"]
        ]
        numbers: dict[str, Any] = {name: _nan(value[name]) for name in NUMBERS}
        return cls(
            annotators=tuple(people),
            copies=tuple(Copies(**pair) for pair in value["copies"]),
            ask=tuple(Ask(**{**one, "annotators": tuple(one["annotators"])}) for one in value["ask"]),
            **numbers,
            votes=votes,
            p_right=p_right,
        )


def worst(one: Annotator) -> str:
    """The commonest error of an annotator in words, "" for none."""
    if not one.confused:
        return ""
    error = one.confused[0]
    return f"{error.true} called {error.said} ({error.share:.0%})"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
