"""A folder with one folder of images per class: `photos/cat/1.jpg` has the id "cat/1.jpg" and the given label "cat".

The label is the name of the folder directly below the root, and images lie directly in it. Deeper images are not read,
but for those in splits, as `photos/train/cat/1.jpg`; folders called train, test or val are not classes (see
`split_folder`). A few images in a folder inside a class folder are listed as left out. A folder of images without class
folders can be read if the labels come from a file.

Cost: one listing per folder, or one of everything below an address; the images themselves are read when the encoder
needs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import compress

import numpy as np

from labelsieve.core.added_columns import FILES, is_own_file
from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.image_names import is_image
from labelsieve.core.splits import is_split, splits_among, splits_of
from labelsieve.data.columns import Columns
from labelsieve.data.doors import TOOLS, door_of_folder
from labelsieve.data.label_sets import LabelSets, of_names
from labelsieve.data.labels_beside import instead_of_folders, labelled_beside
from labelsieve.data.raw_data import Draft
from labelsieve.data.split_folder import OUTSIDE, Labelled, splits_with_classes
from labelsieve.places import paths
from labelsieve.places.many_files import Files
from labelsieve.places.tree import Tree

_DEEPER = "it lies in a folder inside a class folder"
_HUGGING_FACE = {"dataset_dict.json", "state.json"}


def load_folder(root: str, relabelled: bool = False, columns: Columns | None = None) -> Draft:
    """The images in the class folders of `root`, or directly in it if it has no folders and labels come from elsewhere.

    Args:
        columns: the label, id and group that the user named, columns of a table beside the images.

    Raises:
        UserError: no image at all, images but no class folders, or class folders one level too deep; or no table has
            the columns.
    """
    tree = Tree(root)
    top = tree.entries()
    if not top:
        raise UserError(f"The folder {root} is empty; it should hold one folder of images per class.")
    folders = [entry.name for entry in top if entry.is_folder]
    ours = [entry.name for entry in top if entry.is_file and entry.name in FILES and _is_ours(root, entry.name)]
    loose = [entry.name for entry in top if entry.is_file and entry.name not in ours]
    broken = [Exclusion(entry.name, _NO_FILE) for entry in top if not entry.is_file and not entry.is_folder]
    messages: tuple[str, ...] = ()
    groups, beside, other = None, None, None
    if columns is not None:
        beside = _named_beside(tree, columns)
    elif (other := splits_with_classes(tree, folders)) is None and not relabelled:
        beside = labelled_beside(tree)
        if beside is None:
            ids, labels, *_ = _classes(tree, folders)
            beside, message = instead_of_folders(tree, ids, labels)
            messages = (message,) if message else ()
    other = other or beside
    if other is not None:
        ids, labels, sizes, excluded, groups = other.ids, other.labels, other.sizes, other.excluded, other.groups
        messages += other.notes
        excluded += [
            Exclusion(name, OUTSIDE if is_image(name) else _NOT_IMAGE)
            for name in loose
            if name not in other.files and not (beside and is_image(name))
        ]
    elif relabelled and not folders:
        images = [entry for entry in top if entry.name in set(loose) and is_image(entry.name)]
        ids, labels, sizes = [entry.name for entry in images], None, [entry.size for entry in images]
        excluded = [Exclusion(name, _NOT_IMAGE) for name in loose if not is_image(name)]
    else:
        ids, labels, sizes, excluded = _classes(tree, folders)
        excluded += [Exclusion(name, OUTSIDE if is_image(name) else _NOT_IMAGE) for name in loose]
    excluded += broken
    if not ids:
        raise UserError(_nothing(tree, folders, loose), labels="FILE")
    if other is None and labels is not None and not relabelled:
        keep, left, about = _without_splits(tree, folders, ids, labels)
        messages += about
        ids, labels, sizes = list(compress(ids, keep)), list(compress(labels, keep)), list(compress(sizes, keep))
        excluded += left
    messages += _without_images(root, folders, labels, excluded) if other is None and labels is not None else ()
    notes = (*messages, f"Ignored, because `labelsieve apply` wrote them: {', '.join(ours)}.") if ours else messages
    inputs = Files([paths.join(root, name) for name in ids], np.array(sizes, np.int64), tree.listing)
    excluded = tuple(excluded)
    splits = None if other is None and not relabelled else splits_of(ids)
    column = "" if beside is None else "label"
    return Draft(
        inputs,
        "image",
        root,
        labels,
        ids=ids,
        id_place="the ids",
        groups=groups,
        excluded=excluded,
        notes=notes,
        label_column=column,
        splits=splits,
    )


def sets_in_folder(root: str, columns: Columns) -> tuple[Draft, LabelSets]:
    """The images in the folder `root`, without labels, and the classes that each has by a table beside them.

    Args:
        columns: as in `load_folder`; the label may be several columns.

    Raises:
        UserError: no table names the images and their classes.
    """
    tree = Tree(root)
    beside = labelled_beside(tree, columns, anywhere=True, several=True)
    if beside is None:
        raise UserError(
            f"No table in {root} names its images and their classes; several labels per example are read from a "
            "table, also from one elsewhere: name it with <labels>.",
            labels="FILE",
        )
    inputs = Files([paths.join(root, name) for name in beside.ids], np.array(beside.sizes, np.int64), tree.listing)
    unknown = {i: "the label is missing" for i, names in enumerate(beside.labels) if names is None}
    draft = Draft(
        inputs,
        "image",
        root,
        None,
        ids=beside.ids,
        id_place="the ids",
        groups=beside.groups,
        excluded=tuple(beside.excluded),
        notes=beside.notes,
        splits=splits_of(beside.ids),
    )
    return draft, of_names([names or () for names in beside.labels], unknown)


def _named_beside(tree: Tree, columns: Columns) -> Labelled:
    """The images with the labels of a table beside them in which the user named columns.

    Raises:
        UserError: no table names the images, or none has the columns.
    """
    beside = labelled_beside(tree, columns, anywhere=True)
    if beside is None:
        named = columns.named()
        raise UserError(
            f"{' and '.join(f'<{role}>' for role in named)} cannot be used: no table in {tree.root} names the images "
            "in it. Leave it out, or pass the table as <labels>.",
            **named,
            labels="FILE",
        )
    return beside


def _without_images(root: str, folders: list[str], labels: list[str], excluded: list[Exclusion]) -> tuple[str, ...]:
    """A note about folders whose images are all in subfolders, and which are therefore not classes.

    Raises:
        UserError: fewer than two classes are left.
    """
    deep = Counter(item.id.partition("/")[0] for item in excluded if item.reason == _DEEPER and is_image(item.id))
    lost = [name for name in folders if deep[name] and name not in set(labels)]
    if not lost:
        return ()
    listed = ", ".join(f"{name} ({deep[name]:,} images)" for name in lost[:3]) + (", ..." if len(lost) > 3 else "")
    message = f"Folders of {root} whose images are all in subfolders are not classes: {listed}."
    if len(set(labels)) < 2:
        raise UserError(f"{message} Name the folder that holds the class folders, or move the images up.")
    return (f"{message} To use them as classes, move those images up.",)


def _without_splits(
    tree: Tree, folders: list[str], ids: list[str], labels: list[str]
) -> tuple[list[bool], list[Exclusion], tuple[str, ...]]:
    """Which images are kept: those in folders that are classes, not splits; what is left out; and notes.

    Raises:
        UserError: all folders with images are splits.
    """
    count = Counter(labels)
    splits = splits_among(list(count))
    if len(splits) == len(count):
        raise UserError(_only_splits(tree, folders, splits), labels="FILE")
    alone = next((name for name in count if not splits and is_split(name)), None)
    if alone is not None:
        message = (
            f"The folder {alone!r} ({count[alone]:,} images) is read as a class, although that is a usual name of a "
            "split; if it is not a class, remove it."
        )
        return [True] * len(ids), [], (message,)
    keep = [label not in splits for label in labels]
    why = "its folder has the name of a split of the data, so it is not read as a class"
    left = [Exclusion(key, why) for key, label in zip(ids, labels, strict=True) if label in splits]
    if not left:
        return keep, [], ()
    listed = ", ".join(f"{name} ({count[name]:,} images)" for name in splits)
    message = (
        f"Left out, because their names are those of splits of the data, not of classes: {listed}. If they are "
        "classes, rename them."
    )
    return keep, left, (message,)


def _only_splits(tree: Tree, folders: list[str], splits: list[str]) -> str:
    """Why a folder of train, val and test is not a data set, and what to do."""
    root = tree.root
    inner = [
        paths.join(root, name)
        for name in folders
        if is_split(name) and any(entry.is_folder for entry in tree.entries(name))
    ]
    named = " and ".join(paths.join(root, name) for name in splits[:3])
    advice = (
        f"Name {' or '.join(inner[:3])}, where the class folders are."
        if inner
        else (
            f"Put the images of each class into a separate folder in {paths.join(root, splits[0])}, and name that; or "
            f"put a table of file name and label beside them ({splits[0]}.csv), or pass it as <labels>."
        )
    )
    return (
        f"{named} {'hold' if len(splits) > 1 else 'holds'} images directly, but the name is that of a split of a data "
        f"set, not of a class. {advice}"
    )


def _paths(tree: Tree, place: str) -> Iterator[str]:
    """All files in a folder and below it."""
    for entry in tree.entries(place):
        path = f"{place}/{entry.name}"
        if entry.is_folder:
            yield from _paths(tree, path)
        else:
            yield path


def _alone(tree: Tree, place: str) -> str:
    """The folder, or the one inside it, if it holds nothing but that one."""
    while len(inside := tree.entries(place)) == 1 and inside[0].is_folder:
        place = f"{place}/{inside[0].name}"
    return place


_NOT_IMAGE = "not an image file"
_NO_FILE = "not a readable file (a dangling link, a link to itself or a device)"


def _is_ours(root: str, name: str) -> bool:
    with paths.opened(paths.join(root, name)) as file:
        return is_own_file(name, file.read(1000).partition(b"\n")[0].decode("utf-8", "replace"))


def _classes(tree: Tree, folders: list[str]) -> tuple[list[str], list[str], list[int], list[Exclusion]]:
    """Ids, labels, sizes and exclusions of what lies in the class folders."""
    ids: list[str] = []
    labels: list[str] = []
    sizes: list[int] = []
    excluded: list[Exclusion] = []
    for name in folders:
        first = len(ids)
        for entry in tree.entries(name):
            key = f"{name}/{entry.name}"
            if entry.is_folder:
                excluded += [Exclusion(name, _DEEPER) for name in _paths(tree, key)]
            elif entry.is_file and is_image(entry.name):
                ids.append(key)
                labels.append(name)
                sizes.append(entry.size)
            else:
                excluded.append(Exclusion(key, _NOT_IMAGE if entry.is_file else _NO_FILE))
        if len(ids) == first:
            excluded.append(Exclusion(f"{name}/", "the class folder holds no image"))
    return ids, labels, sizes, excluded


def _nothing(tree: Tree, folders: list[str], loose: list[str]) -> str:
    """Why no class folder has an image, and what to do."""
    root = tree.root
    if _HUGGING_FACE & set(loose):
        return f"{root} is a saved Hugging Face data set; name it hf:{root}."
    below = [(name, entry) for name in folders for entry in tree.entries(name)]
    inner = [(name, entry.name) for name, entry in below if entry.is_folder]
    files = [*loose, *(f"{name}/{entry.name}" for name, entry in below if entry.is_file)]
    if packed := next((name for name in files if name.endswith((".tar.gz", ".tgz"))), None):
        return (
            f"{root} holds packed archives ({packed}); unpack shards of WebDataset to .tar with gunzip, and any other "
            "archive into a folder."
        )
    if folders and (table := next((name for name in files if name.endswith((".parquet", ".arrow"))), None)):
        return f"{root} holds tables; name one, such as {paths.join(root, table)}, or all of them as hf:{root}."
    listing = next((name for name in loose if paths.suffix(name) in (".csv", ".jsonl", ".parquet")), None)
    yolo = {"images", "labels"} <= {*folders} or {"images", "labels"} <= {name for _, name in inner}
    if inner and yolo:
        return (
            f"{root} has images and labels in the layout of YOLO, but the text files in labels hold no boxes. For one "
            "label per image put the images of each class into a separate folder, or pass a table of file name and "
            "label as <labels>."
        )
    below = [*loose, *(name for folder in folders for name in _paths(tree, folder))]
    if not any(map(is_image, below)) and (way := door_of_folder(root, below)) and folders:
        return way
    if inner:
        outer = list(dict.fromkeys(_alone(tree, name) for name, _ in inner))
        name, deeper = inner[0]
        return (
            f"The first folders of {root} hold folders ({name}/{deeper}, ...), not images; labels are read from the "
            f"folder directly below the one you name. Name {' or '.join(paths.join(root, part) for part in outer[:3])} "
            "instead, or move the images up"
            + (f"; if {paths.join(root, listing)} lists the images, name it." if listing else ".")
        )
    images = sum(map(is_image, loose))
    if images and sum(name.lower().endswith(".json") for name in loose) >= images / 2:
        return f"{root} holds images and a JSON file for each, as LabelMe writes them. Your way: {TOOLS}."
    if images:
        missing = "no class folder with images" if folders else "no class folders"
        return (
            f"{root} holds {images} images but {missing}; put the images of each class into a separate folder, or pass "
            "<labels>."
        )
    if folders:
        return f"None of the {len(folders)} class folders of {root} ({', '.join(folders[:3])}) holds an image."
    return (
        f"{root} holds no images and no class folders ({', '.join(loose[:3])}); to read a table, name the file itself."
    )
