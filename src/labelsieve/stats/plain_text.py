"""The content of a text without its typing: case, punctuation, white space and Unicode variants are removed.

Letters, digits and their marks are kept, and so are signs that carry meaning (currencies, %, &, @, #, +, =, emoji, :)
and :(, a minus before a number).
Punctuation between two numbers still separates them: 1.5 is not 15. In scripts without spaces each character is a word.
"""

from __future__ import annotations

import re
import unicodedata

_MEANT = set("%&@#")  # signs that Unicode counts as punctuation
_UNSPACED = (
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "THAI",
    "LAO",
    "KHMER",
    "MYANMAR",
    "IDEOGRAPHIC",
    "BOPOMOFO",
    "TIBETAN",
    "YI ",
)
_MINUS = re.compile(r"(?<!\w)[-\u2212\u2010-\u2014](?=\d)")
_FACE = re.compile(r"(?<!\w)[:;]['-]?(?:([)\]dp])|[(\[/|])(?!\w)")
_GAP = re.compile(r"(?<!\d) +| +(?!\d)")


class _Table(dict[int, str | None]):
    """For `str.translate`: the replacement of each character, computed when it is first needed."""

    def __missing__(self, point: int) -> str | None:
        char = chr(point)
        category = unicodedata.category(char)
        if category == "Cf":  # soft hyphens, joiners, marks of direction
            part = None
        elif category[0] == "S" or char in _MEANT:
            part = f" {char} "
        elif category[0] in "LNM" or category in ("Cs", "Co", "Cn"):
            alone = category == "Lo" and unicodedata.name(char, "").startswith(_UNSPACED)
            part = f" {char} " if alone else char
        else:
            part = " "
        self[point] = part
        return part


_TABLE = _Table()


def words(text: str) -> list[str]:
    """The words in order, case folded; a sign, or a character of a script without spaces, is a word."""
    return _spaced(text).split()


def plain(text: str) -> str:
    """The text without case, punctuation and white space; "" if nothing else is left."""
    return _GAP.sub("", " ".join(words(text)))


def unspaced_share(text: str) -> float:
    """The share of a plain text's characters that are of scripts without spaces."""
    some = text[:200]
    return sum((_TABLE[ord(char)] or "").startswith(" ") and char.isalpha() for char in some) / max(1, len(some))


def _spaced(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = _FACE.sub(lambda face: " \u263a " if face[1] else " \u2639 ", folded)
    return _MINUS.sub("\u2212", folded).translate(_TABLE)
