"""labelsieve import: decisions from another tool."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from labelsieve.cli.options import Place
from labelsieve.exchange.formats import Tool

SHOWN = 10


def import_(
    run: Annotated[Place, Parameter(help="A run folder that `find` wrote.")],
    file: Annotated[Place, Parameter(help="The file or folder that the other tool wrote.")],
    /,
    *,
    from_: Annotated[Tool, Parameter(name="--from", help="Its format.")],
    reviewer: Annotated[str | None, Parameter(help="Who decided, for answers that name nobody.")] = None,
    json: Annotated[bool, Parameter(help="Print what was imported as one JSON object.", negative="")] = False,
) -> None:
    """Import decisions from another tool into the run's journal; importing the same file twice adds nothing."""
    from labelsieve.cli.terminal import print_json, safe
    from labelsieve.exchange.import_answers import import_decisions

    done = import_decisions(run, file, from_=from_, reviewer=reviewer)
    if json:
        print_json(asdict(done))
        return
    people = done.reviewers
    by = f" by {', '.join(safe(name, 60) for name in people[:SHOWN])}" if people else ""
    by += f" and {len(people) - SHOWN} more" if len(people) > SHOWN else ""
    what = "decision" if done.new == 1 else "decisions"
    print(f"{done.read:,} answers read: {done.new:,} new {what}{by}, {done.nothing_new:,} already known.")
    for unread in done.not_read:
        print(f"Not read: {unread.count:,} {safe(unread.what, 80)}; the first is {safe(unread.first, 50)}.")
    if done.conflicts:
        print(f"Conflicts, which were not imported: {len(done.conflicts):,}")
        for conflict in done.conflicts[:SHOWN]:
            print(f"  {safe(conflict.id, 4096)}: {safe(conflict.reason, 200)}")
