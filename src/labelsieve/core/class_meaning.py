"""What one class means to the people who give it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """What one class means: its `name` in plain words, the `guideline` by which it is given, the id of an `example` and
    its `content` (16 hex digits); "" where nothing is known."""

    name: str = ""
    guideline: str = ""
    example: str = ""
    content: str = ""
