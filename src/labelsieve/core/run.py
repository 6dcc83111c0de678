"""The run folder (`photos.sieve/`): findings as Parquet, everything else that the summary says as JSON, exclusions as CSV."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, write_json
from labelsieve.core.findings import Estimate, Findings

FINDINGS, MANIFEST, EXCLUDED = "findings.parquet", "run.json", "excluded.csv"


def claim(folder: Path, source: str) -> Path:
    """The folder, made if it is not there, for a run on `source`.

    Raises:
        UserError: it is a file, a folder with other things in it, a run on another source, or cannot be written.
    """
    if folder.is_file():
        raise UserError(f"{folder} is a file; name a folder for the results with --out.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise UserError(f"{folder} is not empty and is not a run of Labelsieve; name another folder with --out, or empty it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {path.name for path in folder.iterdir()}
        if not there or (there == {MANIFEST} and not _manifest(folder)["finished"]):  # or a claim of which nothing came
            write_json(folder / MANIFEST, {"finished": False, "settings": {"source": source}})
        before = _manifest(folder)["settings"]["source"]
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
        pq.write_table(table, file)
    write_excluded(folder / EXCLUDED, findings.excluded)
    manifest = {
        "finished": True,
        "classes": findings.classes,
        "wrong": asdict(findings.wrong),
        "notes": findings.notes,
        "scores": list(findings.scores),
        "extra": list(findings.extra),
        "settings": findings.settings,
    }
    write_json(folder / MANIFEST, manifest)


def read_excluded(path: Path) -> tuple[Exclusion, ...]:
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return tuple(Exclusion(row["id"], row["reason"]) for row in csv.DictReader(file))


def write_excluded(path: Path, excluded: Iterable[Exclusion]) -> None:
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "reason"])
        writer.writerows((item.id, item.reason) for item in excluded)


def load(folder: str | Path) -> Findings:
    """The findings of a finished run.

    Raises:
        UserError: no run there, or one that has not finished.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(folder)
    if not (folder / MANIFEST).exists():
        raise UserError(f"{folder} is not a run folder of Labelsieve (it has no {MANIFEST}); make one with `labelsieve find`.")
    manifest = _manifest(folder)
    if not manifest["finished"]:
        raise UserError(f"The run in {folder} has not finished; the same `labelsieve find` command goes on from where it stopped.")
    with pa.OSFile(os.fsencode(folder / FINDINGS)) as file:  # a Python file would be let go by a thread of Arrow's, maybe too late
        table = pq.read_table(file)
    excluded = read_excluded(folder / EXCLUDED)
    position = {name: i for i, name in enumerate(manifest["classes"])}

    def labels(name: str) -> np.ndarray:
        coded = table[name].combine_chunks().dictionary_encode()
        return np.array([position[c] for c in coded.dictionary.to_pylist()], np.int64)[coded.indices.to_numpy()]

    def column(name: str) -> np.ndarray:
        return table[name].to_numpy(zero_copy_only=False)

    return Findings(
        ids=np.array(table["id"].to_pylist(), object),
        classes=tuple(manifest["classes"]),
        given=labels("given_label"),
        other=labels("other_label"),
        p_wrong=column("p_wrong"),
        rank=column("rank"),
        flagged=column("flagged"),
        scores={name: column(f"score_{name}") for name in manifest["scores"]},
        extra={name: column(name) for name in manifest["extra"]},
        wrong=Estimate(**manifest["wrong"]),
        excluded=excluded,
        notes=tuple(manifest["notes"]),
        settings=manifest["settings"],
        content=_content(table),
    )


def _content(table: Any) -> np.ndarray | None:
    """(n,) uint64; None where an older version wrote the run."""
    if "content" not in table.column_names:
        return None
    return np.fromiter((int(value, 16) for value in table["content"].to_pylist()), np.uint64, len(table))


def _manifest(folder: Path) -> dict:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        _ = manifest["settings"]["source"], manifest["finished"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / MANIFEST} is damaged ({error}); remove {folder} and run `labelsieve find` again.") from error
    return manifest
