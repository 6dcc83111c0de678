"""Files between an address and a folder of this machine: many small ones at a time, large ones in pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.files import make_folder, replacing
from labelsieve.places import paths
from labelsieve.places.many_files import BYTES, TOGETHER, Files
from labelsieve.places.paths import Stored

LARGE = 8 << 20  # bytes; larger files go through a file on the disk, not through memory


def download(address: str, files: Sequence[Stored], folder: Path) -> None:
    """Write the files below `address` to the same places below `folder`.

    Raises:
        UserError: one cannot be read, its name leads out of the folder, or the disk is full.
    """
    for file in files:
        require_inside(file.name, address)
    small = [file for file in files if file.size <= LARGE]
    inputs = Files([paths.join(address, file.name) for file in small], np.array([file.size for file in small], int))
    try:
        for file, content in zip(small, inputs.many(range(len(small))), strict=True):
            if isinstance(content, OSError):
                raise UserError(f"{paths.join(address, file.name)} cannot be read: {content}.")
            with replacing(folder / file.name) as partial:
                partial.write_bytes(content)
        for file in files:
            if file.size > LARGE:
                with replacing(folder / file.name) as partial:
                    paths.fetch(paths.join(address, file.name), partial)
    except OSError as error:
        raise UserError(
            f"{address} cannot be copied to {folder} ({error.strerror or error}); free some space, or name a folder on "
            "another disk in LABELSIEVE_COPIES."
        ) from error


def upload(folder: Path, names: Sequence[str], address: str) -> None:
    """Write the files `names` below `folder` to the same places below `address`.

    Raises:
        UserError: one cannot be written.
    """
    try:
        for group in _groups(folder, names):
            paths.write_all([(paths.join(address, name), (folder / name).read_bytes()) for name in group])
        for name in names:
            if os.path.getsize(folder / name) > LARGE:
                paths.upload(folder / name, paths.join(address, name))
    except OSError as error:
        raise UserError(f"{address} cannot be written: {error.strerror or error}.") from error


def local_files(folder: Path) -> list[Stored]:
    """The files below a folder that belong to others too, sorted by name: no temporary ones, no logs of SQLite, no
    thumbnails."""
    found = paths.files_below(str(folder)) if folder.is_dir() else []
    return [file for file in found if not _is_private(file.name)]


def _is_private(name: str) -> bool:
    last = name.rpartition("/")[2]
    return last.endswith((".part", "-wal", "-shm")) or name.startswith("thumbs/")


def require_inside(name: str, address: str) -> None:
    if name.startswith("/") or "\\" in name or ".." in name.split("/") or "\0" in name:
        raise UserError(f"{address} holds a file called {name!r}, which cannot be copied to this machine.")


def _groups(folder: Path, names: Sequence[str]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for name in names:
        own = os.path.getsize(folder / name)
        if own > LARGE:
            continue
        if group and (len(group) == TOGETHER or size + own > BYTES):
            yield group
            group, size = [], 0
        group.append(name)
        size += own
    if group:
        yield group


def fetched(address: str, folder: Path) -> Path:
    """A file, or a folder with everything in it, copied into `folder`; the path of the copy.

    Raises:
        UserError: there is nothing at the address, or it cannot be copied.
    """
    name = address.split("::")[0].rstrip("/").rpartition("/")[2]
    require_inside(name, address)
    target = folder / name
    if paths.is_file(address):
        try:
            with replacing(target) as partial:
                paths.fetch(address, partial)
        except OSError as error:
            raise UserError(f"{address} cannot be read: {error.strerror or error}.") from error
        return target
    try:
        files = paths.files_below(address)
    except OSError as error:
        raise UserError(f"{address} cannot be listed: {error.strerror or error}.") from error
    if not files:
        raise UserError(f"There is no file or folder {address}.")
    make_folder(target)
    download(address, files, target)
    return target
