"""Findings as a matplotlib figure: how probable the wrong labels are, and which classes are confused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.count_words import ends
from labelsieve.core.extras import need
from labelsieve.core.printable import visible

if TYPE_CHECKING:
    from labelsieve.core.findings import Findings

BINS = 20
CONFUSIONS = 10


def plot(findings: Findings) -> Any:
    """A figure of two panels: a histogram of p_wrong, and the most frequent confusions.

    Raises:
        UserError: matplotlib is not installed.
    """
    matplotlib = need("matplotlib", "findings.plot()", "plot")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.hist([findings.p_wrong[~findings.flagged], findings.p_wrong[findings.flagged]], np.linspace(0, 1, BINS + 1),
              stacked=True, label=["not flagged", "flagged"], log=True)  # fmt: skip
    wrong = findings.wrong
    left.set(
        xlabel="p(wrong)",
        ylabel="examples",
    )
    spread = ends(f"{wrong.low:,.0f}", f"{wrong.high:,.0f}", measured=False, n=len(findings))
    left.set_title(f"about {wrong.count:,.0f} wrong\n{spread}", fontsize="medium")
    left.legend()
    rows = [row for row in findings.named_confusions(CONFUSIONS) if row[2] > 0][::-1]
    names = [f"{visible(given, 20)} → {visible(likely, 20)}".replace("$", r"\$") for given, likely, _ in rows]
    right.barh(range(len(rows)), [count for *_, count in rows])
    right.set_yticks(range(len(rows)), names)
    right.set(xlabel="expected examples", title="given → likely")
    if "inline" in matplotlib.get_backend().lower():
        plt.close(figure)  # a notebook shows the returned figure, and would show an open one a second time
    return figure
