"""labelsieve import: decisions that were made in another tool."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from labelsieve.cli.export import MODULES, Tool
from labelsieve.core.errors import UserError

SHOWN = 10


def import_(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    file: Annotated[Path, Parameter(help="The file or folder that the tool wrote.")],
    /,
    *,
    from_: Annotated[Tool, Parameter(name="--from", help="Its format.")],
    reviewer: Annotated[str, Parameter(help="Who decided.")],
    json: Annotated[bool, Parameter(help="Print what was taken as one JSON object.", negative="")] = False,
) -> None:
    """Take decisions from another tool into the journal of the run; a second import of the same file adds nothing."""
    from labelsieve.cli.screen import print_json, safe
    from labelsieve.cli.standing import journal_for
    from labelsieve.core.decision import Fold
    from labelsieve.core.run import load
    from labelsieve.export.answers import decisions

    if not reviewer.strip():
        raise UserError("The reviewer has no name; say who decided with --reviewer NAME.")
    if not file.exists():
        raise UserError(f"There is no file or folder {file}.")
    findings = load(run)
    answers = import_module(f"labelsieve.export.{MODULES[from_]}").read(file)
    journal = journal_for(run, findings)
    try:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        rows, conflicts, same = decisions(answers, findings, Fold(journal.read()[0]), reviewer, now)
        new = journal.append(rows)
    finally:
        journal.close()
    same += len(rows) - new
    if json:
        told = {"read": len(answers), "new": new, "nothing_new": same}
        print_json({**told, "conflicts": [asdict(conflict) for conflict in conflicts]})
        return
    print(f"{len(answers):,} answers read: {new:,} new decisions by {safe(reviewer, 60)}, {same:,} that say nothing new.")
    if conflicts:
        print(f"Conflicts, on which nothing was done: {len(conflicts):,}")
        for conflict in conflicts[:SHOWN]:
            print(f"  {safe(conflict.id, 50)}: {safe(conflict.reason, 110)}")
