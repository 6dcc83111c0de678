"""Text from data, made safe to show: nothing in it can hide, change the writing direction, or fill a page."""

from __future__ import annotations

import re


def visible(text: str, width: int = 60) -> str:
    """At most `width` characters: control and direction characters as escapes, the middle of long text left out."""
    shortened = text if len(text) <= 2 * width else text[:width] + text[-width:]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in shortened)
    if len(shown) <= width:
        return shown
    end = (width - 1) // 2
    return f"{shown[: width - 1 - end]}…{shown[-end:]}"


def in_markdown(text: str, width: int = 400) -> str:
    """`visible` text that stays one cell of a Markdown table and cannot become markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&!])", r"\\\1", visible(text, width))
