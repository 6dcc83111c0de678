"""What the classes mean (a name for a code, a guideline, an example), kept in the run folder (`classes.csv`)."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import astuple, replace
from pathlib import Path

from labelsieve.core.class_meaning import Meaning
from labelsieve.core.errors import UserError, cause
from labelsieve.core.files import replacing
from labelsieve.core.findings import Findings
from labelsieve.core.row_matching import stamp
from labelsieve.places.at_addresses import at_addresses
from labelsieve.store.run_copies import decide_run

FILE = "classes.csv"
HEADER = ("class", "name", "guideline", "example", "content")


@at_addresses(folder=decide_run)
def save(folder: str | Path, guide: Mapping[str, Meaning], findings: Findings | None = None) -> None:
    """Save the meaning of each class, by its label, and with `findings` the content of its example; replace the old
    file."""
    if findings is not None:
        place = {key: i for i, key in enumerate(findings.ids.tolist())}
        known = {
            label: stamp(findings, place[meaning.example])["content"] or ""
            for label, meaning in guide.items()
            if meaning.example in place
        }
        guide = {label: replace(meaning, content=known.get(label, "")) for label, meaning in guide.items()}
    with (
        replacing(Path(folder) / FILE) as partial,
        open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows((label, *astuple(meaning)) for label, meaning in guide.items())


def load(folder: str | Path) -> dict[str, Meaning]:
    """Return label -> meaning; {} if nothing was saved.

    Raises:
        UserError: the file is damaged.
    """
    path = Path(folder) / FILE
    old_limit = csv.field_size_limit(1 << 30)
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            if tuple(reader.fieldnames or ()) not in (HEADER, HEADER[:4]) or any(
                None in row or None in row.values() for row in rows
            ):
                raise KeyError(", ".join(HEADER[:4]))
            return {row["class"]: _meaning(row) for row in rows}
    except FileNotFoundError:
        return {}
    except (OSError, csv.Error, KeyError, TypeError, UnicodeError) as error:
        raise UserError(
            f"{path} is damaged ({cause(error)}); pass <classes> again, or remove the file.", classes=""
        ) from error
    finally:
        csv.field_size_limit(old_limit)


def _meaning(row: dict[str, str]) -> Meaning:
    cell = row.get("content") or ""
    content = cell if re.fullmatch("[0-9a-f]{16}", cell) else ""
    return Meaning(row["name"] or "", row["guideline"] or "", row["example"] or "", content)
