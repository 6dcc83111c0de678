"""Class names that are easily confused: one number written in several ways, and names whose characters look alike."""

from __future__ import annotations

import re
import unicodedata

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d"), "-")
_QUOTES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u02b9\u00b4`\u2032"), "'") | dict.fromkeys(
    map(ord, "\u201c\u201d\u2033"), '"'
)
# Letters of other scripts -> the Latin ones that fonts draw alike. After Unicode's list of confusables, the common
# cases only.
_CYRILLIC = ("АВЕЗКМНОРСТУХІЈЅЬԌԚԜаеорсухіјѕԁһӏԛԝгкѵ", "ABE3KMHOPCTYXIJSbGQWaeopcyxijsdhlqwrkv")
_GREEK = ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαιονρυχκϲϳ", "ABEZHIKMNOPTYXaiovpuxkcj")
_LATIN = ("ıɑɡɩ", "iagi")
_LETTERS = {
    ord(foreign): latin
    for others, ours in (_CYRILLIC, _GREEK, _LATIN)
    for foreign, latin in zip(others, ours, strict=True)
}


def number(name: str) -> float | None:
    """The number that a name stands for, in digits of any script or with a long minus; None if it is not a number."""
    plain = unicodedata.normalize("NFKC", name).translate(_DASHES).strip().lower()
    return float(plain) if _NUMBER.fullmatch(plain) else None


def skeleton(name: str) -> str:
    """The name as the eye sees it: without case, invisible characters, and variants of letters, widths, dashes and
    quotes."""
    seen = "".join(
        c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) not in ("Cf", "Cc") or c.isspace()
    )
    seen = "".join(c for c in seen if not 0xFE00 <= ord(c) <= 0xFE0F)  # selects the form of an emoji
    seen = seen.translate(_DASHES).translate(_QUOTES).translate(_LETTERS)
    return " ".join(unicodedata.normalize("NFKC", seen).casefold().translate(_LETTERS).split())


def strange(name: str) -> str:
    """ ", with U+0430": the characters of a name that are not ASCII, the first three of them."""
    codes = [f"U+{ord(c):04X}" for c in dict.fromkeys(name) if not c.isascii()]
    return f", with {' '.join(codes[:3])}{' ...' if len(codes) > 3 else ''}" if codes else ""
