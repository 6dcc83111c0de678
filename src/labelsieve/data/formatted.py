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
from labelsieve.data.label_sets import LabelSets, of_names
from labelsieve.data.raw_data import Draft
from labelsieve.formats.content import Content, Names

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
    if content.votes is None and content.sets is None:
        return _draft(name, place, content, content.labels, content.classes)
    if content.votes is None:
        labels = [one[0] if one is not None and len(one) == 1 else None for one in content.given()]
        used, classes = set(labels), content.classes
        classes = None if classes is None else tuple(one for one in classes if one in used)
        return _draft(name, place, content, labels, classes, several=_several([[one or ()] for one in content.given()]))
    single = [[(who, *names) for who, names in said if len(names) == 1] for said in content.votes]
    several = {
        i: why for i, why in _several([[names for _, names in said] for said in content.votes]).items() if not single[i]
    }
    votes = _votes(single, content, place)
    lost = sum(len(names) > 1 for i, said in enumerate(content.votes) for _, names in said if i not in several)
    one = "1 annotation chooses" if lost == 1 else f"{lost:,} annotations choose"
    told = (f"{one} several classes at once; they are no votes, since each example has one label.",) if lost else ()
    alone = votes is None or not any(len(said) > 1 for said in single)
    labels = [None] * len(single) if votes is None else votes.in_use()
    classes = None if votes is None else votes.classes
    return _draft(name, place, content, labels, classes, told, several, votes=None if alone else votes)


def load_sets(name: str, place: str, requested: Columns) -> tuple[Draft, LabelSets]:
    """The draft of a place in a format, without labels, and the classes that each example has.

    Raises:
        UserError: as in `formats.read`; or the format has one class per example.
    """
    content = formats.read(name, place, requested.named())
    if content.votes is None and content.sets is None:
        raise UserError(f"The format {name} holds one class per example; leave out <several>.", several="")
    given = content.given()
    missing = "the label is missing"
    unknown = {i: content.unlabelled.get(i, missing) for i, names in enumerate(given) if names is None}
    unknown |= content.partly
    shared = content.votes is not None and any(len(said) > 1 for said in content.votes)
    note = "Where several people labelled an example, it has the classes that at least half of them chose."
    sets = of_names([names or () for names in given], unknown, content.classes)
    return _draft(name, place, content, None, None, (note,) if shared else ()), sets


def _draft(
    name: str,
    place: str,
    content: Content,
    labels: Sequence[Any] | np.ndarray | None,
    classes: tuple[str, ...] | None,
    notes: Sequence[str] = (),
    several: dict[int, str] | None = None,
    votes: VoteTable | None = None,
) -> Draft:
    unusable = content.unusable
    if content.kind == "features" and isinstance(content.inputs, np.ndarray):
        unusable = {**unusable_rows(content.inputs, "a feature is missing, NaN or infinite"), **unusable}
    return Draft(
        content.inputs,
        content.kind,
        place,
        labels,
        ids=content.ids,
        id_place=f"the ids in {place}",
        groups=content.groups,
        classes=classes,
        unlabelled=content.unlabelled,
        unusable=unusable,
        excluded=content.excluded,
        notes=(*content.notes, *notes),
        format=name,
        splits=content.splits,
        votes=votes,
        several=several or {},
    )


def _several(answers: Sequence[Sequence[Names]]) -> dict[int, str]:
    """Position -> why the example has no single label: an answer names several classes."""
    first = {i: next((names for names in said if len(names) > 1), None) for i, said in enumerate(answers)}
    return {i: f"it has several labels: {', '.join(names)}" for i, names in first.items() if names}


def _votes(single: Sequence[Sequence[tuple[str, str]]], content: Content, source: str) -> VoteTable | None:
    """The votes, with one label of each for an example that has one vote; None if all are for several classes.

    Raises:
        UserError: there is no vote.
    """
    from labelsieve.data.vote_columns import VoteTable

    n = len(single)
    flat = [(i, who, said) for i, votes in enumerate(single) for who, said in votes]
    if not flat and any(names for said in content.votes or () for _, names in said):
        return None
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
