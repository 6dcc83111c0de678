"""A corrected copy of a folder of class folders. Files are copied, links are followed; the source is only read.

Cost: one copy of the files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.image_names import is_image
from labelsieve.core.new_folder import free_name, require_folder_name
from labelsieve.corrections.patch import Change
from labelsieve.data.no_label import NO_LABEL
from labelsieve.data.split_folder import OUTSIDE
from labelsieve.places.many_files import Files
from labelsieve.places.paths import is_remote, join, parent
from labelsieve.places.paths import name as name_of


def apply_folder(
    files: Mapping[str, str], given: Mapping[str, str], changes: Sequence[Change], out: Path
) -> dict[str, str]:
    """Copy each example into the folder of its class.

    Args:
        files: id -> path of the file, which lies directly in its class folder; the class folder lies at the top or in
            a split, where the copy stays.
        given: id -> given class.
        changes: the changes that `patch.fitting` returns.
        out: an empty folder.

    Returns:
        id -> path within `out` of every copied file; it has a new name if its new folder already has a file of its
        name.

    Raises:
        UserError: a class cannot be the name of a folder, or a file cannot be copied.
    """
    # class -> name of its folder, as it is spelled on the disk
    folder = {given[key]: name_of(parent(path)) for key, path in files.items()}
    new = {change.id: change.new for change in changes}
    for name in dict.fromkeys(new.values()):
        if name and name not in folder:
            folder[name] = require_folder_name(name)
    taken: dict[str, set[str]] = {}
    targets: dict[str, str] = {}
    for key in sorted(files, key=new.__contains__):  # unchanged files come first and keep their names
        target = new.get(key, given[key])
        if not target:
            continue
        name = name_of(files[key])
        place = key.rpartition("/")[0].rpartition("/")[0]
        place = f"{place}/{folder[target]}" if place else folder[target]
        free = free_name(
            name,
            taken.setdefault(place.casefold(), set()),
            f"from {name_of(parent(files[key]))}",
        )
        targets[key] = f"{place}/{free}"
    contents = Files([files[key] for key in targets]).many(range(len(targets)))
    for key, target in targets.items():
        if not is_remote(files[key]):
            copy_file(files[key], out / target)
            continue
        content = next(contents)
        if isinstance(content, OSError):
            raise UserError(f"{files[key]} cannot be copied ({content}); nothing was written.")
        (out / target).parent.mkdir(parents=True, exist_ok=True)
        (out / target).write_bytes(content)
    return targets


def copy_unlabelled(data: Dataset, out: Path) -> int:
    """Copy the images of a folder that have no label, such as those of a split `test` or of `_unlabeled`, to the same
    paths below `out`; returns their number."""
    why = (OUTSIDE, NO_LABEL)
    names = [one.id for one in data.excluded if one.reason.endswith(why) and is_image(one.id)]
    for name, content in zip(
        names, Files([join(data.source, name) for name in names]).many(range(len(names))), strict=True
    ):
        if isinstance(content, OSError):
            raise UserError(f"{join(data.source, name)} cannot be copied ({content}); nothing was written.")
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    return len(names)


def copy_file(source: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy2(source, target)
    except OSError as error:
        raise UserError(f"{source} cannot be copied ({error.strerror or error}); nothing was written.") from error


def copy_beside(paths: Sequence[str], root: str, out: Path) -> int:
    """Copy the files that a table in `root` names to the same paths below `out`; returns how many were not copied.

    Files outside `root` are not copied.
    """
    outside, root = 0, os.path.normpath(root or ".")
    for path in dict.fromkeys(paths):
        inner = os.path.relpath(os.path.normpath(path), root)
        if os.path.isabs(inner) or "://" in path or inner.split(os.sep)[0] == os.pardir:
            outside += 1
        else:
            copy_file(path, out / inner)
    return outside
