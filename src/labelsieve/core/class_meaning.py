"""What one class means to the people who label with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """What one class means: its `name` in plain words, the `guideline` for using it, the id of an `example` and the
    example's `content` (16 hex digits); "" where unknown."""

    name: str = ""
    guideline: str = ""
    example: str = ""
    content: str = ""
