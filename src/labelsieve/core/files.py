"""Files are written to a temporary name beside their place and renamed, so that a killed run leaves no half file. What
a file holds is on the disk before the name is, and the name is before the writer returns, so that a power cut leaves no
half file either.

The temporary name carries the machine and the process. What a killed process left goes when the same file is written
again, or the folder is claimed for another run; nothing of a process that still runs is touched.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError

_HERE = hashlib.blake2b(platform.node().encode(), digest_size=3).hexdigest()
_PART = re.compile(r"\.(?P<name>.+)\.(?:(?P<machine>[0-9a-f]{6})-)?(?P<process>\d{1,9})\.part", re.DOTALL)
_SCRATCH = re.compile(r"labelsieve-(?P<machine>[0-9a-f]{6})-(?P<process>\d{1,9})-.+")
_A_DAY = 86_400  # seconds after which what another machine left is given up
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}  # of file systems that cannot sync this
_DEEP = 3  # levels of a run folder in which files are written


def temporary(path: Path) -> Path:
    """The name beside `path` under which this process writes it (a file or a folder); what killed processes left of it
    is removed."""
    with suppress(OSError):
        for entry in os.scandir(path.parent):
            if (part := _PART.fullmatch(entry.name)) and part["name"] == path.name:
                _remove_if_left(Path(entry.path), part)
    return path.with_name(f".{path.name}.{_HERE}-{os.getpid()}.part")


def sweep(folder: Path) -> None:
    """Remove the half-written files and folders that killed processes left in a run folder."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if part := _PART.fullmatch(name):
                _remove_if_left(Path(place, name), part)
        deep = len(Path(place).relative_to(folder).parts) + 1
        folders[:] = [] if deep >= _DEEP else [name for name in folders if not _PART.fullmatch(name)]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for temporary files that goes with the block; what killed processes left of such is removed."""
    with suppress(OSError):
        for entry in os.scandir(gettempdir()):
            if found := _SCRATCH.fullmatch(entry.name):
                _remove_if_left(Path(entry.path), found)
    with TemporaryDirectory(prefix=scratch_name()) as folder:
        yield Path(folder)


def scratch_name() -> str:
    """How the names of this process's temporary folders begin."""
    return f"labelsieve-{_HERE}-{os.getpid()}-"


def _remove_if_left(path: Path, part: re.Match[str]) -> None:
    """Remove what a process wrote that no longer runs; of another machine nobody knows, so what has not changed for a
    day goes."""
    with suppress(OSError):  # somebody else removed it, or it is somebody else's
        here = part["machine"] in (None, _HERE)
        left = not _runs(int(part["process"])) if here else time.time() - path.lstat().st_mtime > _A_DAY
        if left and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif left:
            path.unlink()


def _runs(process: int) -> bool:
    if os.name == "nt":  # a signal would end it there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` when the block ends well. Errors name
    `path`.

    Raises:
        UserError: a device or a pipe is there.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is no regular file, so nothing can take its place; name another.")
    make_folder(path.parent)
    partial = temporary(path)
    try:
        yield partial
        put(partial, path)
    except OSError as error:
        if error.filename in (None, str(partial)):
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def put(partial: Path, path: Path) -> None:
    """Rename a finished file, or a folder of files, to `path`. Everything in it is on the disk before its name is."""
    to_disk(partial)
    os.replace(partial, path)
    _sync(path.parent)


def make_folder(path: Path) -> None:
    """Make the folder and its parents, where they are not there, so that their names outlast a power cut."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        _sync(folder.parent)


def to_disk(path: Path) -> None:
    """Wait until a file, or a folder with everything in it, is on the disk, as far as its file system can do that."""
    for place, _, names in os.walk(path):
        for name in names:
            _sync(Path(place, name))
        _sync(Path(place))
    if not path.is_dir():
        _sync(path)


def _sync(path: Path) -> None:
    """The bytes of one file, or the names in one folder."""
    if path.is_symlink() or (os.name == "nt" and path.is_dir()):  # Windows syncs no folders; it keeps names by itself
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


def require_own(out: Path, begins: str, command: str) -> None:
    """Refuse to write over a file that does not begin as what `command` writes; an empty one may go.

    Raises:
        UserError: another file is there.
    """
    if not out.is_file():
        return
    wanted = begins.encode()
    with open(out, "rb") as file:
        there = file.read(len(wanted))
    if there and there != wanted:
        raise UserError(
            f"{out} is there already and is not what `labelsieve {command}` wrote; name another file with <out>.",
            out="",
        )


def write_json(path: Path, value: Any) -> None:
    with replacing(path) as partial:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        partial.write_bytes(
            text.encode("utf-8", "backslashreplace")
        )  # half a character, as in a file name, becomes JSON's own \\udce9


def write_array(path: Path, array: np.ndarray) -> None:
    with replacing(path) as partial, open(partial, "wb") as file:
        try:
            np.save(file, array)
        except OSError as error:
            if error.errno is None:  # NumPy says only how many bytes it could not write
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise
