"""The exceptions that users see, as sentences, and how Python and the command line write the arguments in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from json import JSONDecodeError
from os import PathLike
from pathlib import Path
from typing import Any

from labelsieve.core.wording import Wording, plain_words, python_argument, shell_option


class UserError(ValueError):
    """A mistake in the input or the call. The message is a whole sentence: what is wrong, where, and what to do.

    If the sentence names an argument, it holds `<name>`, and the keyword of that name gives the value to show, or ""
    for none:

        UserError(f"{folder} is a file; name a folder for the results with <out>.", out="")

    `str(error)` is the wording for Python ("with out="), `for_command_line()` that for a shell ("with --out").
    """

    def __init__(self, message: str, **options: Any):
        super().__init__(_filled(message, options, python_argument))
        self._message, self._options = message, options

    def for_command_line(self) -> str:
        return _filled(self._message, self._options, shell_option)

    def in_words(self) -> str:
        """The message for notes, which look the same everywhere: arguments by their plain names."""
        return _filled(self._message, self._options, plain_words)

    def renamed(self, names: dict[str, str]) -> UserError:
        """A copy with the texts `names` replaced."""
        message, options = self._message, dict(self._options)
        for old, new in names.items():
            message = message.replace(old, new)
            options = {name: _replaced(value, old, new) for name, value in options.items()}
        return UserError(message, **options)

    def followed_by(self, sentence: str, **options: Any) -> UserError:
        """A copy with one more sentence, whose arguments are `options`."""
        return UserError(f"{self._message} {sentence}".rstrip(), **{**self._options, **options})


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, Wording):
        return Wording(value.python.replace(old, new), value.shell.replace(old, new))
    return value.replace(old, new) if isinstance(value, str) else value


def _filled(message: str, options: dict[str, Any], written: Callable[[str, Any], str]) -> str:
    for name, value in options.items():
        message = message.replace(f"<{name}>", written(name, value))
    return message


class Unreachable(UserError):
    """The storage itself fails (credentials, network): every other file in it would fail too."""


class EmptyClass(UserError):
    """No example of a class would be left. The code that raises it knows the class's position; `named` adds its
    name."""

    def __init__(self, sentence: str, position: int):
        """`sentence` has {} where the class stands."""
        super().__init__(sentence.format(position))
        self.sentence, self.position = sentence, position

    def named(self, classes: Sequence[str]) -> UserError:
        return UserError(self.sentence.format(repr(classes[self.position])))


def cause(error: BaseException) -> str:
    """The reason why a file cannot be used: the first line of an error, without a full stop."""
    if isinstance(error, JSONDecodeError):
        return f"it is not JSON: {error}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return (lines[0][:160] if lines else type(error).__name__).rstrip(".")


def meant(name: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6, folder: str | PathLike = "") -> str:
    """The hint " Did you mean ...?" for a name that is close to a known one; else "".

    Args:
        most: how many known names to give at most; those that differ only in case come first.
        cutoff: how similar a name must be, from 0 to 1.
        folder: the folder of the names, to show them as paths.
    """
    known = list(known)
    close = get_close_matches(name, known, n=most, cutoff=cutoff)
    same = [other for other in known if other.lower() == name.lower()]
    names = list(dict.fromkeys((*same, *close)))[: max(most, len(same))]
    shown = [str(Path(folder, other)) if folder else repr(other) for other in names]
    return f" Did you mean {' or '.join(shown)}?" if shown else ""


def first_line(error: BaseException) -> str:
    """The first line of an error's message without its full stop; the name of its type if it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
