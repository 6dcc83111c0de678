"""Sentences on what makes findings implausible as a whole: few examples, too many wrong labels, two labels swapped."""

from __future__ import annotations

import numpy as np

from labelsieve.core.findings import Findings

FEW = 5  # examples per class; with fewer, its held-out predictions are mostly chance
HALF = 0.5


def plausibility(findings: Findings) -> tuple[str, ...]:
    """Sentences to read before believing the count; empty if nothing is odd."""
    return (*_few(findings), *_swapped(findings), *_most(findings))


def _few(findings: Findings) -> tuple[str, ...]:
    size = np.bincount(findings.given, minlength=len(findings.classes))
    used = size[size > 0]
    small = int((used < FEW).sum())
    if 2 * small < len(used):
        return ()
    which = "Every class has" if small == len(used) else f"{small} of the {len(used)} classes have"
    return (f"{which} fewer than {FEW} examples: the count is rough, and so is the ranking.",)


def _swapped(findings: Findings) -> tuple[str, ...]:
    """Pairs of classes that mostly look like each other."""
    size = np.bincount(findings.given, minlength=len(findings.classes))
    mostly = {}
    for given, likely, expected in zip(*findings.confusions(), strict=True):
        if size[given] >= FEW and expected > HALF * size[given]:
            mostly[int(given)] = int(likely)
    pairs = [(a, b) for a, b in mostly.items() if a < b and mostly.get(b) == a]
    names = [f"{findings.classes[a]!r} and {findings.classes[b]!r}" for a, b in pairs[:3]]
    return (
        (f"These labels look swapped: {'; '.join(names)}. Is the list of class names in the right order?",)
        if names
        else ()
    )


def _most(findings: Findings) -> tuple[str, ...]:
    if findings.wrong.count <= HALF * len(findings):
        return ()
    return (
        "More than half of the labels look wrong. First check that labels and examples belong together (the same "
        "order of rows, the right label column), and that the model can recognise the classes. No method can tell "
        "right from wrong when most labels seem wrong.",
    )
