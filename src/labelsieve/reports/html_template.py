"""The HTML templates of this room: text from data is escaped, and an undefined name is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelsieve.core.printable import visible
from labelsieve.core.shares import percent

if TYPE_CHECKING:
    from jinja2 import Environment


def fill_template(name: str, values: dict[str, Any]) -> str:
    """Fill the template `name` of the folder `templates` with values; only `Markup` is inserted as HTML."""
    return _environment().get_template(name).render(values)


def _share(share: float) -> str:
    """A percentage with one decimal, but without decimals near 100 %."""
    return percent(share, ".1f" if share < 0.995 else ".0f")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(
        loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    seen = lambda text, width=60: visible(str(text), width)  # noqa: E731
    environment.filters |= {"seen": seen, "n": lambda x: f"{x:,.0f}", "share": _share}
    return environment
