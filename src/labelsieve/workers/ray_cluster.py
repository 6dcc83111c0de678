"""The work on a Ray cluster: one actor for each worker, on whatever machine has room for it. Needs the extra `ray`.

Only Ray core is used: actors that are never restarted by Ray and calls that are never repeated by it
(`max_restarts=0, max_task_retries=0`). What is lost is known here, and given to a living worker. Where the cluster has
room, also on a node that joined later, another worker is asked for.

An actor takes `threads` processors of its node. It has one item at a time: the next one is there within milliseconds,
and a second one behind it would mean that a dying actor takes with it the result that it had just sent. The work and
what makes the state travel once per node, through Ray's object store.
"""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from labelsieve.core import workers as core
from labelsieve.core.errors import UserError, cause, first_line
from labelsieve.core.extras import need
from labelsieve.core.files import temporary
from labelsieve.core.processors import THREADS, threads
from labelsieve.core.workers import TRIES, GivenUp
from labelsieve.workers.processes import require_processes

LOG = logging.getLogger(__name__)
LOCAL = "local"
TICK = 2.0  # seconds between two looks at the room in the cluster
REACH = 15  # seconds for a cluster to answer
PLACED = 5  # times `PATIENCE`, within which an autoscaler must have added a node that is large enough
_NAMED = 5  # items or nodes in a message
_START = -1  # instead of the position of an item
_ADDRESS = re.compile(r"auto|local|(ray://)?[^\s/]+:\d{1,5}")
_USERS: list[str] = []  # of the connection that this module made
_LEAVE = ExitStack()  # what the last of them does
_LOCK = threading.Lock()


@dataclass(frozen=True)
class RayWorkers:
    """`core.workers.Workers` over actors of a Ray cluster, which is connected to when there is work.

    Attributes:
        address: "auto" for the cluster that runs here, or that RAY_ADDRESS names; "local" starts one on this machine
            and ends it afterwards; else HOST:PORT of its head. A process that is connected to a cluster uses that.
        workers: how many; None: as many as the cluster has room for, at any time.
        threads: processors of one worker.
        folder: a local folder, in which every worker must find a file that this process writes; None: no such check.
        seen: local paths that every worker must find.
    """

    address: str = "auto"
    workers: int | None = None
    threads: int = 1
    folder: Path | None = None
    seen: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        if self.workers is not None:
            return self.workers
        if self.address == LOCAL:
            return max(1, threads() // self.threads)
        with self.connected():
            return max(1, sum(int(node.processors // self.threads) for node in _nodes()))

    def connected(self) -> AbstractContextManager[None]:
        """Keep the connection for several calls of `run`, which connects by itself otherwise.

        Raises:
            UserError: no cluster answers, or its version is another one.
        """
        return _connected(self.address)

    def beside(self, folder: Path, source: str) -> RayWorkers:
        """The same workers, which must see a local folder, and the source of the data if that is a local path."""
        seen = (os.path.abspath(source),) if os.path.exists(source) else ()
        return replace(self, folder=folder, seen=seen)

    def run(
        self,
        work: Callable[[Any, Any], Any],
        items: Sequence[Any],
        *,
        start: Callable[[], Any] | None = None,
        waiting: Callable[[Sequence[int]], None] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        import ray
        from ray import cloudpickle  # Ray's own, which knows its types

        todo, tries, unsolved = deque(range(len(items))), [0] * len(items), len(items)
        team: list[_Worker] = []
        failed_starts, looked, began = 0, -math.inf, time.monotonic()
        heard = began
        with self.connected(), self._mark() as mark:
            order = ray.put(cloudpickle.dumps((work, start)))  # pyright: ignore[reportPrivateImportUsage]
            orders = (order, import_module("labelsieve").__version__, os.getcwd(), mark, self.seen)
            actor = _actor_class(self.threads)
            try:
                while unsolved:
                    living = any(worker.node for worker in team)
                    if time.monotonic() - looked >= TICK * (2 ** min(failed_starts, 6) if living else 1):
                        looked = time.monotonic()
                        team += [_Worker(actor.remote(), orders) for _ in range(self._wanted(team, unsolved))]
                    for worker in team:
                        if worker.call is None and todo:
                            worker.give(todo[0], items[todo.popleft()])

                    worker = _first_answered(team)
                    if worker is None:
                        if time.monotonic() - heard >= core.PATIENCE:
                            heard = time.monotonic()
                            self._say_what_is_missing(team, heard - began)
                            if waiting is not None:
                                waiting([position for position, _ in _at_work(team)])
                        continue
                    heard = time.monotonic()
                    position, answer, value = worker.answer()
                    if answer == "lost":
                        team.remove(worker)
                        looked = looked if position == _START else -math.inf  # look for room at once

                    if answer in ("user", "wrong"):
                        raise value if answer == "user" else UserError(value)
                    if answer == "ready":
                        worker.node, failed_starts = value, 0
                    elif position == _START:
                        failed_starts += 1
                        LOG.warning("a worker did not start: %s", value)
                        if failed_starts >= TRIES and not any(worker.node for worker in team):
                            raise UserError(f"No worker could start on the Ray cluster: {value}.")
                        if answer == "failed":
                            worker.end()
                            team.remove(worker)
                    else:
                        tries[position] += 1
                        if answer != "done" and tries[position] < TRIES:
                            LOG.warning("tried again: %s", value)
                            todo.append(position)
                            continue
                        unsolved -= 1
                        yield position, value if answer == "done" else GivenUp(value)
            finally:
                for worker in team:
                    worker.end()

    def _wanted(self, team: Sequence[_Worker], unsolved: int) -> int:
        """How many more workers to ask for."""
        import ray

        if self.workers is not None:
            more = self.workers - len(team)
        else:
            free = int(ray.available_resources().get("CPU", 0) // self.threads)
            more = max(free - sum(not worker.node for worker in team), 1 - len(team))
        return max(0, min(more, unsolved - len(team)))

    @contextmanager
    def _mark(self) -> Iterator[tuple[str, str] | None]:
        """A file in the folder, and its content; removed afterwards."""
        if self.folder is None:
            yield None
            return
        content = secrets.token_hex(8)
        path = temporary(self.folder / content)
        path.write_text(content)
        try:
            yield str(path.absolute()), content
        finally:
            path.unlink(missing_ok=True)

    def _say_what_is_missing(self, team: Sequence[_Worker], seconds: float) -> None:
        """After `PATIENCE` seconds without a result, and some seconds after the beginning.

        Raises:
            UserError: no worker has started, and no node is large enough for one.
        """
        import ray

        nodes, silent = _nodes(), f"No result for {core.PATIENCE:g} seconds"
        largest = max((node.processors for node in nodes), default=0)
        never = largest < self.threads and not any(worker.node for worker in team)
        if never and seconds >= PLACED * core.PATIENCE:
            raise UserError(
                f"No worker found a place on the Ray cluster: each needs {self.threads} processors, and the largest of "
                f"{len(nodes)} nodes has {largest:g}; set {THREADS} to at most that, or add a node."
            )
        busy = [f"item {position} on node {node}" for position, node in _at_work(team)]
        if busy:
            more = f" and {len(busy) - _NAMED} more" if len(busy) > _NAMED else ""
            LOG.warning("%s: waiting for %s%s.", silent, ", ".join(busy[:_NAMED]), more)
        if unplaced := sum(not worker.node for worker in team):
            LOG.warning(
                "%s: %d workers have not started; each needs %d processors, and %g of %g are free on %d nodes (%s).",
                silent,
                unplaced,
                self.threads,
                ray.available_resources().get("CPU", 0),
                sum(node.processors for node in nodes),
                len(nodes),
                ", ".join(sorted({node.address for node in nodes})[:_NAMED]),
            )


def ray_workers(address: Any, workers: Any = None) -> RayWorkers:
    """`RayWorkers` as a user asked for them. LABELSIEVE_THREADS sets the processors of one worker; default 1.

    Raises:
        UserError: an argument is wrong, or Ray is not installed.
    """
    need("ray", "A Ray cluster", "ray")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise UserError(f"{address!r} is no address of a Ray cluster; give auto, local, or HOST:PORT of its head.")
    if address.startswith("ray://"):
        raise UserError(
            f"{address} is an address for Ray's client. Run Labelsieve on a machine of the cluster (`ray job submit` "
            "does), with <ray>.",
            ray="auto",
        )
    count = None if workers is None else require_processes(workers).count
    return RayWorkers(address, count, threads() if os.environ.get(THREADS) else 1)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """The connection of this process, which several threads may share; the last one ends it."""
    import ray

    with _LOCK:
        ours = bool(_USERS) or not ray.is_initialized()
        if not ours and address == LOCAL:
            raise UserError("This process is connected to a Ray cluster; use ray='auto', or call ray.shutdown() first.")
        if ours and not _USERS:
            _connect(address)
            _LEAVE.callback(ray.shutdown)
            _LEAVE.enter_context(_quiet())
        if ours:
            _USERS.append(address)
    try:
        yield
    finally:
        with _LOCK:
            if ours:
                _USERS.pop()
                if not _USERS:
                    _LEAVE.close()


def _connect(address: str) -> None:
    import ray

    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == LOCAL:
            # Ray ties its servers to the thread that starts them: they end with it, even if the process is killed
            os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
            ray.init(address=LOCAL, num_cpus=threads(), include_dashboard=False, **quiet)
        else:
            _require_answer(address)
            ray.init(address=address, **quiet)
    except UserError:
        raise
    except Exception as error:
        ray.shutdown()  # it may be half connected
        raise UserError(_sentence(error, address)) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without this, Ray prints to the standard output of this process, where results belong, the last lines of the log
    of a lost node; they stay in its folder of logs."""
    try:
        from ray._private.ray_logging import stdout_deduplicator as printed

        before, printed.skip_re = printed.skip_re, re.compile("")
    except (ImportError, AttributeError):  # another version of Ray
        yield
        return
    try:
        yield
    finally:
        printed.skip_re = before


def _require_answer(address: str) -> None:
    """Ask the cluster for a sign of life in a process of its own: `ray.init` itself would try for minutes."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH).close()
        except OSError as error:
            raise UserError(f"No Ray cluster answers at {address}: {cause(error)}.") from error
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--skip-version-check"]
    try:
        asked = subprocess.run([*command, "--address", address], capture_output=True, text=True, timeout=REACH)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"No Ray cluster answers at {_place(address)}.") from error
    if asked.returncode == 0:
        return
    if "AuthToken" in asked.stderr or "authentication token" in asked.stderr:
        raise UserError(
            "The Ray cluster asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the token of the cluster."
        )
    if "Could not find any running Ray instance" in asked.stderr:
        raise UserError(
            "No Ray cluster runs on this machine, and RAY_ADDRESS names none. Start one with Ray's own command `ray "
            "start`, or pass <ray>, which starts one here.",
            ray="local",
        )
    raise UserError(f"No Ray cluster answers at {_place(address)}.")


def _place(address: str) -> str:
    return os.environ.get("RAY_ADDRESS", "the address of the last cluster here") if address == "auto" else address


def _sentence(error: Exception, address: str) -> str:
    """Why there is no connection."""
    text = str(error)
    if "Version mismatch" in text:
        parts = [line.strip() for line in text.splitlines() if line.strip().startswith(("Ray:", "Python:"))]
        theirs, ours = ", ".join(parts[:2]), ", ".join(parts[2:4])
        return (
            f"The Ray cluster and this process have different versions: there {theirs}; here {ours}. Use the same here."
        )
    return f"The Ray cluster at {_place(address)} cannot be used: {first_line(error)}."


@dataclass(frozen=True)
class _Node:
    address: str
    processors: float


def _nodes() -> list[_Node]:
    """The living nodes."""
    import ray

    return [_Node(node["NodeManagerAddress"], node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]


@dataclass(eq=False)
class _Worker:
    """An actor as this process sees it.

    Attributes:
        node: the address of its node; empty until it has started.
        call: the unanswered call, with the position of its item, or `_START`.
    """

    actor: Any
    orders: tuple[Any, ...]
    node: str = ""
    call: tuple[Any, int] | None = None

    def __post_init__(self) -> None:
        self.call = self.actor.begin.remote(*self.orders), _START

    def give(self, position: int, item: Any) -> None:
        self.call = self.actor.do.remote(item), position

    def answer(self) -> tuple[int, str, Any]:
        """The position of the call, the kind of its answer as in `_actor_class`, or "lost", and the answer."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        assert self.call is not None
        (call, position), self.call = self.call, None
        try:
            return (position, *ray.get(call))
        except RayTaskError as error:  # a result that cannot be pickled
            return position, "failed", f"{type(error.cause).__name__}: {first_line(error.cause)}"
        except RayError:
            self.end()  # it may live on, out of reach
            where = f" on node {self.node}" if self.node else ""
            return position, "lost", f"the worker{where} was killed, ran out of memory, or its node was lost"

    def end(self) -> None:
        import ray

        with suppress(Exception):  # the connection to the cluster may be lost
            ray.kill(self.actor, no_restart=True)


def _first_answered(team: Sequence[_Worker]) -> _Worker | None:
    """A worker whose call is answered; None after `TICK` seconds."""
    import ray

    called = {worker.call[0]: worker for worker in team if worker.call}
    if not called:
        time.sleep(TICK)
        return None
    ready, _ = ray.wait(list(called), num_returns=1, timeout=TICK)
    return called[ready[0]] if ready else None


def _at_work(team: Sequence[_Worker]) -> list[tuple[int, str]]:
    """The items that are being worked on, and their nodes."""
    return sorted((worker.call[1], worker.node) for worker in team if worker.call and worker.node)


def _actor_class(processors: int) -> Any:
    """The class of the actors. It is defined here, so that Ray sends its code along: a machine without this version of
    Labelsieve can then say so."""
    import ray

    class LabelsieveWorker:
        """Answers with ("ready", address of the node), ("done", result), ("failed", reason), ("user", UserError) or
        ("wrong", a sentence for the user)."""

        def begin(self, order: bytes, version: str, folder: str, mark: Any, seen: Sequence[str]) -> tuple[str, Any]:
            import os
            import pickle
            from importlib import import_module

            import ray

            address = ray.util.get_node_ip_address()
            try:
                own = import_module("labelsieve").__version__
            except ImportError:
                own = "missing"
            if own != version:
                return "wrong", (
                    f"Labelsieve {version} runs here, but on the node {address} of the Ray cluster it is {own}; "
                    f"install it there with: pip install 'labelsieve=={version}'"
                )
            for path in ((mark[0],) if mark else ()) + tuple(seen):
                if not os.path.exists(path):
                    what = f"the run folder {os.path.dirname(path)}" if mark and path == mark[0] else path
                    return "wrong", (
                        f"The node {address} of the Ray cluster does not see {what}; use a folder that all machines "
                        "share, or an address such as s3://bucket/folder."
                    )
            if mark:
                with open(mark[0]) as file:
                    if file.read() != mark[1]:
                        return "wrong", f"The node {address} of the Ray cluster sees another file as {mark[0]}."
            if os.path.isdir(folder):
                os.chdir(folder)  # relative paths mean the same as in the driver
            return self._tried(lambda: self._begin(pickle.loads(order), address))

        def _begin(self, order: tuple[Any, Any], address: str) -> tuple[str, Any]:
            self.work, start = order
            self.state = None if start is None else start()
            return "ready", address

        def do(self, item: Any) -> tuple[str, Any]:
            return self._tried(lambda: ("done", self.work(self.state, item)))

        def _tried(self, function: Callable[[], tuple[str, Any]]) -> tuple[str, Any]:
            from labelsieve.core.errors import UserError, first_line

            try:
                return function()
            except UserError as error:
                return "user", error
            except Exception as error:  # whatever the work raises counts as a failure of this item
                return "failed", f"{type(error).__name__}: {first_line(error)}"

    own = {THREADS: str(processors), "OMP_NUM_THREADS": str(processors)}
    return ray.remote(
        num_cpus=processors,
        max_restarts=0,
        max_task_retries=0,
        runtime_env={"env_vars": own},
    )(LabelsieveWorker)
