"""The HTML templates of this room: text from data is escaped, and a name that is missing is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelsieve.core.printable import visible
from labelsieve.core.shares import percent

if TYPE_CHECKING:
    from jinja2 import Environment


def fill_template(name: str, values: dict[str, Any]) -> str:
    """The template `name` of the folder `templates` with its values; only `Markup` is taken as HTML."""
    return _environment().get_template(name).render(values)


def _share(share: float) -> str:
    """With one decimal, but not near 100 %."""
    return percent(share, ".1f" if share < 0.995 else ".0f")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    seen = lambda text, width=60: visible(str(text), width)  # noqa: E731
    made.filters |= {"seen": seen, "n": lambda x: f"{x:,.0f}", "share": _share}
    return made
