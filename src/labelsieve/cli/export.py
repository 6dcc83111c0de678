"""labelsieve export: findings and decisions in the formats of other tools."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from cyclopts import Parameter

from labelsieve.core.errors import UserError

if TYPE_CHECKING:
    from labelsieve.core.dataset import Dataset
    from labelsieve.exchange.export_rows import Row
    from labelsieve.store.reopen import Reopened

Tool = Literal["label-studio", "fiftyone", "coco", "csv", "hf"]
MODULES = {
    "label-studio": "label_studio",
    "fiftyone": "fiftyone",
    "coco": "coco",
    "csv": "csv",
    "hf": "huggingface_folder",
}


def export(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    to: Annotated[Tool, Parameter(help="The format.")],
    out: Annotated[
        Path, Parameter(name=["--out", "-o"], help="The file (label-studio, csv) or new folder (fiftyone, coco, hf).")
    ],
    json: Annotated[bool, Parameter(help="Print what was written as one JSON object.", negative="")] = False,
) -> None:
    """Write the examples with their findings and decisions for Label Studio, FiftyOne, COCO, a spreadsheet or Hugging Face."""
    from labelsieve.cli.terminal import print_json, safe
    from labelsieve.corrections.destination import new_folder
    from labelsieve.exchange.export_rows import rows
    from labelsieve.store.open_run import compared, open_run
    from labelsieve.store.reopen import reopen

    there = open_run(run)
    findings = there.findings
    told = rows(findings, there.fold, there.p_wrong, there.calibrated.rank)
    tool = import_module(f"labelsieve.exchange.{MODULES[to]}")
    files, notes, left_out = [str(out)], there.unmatched_notes, []
    if to == "csv":
        _require_new(out)
        notes += compared(there)
        tool.write(told, out)
    elif to == "label-studio":
        _require_new(out)
        _require_new(out.with_name(out.stem + ".config.xml"))
        told, data, left_out = _there(told, reopen(run, findings, thorough=True), notes)
        files.append(str(tool.write(told, data.inputs, data.kind, findings.classes, out)))
    else:
        told, data, left_out = _there(told, reopen(run, findings, thorough=True), notes)
        with new_folder(out, data.source) as place:
            tool.write(told, data.inputs, data.kind, findings.classes, place)
    decided = sum(bool(row.decision) for row in told)
    if json:
        found = {"format": to, "files": files, "examples": len(told), "decided": decided}
        refused = [asdict(item) for item in there.unmatched]
        print_json({**found, "left_out": left_out, "refused": refused, "notes": notes})
    else:
        print(f"{len(told):,} examples, {decided:,} with a decision: {', '.join(safe(name, 200) for name in files)}")
        for note in notes:
            print(safe(note, 400))


def _there(told: list[Row], again: Reopened, notes: list[str]) -> tuple[list[Row], Dataset, list[dict[str, str]]]:
    """The rows whose example can be had, the data in their order, and the others with the reason; `notes` grow."""
    notes += again.notes()
    left_out = [{"id": told[i].id, "reason": again.why(i)} for i in again.lost.tolist()]
    if left_out:
        notes.append(f"Left out, because their example is not in the data as `find` saw it: {len(left_out):,}.")
    keep = np.flatnonzero(again.at >= 0)
    return [told[i] for i in keep.tolist()], again.aligned().pick(keep), left_out


def _require_new(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise UserError(f"{out} is there already, and nothing is ever overwritten; name a new file with --out.")
