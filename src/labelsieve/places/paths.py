"""Local paths and fsspec addresses alike: read, write and remove a file, list a folder. A path with "://" is an
address; only addresses need fsspec.

A read is one GET, a write one PUT: nobody asks for the size first. A write is seen whole or not at all.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing
from labelsieve.places.storage_error import storage_error


def is_remote(path: str) -> bool:
    return "://" in path


def suffix(path: str) -> str:
    """The last suffix in lower case, without ".gz": "a.csv.gz" gives ".csv". A chained address has the suffix of its
    first part: "zip://a.csv::/data.zip" gives ".csv"."""
    first = _chain(path)[1] if is_remote(path) else file_of(path)
    return os.path.splitext(first.removesuffix(".gz"))[1].lower()


def name(path: str) -> str:
    """The last part of a path; of a chained address that of its first part: "1.jpg" of "zip://a/1.jpg::/data.zip"."""
    return os.path.basename((_chain(path)[1].partition("://")[2] if is_remote(path) else path).rstrip("/"))


def file_of(path: str) -> str:
    """The file that a local path is in: "data.db::images" names a table in a file."""
    file, mark, _ = path.partition("::")
    return file if mark and not is_remote(path) and not os.path.exists(path) else path


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
    return _query(path, "isfile") if is_remote(path) else os.path.isfile(file_of(path))


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
        raise storage_error(path, error) from error
    with suppress(AttributeError):
        file.labelsieve_system = system  # an archive is closed once nothing refers to its file system
    return file


def read(path: str) -> bytes:
    """The whole content of the file.

    Raises:
        OSError: it cannot be read.
        Unreachable: the storage itself fails.
    """
    if not is_remote(path):
        with open(path, "rb") as file:
            return file.read()
    try:
        system, inner = _system(path)
        return system.cat_file(inner, **_one_get(system))
    except Exception as error:  # each storage has its own exceptions
        raise storage_error(path, error) from error


def read_all(addresses: Sequence[str]) -> list[bytes | OSError]:
    """The content of each file, or the error. Files in an object store are fetched at the same time, so pass no more
    than memory holds.

    Raises:
        Unreachable: the storage itself fails.
    """
    if len(addresses) < 2 or not all(map(is_remote, addresses)):
        return [_read_or_error(path) for path in addresses]
    systems = [_system(path) for path in addresses]
    if not all(system.async_impl for system, _ in systems):
        return [_read_or_error(path) for path in addresses]
    from fsspec.asyn import sync

    results: Any = sync(systems[0][0].loop, _gathered, systems)
    return [
        storage_error(path, result) if isinstance(result, Exception) else result
        for path, result in zip(addresses, results, strict=True)
    ]


def _read_or_error(path: str) -> bytes | OSError:
    try:
        return read(path)
    except OSError as error:
        return error


async def _gathered(systems: list[tuple[Any, str]]) -> list[bytes | BaseException]:
    requests = (system._cat_file(inner, **_one_get(system)) for system, inner in systems)
    return await asyncio.gather(*requests, return_exceptions=True)


def _one_get(system: Any) -> dict[str, Any]:
    """What makes s3fs send one GET; else it asks for the size first, to read a large file in parts."""
    return {"max_concurrency": 1} if "s3" in _protocols(system) else {}


def write(path: str, data: bytes) -> None:
    """Write a file; it is seen whole or not at all. An address gets one PUT (parts from 100 MB), a local path a
    temporary name first.

    Raises:
        OSError: it cannot be written.
    """
    if not is_remote(path):
        with replacing(Path(path)) as partial:
            partial.write_bytes(data)
        return
    system, inner = _system(path)
    if "file" in _protocols(system):
        return write(inner, data)
    try:
        _sent(system, "pipe_file", inner, len(data), data)
    except Exception as error:  # each storage has its own exceptions
        raise storage_error(path, error) from error


def upload(file: Path, path: str) -> None:
    """Write the content of a local file of any size to another path or address.

    Raises:
        OSError: it cannot be read or written.
    """
    if not is_remote(path):
        with replacing(Path(path)) as partial:
            shutil.copyfile(file, partial)
        return
    system, inner = _system(path)
    if "file" in _protocols(system):
        return upload(file, inner)
    try:
        _sent(system, "put_file", inner, file.stat().st_size, str(file))
    except Exception as error:  # each storage has its own exceptions
        raise storage_error(path, error) from error


def create(path: str, data: bytes) -> bool:
    """Write a new file with one PUT; False if it exists already. Some servers do not look, and overwrite it.

    Raises:
        OSError: it cannot be written.
    """
    system, inner = _system(path)
    try:
        _sent(system, "pipe_file", inner, len(data), data, mode="create")
    except Exception as error:  # each storage has its own exceptions
        if isinstance(error, FileExistsError):
            return False
        raise storage_error(path, error) from error
    return True


def _sent(system: Any, method: str, inner: str, size: int, content: Any, **options: Any) -> None:
    """Call a method that writes. In an object store it may take a time that goes with the size, because botocore sets
    no limit to waiting for the permission to send."""
    first, second = (content, inner) if method == "put_file" else (inner, content)
    if not system.async_impl:  # it has real folders; in an object store this would make a bucket
        system.makedirs(inner.rpartition("/")[0], exist_ok=True)
        getattr(system, method)(first, second, **options)
        return
    from fsspec.asyn import sync

    sync(system.loop, getattr(system, f"_{method}"), first, second, timeout=_limit(size), **options)


def _limit(size: int) -> float:
    """Seconds that a write of so many bytes may take."""
    return WAIT + size / _SLOWEST


def write_all(contents: Sequence[tuple[str, bytes]]) -> None:
    """Write several files at addresses, those in an object store at the same time.

    Raises:
        OSError: one cannot be written; others may be there.
    """
    systems = [(*_system(path), data) for path, data in contents]
    if not all(system.async_impl for system, _, _ in systems):
        for path, data in contents:
            write(path, data)
        return
    from fsspec.asyn import sync

    size = sum(len(data) for _, _, data in systems)
    try:
        results: Any = sync(systems[0][0].loop, _all_written, systems, timeout=_limit(size))
    except Exception as error:
        raise storage_error(contents[0][0], error) from error
    for (path, _), result in zip(contents, results, strict=True):
        if isinstance(result, Exception):
            raise storage_error(path, result) from result


async def _all_written(systems: list[tuple[Any, str, bytes]]) -> list[Any]:
    requests = (system._pipe_file(inner, data) for system, inner, data in systems)
    return await asyncio.gather(*requests, return_exceptions=True)


def fetch(address: str, file: Path) -> None:
    """Copy the file at an address to this machine, in pieces.

    Raises:
        OSError: it cannot be read or written.
    """
    system, inner = _system(address)
    try:
        system.get_file(inner, str(file))
    except Exception as error:  # each storage has its own exceptions
        raise storage_error(address, error) from error


def remove(path: str) -> None:
    """Remove a file, if it exists.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        if is_remote(path):
            system, inner = _system(path)
            system.rm_file(inner)
        else:
            os.remove(path)
    except FileNotFoundError:
        pass
    except Exception as error:  # each storage has its own exceptions
        raise storage_error(path, error) from error


def _protocols(system: Any) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


@dataclass(frozen=True)
class Stored:
    """One file below a folder.

    Attributes:
        name: its path below the folder, with "/".
        size: in bytes.
        version: another one if the content was replaced: the ETag of an object store, else the time of the change.
    """

    name: str
    size: int
    version: str


def files_below(folder: str) -> list[Stored]:
    """All files in the folder and in folders below it, sorted by name; none if there is no such folder. An object store
    answers with 1,000 of them a request.

    Raises:
        OSError: it cannot be listed.
    """
    if not is_remote(folder):
        return sorted(_local_below(folder), key=lambda file: file.name)
    system, inner = _system(folder)
    inner = inner.rstrip("/") + "/"
    try:
        system.invalidate_cache()  # another machine may have written since
        listing = system.find(inner, detail=True).values()
    except Exception as error:  # each storage has its own exceptions
        raise storage_error(folder, error) from error
    named = ((item["name"].removeprefix(inner), item) for item in listing if item["type"] == "file")
    return sorted(
        (
            Stored(name, item.get("size") or 0, _version(item))
            for name, item in named
            if name and not name.endswith("/")  # object stores list an empty marker for a folder
        ),
        key=lambda file: file.name,
    )


def _version(item: dict[str, Any]) -> str:
    names = ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified", "mtime", "created")
    values = (str(item.get(name) or "").strip('"') for name in names)
    return f"{next(filter(None, values), '')} {item.get('size')}"  # an S3 server may send empty ETags


def _local_below(folder: str) -> Iterator[Stored]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with suppress(OSError):  # removed meanwhile, or a dangling link
                state = os.stat(path)
                below = os.path.relpath(path, folder).replace(os.sep, "/")
                yield Stored(below, state.st_size, str(state.st_mtime_ns))


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder. `is_file` is false for folders and for pipes, sockets and dangling links; `size` in bytes
    is known at addresses only."""

    name: str
    is_folder: bool
    is_file: bool
    size: int = 0


def entries(folder: str) -> list[Entry]:
    """The entries of the folder, sorted by name, without hidden names and files that desktops leave behind."""
    try:
        listing = _remote_entries(folder) if is_remote(folder) else _local_entries(folder)
    except UserError:
        raise
    except Exception as error:  # each storage has its own exceptions
        reason = str(storage_error(folder, error))
        raise UserError(f"{folder} cannot be listed: {reason}.") from error
    return visible(listing)


def visible(listing: Iterable[Entry]) -> list[Entry]:
    """The entries, sorted by name, without hidden names and files that desktops leave behind."""
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


# Of botocore: as many connections as `many_files.TOGETHER`, and an end to waiting for a server that does not answer.
_S3 = {
    "max_pool_connections": 32,
    "connect_timeout": 5,
    "read_timeout": 20,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}


WAIT = 60.0  # seconds for a server to say anything about a write
_SLOWEST = 50_000  # bytes per second of the slowest connection


_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


def _query(path: str, question: str) -> bool:
    system, inner = _system(path)
    try:
        if question == "isfile" and system.async_impl:  # `isfile` of an object store takes every error for "no"
            return system.info(inner)["type"] == "file"
        return system.isfile(inner) if question == "isfile" else system.isdir(inner)
    except FileNotFoundError as error:
        _ = storage_error(path, error)  # raises if there is no such bucket
        return False
    except Exception as error:  # each storage has its own exceptions
        raise UserError(f"{path} cannot be reached: {storage_error(path, error)}.") from error


def _system(path: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise UserError(f"{path} is an address, which needs fsspec: pip install 'labelsieve[remote]'.") from error
    try:
        if not path.startswith(("s3://", "s3a://")) or "::" in path:
            return url_to_fs(path)
        from fsspec.config import conf

        own = conf.get("s3", {}).get("config_kwargs", {})
        system, inner = url_to_fs(path, config_kwargs={**_S3, **own})
        system.retries = 2  # rounds of total_max_attempts each; with five, an address that never answers takes minutes
        return system, inner
    # an unknown protocol, one whose package (s3fs, gcsfs, ...) is not installed, a missing archive
    except Exception as error:
        if isinstance(error, ImportError) and "s3fs" in str(error):
            raise UserError(f"{path} is in S3, which needs s3fs: pip install 'labelsieve[s3]'.") from error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        chained = (
            " In a chained address every part needs its ://, as in zip://table.csv::file:///data.zip."
            if "::" in path
            else ""
        )
        raise UserError(f"{path} cannot be opened: {reason}.{chained}") from error
