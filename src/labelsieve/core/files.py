"""Files are written under a temporary name and renamed, so that a killed run leaves no half-written file. The content
is synced to the disk before the rename, and the rename before the writer returns, so that a power cut leaves none
either.

The temporary name contains the machine and the process. What a killed process left is removed when the same file is
written again, or the folder is claimed for another run; files of a running process are not touched.
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
from labelsieve.core.memory_map import blocks

_HERE = hashlib.blake2b(platform.node().encode(), digest_size=3).hexdigest()
_PART = re.compile(r"\.(?P<name>.+)\.(?:(?P<machine>[0-9a-f]{6})-)?(?P<process>\d{1,9})\.part", re.DOTALL)
_SCRATCH = re.compile(r"labelsieve-(?P<machine>[0-9a-f]{6})-(?P<process>\d{1,9})-.+")
_A_DAY = 86_400  # seconds after which files of another machine count as abandoned
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}  # of file systems that cannot sync this
_DEEP = 3  # levels of a run folder in which files are written


def temporary(path: Path) -> Path:
    """The temporary name for `path` (a file or a folder) of this process; leftovers of killed processes are removed."""
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
    """A folder for temporary files, removed after the block; leftovers of killed processes are removed too."""
    sweep_scratch()
    with TemporaryDirectory(prefix=scratch_name()) as folder:
        yield Path(folder)


def sweep_scratch() -> None:
    """Remove the temporary folders that killed processes left."""
    with suppress(OSError):
        for entry in os.scandir(gettempdir()):
            if left_over := _SCRATCH.fullmatch(entry.name):
                _remove_if_left(Path(entry.path), left_over)


def scratch_name() -> str:
    """How the names of this process's temporary folders begin."""
    return f"labelsieve-{_HERE}-{os.getpid()}-"


def _remove_if_left(path: Path, part: re.Match[str]) -> None:
    """Remove the file of a process that no longer runs. For another machine that is unknown, so a day without change
    decides."""
    with suppress(OSError):  # somebody else removed it, or it is somebody else's
        here = part["machine"] in (None, _HERE)
        left = not runs(int(part["process"])) if here else time.time() - path.lstat().st_mtime > _A_DAY
        if left and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif left:
            path.unlink()


def runs(process: int) -> bool:
    """Whether a process of this machine is running; on Windows that is not asked."""
    if os.name == "nt":  # on Windows a signal would end it
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
    """A temporary path to write to; it replaces `path` if the block succeeds. Errors name `path`.

    Raises:
        UserError: the path is a device or a pipe.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is not a regular file, so it cannot be replaced; name another file.")
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
    """Rename a finished file, or a folder of files, to `path`. Its content is synced to the disk first."""
    to_disk(partial)
    os.replace(partial, path)
    _sync(path.parent)


def make_folder(path: Path) -> None:
    """Make the folder and its missing parents, and sync their names to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        _sync(folder.parent)


def to_disk(path: Path) -> None:
    """Wait until a file, or a folder with everything in it, is on the disk, as far as its file system supports that."""
    for place, _, names in os.walk(path):
        for name in names:
            _sync(Path(place, name))
        _sync(Path(place))
    if not path.is_dir():
        _sync(path)


def _sync(path: Path) -> None:
    """Sync the bytes of one file, or the names in one folder."""
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
    """Refuse to overwrite a file that does not begin like one that `command` writes; an empty one may be replaced.

    Raises:
        UserError: the path holds another file.
    """
    if not out.is_file():
        return
    expected = begins.encode()
    with open(out, "rb") as file:
        present = file.read(len(expected))
    if present and present != expected:
        raise UserError(
            f"{out} already exists and was not written by `labelsieve {command}`; name another file with <out>.",
            out="",
        )


def write_json(path: Path, value: Any) -> None:
    with replacing(path) as partial:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        partial.write_bytes(
            text.encode("utf-8", "backslashreplace")
        )  # half a character, as in a file name, becomes the JSON escape \\udce9


def write_array(path: Path, array: np.ndarray) -> None:
    with replacing(path) as partial, open(partial, "wb") as file:
        try:
            if isinstance(array, np.memmap):  # `np.save` would hold all pages
                np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
                for rows in blocks(array, 1 << 14):
                    file.write(np.ascontiguousarray(array[rows]).data)
            else:
                np.save(file, array)
        except OSError as error:
            if error.errno is None:  # NumPy says only how many bytes it could not write
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise
