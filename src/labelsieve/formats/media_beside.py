"""The pictures and texts that an export of a labelling tool names: found beside the export, at an address, or within.

A tool that serves files itself exports addresses of its own, such as `/data/upload/3/1f2e3d4c-cat.jpg` (Label Studio).
The file is then looked for by its path and by its name in the folder of the export and three levels below.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_to_bytes, urlsplit

import numpy as np

from labelsieve.core.dataset import Kind
from labelsieve.core.errors import UserError
from labelsieve.core.image_names import is_image
from labelsieve.formats.records import one_name
from labelsieve.places import paths
from labelsieve.places.many_files import Files

_LEVELS = 3
_FEW = 20  # records that show what a field holds
_UPLOADED = re.compile(r"[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file
_MEDIA = (".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".mp4", ".webm", ".mov", ".avi", ".mkv")
_OURS = ("labelsieve_", "given_label", "p_wrong")


@dataclass(frozen=True)
class Input:
    """The field that holds the inputs, whether they are images or texts, and notes about other fields."""

    field: str
    kind: Kind
    notes: tuple[str, ...] = ()


def chosen_input(
    records: Sequence[Mapping[str, Any]], place: str, text: str | None, image: str | None, passed: Sequence[str] = ()
) -> Input:
    """The field of the records that holds the inputs: the one that the user named, else the only one of images, else
    the only one of texts of several words, or that is called `text`. Fields in `passed` are none.

    Raises:
        UserError: there is no such field, it is not clear which, or they hold sounds or videos.
    """
    if text is not None and image is not None:
        raise UserError(
            "Both <text> and <image> are named; one data set has one kind of input.", text=text, image=image
        )
    names = dict.fromkeys(name for record in records for name in record)
    if text is not None:
        return Input(one_name(names, "text", place, "field", text), "text")
    if image is not None:
        return Input(one_name(names, "image", place, "field", image), "image")
    images, texts, words, media = [], [], [], []
    for name in names:
        filled = [record[name] for record in records if record.get(name) not in (None, "", [])][:_FEW]
        said = [_spoken(value) for value in filled]
        filled = [value if talk is None else talk for value, talk in zip(filled, said, strict=True)]
        if name in passed or name.startswith(_OURS) or not filled or not all(isinstance(v, str) for v in filled):
            continue
        spaced = sum(" " in value.strip() for value in filled)
        kinds = images if all(map(names_image, filled)) else media if all(map(_names_media, filled)) else None
        kinds = kinds if kinds is not None else texts if 2 * spaced > len(filled) else words
        kinds.append(name)
    if images:
        beside = f"{place}: the images of {{!r}} are read; for the texts of {', '.join(map(repr, texts))} name <text>."
        chosen = one_name(images, "image", place, "field of images")
        return Input(chosen, "image", (beside.format(chosen),) if texts else ())
    if media and not texts:
        raise UserError(
            f"The field {media[0]!r} of {place} names sounds or videos, which are not read. Give features of them: a "
            "table or an .npz with one row per example and its labels."
        )
    return Input(one_name(texts or words, "text", place, "field of texts"), "text")


def names_image(value: str) -> bool:
    """Whether a value is a picture within the file, or the path or address of one."""
    return value.startswith("data:image/") or is_image(_path_of(value))


def _names_media(value: str) -> bool:
    return value.startswith(("data:audio/", "data:video/")) or _path_of(value).lower().endswith(_MEDIA)


def _spoken(value: Any) -> str | None:
    """A dialogue as one text: a list of objects with `text` or `content` (Label Studio's Paragraphs, chats), also as
    JSON in a cell. None for any other value."""
    if isinstance(value, str) and value.startswith('[{"'):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        return None
    turns = [(turn.get("author", turn.get("role")), turn.get("text", turn.get("content"))) for turn in value]
    if not turns or not all(isinstance(said, str) for _, said in turns):
        return None
    return "\n".join(f"{who}: {said}" if who else str(said) for who, said in turns)


def inputs_of(values: Sequence[Any], kind: Kind, place: str) -> tuple[Sequence[Any], dict[int, str]]:
    """The inputs of n values, and position -> why one cannot be used.

    Raises:
        UserError: they name files, and none of them is there.
    """
    if kind == "text":
        texts = [_text(value) for value in values]
        return texts, {i: "the text is empty" for i, value in enumerate(texts) if not value.strip()}
    found = _Beside(place)
    places: list[str] = []
    unusable: dict[int, str] = {}
    missing = 0
    for i, value in enumerate(values):
        if not isinstance(value, str) or not value:
            unusable[i] = "there is no image"
            places.append("")
        elif value.startswith("data:"):
            places.append(value)
        elif (path := found.path(value)) is None:
            places.append("")
            missing += 1
            unusable[i] = f"no file, or more than one, beside {place} is called {os.path.basename(_path_of(value))}"
        else:
            places.append(path)
    if missing and missing == len(values):
        first = next(value for value in values if isinstance(value, str))
        raise UserError(
            f"None of the images that {place} names is there, such as {first}. Put the folder of the images beside "
            "the file; they are found by their names."
        )
    if any(value.startswith("data:") for value in places):
        return Within(places), unusable
    return Files(places), unusable


def _text(value: Any) -> str:
    talk = _spoken(value)
    return "" if value is None else str(value) if talk is None else talk


def not_copied(inputs: Sequence[Any] | np.ndarray) -> tuple[str, ...]:
    """A note for the writer of a corrected copy, if the inputs are files beside the source."""
    return ("The images were not copied; put their folder beside the copy.",) if isinstance(inputs, Files) else ()


@dataclass(frozen=True, eq=False)
class Within(Sequence):
    """Pictures of which some are within the file, as `data:` addresses; the others are paths."""

    values: Sequence[str]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, i: int) -> bytes:
        value = self.values[i]
        if not value.startswith("data:"):
            return paths.read(value)
        about, _, content = value.partition(",")
        try:
            return base64.b64decode(content) if about.endswith(";base64") else unquote_to_bytes(content)
        except (binascii.Error, ValueError) as error:
            raise OSError(f"the picture within the file is damaged: {error}") from error

    def part(self, rows: np.ndarray) -> Within:
        chosen: list[int] = rows.tolist()
        return Within([self.values[row] for row in chosen])


def _path_of(value: str) -> str:
    """The path in an address of a tool: `/data/local-files/?d=a/b.jpg` has a/b.jpg."""
    if value.startswith("data:"):
        return ""
    parts = urlsplit(value) if "://" in value or value.startswith("/data/") else None
    if parts is None:
        return value.partition("?")[0]
    inner = parse_qs(parts.query).get("d")
    return inner[0] if inner else unquote(parts.path)


class _Beside:
    """Files in the folder of an export and below."""

    def __init__(self, place: str):
        self._folder = place if paths.is_folder(place) else paths.parent(place)
        self._index: dict[str, list[str]] | None = None

    def path(self, value: str) -> str | None:
        """Where the file of a value is: its own path, or one beside the export, or its address; None if nowhere."""
        inner = _path_of(value).lstrip("/") if not os.path.isabs(value) or value.startswith("/data/") else value
        if os.path.isabs(inner) and paths.is_file(inner):
            return inner
        inner = inner.lstrip("/")
        for beside in (inner, inner.removeprefix("data/")):
            if beside and paths.is_file(direct := paths.join(self._folder, beside)):
                return direct
        beside = self._by_name(inner)
        if beside is not None:
            return beside
        if paths.is_remote(value):
            return value
        root = os.environ.get("LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", "/")
        served = os.path.join(root, inner)
        return served if value.startswith("/data/local-files/") and os.path.isfile(served) else None

    def _by_name(self, inner: str) -> str | None:
        """The only file of this name below the folder, or the only one whose path ends with the most parts of it."""
        if self._index is None:
            self._index = {}
            _collect(self._folder, _LEVELS, self._index)
        name = os.path.basename(inner)
        hits = self._index.get(name) or self._index.get(_UPLOADED.sub("", name, count=1)) or []
        ends = [_common_end(hit.split("/"), inner.split("/")) for hit in hits]
        return hits[ends.index(max(ends))] if hits and ends.count(max(ends)) == 1 else None


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the last parts of two paths are equal."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _collect(folder: str, levels: int, index: dict[str, list[str]]) -> None:
    try:
        entries = paths.entries(folder or ".")
    except UserError:  # a folder that may not be listed
        return
    for entry in entries:
        path = paths.join(folder, entry.name)
        if entry.is_file:
            index.setdefault(entry.name, []).append(path)
        elif entry.is_folder and levels:
            _collect(path, levels - 1, index)
