"""Local paths and fsspec addresses alike: read a file, list a folder. A path with "://" is an address; only addresses
need fsspec."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from labelsieve.core.errors import UserError


def is_remote(path: str) -> bool:
    return "://" in path


def suffix(path: str) -> str:
    """The last suffix in lower case, without ".gz": "a.csv.gz" gives ".csv". A chained address has the suffix of its
    first part: "zip://a.csv::/data.zip" gives ".csv"."""
    return os.path.splitext(_chain(path)[1].removesuffix(".gz"))[1].lower()


def _chain(path: str) -> tuple[str, str, str]:
    """The text before the first part of a chained address, that part, and the text after it (its archive)."""
    parts = path.split("::") if is_remote(path) else [path]
    first = next((i for i, part in enumerate(parts) if is_remote(part)), 0)
    return (
        "".join(f"{part}::" for part in parts[:first]),
        parts[first],
        "".join(f"::{part}" for part in parts[first + 1 :]),
    )


def is_file(path: str) -> bool:
    return _query(path, "isfile") if is_remote(path) else os.path.isfile(path)


def is_folder(path: str) -> bool:
    return _query(path, "isdir") if is_remote(path) else os.path.isdir(path)


def opened(path: str) -> IO[bytes]:
    """The file, open for reading bytes.

    Raises:
        OSError: it cannot be read.
    """
    if not is_remote(path):
        return open(path, "rb")
    system, inner = _system(path)
    try:
        file = system.open(inner, "rb")
    except Exception as error:  # each storage has its own exceptions
        raise OSError(str(error) or type(error).__name__) from error
    with suppress(AttributeError):
        file.labelsieve_system = system  # an archive is closed once nothing refers to its file system
    return file


def read(path: str) -> bytes:
    """The whole content of the file; any error of the storage becomes an OSError."""
    if not is_remote(path):
        with open(path, "rb") as file:
            return file.read()
    try:
        with opened(path) as file:
            return file.read()
    except Exception as error:  # each storage has its own exceptions, and one bad file must not stop a run
        raise OSError(str(error) or type(error).__name__) from error


@dataclass(frozen=True)
class Entry:
    """One name in a folder. `is_file` is false for folders and for pipes, sockets and dangling links."""

    name: str
    is_folder: bool
    is_file: bool


def entries(folder: str) -> list[Entry]:
    """The entries of the folder, sorted by name, without hidden names and files that desktops leave behind."""
    try:
        listing = _remote_entries(folder) if is_remote(folder) else _local_entries(folder)
    except UserError:
        raise
    except Exception as error:  # each storage has its own exceptions
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        raise UserError(f"{folder} cannot be listed: {reason}.") from error
    kept = (entry for entry in listing if not entry.name.startswith(".") and entry.name.lower() not in _LITTER)
    return sorted(kept, key=lambda entry: entry.name)


def _local_entries(folder: str) -> list[Entry]:
    with os.scandir(folder) as items:
        return [Entry(item.name, _safely(item.is_dir), _safely(item.is_file)) for item in items]


def _safely(test: Callable[[], bool]) -> bool:
    """The result of a test of a path; False if it fails, as for a link to itself."""
    try:
        return test()
    except OSError:
        return False


def _remote_entries(folder: str) -> list[Entry]:
    system, inner = _system(folder)
    return [
        Entry(item["name"].rstrip("/").rpartition("/")[2], item["type"] == "directory", item["type"] == "file")
        for item in system.ls(inner, detail=True)
        if item["name"].rstrip("/") != inner.rstrip("/")  # object stores list an empty marker for the folder itself
    ]


def join(folder: str, name: str) -> str:
    """`name` below `folder`; an absolute path or an address stays as it is."""
    if is_remote(name) or os.path.isabs(name):
        return name
    if not is_remote(folder):
        return os.path.join(folder, name)
    before, place, after = _chain(folder)
    return f"{before}{place if place.endswith('://') else place.rstrip('/') + '/'}{name}{after}"


def parent(path: str) -> str:
    if not is_remote(path):
        return os.path.dirname(path)
    before, place, after = _chain(path)
    protocol, mark, inner = place.partition("://")
    return f"{before}{protocol}{mark}{inner.rpartition('/')[0]}{after}"


@dataclass(frozen=True, eq=False)
class Files(Sequence):
    """The content of n files as bytes, read when indexed."""

    paths: Sequence[str]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> bytes:
        return read(self.paths[i])


_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


def _query(path: str, question: str) -> bool:
    system, inner = _system(path)
    try:
        return system.isfile(inner) if question == "isfile" else system.isdir(inner)
    except Exception as error:
        raise UserError(f"{path} cannot be reached: {error or type(error).__name__}.") from error


def _system(path: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise UserError(f"{path} is an address, which needs fsspec: pip install 'labelsieve[remote]'.") from error
    try:
        return url_to_fs(path)
    # an unknown protocol, one whose package (s3fs, gcsfs, ...) is not installed, a missing archive
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        chained = (
            " In a chained address every part needs its ://, as in zip://table.csv::file:///data.zip."
            if "::" in path
            else ""
        )
        raise UserError(f"{path} cannot be opened: {reason}.{chained}") from error
