"""How many threads may work at the same time."""

from __future__ import annotations

import os

from labelsieve.core.errors import UserError

THREADS = "LABELSIEVE_THREADS"


def threads() -> int:
    """How many threads encoding may use: LABELSIEVE_THREADS, or the processors this process may run on."""
    setting = os.environ.get(THREADS, "")
    if setting:
        if not setting.isdigit() or int(setting) == 0:
            raise UserError(f"{THREADS} is {setting!r}; it must be a whole number, at least 1.")
        return int(setting)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
