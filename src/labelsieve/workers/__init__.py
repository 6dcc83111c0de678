"""Ways to do the same work in several processes: here, or on a Ray cluster."""

from __future__ import annotations

from typing import Any

from labelsieve.core.workers import Workers
from labelsieve.workers.processes import require_processes
from labelsieve.workers.ray_cluster import ray_workers


def asked_for(workers: Any, ray: Any) -> Workers | None:
    """The workers that a user asked for: how many, and the address of a Ray cluster; None if neither is given.

    Raises:
        UserError: an argument is wrong, or Ray is not installed.
    """
    if ray is not None:
        return ray_workers(ray, workers)
    return None if workers is None else require_processes(workers)
