"""One sentence on a call that does not parse: what is missing, twice or unknown, and how to write it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any


def sentence(error: Any) -> str:
    """What a newcomer needs to know of an error of the parser of the command line."""
    kind = type(error).__name__
    argument: Any = getattr(error, "argument", None)
    tokens = getattr(error, "unused_tokens", None) or []
    if kind == "UnusedCliTokensError" and tokens:
        return f"{tokens[0]!r} is one argument too many; --help after the command lists what it takes."
    if kind == "RepeatArgumentError":
        return f"{error.token.keyword or argument.name} is given more than once; give it once."
    if kind == "UnknownCommandError" and tokens and Path(tokens[0]).exists():
        return f"{tokens[0]} is no command; to find its wrong labels: labelsieve find {shlex.quote(tokens[0])}"
    if kind == "MissingArgumentError":
        return _missing(error, argument)
    return str(error)


def _missing(error: Any, argument: Any) -> str:
    """A required argument, or the value of an option, that is not there."""
    if keyword := error.keyword or next((token.keyword for token in argument.tokens if token.keyword), None):
        given = error.root_input_tokens or []
        after = given[given.index(keyword) + 1 :][:1] if keyword in given else []
        taken = (
            f"; {after[0]!r} begins with a dash, which makes it an option" if after and after[0].startswith("-") else ""
        )
        return f"{keyword} needs a value{taken}."
    command = " ".join(error.command_chain or ())
    meaning = (argument.parameter.help or "").partition(";")[0].rstrip(".")
    what = f"{argument.name} ({meaning[:1].lower()}{meaning[1:]})" if meaning else argument.name
    return f"`{command}` needs {what}. {_example(error, command)}"


def _example(error: Any, command: str) -> str:
    from labelsieve.cli.app import COMMANDS

    examples = {name: example for commands in COMMANDS.values() for name, (_, example) in commands.items()}
    return (
        f"For example: {examples[command]}" if command in examples else "--help after the command lists what it takes."
    )
