"""Files at addresses that a program must have as local files, such as memory maps: one copy for all processes of a
machine."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

from labelsieve.core.files import replacing, scratch_name, sweep_scratch
from labelsieve.places.paths import fetch, is_remote

_NAME = "content"


def local_copy(address: str) -> Path:
    """A local file with the content of an address, which must not change; a local path is returned as it is.

    The first process of a machine that asks downloads it; the others wait, then share it. The copy is removed when that
    process ends; whoever maps it keeps it, and whoever asks later downloads it again.

    Raises:
        OSError: it cannot be read, or the disk is full.
    """
    if not is_remote(address):
        return Path(address)
    digest = hashlib.sha256(address.encode()).hexdigest()[:24]
    with _alone():
        present = _present(digest)
        return _downloaded(address, digest) if present is None else present


def _present(digest: str) -> Path | None:
    machine = scratch_name().rsplit("-", 2)[0]
    for file in Path(gettempdir()).glob(f"{machine}-*-copy-{digest}/{_NAME}"):
        with suppress(OSError):
            if os.name == "nt" or file.stat().st_uid == os.getuid():  # nobody else can slip something in
                return file
    return None


def _downloaded(address: str, digest: str) -> Path:
    sweep_scratch()
    folder = Path(gettempdir(), f"{scratch_name()}copy-{digest}")
    folder.mkdir(mode=0o700, exist_ok=True)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with replacing(folder / _NAME) as partial:
        fetch(address, partial)
    return folder / _NAME


@contextmanager
def _alone() -> Iterator[None]:
    """One process of this user and machine at a time. Windows has no such lock: two may download the same."""
    if os.name == "nt":
        yield
        return
    import fcntl

    with open(Path(gettempdir(), f"labelsieve-copies-{os.getuid()}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed, or the process dies
        yield
