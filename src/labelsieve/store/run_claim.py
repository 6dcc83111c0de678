"""Claims a run folder before a run begins, and removes it if the run fails before anything was saved."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelsieve.core.errors import UserError
from labelsieve.core.files import make_folder, sweep, write_json
from labelsieve.core.run_files import MANIFEST
from labelsieve.store.run_reader import read_manifest, require_manifest


def claim(folder: Path, source: str) -> Path:
    """Return the folder, created if it does not exist, claimed for a run on `source`.

    Raises:
        UserError: it is a file, holds other files or a run on another source, or cannot be written.
    """
    if folder.is_file():
        raise UserError(f"{folder} is a file; choose a folder for the results with <out>.", out="")
    sweep(folder)
    require_manifest(folder)
    if folder.is_dir() and any(map(_counts, folder.iterdir())) and not (folder / MANIFEST).exists():
        raise UserError(
            f"{folder} is not empty and is not a run of Labelsieve; choose another folder with <out>, or empty this "
            "one.",
            out="",
        )
    try:
        make_folder(folder)
        if _is_fresh(folder):
            write_json(folder / MANIFEST, {"finished": False, "settings": {"source": source}})
        old_source = read_manifest(folder)["settings"]["source"]
        if old_source != source:
            raise UserError(
                f"{folder} holds a run on {old_source or 'other data'}, not on {source or 'these'}; choose another "
                "folder with <out>.",
                out="",
            )
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}); choose another folder with <out>.", out=""
        ) from error
    return folder


@contextmanager
def claimed(folder: Path, source: str) -> Iterator[Path]:
    """As `claim`, but a run that fails on its data, or before anything was saved, leaves no folder behind.

    What a killed run, or a run with a full disk, has saved stays, and the same command continues from there.

    Raises:
        UserError: as `claim`.
    """
    fresh = not folder.exists() or (folder.is_dir() and _is_fresh(folder))
    new = [path for path in (folder, *folder.parents) if not path.exists()]  # the innermost first
    try:
        yield claim(folder, source)
    except BaseException as error:
        useless = isinstance(error, UserError) and not isinstance(error.__cause__, OSError)
        if fresh and (useless or not _has_state(folder)):
            _empty(folder)
            for path in new:
                if path.is_dir() and not any(path.iterdir()):
                    path.rmdir()
        raise


def _is_fresh(folder: Path) -> bool:
    """Whether the folder is empty, or holds nothing but a claim."""
    names = {path.name for path in folder.iterdir() if _counts(path)}
    return not names or (names == {MANIFEST} and read_manifest(folder).get("finished") is False)


def _counts(path: Path) -> bool:
    """Whether it is more than a file that another process is writing at this moment, to claim the same folder."""
    return not (path.name.startswith(f".{MANIFEST}.") and path.name.endswith(".part"))


def _has_state(folder: Path) -> bool:
    """Whether anything was saved from which the same command can continue."""
    if not folder.is_dir():
        return False
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    for path in files:
        if path.parts[0] == "features":
            # a header, then one line per block
            if path.name == "journal.jsonl" and (folder / path).read_bytes().count(b"\n") > 1:
                return True
            if path.name.startswith("shard-"):
                return True
        elif path.name != MANIFEST:
            return True
    return False


def _empty(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
