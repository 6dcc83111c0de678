"""The one exception a user may see."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """A mistake in the input or the call. The message is a whole sentence: what is wrong, where, and what to do."""


def meant(name: str, known: Iterable[str]) -> str:
    """What to add to a message for a name that is nearly a known one: " Did you mean ...?"; else nothing."""
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
