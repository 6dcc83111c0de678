"""What could not be done with one example, and why: conflicts are listed, never resolved by guessing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Conflict:
    """An example on which nothing is done, and the reason."""

    id: str
    reason: str
