"""The table columns that became features, by name, and those that did not, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labelsieve.core.errors import UserError, meant

SHOWN = 4  # names that are listed; if there are more, only the first and the last
LEFT = 6  # unused columns that are listed
UNKNOWN = "the model was not trained on it"
LONGEST = 40  # characters of a name


@dataclass(frozen=True)
class FeatureColumns:
    """Which columns are features, and which are not.

    Attributes:
        names: the d columns, in the order of the features.
        unused: the other columns without a role -> why they are not features.
        doubts: some of the names -> what the user should check about them.
    """

    names: tuple[str, ...]
    unused: Mapping[str, str] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which columns are the features and which are not, in one line; then what should be checked."""
        names = [short(name) for name in self.names]
        several = f"{names[0]} to {names[-1]} ({len(names):,} columns)"
        text = f"Features: {', '.join(names) if len(names) <= SHOWN else several}"
        text += f"; not used: {listed(self.unused)}." if self.unused else "."
        return text, *(f"To check: {short(name)} {doubt}" for name, doubt in list(self.doubts.items())[:SHOWN])

    def positions(self, columns: Sequence[str], source: str) -> list[int]:
        """The position of each column.

        Raises:
            UserError: one is missing, or holds no numbers.
        """
        place = {name: i for i, name in enumerate(self.names)}
        missing = next((name for name in columns if name not in place), None)
        if missing is None:
            return [place[name] for name in columns]
        if missing in self.unused:
            raise UserError(
                f"{source}: the column {missing!r}, which the model was trained on, cannot be used: "
                f"{self.unused[missing]}."
            )
        raise UserError(
            f"{source} has no column {missing!r}, which the model was trained on.{meant(missing, self.names)}"
        )

    def only(self, columns: Sequence[str]) -> FeatureColumns:
        """Only these columns; the others become unused."""
        removed = dict.fromkeys((name for name in self.names if name not in set(columns)), UNKNOWN)
        doubts = {name: doubt for name, doubt in self.doubts.items() if name not in removed}
        return FeatureColumns(tuple(columns), {**removed, **self.unused}, doubts)


def listed(unused: Mapping[str, str]) -> str:
    """Columns with reasons, as in "f2 (text), when (dates) and 3 more"."""
    shown = ", ".join(
        f"{short(name) or 'a column without a name'} ({why})" for name, why in list(unused.items())[:LEFT]
    )
    return shown + (f" and {len(unused) - LEFT} more" if len(unused) > LEFT else "")


def short(name: str) -> str:
    """A name, shortened for a message."""
    return name if len(name) <= LONGEST else name[: LONGEST - 3] + "..."
