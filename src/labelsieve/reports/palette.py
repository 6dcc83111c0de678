"""The colours of the report and of the review page, from one file that both read.

The page uses the file unchanged. A mailed report may be opened in a browser that does not support `light-dark()`, or
printed, so it gets both colour schemes written out.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "templates" / "palette.css"
_LINE = re.compile(r"--([a-z0-9-]+):\s*light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")


@cache
def colours() -> dict[str, tuple[str, str]]:
    """Name -> (light, dark), as #rrggbb."""
    return {name: (light, dark) for name, light, dark in _LINE.findall(FILE.read_text(encoding="utf-8"))}


def sheet() -> str:
    """CSS custom properties for light and dark screens and for paper."""
    light = "".join(f"--{name}:{light};" for name, (light, _) in colours().items())
    dark = "".join(f"--{name}:{dark};" for name, (_, dark) in colours().items())
    paper = light + "--bg:#ffffff;"
    return (
        f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n@media print{{:root{{{paper}}}}}\n"
    )


def var(name: str) -> str:
    """A colour with its light value as the fallback, for a figure outside the page."""
    return f"var(--{name},{colours()[name][0]})"
