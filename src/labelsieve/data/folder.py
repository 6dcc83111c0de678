"""A folder with one folder of images a class: `photos/cat/1.jpg` has the id "cat/1.jpg" and the given label "cat".

The label is the name of the folder directly below the root, and images lie directly in it. Deeper images are not guessed at: with
`photos/train/cat/1.jpg` the user is told to name `photos/train`; a few in a folder inside a class folder are listed as left out.
A folder of images without class folders is fine if the labels come from a file.

Cost: one listing a folder; the images themselves are read when the encoder asks for them.
"""

from __future__ import annotations

from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.own_columns import FILES, is_own_file
from labelsieve.data import places
from labelsieve.data.draft import Draft

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".mpo", ".ppm", ".pgm")
SUFFIXES += (".pbm", ".pnm", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".tga", ".ico", ".pcx")
_HUGGING_FACE = {"dataset_dict.json", "state.json"}


def load_folder(root: str, relabelled: bool = False) -> Draft:
    """The images of the class folders under `root`; those directly in it, if it has no folders and other labels are given.

    Raises:
        UserError: no image at all, images but no class folders, or class folders one level too deep.
    """
    top = places.entries(root)
    if not top:
        raise UserError(f"The folder {root} is empty; it should hold one folder of images a class.")
    folders = [entry.name for entry in top if entry.is_folder]
    ours = [entry.name for entry in top if entry.is_file and entry.name in FILES and _is_ours(root, entry.name)]
    loose = [entry.name for entry in top if entry.is_file and entry.name not in ours]
    broken = [Exclusion(entry.name, _NO_FILE) for entry in top if not entry.is_file and not entry.is_folder]
    if relabelled and not folders:
        ids, labels = [name for name in loose if is_image(name)], None
        excluded = [Exclusion(name, _NOT_IMAGE) for name in loose if not is_image(name)]
    else:
        ids, labels, excluded = _classes(root, folders)
        excluded += [Exclusion(name, "it lies outside the class folders" if is_image(name) else _NOT_IMAGE) for name in loose]
    excluded += broken
    if not ids:
        raise UserError(_nothing(root, folders, loose))
    notes = (f"Passed over, as `labelsieve apply` wrote them: {', '.join(ours)}.",) if ours else ()
    inputs = places.Files([places.join(root, name) for name in ids])
    return Draft(inputs, "image", root, labels, ids, excluded=tuple(excluded), notes=notes)


def is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


_NOT_IMAGE = "not an image file"
_NO_FILE = "not a readable file (a dangling link, a link to itself or a device)"


def _is_ours(root: str, name: str) -> bool:
    with places.opened(places.join(root, name)) as file:
        return is_own_file(name, file.read(1000).partition(b"\n")[0].decode("utf-8", "replace"))


def _classes(root: str, folders: list[str]) -> tuple[list[str], list[str], list[Exclusion]]:
    """Ids, labels and exclusions of what lies in the class folders."""
    ids: list[str] = []
    labels: list[str] = []
    excluded: list[Exclusion] = []
    for name in folders:
        before = len(ids)
        for entry in places.entries(places.join(root, name)):
            key = f"{name}/{entry.name}"
            if entry.is_folder:
                deeper = places.entries(places.join(root, key))
                excluded += [Exclusion(f"{key}/{item.name}", "it lies in a folder inside a class folder") for item in deeper]
            elif entry.is_file and is_image(entry.name):
                ids.append(key)
                labels.append(name)
            else:
                excluded.append(Exclusion(key, _NOT_IMAGE if entry.is_file else _NO_FILE))
        if len(ids) == before:
            excluded.append(Exclusion(f"{name}/", "the class folder holds no image"))
    return ids, labels, excluded


def _nothing(root: str, folders: list[str], loose: list[str]) -> str:
    """Why there is no image in a class folder, and what to do."""
    if _HUGGING_FACE & set(loose):
        return f"{root} is a saved Hugging Face data set; name it hf:{root}."
    inner = [(name, entry.name) for name in folders for entry in places.entries(places.join(root, name)) if entry.is_folder]
    if inner:
        outer = list(dict.fromkeys(name for name, _ in inner))
        name, deeper = inner[0]
        return (
            f"The first folders of {root} hold folders ({name}/{deeper}, ...), not images; labels are read from the folder directly below "
            f"the one you name. Name {' or '.join(places.join(root, part) for part in outer[:3])} instead, or move the images up."
        )
    images = sum(map(is_image, loose))
    if images:
        there = "no class folder with images" if folders else "no class folders"
        return f"{root} holds {images} images but {there}; put the images of each class in a folder of its own, or give labels=FILE."
    if folders:
        return f"None of the {len(folders)} class folders of {root} ({', '.join(folders[:3])}) holds an image."
    return f"{root} holds no images and no class folders ({', '.join(loose[:3])}); to read a table, name the file itself."
