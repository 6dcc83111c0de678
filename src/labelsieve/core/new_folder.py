"""The new folder of a corrected copy, which appears complete or not at all, and names that cannot lead out of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelsieve.core.arguments import written_to
from labelsieve.core.errors import UserError
from labelsieve.core.files import make_folder, put, temporary


@contextmanager
def new_folder(out: Path, source: str = "") -> Iterator[Path]:
    """A temporary folder next to `out` to write into; it becomes `out` when the block ends without an error.

    Raises:
        UserError: `out` is a file, is not empty, or lies in the `source` folder.
    """
    if out.is_symlink() or out.is_file():
        raise UserError(f"{out} is a file or a link; name a new folder with <out>.", out="")
    if out.is_dir() and any(out.iterdir()):
        raise UserError(
            f"{out} is not empty, and nothing is ever overwritten; name a new folder with <out>, or empty it.",
            out="",
        )
    inside = Path(source).resolve() if source and os.path.isdir(source) else None
    if inside and inside in (out.resolve(), *out.resolve().parents):
        raise UserError(f"{out} lies inside the data {source}; name a folder outside the data with <out>.", out="")
    partial = temporary(out)
    try:
        with written_to(out, "name another folder with <out>"):
            make_folder(out.parent)
            partial.mkdir()
        yield partial
        if out.is_dir():
            out.rmdir()
        put(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_folder_name(name: str) -> str:
    """The class name, if it can be the name of a folder on every system and the loader can read that folder.

    Raises:
        UserError: it is empty, a dot name, has a slash, a control character, or is too long.
    """
    bad = not name.strip() or name.startswith(".") or any(c in "/\\" or not c.isprintable() for c in name)
    if bad or name != name.strip() or len(name.encode("utf-8", "surrogateescape")) > 255:
        shown = name if len(name) <= 60 else name[:60] + "..."
        raise UserError(
            f"The class {shown!r} cannot be the name of a folder; rename the class in the decisions or the patch."
        )
    return name


def free_name(name: str, taken: set[str], mark: str) -> str:
    """`name`, with a mark before its suffix if the name is taken (upper and lower case count as the same)."""
    stem, suffix = os.path.splitext(name)
    candidate, count = name, 1
    while candidate.casefold() in taken:
        tail = f" ({mark[:40]}{f' {count}' if count > 1 else ''}){suffix}"
        candidate = os.fsdecode(os.fsencode(stem)[: 255 - len(os.fsencode(tail))]) + tail
        count += 1
    taken.add(candidate.casefold())
    return candidate


def require_new(out: Path) -> None:
    """Raise a UserError where the file `out` exists."""
    if out.exists() or out.is_symlink():
        raise UserError(f"{out} already exists, and nothing is ever overwritten; name a new file with <out>.", out="")
