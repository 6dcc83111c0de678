"""The run folder (`photos.sieve/`): findings as Parquet, exclusions as CSV, all other results as JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from labelsieve.core.arguments import require_path
from labelsieve.core.dataset import Exclusion
from labelsieve.core.files import replacing, to_disk, write_json
from labelsieve.core.findings import Findings
from labelsieve.core.run_files import EVIDENCE, LEAKS
from labelsieve.store import annotator_files
from labelsieve.store.run_claim import claim, claimed
from labelsieve.store.run_reader import EXCLUDED, FINDINGS, MANIFEST, read, read_excluded

__all__ = [
    "EXCLUDED",
    "FINDINGS",
    "INSIDE",
    "MANIFEST",
    "claim",
    "claimed",
    "load",
    "read_excluded",
    "save",
    "write_excluded",
]

ROWS = 1 << 18  # of findings, that are written at a time
INSIDE = "(run)/"  # begins a path in the recipe of a run that is inside the run folder


def save(findings: Findings, folder: Path) -> None:
    """Write the findings into a run folder; each file appears whole or not at all, and the manifest last."""
    import pyarrow.parquet as pq

    tables = findings.tables(ROWS)
    first = next(tables)
    # An open file, because Arrow accepts only UTF-8 paths, and reads a path such as "label=cat.sieve" as a column.
    with (
        replacing(folder / FINDINGS) as partial,
        open(partial, "wb") as file,
        pq.ParquetWriter(file, first.schema, write_page_checksum=True) as writer,
    ):
        for table in chain([first], tables):
            writer.write_table(table)
    write_excluded(folder / EXCLUDED, findings.excluded)
    _write_leaks(folder / LEAKS, findings)
    annotator_files.save(findings, folder)
    if (folder / EVIDENCE).exists():  # some of it was written through memory maps
        to_disk(folder / EVIDENCE)
    manifest = {
        "finished": True,
        "examples": len(findings),
        "excluded": len(findings.excluded),
        "classes": findings.classes,
        "wrong": asdict(findings.wrong),
        "notes": findings.notes,
        "scores": list(findings.scores),
        "extra": list(findings.extra),
        "flags": list(findings.flags),
        "suggestions": list(findings.suggestions),
        "settings": findings.settings,
    }
    write_json(folder / MANIFEST, manifest)


def write_excluded(path: Path, excluded: Iterable[Exclusion]) -> None:
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "reason"])
        writer.writerows((item.id, item.reason) for item in excluded)


def _write_leaks(path: Path, findings: Findings) -> None:
    """The examples that are in several splits, if the data have splits; no file otherwise."""
    if findings.leaks is None:
        path.unlink(missing_ok=True)
        return
    table = findings.leaks.table(findings)
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        writer.writerows([_plain(value) for value in row.values()] for row in table.to_pylist())


def _plain(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def load(folder: str | Path) -> Findings:
    """Return the findings of a finished run; every file of the folder is checked.

    Raises:
        UserError: the argument is not a path, the folder is not a run or has not finished, or a file is damaged.
    """
    return read(require_path(folder, "The run folder"))
