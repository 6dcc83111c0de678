"""What the steps of a run see of the processes that share their work, on this machine or on several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

TRIES = 3  # of one item, before it is given up
PATIENCE = 120  # seconds without a result, after which a message says what is waited for


@dataclass(frozen=True)
class GivenUp:
    """An item that failed `TRIES` times, or whose worker died each time.

    Attributes:
        reason: why, as a sentence for the user.
    """

    reason: str


class Workers(Protocol):
    """Workers that share some work.

    Attributes:
        count: how many items they work on at the same time.
    """

    @property
    def count(self) -> int: ...

    def run(
        self,
        work: Callable[[Any, Any], Any],
        items: Sequence[Any],
        *,
        start: Callable[[], Any] | None = None,
        waiting: Callable[[Sequence[int]], None] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Do the work on every item, in any order.

        Args:
            work: `work(state, item)`, a function of a module. Its items and results are pickled.
            items: what to work on. An item whose worker died, or whose work raised an error, is given to a living
                worker, `TRIES` times at most.
            start: makes the state, once in each worker; pickled. None: the state is None.
            waiting: called in this process with the positions that are being worked on, whenever there was no result
                for `PATIENCE` seconds.

        Yields:
            The position of an item and its result, as soon as it is there; `GivenUp` instead of the result if the item
            was given up.

        Raises:
            UserError: one that `start` or `work` raised, which would happen for every other item too.
        """
        ...
