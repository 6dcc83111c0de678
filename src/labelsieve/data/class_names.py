"""Names as text: bytes that are not UTF-8, file names that are not text, and notes about the class names.

Labels and texts are words: bytes that are not UTF-8 are read as Windows-1252 (which includes Latin-1's letters), with a
note. Ids and paths identify things and are kept byte for byte; such a byte is shown, and stored, as `\\xe9`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from labelsieve.data.lookalikes import number, skeleton, strange

SHOWN = 3  # how many variants, or classes, a note lists
GAPS = {"na", "n/a", "#n/a", "nan", "none", "null", "nil", "?"}  # words that programs write for a missing value


def word(raw: bytes) -> str:
    """The text that the bytes stand for: UTF-8, else Windows-1252, else Latin-1, in which every byte is a character."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def readable(name: str) -> str:
    """The name with whatever is not valid UTF-8 (a byte, half a character) written as `\\xe9` or `\\udc00`."""
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
    """A note if some of the values are bytes that are not UTF-8."""
    odd = [value for value in values if isinstance(value, bytes) and not _is_utf8(value)]
    if not odd:
        return ()
    return (
        f"Not UTF-8, so read as Windows-1252 (Latin-1): {len(odd):,} of the {what}, such as {word(odd[0])[:40]!r}.",
    )


def label_notes(classes: Sequence[str], labels: np.ndarray) -> tuple[str, ...]:
    """Notes about the class names: variants of one name or number, names that look alike, words for a missing label.

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
        listed = _listed(variants, classes, count, 2 * SHOWN)
        notes.append(
            f"Labels that differ only in case, spaces or accents' encoding are different classes here: {listed}. "
            "Should they be one class?"
        )
    if numbers:
        listed = _listed(numbers, classes, count, 2 * SHOWN)
        notes.append(
            f"Labels that write one number in several ways are different classes here: {listed}. Should they be one "
            "class?"
        )
    if looks:
        listed = _listed(sorted([*looks, *others]), classes, count, 2 * SHOWN, strange)
        notes.append(
            "Labels that look alike, but are written with other characters (full-width, Cyrillic or Greek letters, "
            f"invisible ones, another dash), are different classes here: {listed}. Should they be one class?"
        )
    if gaps:
        listed = _listed(gaps, classes, count, SHOWN)
        notes.append(
            f"Read as a class, although it may stand for a missing label: {listed}. Leave the label empty to exclude "
            "those rows."
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
