"""Identical examples of which some have gone, or got another label, between two runs of `find` into the same folder.
Which of them a decision of before was about cannot be told by their content; to leave one out and then another of them
would lose both.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np

from labelsieve.core.content_hash import hexed, is_hex
from labelsieve.core.findings import Findings

SETTING = "thinned"


def thinned(before: Findings, now: Findings, at: str) -> dict[str, str]:
    """Content (16 hex digits) -> when, for such examples of which at least one is left; those that earlier runs found
    are included.

    Args:
        at: the time of this run, ISO 8601.
    """
    found = dict(before.settings.get(SETTING) or {})
    if before.content is None or now.content is None:
        return found
    contents, copies = np.unique(before.content, return_counts=True)
    several = contents[(copies > 1) & (contents != 0)]
    were, are = _counted(before, several), _counted(now, several)
    left = {content for content, _ in are}
    fewer = {content for (content, name), n in were.items() if content in left and are[content, name] < n}
    return found | {hexed(content): at for content in sorted(fewer)}


def _counted(findings: Findings, contents: np.ndarray) -> Counter[tuple[int, str]]:
    """How many examples have each of the contents and given labels."""
    assert findings.content is not None
    rows = np.flatnonzero(np.isin(findings.content, contents))
    return Counter((int(findings.content[i]), findings.classes[findings.given[i]]) for i in rows.tolist())


def times(findings: Findings) -> dict[str, datetime]:
    """As `thinned`, with the times read."""
    return {content: datetime.fromisoformat(at) for content, at in (findings.settings.get(SETTING) or {}).items()}


def is_older(at: str, time: datetime) -> bool:
    """Whether a decision was made before that time; one whose time cannot be read was."""
    try:
        made = datetime.fromisoformat(at)
    except ValueError:
        return True
    return (made if made.tzinfo else made.replace(tzinfo=UTC)) < time


def sound(value: Any) -> bool:
    """Whether it is what `run.json` keeps."""
    if not isinstance(value, dict) or not all(is_hex(content) and isinstance(at, str) for content, at in value.items()):
        return False
    try:
        return all(datetime.fromisoformat(at).tzinfo is not None for at in value.values())
    except ValueError:
        return False
