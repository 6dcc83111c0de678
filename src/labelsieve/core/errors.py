"""The exceptions a user may see, as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from json import JSONDecodeError


class UserError(ValueError):
    """A mistake in the input or the call. The message is a whole sentence: what is wrong, where, and what to do."""


class EmptyClass(UserError):
    """Nothing of a class would be left. Who raises it knows the class's position; `named` tells its name."""

    def __init__(self, sentence: str, position: int):
        """`sentence` has {} where the class stands."""
        super().__init__(sentence.format(position))
        self.sentence, self.position = sentence, position

    def named(self, classes: Sequence[str]) -> UserError:
        return UserError(self.sentence.format(repr(classes[self.position])))


def cause(error: BaseException) -> str:
    """What an error says of a file, in short: its first line, without a full stop."""
    if isinstance(error, JSONDecodeError):
        return f"it is no JSON: {error}"
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return (lines[0][:160] if lines else type(error).__name__).rstrip(".")


def meant(name: str, known: Iterable[str]) -> str:
    """What to add to a message for a name that is nearly a known one: " Did you mean ...?"; else nothing."""
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def first_line(error: BaseException) -> str:
    """The first line of an error's message without its full stop; the name of its kind where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
