"""The count of wrong labels of data with boxes, apart for boxes and for the crops without a box beside them."""

from __future__ import annotations

from dataclasses import dataclass

from labelsieve.core.box_formats import NOTHING, OF_BOXES
from labelsieve.core.findings import Findings
from labelsieve.core.shares import percent


@dataclass(frozen=True)
class BoxCounts:
    """Boxes and crops without a box, and how many of each are expected to be wrong: boxes with another class or on
    nothing, crops that show an object without a box. The two expected numbers add up to the count of wrong labels."""

    boxes: int
    wrong: float
    crops: int
    overlooked: float

    def __str__(self) -> str:
        share = percent(self.wrong / max(1, self.boxes))
        return (
            f"Boxes alone: about {self.wrong:,.0f} of {self.boxes:,} are wrong ({share}). Crops without a box: about "
            f"{self.overlooked:,.0f} of {self.crops:,} show an object."
        )


def is_boxed(findings: Findings) -> bool:
    """Whether the examples are boxes."""
    return (findings.settings.get("recipe") or {}).get("format") in OF_BOXES


def box_counts(findings: Findings) -> BoxCounts | None:
    """The counts of the findings; None if the examples are no boxes, or there are no crops."""
    if not is_boxed(findings) or NOTHING not in findings.classes:
        return None
    crop = findings.given == findings.classes.index(NOTHING)
    p = findings.p_wrong
    return BoxCounts(int((~crop).sum()), float(p[~crop].sum()), int(crop.sum()), float(p[crop].sum()))
