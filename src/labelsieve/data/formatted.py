"""Files and folders in a format of `labelsieve.formats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve import formats
from labelsieve.core.dataset import encode_labels, row_numbers
from labelsieve.core.errors import UserError
from labelsieve.core.vote_list import in_order
from labelsieve.data.array_file import unusable_rows
from labelsieve.data.columns import Columns
from labelsieve.data.raw_data import Draft
from labelsieve.formats.content import Content

if TYPE_CHECKING:
    from labelsieve.data.vote_columns import VoteTable


def require_format(name: str, source: Any) -> None:
    """Raise a UserError unless `name` is a format and `source` names a file or folder."""
    formats.require_format(name)
    if not isinstance(source, str):
        raise UserError("<format> is for files and folders; leave it out for data in memory.", format=name)


def recognised(place: str, requested: Columns) -> str | None:
    """The name of the format of a file or folder, if the user named nothing that it does not have; else None."""
    name = formats.recognised(place)
    return name if name is not None and requested.named().keys() <= formats.takes(name) else None


def load_format(name: str, place: str, requested: Columns) -> Draft:
    """The draft of a place in a format. Errors as in `formats.read`."""
    content = formats.read(name, place, requested.named())
    unusable = content.unusable
    if content.kind == "features" and isinstance(content.inputs, np.ndarray):
        unusable = {**unusable_rows(content.inputs, "a feature is missing, NaN or infinite"), **unusable}
    votes = _votes(content, place)
    return Draft(
        content.inputs,
        content.kind,
        place,
        content.labels if votes is None else votes.in_use(),
        ids=content.ids,
        id_place=f"the ids in {place}",
        groups=content.groups,
        classes=content.classes if votes is None else votes.classes,
        unlabelled=content.unlabelled,
        unusable=unusable,
        excluded=content.excluded,
        notes=content.notes,
        format=name,
        splits=content.splits,
        votes=None if votes is None or not _several(content.votes or ()) else votes,
    )


def _votes(content: Content, source: str) -> VoteTable | None:
    """The votes of the content, with one label of each for an example that has one vote.

    Raises:
        UserError: there is no vote.
    """
    from labelsieve.data.vote_columns import VoteTable

    if content.votes is None:
        return None
    n = len(content.votes)
    flat = [(i, who, said) for i, votes in enumerate(content.votes) for who, said in votes]
    if not flat:
        why = ", ".join(f"{reason} ({n:,})" for reason, n in Counter(content.unlabelled.values()).most_common(3))
        raise UserError(f"No example of {source} has a label of one class: {why}.")
    annotators = sorted({who for _, who, _ in flat})
    place = {who: i for i, who in enumerate(annotators)}
    label, classes = encode_labels([said for *_, said in flat])
    example, annotator = np.array([[i, place[who]] for i, who, _ in flat], np.int64).reshape(-1, 2).T
    ids = row_numbers(n).tolist() if content.ids is None else list(content.ids)
    votes = in_order(example, annotator, label, tuple(annotators), n)
    return VoteTable(ids, votes, classes, None, np.arange(n), ())


def _several(votes: Sequence[Sequence[Any]]) -> bool:
    return any(len(one) > 1 for one in votes)
