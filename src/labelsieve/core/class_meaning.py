"""What one class means to the people who label with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """What one class means; "" where unknown. `name` is in plain words, `guideline` says when to use the class,
    `example` is the id of an example and `content` its hash (16 hex digits)."""

    name: str = ""
    guideline: str = ""
    example: str = ""
    content: str = ""
