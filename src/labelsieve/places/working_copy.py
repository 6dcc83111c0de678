"""What is stored at an address is worked on through a copy on this machine.

The copy stays, so that the next command downloads only what has changed (by the ETag), and so that nothing is lost if
this machine stops before the upload: the same command continues from the copy. Uploaded is what a successful command
has changed; the last file is the one that makes the rest valid.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from labelsieve.core.errors import UserError, first_line
from labelsieve.core.files import make_folder, write_json
from labelsieve.places import lease, paths
from labelsieve.places.lease import Lease
from labelsieve.places.paths import Stored
from labelsieve.places.transfer import download, local_files, upload

_open: dict[str, tuple[str, bool]] = {}  # the folder of each copy in use or read by this process: its address, written?


@dataclass(frozen=True)
class Kind:
    """How a kind of folder is copied.

    Attributes:
        last: the file that is uploaded last.
        begun: what stands in place of `last` while the others are uploaded, made from the path of the new one; None for
            nothing.
        ready: called with the copy before it is uploaded.
        merge: called with (a copy that was never uploaded, the folder of the new copy), if somebody else has uploaded
            since.
    """

    last: str
    begun: Callable[[Path], bytes] | None = None
    ready: Callable[[Path], None] | None = None
    merge: Callable[[Path, Path], None] | None = None


@contextmanager
def working_copy(
    address: str, kind: Kind, *, writes: bool, without: Sequence[str] = (), only: Sequence[str] | None = None
) -> Iterator[Path]:
    """A local folder with what is stored at the address; what the block changed in it is uploaded if it succeeds.

    Args:
        writes: others may not write meanwhile.
        without: how the names of files begin that are not needed.
        only: files that are uploaded although others may write meanwhile.

    Raises:
        UserError: it cannot be read or written, or somebody else writes.
    """
    folder = place(address)
    if _open.get(str(folder), ("", False))[1]:  # this process holds it: the outer block uploads
        yield folder
        return
    held = Lease(address) if writes else None
    _open[str(folder)] = address, writes
    copy = _Copy(address, folder, kind)
    writing = _Lock(folder, "writing.lock")
    try:
        with _Lock(folder, "refresh.lock") as refresh:
            refresh.wait()
            alone = writing.take()
            if writes and not alone:
                raise UserError(f"Another command on this machine still writes to {address}; wait for it.")
            if alone:  # else a command on this machine writes in it, as a page does, and keeps it up to date
                copy.refresh(without)
            if not writes:
                writing.release()
        try:
            yield folder
        except UserError as error:
            raise error.renamed({str(folder): address}) from error.__cause__
        if held is not None:
            if kind.ready is not None:
                kind.ready(folder)
            held.confirm()
            copy.send()
        elif only:
            copy.send(only, remember=alone)
    finally:
        _open[str(folder)] = address, False
        writing.release()
        if held is not None:
            held.release()


class _Lock:
    """A lock beside a copy, among the processes of this machine; it ends with the process. On Windows it locks
    nothing."""

    def __init__(self, folder: Path, name: str):
        self._path = folder.with_name(name)
        self._file: int | None = None

    def __enter__(self) -> _Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def take(self) -> bool:
        """Whether it was free, and is now ours."""
        return self._lock(wait=False)

    def wait(self) -> None:
        self._lock(wait=True)

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock(self, *, wait: bool) -> bool:
        make_folder(self._path.parent)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if os.name == "nt":
            return True
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            self.release()
            return False
        return True


def address_in(value: Any) -> str | None:
    """The address that a value names: text or a path with "://" (a `Path` keeps only one of the slashes), or the local
    copy of one; else None."""
    path = getattr(value, "path", value)
    if not isinstance(path, str | PurePath):
        return None
    text = str(path)
    if isinstance(path, PurePath) and not paths.is_remote(text):
        name, mark, rest = text.partition(":/")
        if mark and len(name) > 1 and name.replace("+", "").isalnum() and not os.path.exists(text):
            text = f"{name}://{rest}"
    if paths.is_remote(text):
        return text.rstrip("/")
    return _open.get(text, ("", False))[0] or None


def origin(path: Path) -> str:
    """The address of a path inside a copy that this process uses; else the path itself."""
    for folder in (path, *path.parents):
        address = _open.get(str(folder), ("", False))[0]
        if address:
            below = path.relative_to(folder).as_posix()
            return address if below == "." else paths.join(address, below)
    return str(path)


def copies() -> Path:
    """Where the copies are: LABELSIEVE_COPIES, or a folder of the user's cache."""
    named = os.environ.get("LABELSIEVE_COPIES")
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(named) if named else Path(cache, "labelsieve", "copies")


def place(address: str) -> Path:
    """The folder of the copy. Another endpoint or profile has other buckets."""
    where = "\0".join([address, *(os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"))])
    key = hashlib.sha256(where.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    name = "".join(c if c.isalnum() or c in "-_. " else "_" for c in address.rpartition("/")[2]) or "run"
    return copies() / key / name


@dataclass
class _Copy:
    """A copy and what it knows of its origin, in `copy.json` beside it: of every file the version there and the state
    here when both were the same."""

    address: str
    folder: Path
    kind: Kind

    def refresh(self, without: Sequence[str]) -> None:
        """Download what has changed there; what was changed here and never uploaded stays, unless somebody else has
        uploaded since."""
        there, known = self._there(), self._known()
        if known is None:
            known = {}
            if self.folder.exists():
                shutil.rmtree(self.folder)
        relevant = [file for file in there if file.name in known or not file.name.startswith(tuple(without))]
        changed = [file for file in relevant if known.get(file.name, {}).get("version") != file.version]
        gone = known.keys() - {file.name for file in there}
        old: Path | None = None
        if gone or any(file.name in known for file in changed) or (changed and self._changed_here(known)):
            if self._changed_here(known):
                old = self.folder.with_name(f"{self.folder.name}.old")
                shutil.rmtree(old, ignore_errors=True)
                os.replace(self.folder, old)
                known = {}
            for name in gone:
                (self.folder / name).unlink(missing_ok=True)
                known.pop(name, None)
        needed = [file for file in there if not file.name.startswith(tuple(without))]
        missing = [
            file
            for file in needed
            if known.get(file.name, {}).get("version") != file.version or not (self.folder / file.name).exists()
        ]
        make_folder(self.folder)
        download(self.address, missing, self.folder)
        self._remember(there, {**known, **{file.name: {} for file in missing}})
        if old is not None:
            if self.kind.merge is not None:
                self.kind.merge(old, self.folder)
            shutil.rmtree(old, ignore_errors=True)

    def send(self, only: Sequence[str] | None = None, *, remember: bool = True) -> None:
        """Upload what has changed here, and remove there what was removed here."""
        known = self._known() or {}
        names = [name for name in self._changed_here(known) if only is None or name in only]
        here = {file.name for file in local_files(self.folder)}
        gone = [name for name in known if name not in here and only is None]
        last = self.kind.last
        if not names and not gone:
            return
        if last in names and self.kind.begun is not None:
            paths.write(paths.join(self.address, last), self.kind.begun(self.folder / last))
        upload(self.folder, [name for name in names if name != last], self.address)
        for name in gone:
            paths.remove(paths.join(self.address, name))
        if last in names:
            upload(self.folder, [last], self.address)
        if not remember:
            return
        sent = {name: {} for name in names}
        self._remember(self._there(), {**{name: known[name] for name in known if name not in gone}, **sent})

    def _there(self) -> list[Stored]:
        try:
            found = paths.files_below(self.address)
        except OSError as error:
            raise UserError(f"{self.address} cannot be listed: {first_line(error)}.") from error
        return [file for file in found if file.name != lease.NAME]

    def _changed_here(self, known: dict[str, dict]) -> list[str]:
        """The names of files here that are not as they were when they were downloaded or uploaded."""
        return [
            file.name
            for file in local_files(self.folder)
            if known.get(file.name, {}).get("here") != [file.size, file.version]
        ]

    def _known(self) -> dict[str, dict] | None:
        try:
            known = json.loads(self._memory.read_text(encoding="utf-8"))
            return {str(name): dict(entry) for name, entry in known["files"].items()}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def _remember(self, there: Sequence[Stored], known: dict[str, dict]) -> None:
        """Save which version of each file is here: {} in `known` for one that was copied just now."""
        here = {file.name: [file.size, file.version] for file in local_files(self.folder)}
        files = {
            file.name: known[file.name] or {"version": file.version, "here": here.get(file.name)}
            for file in there
            if file.name in known
        }
        make_folder(self._memory.parent)
        write_json(self._memory, {"address": self.address, "files": files})

    @property
    def _memory(self) -> Path:
        return self.folder.with_name("copy.json")
