"""Files and folders in a format of `labelsieve.formats`."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelsieve import formats
from labelsieve.core.errors import UserError
from labelsieve.data.array_file import unusable_rows
from labelsieve.data.raw_data import Draft


def require_format(name: str, source: Any) -> None:
    """Raise a UserError unless `name` is a format and `source` names a file or folder."""
    formats.require_format(name)
    if not isinstance(source, str):
        raise UserError("<format> is for files and folders; leave it out for data in memory.", format=name)


def load_format(name: str, place: str, label: str | None = None) -> Draft:
    """The draft of a place in a format, and the field of its labels. Errors as in `formats.read`."""
    content = formats.read(name, place, label)
    unusable = content.unusable
    if content.kind == "features" and isinstance(content.inputs, np.ndarray):
        unusable = {**unusable_rows(content.inputs, "a feature is missing, NaN or infinite"), **unusable}
    return Draft(
        content.inputs,
        content.kind,
        place,
        content.labels,
        content.ids,
        f"the ids in {place}",
        content.groups,
        content.classes,
        unusable,
        content.excluded,
        content.notes,
        format=name,
        splits=content.splits,
    )
