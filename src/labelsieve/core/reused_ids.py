"""Ids that belonged to a different example in an earlier `find` into the same run folder. This happens to row numbers
when rows move. Such an id without a content hash is ambiguous: it may mean either example.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from labelsieve.core.findings import Findings

SETTING = "reused_ids"
LISTED = 1000  # ids that run.json lists; if there are more, every id counts as reused
WHY = (
    "rows have moved, so this id has belonged to two examples, and the file has no column content that says which one "
    "is meant"
)


def reused(previous: Findings, now: Findings) -> dict[str, Any] | None:
    """What `run.json` keeps about such ids, including those of earlier runs: their number, and the ids if they are few.
    None if there are none."""
    earlier = previous.settings.get(SETTING) or {"count": 0, "ids": []}
    ids = dict.fromkeys(earlier["ids"])
    if previous.content is not None and now.content is not None:
        place = {key: i for i, key in enumerate(previous.ids.tolist())}
        at = np.fromiter((place.get(key, -1) for key in now.ids.tolist()), np.int64, len(now))
        old_content = (
            np.where(at >= 0, previous.content[np.maximum(at, 0)], 0)
            if len(previous)
            else np.zeros(len(now), np.uint64)
        )
        changed = (old_content != 0) & (now.content != 0) & (old_content != now.content)
        ids |= dict.fromkeys(now.ids[changed].tolist())
    count = max(len(ids), earlier["count"])
    return {"count": count, "ids": list(ids)[:LISTED]} if count else None


def is_reused(findings: Findings) -> Callable[[str], bool]:
    """A function that says whether an id of the run is one of them."""
    kept = findings.settings.get(SETTING) or {"count": 0, "ids": []}
    listed = set(kept["ids"])
    return (lambda id: True) if kept["count"] > len(listed) else listed.__contains__


def sound(value: Any) -> bool:
    """Whether the value has the form that `run.json` keeps."""
    if value is None:
        return True
    if not isinstance(value, dict) or set(value) != {"count", "ids"} or not isinstance(value["ids"], list):
        return False
    count, ids = value["count"], value["ids"]
    return isinstance(count, int) and count >= len(ids) and all(isinstance(key, str) for key in ids)
