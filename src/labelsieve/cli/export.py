"""labelsieve export: findings and decisions in the formats of other tools."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from labelsieve.core.errors import UserError

Tool = Literal["label-studio", "fiftyone", "coco", "csv", "hf"]
MODULES = {"label-studio": "label_studio", "fiftyone": "fiftyone", "coco": "coco", "csv": "csv", "hf": "hub"}


def export(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    to: Annotated[Tool, Parameter(help="The format.")],
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="The file (label-studio, csv) or new folder (fiftyone, coco, hf).")],
    json: Annotated[bool, Parameter(help="Print what was written as one JSON object.", negative="")] = False,
) -> None:
    """Write the examples with their findings and decisions for Label Studio, FiftyOne, COCO, a spreadsheet or Hugging Face."""
    from labelsieve.cli.screen import print_json, safe
    from labelsieve.cli.standing import read
    from labelsieve.core.decision import Fold
    from labelsieve.decide.calibrate import calibrate
    from labelsieve.export.places import new_folder
    from labelsieve.export.rows import rows
    from labelsieve.reopen import reopen

    findings, journal = read(run)
    fold = Fold(journal)
    calibrated = calibrate(findings, fold)
    told = rows(findings, fold, calibrated.p_wrong, calibrated.rank)
    tool = import_module(f"labelsieve.export.{MODULES[to]}")
    files = [str(out)]
    if to == "csv":
        _require_new(out)
        tool.write(told, out)
    elif to == "label-studio":
        _require_new(out)
        _require_new(out.with_name(out.stem + ".config.xml"))
        data = reopen(run, findings)
        files.append(str(tool.write(told, data.inputs, data.kind, findings.classes, out)))
    else:
        data = reopen(run, findings)
        with new_folder(out, data.source) as place:
            tool.write(told, data.inputs, data.kind, findings.classes, place)
    decided = sum(bool(row.decision) for row in told)
    if json:
        print_json({"format": to, "files": files, "examples": len(told), "decided": decided})
    else:
        print(f"{len(told):,} examples, {decided:,} with a decision: {', '.join(safe(name, 200) for name in files)}")


def _require_new(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise UserError(f"{out} is there already, and nothing is ever overwritten; name a new file with --out.")
