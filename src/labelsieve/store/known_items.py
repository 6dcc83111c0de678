"""Examples whose true class is known, kept in the run folder (`known.json`) and planted to measure reviewers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError, cause
from labelsieve.core.files import write_json
from labelsieve.core.findings import Findings
from labelsieve.core.row_matching import Follow, Refused, stamp

FILE = "known.json"


def save(folder: str | Path, known: Mapping[str, str], findings: Findings | None = None) -> None:
    """Save the known class of each id, and with `findings` the content of the example; replace the old file."""
    place = {} if findings is None else {key: i for i, key in enumerate(findings.ids.tolist())}
    entries = {
        key: {"label": label, **(stamp(findings, place[key]) if findings and key in place else {})}
        for key, label in known.items()
    }
    write_json(Path(folder) / FILE, entries)


def load(folder: str | Path, follow: Follow | None = None) -> dict[str, str]:
    """Return id -> known class; {} if there are none.

    Args:
        follow: maps to the ids that the examples have in the current findings; None uses the ids of the file.

    Raises:
        UserError: the file is damaged.
    """
    return read(folder, follow)[0]


def read(folder: str | Path, follow: Follow | None = None) -> tuple[dict[str, str], list[Refused]]:
    """As `load`, with the examples that the findings no longer have."""
    path = Path(folder) / FILE
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(loaded, dict):
            raise ValueError("it should name the class of each id")
        known = [_entry(str(key), value) for key, value in loaded.items()]
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged ({cause(error)}); pass <known> again, or remove the file.", known=""
        ) from error
    if follow is None:
        return {key: label for key, label, *_ in known}, []
    places = follow.places([(key, content, given) for key, label, given, content in known])
    ids = follow.findings.ids
    kept = {str(ids[i]): label for (_, label, *_), i in zip(known, places, strict=True) if not isinstance(i, str)}
    return kept, [Refused(key, why) for (key, *_), why in zip(known, places, strict=True) if isinstance(why, str)]


def _entry(key: str, value: Any) -> tuple[str, str, str | None, str | None]:
    """Id, class, given label and content; older versions wrote the class alone."""
    entry = {"label": value} if isinstance(value, str) else value if isinstance(value, dict) else {}
    label, given, content = (entry.get(name) for name in ("label", "given", "content"))
    if not isinstance(label, str) or not all(part is None or isinstance(part, str) for part in (given, content)):
        raise ValueError("it should name the class of each id")
    if content is not None and not re.fullmatch("[0-9a-f]{16}", content):
        raise ValueError("a content should be 16 hex digits")
    return key, label, given, content
