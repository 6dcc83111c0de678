"""The run folder (`photos.sieve/`): findings as Parquet, everything else that the summary says as JSON, exclusions as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, sweep, write_json
from labelsieve.core.findings import Findings
from labelsieve.core.run_reader import EXCLUDED, FINDINGS, MANIFEST, read, read_excluded, read_manifest, require_manifest

__all__ = ["EXCLUDED", "FINDINGS", "INSIDE", "MANIFEST", "claim", "load", "read_excluded", "save", "write_excluded"]

INSIDE = "(run)/"  # begins a path in the recipe of a run that is inside the run folder


def claim(folder: Path, source: str) -> Path:
    """The folder, made if it is not there, for a run on `source`.

    Raises:
        UserError: it is a file, a folder with other things in it, a run on another source, or cannot be written.
    """
    if folder.is_file():
        raise UserError(f"{folder} is a file; name a folder for the results with --out.")
    sweep(folder)
    require_manifest(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise UserError(f"{folder} is not empty and is not a run of Labelsieve; name another folder with --out, or empty it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {path.name for path in folder.iterdir()}
        if not there or (there == {MANIFEST} and not read_manifest(folder).get("finished")):  # or a claim of which nothing came
            write_json(folder / MANIFEST, {"finished": False, "settings": {"source": source}})
        before = read_manifest(folder)["settings"]["source"]
        if before != source:
            raise UserError(
                f"{folder} holds a run on {before or 'other data'}, not on {source or 'these'}; name another folder with --out."
            )
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror or error}); name another folder with --out.") from error
    return folder


def save(findings: Findings, folder: Path) -> None:
    """Write the findings into a run folder; each file appears whole or not at all."""
    import pyarrow.parquet as pq

    table = findings.table()
    # An open file, because Arrow takes no path that is not UTF-8, and reads columns into one like "label=cat.sieve".
    with replacing(folder / FINDINGS) as partial, open(partial, "wb") as file:
        pq.write_table(table, file, write_page_checksum=True)
    write_excluded(folder / EXCLUDED, findings.excluded)
    manifest = {
        "finished": True,
        "examples": len(findings),
        "excluded": len(findings.excluded),
        "classes": findings.classes,
        "wrong": asdict(findings.wrong),
        "notes": findings.notes,
        "scores": list(findings.scores),
        "extra": list(findings.extra),
        "settings": findings.settings,
    }
    write_json(folder / MANIFEST, manifest)


def write_excluded(path: Path, excluded: Iterable[Exclusion]) -> None:
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "reason"])
        writer.writerows((item.id, item.reason) for item in excluded)


def load(folder: str | Path) -> Findings:
    """The findings of a finished run; every file of the folder is checked.

    Raises:
        UserError: no run there, one that has not finished, or a damaged file.
    """
    return read(folder)
