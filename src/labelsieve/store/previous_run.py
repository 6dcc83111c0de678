"""What has changed since the previous run in a folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labelsieve.core import removed_copies, reused_ids
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.store import run


def changes_since(findings: Findings, folder: Path) -> dict[str, Any]:
    """Settings on what has changed since the previous run in the folder: ids that named other examples, and identical
    examples some of which are gone."""
    try:
        previous = run.load(folder)
    except UserError:  # there is none, or it is damaged
        return {}
    ids = reused_ids.reused(previous, findings)
    twins = removed_copies.thinned(previous, findings, datetime.now(UTC).isoformat(timespec="milliseconds"))
    return {name: value for name, value in ((reused_ids.SETTING, ids), (removed_copies.SETTING, twins)) if value}
