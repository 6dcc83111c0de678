"""The work in several processes of this machine.

Each worker is a process pool of its own with one process (`concurrent.futures`, started by spawn). A process that is
killed then takes only its own item with it: the item is given to another worker, and a new process takes its place. A
worker ends when the pipe from the driver closes, whether the driver has finished, was interrupted or was killed.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from labelsieve.core import workers
from labelsieve.core.arguments import require_whole
from labelsieve.core.errors import UserError, first_line
from labelsieve.core.processors import THREADS, threads
from labelsieve.core.workers import TRIES, GivenUp

LOG = logging.getLogger(__name__)
_SPAWN = multiprocessing.get_context("spawn")
_LAUNCH = threading.Lock()
_KILLED = "the process that worked on it was killed, or ran out of memory"
MOST = 1024  # processes


@dataclass(frozen=True)
class Processes:
    """`core.workers.Workers` over `count` processes, which share the processors of this one."""

    count: int

    def run(
        self,
        work: Callable[[Any, Any], Any],
        items: Sequence[Any],
        *,
        start: Callable[[], Any] | None = None,
        waiting: Callable[[Sequence[int]], None] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        todo, tries = deque(range(len(items))), [0] * len(items)
        each = max(1, threads() // self.count)
        running: dict[Future[Any], tuple[_Worker, int]] = {}

        def give(worker: _Worker) -> None:
            if todo:
                position = todo.popleft()
                tries[position] += 1
                running[worker.submit(start, work, items[position])] = worker, position

        hired: list[_Worker] = []
        try:
            for _ in range(min(self.count, len(items))):
                hired.append(_Worker(each))
                give(hired[-1])
            while running:
                done, _ = wait(running, workers.PATIENCE, FIRST_COMPLETED)
                if not done and waiting is not None:
                    waiting(sorted(position for _, position in running.values()))
                for future in done:
                    worker, position = running.pop(future)
                    result = _result(future)
                    if worker.broken:
                        hired.remove(worker)
                        worker.end()
                        hired.append(worker := _Worker(each))
                    if isinstance(result, GivenUp) and tries[position] < TRIES:
                        LOG.warning("tried again: %s", result.reason)
                        todo.append(position)
                        give(worker)
                        continue
                    give(worker)  # before the result is looked at, so that the worker does not wait
                    yield position, result
        finally:
            for worker in hired:
                worker.leave()
            for worker in hired:
                worker.end()


def require_processes(count: Any) -> Processes:
    """`Processes` for a number that a user gave.

    Raises:
        UserError: it is not a whole number of 1 to `MOST`.
    """
    number = require_whole(count, "workers")
    if not 1 <= number <= MOST:
        raise UserError(f"{number} workers were asked for; give a number of processes, 1 to {MOST:,}.")
    return Processes(number)


class _Worker:
    """One process, started with its first item."""

    def __init__(self, threads: int) -> None:
        theirs, self._ours = _SPAWN.Pipe(duplex=False)
        self._theirs, self._threads, self.broken = theirs, threads, False
        self._pool = ProcessPoolExecutor(1, _SPAWN, initializer=_begin, initargs=(theirs,))

    def submit(self, start: Callable[[], Any] | None, work: Callable[[Any, Any], Any], item: Any) -> Future[Any]:
        with _launching(self._threads):
            try:
                future = self._pool.submit(_do, start, work, item)
            except BrokenProcessPool as error:  # it died between two items
                future = Future()
                future.set_exception(error)
        future.add_done_callback(self._note)
        return future

    def _note(self, future: Future[Any]) -> None:
        self.broken = not future.cancelled() and isinstance(future.exception(), BrokenProcessPool)

    def leave(self) -> None:
        """Tell the process to end at once."""
        self._ours.close()

    def end(self) -> None:
        """Wait until the process has ended."""
        self.leave()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._theirs.close()


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except UserError:
        raise
    except BrokenProcessPool:
        return GivenUp(_KILLED)
    except Exception as error:  # whatever the work raises counts as a failure of this item
        return GivenUp(f"{type(error).__name__}: {first_line(error)}")


@contextmanager
def _launching(threads: int) -> Iterator[None]:
    """What a process inherits: its number of threads, which libraries read when they are loaded, and that Ctrl-C is for
    the driver. It runs nothing of the user's script, which spawn would run again without this."""
    own = {THREADS: str(threads), "OMP_NUM_THREADS": str(threads)}
    with _LAUNCH:
        before = {name: os.environ.get(name) for name in own}
        script, blocked = sys.modules["__main__"], None
        try:
            os.environ.update(own)
            sys.modules["__main__"] = ModuleType("__main__")
            if hasattr(signal, "pthread_sigmask"):
                blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            yield
        finally:
            sys.modules["__main__"] = script
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            if blocked is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


# What follows runs in the worker.

_STATE: list[Any] = []


def _begin(driver: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()


def _end_with(driver: Any) -> None:
    """End this process, in the middle of its work, when the other end of the pipe closes."""
    try:
        driver.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _do(start: Callable[[], Any] | None, work: Callable[[Any, Any], Any], item: Any) -> Any:
    if not _STATE:
        _STATE.append(None if start is None else start())
    return work(_STATE[0], item)
