"""Which example an entry of another tool's file is about: one rule for the readers of files of images.

`labelsieve_id`, else the name of the picture as `stem` made it (most tools drop fields that they do not know, and keep
names), else the name of the picture as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from labelsieve.core.findings import Findings
from labelsieve.core.image_names import without_suffix
from labelsieve.exchange.export_rows import Row

ID, CONTENT, GIVEN, WRITTEN = "labelsieve_id", "labelsieve_content", "given_label", "label_exported"
_STEM = re.compile(r"(\d{8,})(?:-([0-9a-f]{16}))?(?:-c(\d+))?")


class Known(NamedTuple):
    """What an entry says about its example; None where it does not say it."""

    id: str
    content: str | None
    given: str | None
    exported: str | None


def stem(row: Row, classes: Sequence[str]) -> str:
    """The name of a picture in an export, without suffix: the row of its example in the run, its content, and the
    position of its label among the classes of the run."""
    content = f"-{row.content}" if row.content else ""
    code = f"-c{classes.index(row.label)}" if row.label in classes else ""
    return f"{row.position:08}{content}{code}"


def known_example(fields: Mapping[str, Any], name: str, findings: Findings) -> Known:
    """The example of an entry.

    Args:
        fields: what the entry says about its example.
        name: the name of its picture, perhaps with folders.
    """
    if fields.get(ID) is not None:
        return Known(str(fields[ID]), fields.get(CONTENT), fields.get(GIVEN), fields.get(WRITTEN))
    match = _STEM.fullmatch(without_suffix(name.replace("\\", "/").rpartition("/")[2]))
    if match is None or int(match[1]) >= len(findings):
        return Known(name, None, None, None)
    code = len(findings.classes) if match[3] is None else int(match[3])
    label = findings.classes[code] if code < len(findings.classes) else None
    return Known(str(findings.ids[int(match[1])]), match[2], None, label)
