"""Identical examples, some of which were removed or relabelled between two runs of `find` into the same folder. Their
content does not tell which of them an earlier decision was about; excluding a second one would lose both.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np

from labelsieve.core.content_hash import hexed, is_hex
from labelsieve.core.findings import Findings

SETTING = "thinned"


def thinned(previous: Findings, now: Findings, at: str) -> dict[str, str]:
    """Content (16 hex digits) -> time, for such examples if at least one is left; those of earlier runs are included.

    Args:
        at: the time of this run, ISO 8601.
    """
    content_times = dict(previous.settings.get(SETTING) or {})
    if previous.content is None or now.content is None:
        return content_times
    contents, copies = np.unique(previous.content, return_counts=True)
    several = contents[(copies > 1) & (contents != 0)]
    old_count, new_count = _counted(previous, several), _counted(now, several)
    left = {content for content, _ in new_count}
    fewer = {content for (content, name), n in old_count.items() if content in left and new_count[content, name] < n}
    return content_times | {hexed(content): at for content in sorted(fewer)}


def _counted(findings: Findings, contents: np.ndarray) -> Counter[tuple[int, str]]:
    """How many examples have each of the contents and given labels."""
    assert findings.content is not None
    rows = np.flatnonzero(np.isin(findings.content, contents))
    return Counter((int(findings.content[i]), findings.classes[findings.given[i]]) for i in rows.tolist())


def times(findings: Findings) -> dict[str, datetime]:
    """As `thinned`, with parsed times."""
    return {content: datetime.fromisoformat(at) for content, at in (findings.settings.get(SETTING) or {}).items()}


def is_older(at: str, time: datetime) -> bool:
    """Whether a decision was made before that time; true if its time cannot be read."""
    try:
        decided = datetime.fromisoformat(at)
    except ValueError:
        return True
    return (decided if decided.tzinfo else decided.replace(tzinfo=UTC)) < time


def sound(value: Any) -> bool:
    """Whether the value has the form that `run.json` keeps."""
    if not isinstance(value, dict) or not all(is_hex(content) and isinstance(at, str) for content, at in value.items()):
        return False
    try:
        return all(datetime.fromisoformat(at).tzinfo is not None for at in value.values())
    except ValueError:
        return False
