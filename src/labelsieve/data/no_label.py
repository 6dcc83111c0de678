"""Names of classes that tools write for "no label", or for several labels in one cell.

FiftyOne writes `_unlabeled` and Datumaro `no_label` for an example without a label; doccano writes `[]`, one label as
`["cat"]` and several as `["cat", "dog"]` or `cat#dog`; Label Studio writes several choices as `{"choices": [...]}`.
"""

from __future__ import annotations

import json

import numpy as np

from labelsieve.core.dataset import encode_labels

_NONE = ("_unlabeled", "no_label", "[]", "{}")
NO_LABEL = "that stands for no label"
_SHOWN = 3


def told_apart(
    codes: np.ndarray, names: tuple[str, ...]
) -> tuple[np.ndarray, tuple[str, ...], dict[int, str], dict[int, str], tuple[str, ...]]:
    """Labels without those that are none or several.

    Args:
        codes: (n,) int64, positions in `names`, -1 where the label is missing.

    Returns:
        The same with plain class names; row -> why it has no label; row -> which several labels it has; notes that
        count the rows without a label.
    """
    read = [_choices(name) for name in names]
    single = {labels[0] for labels in read if labels is not None and len(labels) == 1}
    plain = {name for name, labels in zip(names, read, strict=True) if labels is None} | single
    read = [_joined(name, plain) if labels is None else labels for name, labels in zip(names, read, strict=True)]
    if all(labels == [name] for labels, name in zip(read, names, strict=True)):
        return codes, names, {}, {}, ()
    places, classes = encode_labels([labels[0] for labels in read if len(labels) == 1])
    place = np.full(len(names) + 1, -1, np.int64)  # the last for a missing label
    place[np.flatnonzero([len(labels) == 1 for labels in read])] = places
    odd = [k for k, labels in enumerate(read) if not labels]
    without = np.flatnonzero(np.isin(codes, odd)).tolist()
    none = {row: f"it has the label {names[codes[row]]!r}, {NO_LABEL}" for row in without}
    many = np.flatnonzero(np.isin(codes, [k for k, labels in enumerate(read) if len(labels) > 1])).tolist()
    several = {row: f"it has the label {names[codes[row]]!r}, that stands for several labels" for row in many}
    notes = []
    if none:
        listed = ", ".join(map(names.__getitem__, odd[:_SHOWN])) + (", ..." if len(odd) > _SHOWN else "")
        some = f"{len(none):,} examples have a label" if len(none) > 1 else "1 example has a label"
        are = "are" if len(none) > 1 else "is"
        notes.append(f"{some} {NO_LABEL} ({listed}), and {are} left out. If it is a class, give it another name.")
    return place[codes], classes, none, several, tuple(notes)


def _choices(name: str) -> list[str] | None:
    """The labels in a cell of a list or of choices, without repeats; None for any other name."""
    if name in _NONE:
        return []
    if not name.startswith(("[", "{")):
        return None
    try:
        value = json.loads(name)
    except (ValueError, RecursionError):
        return None
    value = value.get("choices") if isinstance(value, dict) else value
    return list(dict.fromkeys(value)) if isinstance(value, list) and all(isinstance(v, str) for v in value) else None


def _joined(name: str, plain: set[str]) -> list[str]:
    """The labels in doccano's "cat#dog", or "cat|dog", if each is also a label on its own; else the name."""
    for mark in "#|;,":
        parts = list(dict.fromkeys(part.strip() for part in name.split(mark)))
        if len(parts) > 1 and plain.issuperset(parts):
            return parts
    return [name]
