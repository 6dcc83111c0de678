"""How an argument is written: `labels='FILE'` in Python, `--labels FILE` in a shell."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelsieve.core.printable import visible

LONGEST = 200  # characters of a value that a message shows


@dataclass(frozen=True)
class Wording:
    """Text that cannot be derived from a name and a value: one for Python, one for a shell."""

    python: str
    shell: str


def python_argument(name: str, value: Any = "") -> str:
    """The argument "labels" with the value "FILE" as `labels='FILE'`; without a value as `labels=`."""
    if isinstance(value, Wording):
        return value.python
    shown = repr(value)
    if _is_empty(value) or len(shown) > LONGEST or "\n" in shown:  # a frame or a long list would fill the screen
        return f"{name}="
    return f"{name}={shown}"


def shell_option(name: str, value: Any = "") -> str:
    """The option "from_network" with the value "small-cnn" as `--from-network small-cnn`; a switch has no value."""
    if isinstance(value, Wording):
        return value.shell
    option = ("--" if len(name) > 1 else "-") + name.strip("_").replace("_", "-")
    return option if _is_empty(value) or value is True else f"{option} {shlex.quote(str(value))}"


def _is_empty(value: Any) -> bool:
    return isinstance(value, str) and not value


def plain_words(name: str, value: Any = "") -> str:
    """The argument in plain words, for notes that look the same everywhere."""
    if isinstance(value, Wording):
        return value.python
    return f"{name.strip('_').replace('_', ' ')} {'' if value is True else value}".strip()


def shell_command(verb: str, *arguments: str | Path, **options: Any) -> str:
    """A command line: `labelsieve export a.sieve --to csv`."""
    words = [quoted(argument) for argument in arguments]
    return " ".join(["labelsieve", verb, *words, *(shell_option(name, value) for name, value in options.items())])


def quoted(path: str | Path) -> str:
    """A path quoted for a shell; what cannot be typed is shown as an escape."""
    return shlex.quote(visible(str(path), 4096))
