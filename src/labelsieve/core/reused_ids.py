"""Ids that stood for another example in an earlier `find` into the same run folder, as row numbers do when rows have
moved. What names an example by such an id alone, without its content, may mean either of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from labelsieve.core.findings import Findings

SETTING = "reused_ids"
LISTED = 1000  # ids that run.json names; where there are more, every id counts as one of them
WHY = "rows have moved, so this id has stood for two examples, and the file has no column content that tells which of them is meant"


def reused(before: Findings, now: Findings) -> dict[str, Any] | None:
    """What `run.json` keeps of such ids, those of earlier runs included: their number, and the ids themselves if they
    are few. None where there are none."""
    earlier = before.settings.get(SETTING) or {"count": 0, "ids": []}
    ids = dict.fromkeys(earlier["ids"])
    if before.content is not None and now.content is not None:
        place = {key: i for i, key in enumerate(before.ids.tolist())}
        at = np.fromiter((place.get(key, -1) for key in now.ids.tolist()), np.int64, len(now))
        was = np.where(at >= 0, before.content[np.maximum(at, 0)], 0) if len(before) else np.zeros(len(now), np.uint64)
        other = (was != 0) & (now.content != 0) & (was != now.content)
        ids |= dict.fromkeys(now.ids[other].tolist())
    count = max(len(ids), earlier["count"])
    return {"count": count, "ids": list(ids)[:LISTED]} if count else None


def is_reused(findings: Findings) -> Callable[[str], bool]:
    """Whether an id of the run is one of them."""
    kept = findings.settings.get(SETTING) or {"count": 0, "ids": []}
    listed = set(kept["ids"])
    return (lambda id: True) if kept["count"] > len(listed) else listed.__contains__


def sound(value: Any) -> bool:
    """Whether it is what `run.json` keeps."""
    if value is None:
        return True
    if not isinstance(value, dict) or set(value) != {"count", "ids"} or not isinstance(value["ids"], list):
        return False
    count, ids = value["count"], value["ids"]
    return isinstance(count, int) and count >= len(ids) and all(isinstance(key, str) for key in ids)
