"""The columns of a table that became features, by name, and those that did not, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labelsieve.core.errors import UserError, meant

SHOWN = 4  # names that are listed; of more only the first and the last are
LEFT = 6  # columns not used that are listed
UNKNOWN = "the model was not trained on it"
LONGEST = 40  # characters of a name


@dataclass(frozen=True)
class FeatureColumns:
    """
    Attributes:
        names: the d columns, in the order of the features.
        unused: the others that have no role -> why they are no features.
        doubts: some of the names -> what should be checked of them.
    """

    names: tuple[str, ...]
    unused: Mapping[str, str] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which columns are the features and which are not, in one line; then what should be checked."""
        names = [short(name) for name in self.names]
        several = f"{names[0]} to {names[-1]} ({len(names):,} columns)"
        told = f"Features: {', '.join(names) if len(names) <= SHOWN else several}"
        told += f"; not used: {listed(self.unused)}." if self.unused else "."
        return told, *(f"To check: {short(name)} {doubt}" for name, doubt in list(self.doubts.items())[:SHOWN])

    def positions(self, wanted: Sequence[str], source: str) -> list[int]:
        """The place of each wanted column.

        Raises:
            UserError: one is not there, or holds no numbers.
        """
        place = {name: i for i, name in enumerate(self.names)}
        gone = next((name for name in wanted if name not in place), None)
        if gone is None:
            return [place[name] for name in wanted]
        if gone in self.unused:
            raise UserError(
                f"{source}: the column {gone!r}, which the model was trained on, cannot be used: {self.unused[gone]}."
            )
        raise UserError(f"{source} has no column {gone!r}, which the model was trained on.{meant(gone, self.names)}")

    def only(self, wanted: Sequence[str]) -> FeatureColumns:
        """The wanted columns; the others become unused."""
        strange = dict.fromkeys((name for name in self.names if name not in set(wanted)), UNKNOWN)
        doubts = {name: doubt for name, doubt in self.doubts.items() if name not in strange}
        return FeatureColumns(tuple(wanted), {**strange, **self.unused}, doubts)


def listed(unused: Mapping[str, str]) -> str:
    """f2 (text), when (dates) and 3 more."""
    shown = ", ".join(f"{short(name)} ({why})" for name, why in list(unused.items())[:LEFT])
    return shown + (f" and {len(unused) - LEFT} more" if len(unused) > LEFT else "")


def short(name: str) -> str:
    """A name that may be long, for a sentence."""
    return name if len(name) <= LONGEST else name[: LONGEST - 3] + "..."
