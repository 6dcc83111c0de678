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
    reviewer: Annotated[str | None, Parameter(help="Who decided, where the file does not say so.")] = None,
    json: Annotated[bool, Parameter(help="Print what was taken as one JSON object.", negative="")] = False,
) -> None:
    """Take decisions from another tool into the journal of the run; a second import of the same file adds nothing."""
    from labelsieve.cli.terminal import print_json, safe
    from labelsieve.exchange.answer_check import belonging
    from labelsieve.exchange.answers import decisions
    from labelsieve.store.open_run import journal_for, open_run

    if reviewer is not None and not reviewer.strip():
        raise UserError("The reviewer has no name; say who decided with --reviewer NAME.")
    if not file.exists():
        raise UserError(f"There is no file or folder {file}.")
    there = open_run(run)
    findings, fold = there.findings, there.fold
    classes = {*findings.classes, *(d.label for d in fold.standing() if d.label)}
    tool = import_module(f"labelsieve.exchange.{MODULES[from_]}")
    found = tool.read(file, classes, findings) if from_ == "csv" else tool.read(file, classes)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    answers, strange = belonging(found.answers, findings, there.follow, found.own)
    rows, conflicts, same = decisions(answers, findings, fold, reviewer or "", now)
    journal = journal_for(there)
    try:
        new = journal.append(rows)
    finally:
        journal.close()
    same += len(rows) - new
    conflicts = [*found.conflicts, *strange, *conflicts]
    told = (answer.reviewer or ("" if answer.exporter else reviewer or "") for answer in found.answers)
    people = list(dict.fromkeys(name for name in (*told, *(row.reviewer for row in rows)) if name))
    if json:
        told = {"read": len(found.answers), "new": new, "nothing_new": same, "reviewers": people}
        listed = {
            "conflicts": [asdict(conflict) for conflict in conflicts],
            "not_read": [asdict(unread) for unread in found.unread],
        }
        print_json({**told, **listed})
        return
    by = f" by {', '.join(safe(name, 60) for name in people[:SHOWN])}" if people else ""
    by += f" and {len(people) - SHOWN} more" if len(people) > SHOWN else ""
    what = "decision" if new == 1 else "decisions"
    print(f"{len(found.answers):,} answers read: {new:,} new {what}{by}, {same:,} that say nothing new.")
    for unread in found.unread:
        print(f"Not read: {unread.count:,} {safe(unread.what, 80)}; the first is {safe(unread.first, 50)}.")
    if conflicts:
        print(f"Conflicts, on which nothing was done: {len(conflicts):,}")
        for conflict in conflicts[:SHOWN]:
            print(f"  {safe(conflict.id, 4096)}: {safe(conflict.reason, 200)}")
