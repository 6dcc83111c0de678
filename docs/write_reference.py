"""Writes the reference pages from the command line's own help and from the docstrings.

    python docs/write_reference.py

In `docs/commands.md` it replaces what stands between `<!-- options: NAME -->` and `<!-- end -->`;
`docs/python-reference.md` it writes whole. `tests/test_docs.py` fails when either page is not what this script would
write.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import Any, get_args

import labelsieve
from labelsieve.cli.app import COMMANDS, app

HERE = Path(__file__).parent
WIDTH = 120
OF_CODE = 88  # what the site shows without a scroll bar
DOORS = {
    "encode": "ls.encode_shards",
    "import": "ls.import_decisions",
    "predict": "ls.Model.predict",
    "score": "ls.Model.score",
}
ONLY_COMMANDS = ("demo", "completion")
VALUES = {"int": "N", "float": "NUMBER", "Path": "PATH", "str": "TEXT"}
SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Example", "Examples")


def commands_page(text: str) -> str:
    """`text`, the page of commands, with every marked block written anew."""
    return re.sub(
        r"(<!-- options: (\S+) -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}{options_of(match[2])}\n{match[3]}",
        text,
        flags=re.DOTALL,
    )


def options_of(command: str) -> str:
    """What one command does, its Python door, and a list of its arguments and options; "every" is what all commands
    share."""
    if command == "every":
        return "\n".join(_option(one) for one in app.meta.assemble_argument_collection() if one.show)
    function, example = next(group[command] for group in COMMANDS.values() if command in group)
    door = DOORS.get(command, f"ls.{command}")
    python = "" if command in ONLY_COMMANDS else f" In Python: [`{door}`](python-reference.md#{_anchor(door)})."
    head = _wrap(f"{' '.join((inspect.getdoc(function) or '').split(chr(10) * 2)[0].split())}{python}")
    options = "\n".join(_option(one) for one in app[command].assemble_argument_collection() if one.show)
    return f"{head}\n\n    {example}\n\n{options}"


def _option(one: Any) -> str:
    name, *others = one.names
    named = f"`{name}{'' if _is_plain(one) else ' ' + _value(one.hint)}`" if name.startswith("-") else f"`{name}`"
    named += "".join(f", `{other}`" for other in others)
    ends = ". Required." if one.required and name.startswith("-") else "."
    default = one.field_info.default
    if default not in (None, False, True, "", (), inspect.Parameter.empty):
        ends = f". Default: {default}."
    meaning = one.parameter.help or ""
    if not meaning.endswith("...") or ends != ".":
        meaning = f"{meaning.removesuffix('.')}{ends}"
    return _wrap(f"{named}: {meaning}", first="- ")


def _is_plain(one: Any) -> bool:
    return one.hint is bool or not one.name.startswith("-")


def _value(hint: Any) -> str:
    choices = [*get_args(hint), *(value for part in get_args(hint) for value in get_args(part))]
    names = [value for value in choices if isinstance(value, str)]
    if names:
        return "|".join(names)
    kinds = [getattr(kind, "__name__", "") for kind in (hint, *choices)]
    return next((VALUES[kind] for kind in kinds if kind in VALUES), "TEXT")


def python_page() -> str:
    """The reference of every public name: signature, what it does, arguments, results, an example."""
    head = _wrap(
        "Every public name, as its docstring describes it; `help(ls.find)` shows the same text. [Python](python.md) "
        "shows how they are "
        "used together. This page is written by `docs/write_reference.py`."
    )
    names = sorted((name for name in labelsieve.__all__ if name != "__version__"), key=lambda n: (n[0].isupper(), n))
    return "\n\n".join(["# Python reference", head, *(_entry(name) for name in names)]) + "\n"


def _entry(name: str) -> str:
    thing = getattr(labelsieve, name)
    parts = [f"## `ls.{name}`"]
    if not (inspect.isclass(thing) and issubclass(thing, Exception)):
        parts.append(_signature(name, thing))
    parts.append(_described(inspect.getdoc(thing) or ""))
    if inspect.isclass(thing):
        parts += [_method(name, method, function) for method, function in _methods(thing)]
    return "\n\n".join(part for part in parts if part)


def _method(owner: str, name: str, function: Any) -> str:
    lines = [f"### `ls.{owner}.{name}`"]
    if not isinstance(function, property):
        lines.append(_signature(name, function))
    return "\n\n".join([*lines, _described(inspect.getdoc(function) or "")])


def _methods(thing: type) -> list[tuple[str, Any]]:
    """Public methods and properties that the class itself defines and describes."""
    plain = ((name, getattr(value, "__func__", value)) for name, value in vars(thing).items())
    return [
        (name, value)
        for name, value in plain
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property))
        and vars(thing)[name].__doc__
    ]


def _signature(name: str, thing: Any) -> str:
    arguments = []
    starred = False
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            arguments.append("*")
            starred = True
        default = "" if parameter.default is parameter.empty else f"={_shown(parameter.default)}"
        stars = {parameter.VAR_KEYWORD: "**", parameter.VAR_POSITIONAL: "*"}.get(parameter.kind, "")
        arguments.append(f"{stars}{parameter.name}{default}")
    line = f"{name}({', '.join(arguments)})"
    return "```text\n" + textwrap.fill(line, OF_CODE, subsequent_indent=" " * (len(name) + 1)) + "\n```"


def _shown(default: Any) -> str:
    return repr(default) if isinstance(default, (str, int, float, tuple, type(None))) else "..."


def _described(doc: str) -> str:
    """A docstring as Markdown: paragraphs, arguments as lists, examples as code."""
    parts, section = [], ""
    for block in re.split(r"\n\s*\n", doc):
        lines = block.split("\n")
        if lines[0].rstrip(":") in SECTIONS and lines[0].endswith(":"):
            section, lines = lines[0][:-1], textwrap.dedent("\n".join(lines[1:])).split("\n")
            if section in ("Args", "Attributes"):
                parts += ["Attributes:"] * (section == "Attributes") + [_list(lines)]
                continue
            if section == "Raises":
                continue
        if not any(line.strip() for line in lines):
            continue
        if lines[0].lstrip().startswith(">>>"):
            code = "\n".join(
                line.replace("  # doctest: +SKIP", "") for line in textwrap.dedent("\n".join(lines)).split("\n")
            )
            parts.append(f"```pycon\n{code}\n```")
        elif block.startswith("    ") and not section:
            parts.append(textwrap.indent(textwrap.dedent(block), "    "))
        else:
            parts.append(
                _wrap(" ".join("\n".join(lines).split()), first="Returns: " if section == "Returns" else "", rest="")
            )
    return "\n\n".join(parts)


def _list(lines: list[str]) -> str:
    """`name: what it is` lines, continued on indented ones, as a Markdown list; a line without a name ends it."""
    entries: list[list[str]] = []
    for line in lines:
        if line.startswith(" ") and entries:
            entries[-1].append(line.strip())
        else:
            entries.append([line])
    shown = []
    for entry in entries:
        text = " ".join(entry)
        names, colon, meaning = text.partition(": ")
        if colon and re.fullmatch(r"[\w, ]+", names):
            text = f"{', '.join(f'`{name.strip()}`' for name in names.split(','))}: {meaning}"
        shown.append(_wrap(text, first="- "))
    return "\n".join(shown)


def _wrap(text: str, first: str = "", rest: str | None = None) -> str:
    """Filled to the width, code spans and links kept whole."""

    def keep(match: re.Match[str]) -> str:
        return match[0].replace(" ", "\0").replace("<", "\1")

    text = re.sub(r"<(?=\w)", "&lt;", re.sub(r"`[^`]+`", keep, text))  # a tag would vanish from the page
    indent = " " * len(first) if rest is None else rest
    filled = textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return filled.replace("\0", " ").replace("\1", "<")


def _anchor(door: str) -> str:
    return re.sub(r"[^\w-]", "", door.lower())


def main() -> None:
    page = HERE / "commands.md"
    page.write_text(commands_page(page.read_text(encoding="utf-8")), encoding="utf-8")
    (HERE / "python-reference.md").write_text(python_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
