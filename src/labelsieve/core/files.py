"""Files are written to a temporary name beside their place and renamed, so that a killed run leaves no half file."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` when the block ends well. Errors name `path`.

    Raises:
        UserError: a device or a pipe is there.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is no regular file, so nothing can take its place; name another.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.filename in (None, str(partial)):
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


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
        raise UserError(f"{out} is there already and is not what `labelsieve {command}` wrote; name another file with -o.")


def write_json(path: Path, value: Any) -> None:
    with replacing(path) as partial:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))  # half a character, as in a file name, becomes JSON's own \\udce9


def write_array(path: Path, array: np.ndarray) -> None:
    with replacing(path) as partial, open(partial, "wb") as file:
        try:
            np.save(file, array)
        except OSError as error:
            if error.errno is None:  # NumPy says only how many bytes it could not write
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise
