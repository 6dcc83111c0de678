"""Writes web/src/api.types.ts, the page's types of the server's answers, from src/labelsieve/page/api.py: `python
web/api_types.py`."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from labelsieve.page import api

TARGET = Path(__file__).resolve().parent / "src" / "api.types.ts"
PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", Any: "unknown"}
ALIASES = {"Act": api.Act, "State": api.State, "Kind": api.Kind, "Reason": api.Reason}


def text() -> str:
    """The whole file: every TypedDict in the order of api.py, then which route answers with which."""
    shapes = [value for value in vars(api).values() if is_typeddict(value) and value.__module__ == api.__name__]
    lines = ["// Written by web/api_types.py from src/labelsieve/page/api.py; do not edit."]
    lines += [f"export type {name} = {_type(value, alias=False)}" for name, value in ALIASES.items()]
    for shape in shapes:
        lines += ["", f"/** {shape.__doc__} */", f"export type {shape.__name__} = {{", *_fields(shape), "}"]
    routes = [f"  '{route.partition('{')[0]}': {_type(answer)}" for route, answer in api.ANSWERS.items()]
    return "\n".join([*lines, "", "/** The answer of each route. */", "export type Answers = {", *routes, "}", ""])


def _fields(shape: Any) -> list[str]:
    hints = get_type_hints(shape, include_extras=True)
    return [f"  {name}{'?' if get_origin(hint) is NotRequired else ''}: {_type(hint)}" for name, hint in hints.items()]


def _type(hint: Any, alias: bool = True) -> str:
    """A type hint in TypeScript."""
    if alias:
        for name, value in ALIASES.items():
            if hint == value:
                return name
    if hint in PLAIN:
        return PLAIN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is NotRequired:
        return _type(args[0])
    if origin is Literal:
        return " | ".join(f"'{value}'" for value in args)
    if origin in (Union, types.UnionType):
        return " | ".join(_type(arg) for arg in args)
    if origin is list:
        inner = _type(args[0])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if origin is dict:
        return f"Record<{_type(args[0])}, {_type(args[1])}>"
    return hint.__name__


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
