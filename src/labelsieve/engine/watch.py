"""Ends all processes of one training, with one sentence on each machine, when one of them is lost.

torchrun ends the processes of its own machine. Those of other machines would wait in a collective, with NCCL for as
long as its limit allows. So each process keeps one connection to process 0. The kernel closes it when a process dies; a
machine that is cut off or has no power is noticed because it is silent. Process 0 tells the others. A process that is
alive but busy, as process 0 while it estimates the noise, still answers, because a thread does that.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

from labelsieve.core.errors import UserError

SILENCE = 120.0  # seconds without a sign of life, after which a process is lost
CONNECT = 60.0  # seconds in which the processes must have connected
GRACE = 2.0  # seconds in which a process that heard of a mistake may report it itself: usually all meet the same
LOST, MISTAKE = 1, 2  # exit codes


@dataclass(frozen=True)
class Place:
    """Where a process of a training runs: its rank, the number and the name of its machine, its number there."""

    rank: int
    machine: int
    host: str
    local: int

    @classmethod
    def own(cls) -> Place:
        """That of this process, from the environment that torchrun made."""
        rank, local, machine = (int(os.environ.get(name, 0)) for name in ("RANK", "LOCAL_RANK", "GROUP_RANK"))
        return cls(rank, machine, socket.gethostname(), local)

    def __str__(self) -> str:
        return f"process {self.rank} (machine {self.machine}, {self.host})"


@dataclass(eq=False)
class _Peer:
    """The other end of a connection: its rank, whether it trains, when it was last heard, its unfinished message."""

    rank: int
    socket: socket.socket
    heard: float
    trains: bool = False
    text: bytes = b""


class Watch:
    """The connections of this process, watched by a thread while it trains."""

    def __init__(self, places: Sequence[Place], rank: int, share: Callable[[Any], Sequence[Any]]):
        """Connect the processes.

        Args:
            places: those of all processes, in the order of their ranks.
            share: gives every process the values of all.

        Raises:
            UserError: process 0 cannot be reached.
        """
        self._places, self._own, self._lock = places, places[rank], Lock()
        self._trains, self._resumes, self._stopped, self._number = False, False, Event(), 0
        server = _server() if rank == 0 else None
        address, token = share(server and ((_address(), server.getsockname()[1]), secrets.token_hex(16)))[0]
        self._peers = _accepted(server, len(places) - 1, token) if server else [_connected(address, token, self._own)]
        Thread(target=self._run, name="labelsieve-watch", daemon=True).start()

    def begin(self, *, resumes: bool) -> None:
        """A training begins; from now on the loss of a process ends all. `resumes`: there will be checkpoints."""
        self._stopped.clear()
        self._trains, self._resumes, self._number = True, resumes, self._number + 1
        self._tell({"trains": True})

    def end(self) -> None:
        """The training is complete; this process may leave."""
        self._trains = False
        self._tell({"trains": False})

    def stop(self, sentence: str) -> None:
        """This process stops with a mistake that it reports itself; the others stop too."""
        self._trains = False
        self._stopped.set()
        self._tell({"stopped": sentence, "rank": self._own.rank, "number": self._number})

    def _tell(self, message: dict[str, Any], but: _Peer | None = None) -> None:
        line = json.dumps(message).encode() + b"\n"
        for peer in [peer for peer in self._peers if peer is not but]:
            try:
                with self._lock:
                    peer.socket.sendall(line)
            except OSError:  # it is gone, which the thread notices
                continue

    def _run(self) -> None:
        told = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for peer in self._peers:
                peer.heard = time.monotonic()
                selector.register(peer.socket, selectors.EVENT_READ, peer)
            while self._peers:
                for key, _ in selector.select(min(1.0, SILENCE / 8)):
                    if not self._hear(key.data):
                        selector.unregister(key.fileobj)
                if time.monotonic() - told > SILENCE / 8:
                    told = time.monotonic()
                    self._tell({})
                for peer in self._peers:
                    if peer.trains and time.monotonic() - peer.heard > SILENCE:
                        self._lost(peer.rank, f"nothing was heard of it for {SILENCE:.0f} seconds")

    def _hear(self, peer: _Peer) -> bool:
        """Read what a peer sent; False if it is gone."""
        try:
            data = peer.socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._peers.remove(peer)
            if peer.trains:
                self._lost(peer.rank, "it was killed or its machine went down")
            return False
        peer.heard = time.monotonic()
        *lines, peer.text = (peer.text + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            peer.trains = message.get("trains", peer.trains)
            if "lost" in message:
                self._lost(message["lost"], message["why"])
            elif "stopped" in message:
                self._tell(message, but=peer)
                if message["number"] == self._number:  # not of a training before
                    self._told(message["rank"], message["stopped"])
        return True

    def _lost(self, rank: int, why: str) -> None:
        self._tell({"lost": rank, "why": why})
        place, here = self._places[rank], [p for p in self._places if p.machine == self._own.machine]
        then = "training continues after the last epoch that was saved" if self._resumes else "it begins again"
        speaker = min(p.local for p in here if p is not place)
        self._end(
            f"{place} was lost: {why}. Run the same command again on every machine; {then}.",
            LOST,
            says=self._own.local == speaker,
        )

    def _told(self, rank: int, sentence: str) -> None:
        """Another process stopped with a mistake; on its own machine its first process has reported it."""
        place = self._places[rank]
        if self._trains and not self._stopped.wait(GRACE):
            itself = place.machine == self._own.machine and place.local == 0
            self._end(f"{place} stopped: {sentence}", MISTAKE, says=self._own.local == 0 and not itself)

    def _end(self, sentence: str, code: int, *, says: bool) -> None:
        """End this process at once, also in the middle of a collective, which nothing else could interrupt."""
        if not self._trains:
            return
        if says:
            shown = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar hides the cursor
            sys.stdout.flush()
            os.write(2, f"{shown}labelsieve: {sentence}\n".encode(errors="backslashreplace"))
        os._exit(code)


def toward_first() -> str:
    """The address of this machine from which it reaches the address that the processes were given; "" if unknown."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind) as unsent:
            unsent.connect(address)  # chooses the way; sends nothing
            return unsent.getsockname()[0]
    except (OSError, KeyError, ValueError):
        return ""


def _address() -> str:
    """An address of process 0 that other machines reach; its own if it does not see itself as 127.0.0.1."""
    own = toward_first()
    return os.environ.get("MASTER_ADDR", "127.0.0.1") if own in ("", "::1") or own.startswith("127.") else own


def _server() -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _accepted(server: socket.socket, n: int, token: str) -> list[_Peer]:
    """The connections from the n other processes; whoever does not know the token is turned away."""
    peers: list[_Peer] = []
    until = time.monotonic() + CONNECT
    with server:
        while len(peers) < n:
            server.settimeout(max(until - time.monotonic(), 0.01))
            try:
                other, _ = server.accept()
            except TimeoutError as error:
                raise UserError(
                    f"Only {len(peers)} of {n} other processes have connected to process 0 within {CONNECT:.0f} "
                    "seconds. Let the machines reach each other on all ports."
                ) from error
            other.settimeout(CONNECT)
            try:
                given, rank = _line(other).split()
            except (ValueError, OSError):  # not one of the processes
                other.close()
                continue
            if secrets.compare_digest(given, token):
                peers.append(_Peer(int(rank), other, time.monotonic()))
            else:
                other.close()
    return peers


def _line(connection: socket.socket) -> str:
    """The first line, at most 100 characters; what follows it is left to be read."""
    read = b""
    while not read.endswith(b"\n") and len(read) < 100:
        byte = connection.recv(1)
        if not byte:
            break
        read += byte
    return read.decode("ascii", "replace")


def _connected(address: tuple[str, int], token: str, own: Place) -> _Peer:
    try:
        first = socket.create_connection(address, timeout=CONNECT)
        first.sendall(f"{token} {own.rank}\n".encode())
    except OSError as error:
        raise UserError(
            f"{str(own).capitalize()} cannot reach process 0 at {address[0]}, port {address[1]} "
            f"({error.strerror or error}). Let the machines reach each other on all ports."
        ) from error
    return _Peer(0, first, time.monotonic())
