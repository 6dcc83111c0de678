"""The work in this process, one item after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labelsieve.core.errors import UserError, first_line
from labelsieve.core.workers import TRIES, GivenUp


@dataclass(frozen=True)
class InTurn:
    """`core.workers.Workers` without another process."""

    count: int = 1

    def run(
        self,
        work: Callable[[Any, Any], Any],
        items: Sequence[Any],
        *,
        start: Callable[[], Any] | None = None,
        waiting: Callable[[Sequence[int]], None] | None = None,  # never called: nothing works beside this process
    ) -> Iterator[tuple[int, Any]]:
        state = None if start is None else start()
        for position, item in enumerate(items):
            yield position, _tried(work, state, item)


def _tried(work: Callable[[Any, Any], Any], state: Any, item: Any) -> Any:
    reason = ""
    for _ in range(TRIES):
        try:
            return work(state, item)
        except UserError:
            raise
        except Exception as error:  # whatever the work raises counts as a failure of this item
            reason = f"{type(error).__name__}: {first_line(error)}"
    return GivenUp(reason)
