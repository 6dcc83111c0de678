"""Names as text: bytes that are no UTF-8, file names that are no text at all, and what should be said about the class
names.

Labels and texts are words: bytes that are no UTF-8 are read as Windows-1252 (which holds Latin-1's letters), and the
data set says so. Ids and paths name things and are kept byte for byte; such a byte is shown, and stored, as `\\xe9`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from labelsieve.data.lookalikes import number, skeleton, strange

SHOWN = 3  # how many variants, or classes, a note lists
GAPS = {"na", "n/a", "#n/a", "nan", "none", "null", "nil", "?"}  # words that other programs write for a missing value


def word(raw: bytes) -> str:
    """The text that the bytes stand for: UTF-8, else Windows-1252, else Latin-1, in which every byte is a character."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def readable(name: str) -> str:
    """The name with what no file could hold as UTF-8 (a byte of a file name, half a character) written as `\\xe9` or
    `\\udc00`."""
    try:
        name.encode()
        return name
    except UnicodeEncodeError:
        pass
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace").decode()


def misread(values: Iterable[Any], what: str) -> tuple[str, ...]:
    """A note that some of the values are bytes and no UTF-8, if they are."""
    odd = [value for value in values if isinstance(value, bytes) and not _is_utf8(value)]
    if not odd:
        return ()
    return (
        f"Not UTF-8 and read as Windows-1252 (Latin-1): {len(odd):,} of the {what}, such as {word(odd[0])[:40]!r}.",
    )


def label_notes(classes: Sequence[str], labels: np.ndarray) -> tuple[str, ...]:
    """What should be said about the class names: variants of one name or number, names that look alike, and words that
    may stand for a missing label.

    Args:
        classes: the K class names.
        labels: (n,) positions in them.
    """
    count = np.bincount(labels, minlength=len(classes))
    used = [c for c in range(len(classes)) if count[c]]
    variants = _together([_folded(name) for name in classes], used)
    numbers = _together([number(name) for name in classes], used)
    seen = _together([skeleton(name) for name in classes], used)
    looks = [c for c in seen if c not in {*variants, *numbers}]
    others = [
        c for c in seen if c in variants and skeleton(classes[c]) in {skeleton(classes[other]) for other in looks}
    ]
    gaps = [c for c, name in enumerate(classes) if count[c] and name.strip().casefold() in GAPS]
    notes = []
    if variants:
        told = _listed(variants, classes, count, 2 * SHOWN)
        notes.append(
            f"Labels that differ only in case, spaces or accents' encoding are different classes here: {told}. Are "
            "they meant to be one?"
        )
    if numbers:
        told = _listed(numbers, classes, count, 2 * SHOWN)
        notes.append(
            f"Labels that write one number in several ways are different classes here: {told}. Are they meant to be "
            "one?"
        )
    if looks:
        told = _listed(sorted([*looks, *others]), classes, count, 2 * SHOWN, strange)
        notes.append(
            "Labels that look alike, but are written with other characters (full-width, Cyrillic or Greek letters, "
            "invisible ones, another "
            f"dash), are different classes here: {told}. Are they meant to be one?"
        )
    if gaps:
        told = _listed(gaps, classes, count, SHOWN)
        notes.append(
            f"Taken as a class, though it may stand for a missing label: {told}. Leave the label empty to have those "
            "rows left out."
        )
    return tuple(notes)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _together(keys: Sequence[Any], used: Sequence[int]) -> list[int]:
    """The classes that share their key with another one."""
    alike: dict[Any, list[int]] = {}
    for c in used:
        if keys[c] is not None:
            alike.setdefault(keys[c], []).append(c)
    return [c for group in alike.values() if len(group) > 1 for c in group]


def _listed(
    chosen: Sequence[int],
    classes: Sequence[str],
    count: np.ndarray,
    most: int,
    more: Callable[[str], str] = lambda _: "",
) -> str:
    shown = ", ".join(f"{classes[c]!r} ({count[c]:,}{more(classes[c])})" for c in chosen[:most])
    return shown + (f" and {len(chosen) - most} more" if len(chosen) > most else "")
