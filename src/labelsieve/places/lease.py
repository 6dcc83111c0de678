"""One writer at a time: an object `lease.json` beside the files says who writes and until when.

It is created with a PUT that fails if the object exists (If-None-Match). Servers that do not know this are found out by
a second such PUT; there the lease is read again after a moment. A lease lasts ten minutes and is renewed by a thread;
one that has expired may be taken, and that of a killed process of this machine. Before a writer uploads, it looks
whether the lease is still its own.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from labelsieve.core.errors import UserError
from labelsieve.core.files import runs
from labelsieve.places import paths

NAME = "lease.json"
SECONDS = 600  # that a lease lasts
_MOMENT = 2.0  # seconds in which two writers notice each other on a server without If-None-Match


class Lease:
    """The right to write below an address; taken when it is made.

    Raises:
        UserError: somebody else has it; the message says who, and until when.
    """

    def __init__(self, address: str):
        self.address = address
        self._path = paths.join(address, NAME)
        self._token = secrets.token_hex(8)
        self._over = Event()
        self._take()
        Thread(target=self._renew, name="labelsieve lease", daemon=True).start()

    def confirm(self) -> None:
        """
        Raises:
            UserError: the lease expired and somebody else has taken it, or it was removed.
        """
        held = _read(self._path)
        if held.get("token") != self._token:
            by = f"{_owner(held)} has taken it" if held else "it was removed"
            raise UserError(
                f"This run no longer has the right to write to {self.address}: {by}. Nothing was uploaded; run the "
                "same command again."
            )

    def release(self) -> None:
        self._over.set()
        try:
            if _read(self._path).get("token") == self._token:
                paths.remove(self._path)
        except (OSError, UserError):
            pass  # it expires by itself

    def _take(self) -> None:
        held = _read(self._path)
        if held and float(held.get("until", 0)) > time.time() and not _left(held):
            raise UserError(_busy(self.address, held))
        try:
            if held:
                paths.remove(self._path)
            if not paths.create(self._path, self._content()):
                raise UserError(_busy(self.address, _read(self._path)))
            if paths.create(self._path, self._content()):  # the server overwrites it
                time.sleep(_MOMENT)
                held = _read(self._path)
                if held.get("token") != self._token:
                    raise UserError(_busy(self.address, held))
        except OSError as error:
            raise UserError(f"{self.address} cannot be written: {error}.") from error

    def _content(self) -> bytes:
        held = {
            "owner": f"{getpass.getuser()} on {platform.node()}",
            "process": os.getpid(),
            "processes": _processes(),
            "until": time.time() + SECONDS,
            "token": self._token,
        }
        return json.dumps(held).encode()

    def _renew(self) -> None:
        while not self._over.wait(SECONDS / 4):
            try:
                if _read(self._path).get("token") != self._token:
                    return  # `confirm` says so
                if not self._over.is_set():
                    paths.write(self._path, self._content())
            except (OSError, UserError):
                continue  # the next time, or it expires


def _read(path: str) -> dict:
    """The content of a lease; {} if there is none, or it is not one."""
    try:
        held = json.loads(paths.read(path))
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            raise UserError(f"{path} cannot be read: {error}.") from error
        return {}
    except (ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) and isinstance(held.get("until"), int | float) else {}


def _processes() -> str:
    """Whose processes the numbers of processes count: those of one start of one machine, or of a container in it; ""
    where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except (OSError, ValueError):
        return ""


def _left(held: dict) -> bool:
    """Whether the process that held this lease ran here and was killed."""
    here, process = _processes(), held.get("process")
    return bool(here) and held.get("processes") == here and isinstance(process, int) and not runs(process)


def _owner(held: dict) -> str:
    return f"{held.get('owner', 'somebody')} (process {held.get('process', '?')})"


def _busy(address: str, held: dict) -> str:
    until = datetime.fromtimestamp(float(held.get("until", time.time())), UTC)
    return (
        f"{_owner(held)} is writing to {address}, until {until:%Y-%m-%d %H:%M:%S} UTC or the end of that command. Wait "
        f"for it; if that process no longer runs, remove {paths.join(address, NAME)}."
    )
