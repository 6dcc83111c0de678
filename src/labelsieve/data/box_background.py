"""The class `(nothing)` of data with boxes: crops without a box, which are examples like the boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.data.raw_data import Draft
from labelsieve.formats.background import NOTHING, crops, key
from labelsieve.formats.boxes import Boxes

AUTO, EACH = "auto", 8  # crops of each picture, where nobody says how many
_MOST = 10_000  # of one picture


def how_many(background: Any, *, own: bool) -> int | None:
    """How many crops without a box each picture gets; None: as many as suit the data.

    Args:
        own: whether labels or probabilities of the user's are for the boxes alone.

    Raises:
        UserError: it is no whole number from 0 to 10,000.
    """
    if background is None:
        return 0
    if background == AUTO:
        return 0 if own else None
    text = str(background).strip()
    if not text.isdecimal() or isinstance(background, bool) or int(text) > _MOST:
        raise UserError(
            f"<background> is {background!r}; give the crops without a box of each picture, 0 to {_MOST:,}.",
            background=EACH,
        )
    return int(text)


def is_boxed(draft: Draft) -> bool:
    return isinstance(draft.inputs, Boxes)


def with_background(draft: Draft, many: int | None) -> Draft:
    """The draft with at most `many` crops of each picture (None: 8, if it has boxes) as examples of `(nothing)`.

    Raises:
        UserError: it has no boxes, or a class of that name.
    """
    if not isinstance(draft.inputs, Boxes):
        if many:
            raise UserError("<background> is for data with boxes; leave it out.", background=many)
        return draft
    many = EACH if many is None else many
    if not many:
        return draft
    boxes = draft.inputs
    labels, groups = list(draft.labels or ()), list(draft.groups or ())
    if NOTHING in {*labels, *(draft.classes or ())}:
        raise UserError(f"{draft.source} has a class {NOTHING!r}; leave out the crops without a box.", background=0)
    at, edges = crops(boxes, many)
    if not len(at):
        note = "No crops without a box could be cut: the sizes of the pictures are not told, or boxes cover them."
        return replace(draft, notes=(*draft.notes, note))
    names = [str(boxes.names[p]) for p in at.tolist()]
    order = np.argsort(np.concatenate([boxes.picture, at]), kind="stable")  # a picture is read once for all its crops
    ids = [*(draft.ids or ()), *map(key, names, edges.tolist())]
    splits = None if draft.splits is None else [*draft.splits, *(boxes.splits[p] for p in at.tolist())]
    note = f"{len(at):,} crops without a box are examples of the class {NOTHING}, at most {many:,} of each picture."

    def sorted_(values: Any) -> list[Any]:
        return [values[i] for i in order.tolist()]

    return replace(
        draft,
        inputs=replace(
            boxes,
            picture=np.concatenate([boxes.picture, at])[order],
            edges=np.concatenate([boxes.edges, edges])[order],
        ),
        labels=sorted_([*labels, *[NOTHING] * len(at)]),
        ids=sorted_(ids),
        groups=sorted_([*groups, *names]),
        splits=None if splits is None else sorted_(splits),
        classes=None if draft.classes is None else (*draft.classes, NOTHING),
        notes=(*draft.notes, note),
    )
