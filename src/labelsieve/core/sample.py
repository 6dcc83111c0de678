"""A random sample of examples for review."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ACCEPT = "accept-"  # samples with this prefix decide about a batch; they are shown blind


@dataclass(frozen=True)
class Sample:
    """Rows drawn at random for review, each with a known chance.

    Attributes:
        name: its name; letters, digits, "-" and "_".
        seed: with `size` and the findings it draws the same rows again.
        size: how many were requested; there may be fewer rows in the data.
        ids: the drawn examples in the order in which to review them.
        stratum: the stratum of each.
        chance: the probability with which each was drawn; 1 / chance is its weight.
        plan: its purpose, as written by `labelsieve accept`; {} for a sample without a plan.
        content: the hash of each, 16 hex digits (`core.content_hash`), "" if unknown; () in samples of older versions.
        given: the given label of each when it was drawn; () in samples of older versions.
    """

    name: str
    seed: int
    size: int
    ids: tuple[str, ...]
    stratum: tuple[int, ...]
    chance: tuple[float, ...]
    plan: dict[str, Any] = field(default_factory=dict)
    content: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    @property
    def keys(self) -> list[tuple[str, str | None, str | None]]:
        """(id, content, given label) of each, as `core.row_matching` takes them."""
        content, given = self.content or ("",) * len(self.ids), self.given or (None,) * len(self.ids)
        return [(key, what or None, label) for key, what, label in zip(self.ids, content, given, strict=True)]
