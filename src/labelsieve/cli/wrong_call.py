"""One sentence about a command that does not parse: what is missing, repeated or unknown, and how to write it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any


def sentence(error: Any) -> str:
    """A message for newcomers from an error of the command-line parser."""
    kind = type(error).__name__
    argument: Any = getattr(error, "argument", None)
    tokens = getattr(error, "unused_tokens", None) or []
    if kind == "UnusedCliTokensError" and tokens:
        return f"{tokens[0]!r} is one argument too many; --help after the command lists its arguments."
    if kind == "RepeatArgumentError":
        return f"{error.token.keyword or argument.name} is given more than once; use it once."
    if kind == "UnknownCommandError" and tokens and Path(tokens[0]).exists():
        return f"{tokens[0]} is not a command; to find its wrong labels: labelsieve find {shlex.quote(tokens[0])}"
    if kind == "MissingArgumentError":
        return _missing(error, argument)
    return str(error)


def _missing(error: Any, argument: Any) -> str:
    """The message about a missing argument, or a missing value of an option."""
    if keyword := error.keyword or next((token.keyword for token in argument.tokens if token.keyword), None):
        tokens = error.root_input_tokens or []
        following = tokens[tokens.index(keyword) + 1 :][:1] if keyword in tokens else []
        dash = (
            f"; {following[0]!r} begins with a dash, which makes it an option"
            if following and following[0].startswith("-")
            else ""
        )
        return f"{keyword} needs a value{dash}."
    command = " ".join(error.command_chain or ())
    meaning = (argument.parameter.help or "").partition(";")[0].rstrip(".")
    name = f"{argument.name} ({meaning[:1].lower()}{meaning[1:]})" if meaning else argument.name
    return f"`{command}` needs {name}. {_example(error, command)}"


def _example(error: Any, command: str) -> str:
    from labelsieve.cli.app import COMMANDS

    examples = {name: example for commands in COMMANDS.values() for name, (_, example) in commands.items()}
    return (
        f"For example: {examples[command]}" if command in examples else "--help after the command lists its arguments."
    )
