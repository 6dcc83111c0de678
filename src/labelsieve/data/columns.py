"""Which column of a table is what: columns that the user named are checked, others guessed if their names are clear."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from labelsieve.core import added_columns
from labelsieve.core.errors import UserError
from labelsieve.core.feature_columns import short
from labelsieve.data.labels import near

_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")
_TITLE = 8  # words; what is longer is hardly the name of a column
Content = Literal["text", "number", "image", "vector", "other"]

LABELS = ("label", "labels", "given_label", "class", "target", "category")
TEXTS = ("text", "texts", "sentence", "body", "content", "review", "document", "comment", "message", "utterance")
PICTURES = ("image", "images", "img")
IMAGES = (
    "image",
    "images",
    "img",
    "image_path",
    "img_path",
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
)
SPLITS = ("split", "splits", "subset", "set", "partition")
# row names that a frame saved with its columns; not features
INDEXES = ("", "unnamed: 0", "index", "idx", "__index_level_0__")


@dataclass(frozen=True)
class Columns:
    """The name of the column for each role, or None; `features` are the numeric columns, or one column of vectors. The
    label and the id may be missing from the source if they are `elsewhere`: columns of a file of labels."""

    label: str | None = None
    text: str | None = None
    image: str | None = None
    id: str | None = None
    group: str | None = None
    features: tuple[str, ...] = ()
    elsewhere: bool = False
    split: str | None = None

    def named(self) -> dict[str, str]:
        roles = {"label": self.label, "text": self.text, "image": self.image, "id": self.id, "group": self.group}
        roles["split"] = self.split
        return {role: name for role, name in roles.items() if name is not None}

    def present(self, names: Collection[str]) -> Columns:
        """The columns without a label and an id that are elsewhere and not among `names`."""
        if not self.elsewhere:
            return self
        return replace(
            self, label=self.label if self.label in names else None, id=self.id if self.id in names else None
        )

    def all(self) -> list[str]:
        return [*dict.fromkeys(self.named().values()), *self.features]


def named(
    label: Any = None,
    text: Any = None,
    image: Any = None,
    id: Any = None,
    group: Any = None,
    feature_columns: Any = None,
) -> Columns:
    """The columns that a user named. A number is a frame's column with that name.

    Raises:
        UserError: a name is empty, or is not a name.
    """
    roles = {"label": label, "text": text, "image": image, "id": id, "group": group}
    for role, name in roles.items():
        if name is None or isinstance(name, int | np.integer):
            continue
        if not isinstance(name, str):
            raise UserError(f"{role}= is a {type(name).__name__}; it should be the name of a column, as text.")
        if not name.strip():
            raise UserError(f"The name of the column for {role}= is empty; name a column, or leave it out.")
    texts: dict[str, Any] = {role: None if name is None else str(name) for role, name in roles.items()}
    return Columns(**texts, features=tuple(feature_columns or ()))


def choose(
    columns: Mapping[str, Content], requested: Columns, source: str, relabelled: bool, index: str | None = None
) -> Columns:
    """The columns to read.

    Args:
        columns: every column's name and content.
        requested: what the user named; its features are those of a model, used if all exist and no text or image is
            named.
        relabelled: labels come from elsewhere, so the table does not need any.
        index: the column that was the index of a pandas frame.

    Raises:
        UserError: a named column does not exist, both text and image are named, or a guess would be in doubt.
    """
    if requested.text and requested.image:
        raise UserError(
            "Both <text> and <image> are named; one data set has one kind of input.",
            text=requested.text,
            image=requested.image,
        )
    requested = requested.present(columns)
    for role, name in requested.named().items():
        require_column(name, tuple(columns), source, role)
    if requested.text or requested.image or not set(requested.features) <= columns.keys():
        requested = replace(requested, features=())
    ours = added(columns, requested)
    theirs: dict[str, Content] = {name: content for name, content in columns.items() if name not in ours}
    chosen = replace(requested, label=requested.label or _label(theirs, requested, source, relabelled))
    if chosen.id is None:
        taken = set(chosen.all())
        free = [name for name in theirs if (name in ("id", index) or name.lower() in INDEXES) and name not in taken]
        chosen = replace(chosen, id="id" if "id" in free else next(iter(free), None))
    used = set(chosen.all())
    rest: dict[str, Content] = {
        name: content for name, content in theirs.items() if name not in used and name.lower() not in INDEXES
    }
    return _input(chosen, columns, rest, source)


def added(names: Iterable[str], requested: Columns) -> tuple[str, ...]:
    """The columns that Labelsieve added to a table and the user did not name. If the user names the original labels of
    a corrected copy, its current labels count as added too."""
    names, named = list(names), {*requested.named().values(), *requested.features}
    label = requested.label or next((name for name in names if name.lower() in LABELS and name != "given_label"), None)
    ours = added_columns.added(names, named, label)
    if (requested.label or "").removeprefix(added_columns.PREFIX) != added_columns.BEFORE:
        return ours
    return tuple(name for name in names if name in ours or (name.lower() in LABELS and name not in named))


def require_column(name: str, names: tuple[str, ...], source: str, role: str) -> None:
    if name not in names:
        raise UserError(f"{source} has no column {name!r} to use as {role}.{near(name, names)}")


def _label(columns: Mapping[str, Content], requested: Columns, source: str, relabelled: bool) -> str | None:
    taken = set(requested.all())
    matches = [name for name in columns if name.lower() in LABELS and name not in taken]
    matches = matches or [
        name for name in columns if name.lower() == "y" and name not in taken
    ]  # next to a label column, y is a coordinate
    if len(matches) == 1 or (matches and relabelled):
        return matches[0]
    if relabelled:
        return None
    listed = ", ".join(columns) or "none"
    if matches:
        raise UserError(
            f"{source} has several columns that may be the label ({', '.join(matches)}); name one with <label>.",
            label="",
        )
    data = next((name for name in columns if _NUMBER.fullmatch(name) or len(name.split()) > _TITLE), None)
    header = f" If {short(data)!r} is data, write a line of column names above it." if data else ""
    raise UserError(
        f"No column of {source} is clearly the label; name one with <label>. There are: {listed}.{header}", label=""
    )


def _input(chosen: Columns, columns: Mapping[str, Content], rest: Mapping[str, Content], source: str) -> Columns:
    """`chosen` with the columns that the examples consist of."""
    if chosen.text and columns[chosen.text] != "text":
        others = f"Columns of text: {', '.join(_texts(columns)) or 'none'}."
        digits = (
            f" If its {columns[chosen.text]}s are meant as text, store them as text."
            if columns[chosen.text] == "number"
            else ""
        )
        raise UserError(f"The column {chosen.text!r} of {source} holds no text. {others}{digits}")
    if chosen.image and columns[chosen.image] not in ("text", "image"):
        raise UserError(f"The column {chosen.image!r} of {source} holds neither paths nor encoded images.")
    if chosen.text or chosen.image or chosen.features:
        return chosen
    texts = [name for name in rest if name.lower() in TEXTS and columns[name] == "text"]
    images = [name for name in rest if columns[name] == "image" or (name.lower() in IMAGES and columns[name] == "text")]
    if len(texts) + len(images) > 1:
        raise UserError(
            f"{source} has several columns that may be the input ({', '.join(images + texts)}); name one with <text> "
            "or <image>.",
            text="",
            image="",
        )
    if images:
        return replace(chosen, image=images[0])
    if chosen.id and columns[chosen.id] == "image" and not {"text", "number", "vector"} & {*rest.values()}:
        return replace(chosen, image=chosen.id)  # the ids are the names of the images
    vectors = tuple(name for name, content in rest.items() if content == "vector")
    numbers = vectors or tuple(name for name, content in rest.items() if content == "number")
    if not texts and not images and len(vectors) > 1:
        raise UserError(
            f"{source} has several columns of vectors ({', '.join(vectors)}); keep the one to use as features."
        )
    if not texts and numbers:
        return replace(chosen, features=numbers)
    texts = texts or _texts(rest)
    if len(texts) == 1:
        return replace(chosen, text=texts[0])
    listed = ", ".join(columns) or "none"
    raise UserError(
        f"It is not clear which column of {source} is the input; name it with <text> or <image>. There are: {listed}.",
        text="",
        image="",
    )


def _texts(columns: Mapping[str, Content]) -> list[str]:
    return [name for name, content in columns.items() if content == "text"]
