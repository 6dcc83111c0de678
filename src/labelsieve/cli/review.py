"""labelsieve review: look at the findings in a browser, one key per decision."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from labelsieve.page.serve import Reviewed


def review(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    host: Annotated[
        str, Parameter(help="Address to listen on; any but loopback needs the token that is printed.")
    ] = "127.0.0.1",
    port: Annotated[int | None, Parameter(help="Port; default: 8765, or a free one.")] = None,
    reviewer: Annotated[str, Parameter(help="Your name in the journal; default: who is logged in.")] = "",
    sample: Annotated[
        str | None, Parameter(help="Open a random sample for blind review; drawn if the run has none so named.")
    ] = None,
    known: Annotated[
        Path | None, Parameter(help="Table with id,label of examples whose class is known, to plant in the queue.")
    ] = None,
    classes: Annotated[
        Path | None, Parameter(help="Table of what the classes mean: class,name,guideline,example.")
    ] = None,
    journal: Annotated[
        str | None, Parameter(help="postgresql://... to share the decisions; default: in the run folder.")
    ] = None,
    browser: Annotated[bool, Parameter(help="Open the page in a browser, or only print the address.")] = True,
) -> int:
    """Review findings in the browser: keep, relabel or exclude with one key; every decision is saved at once."""
    from labelsieve.cli.terminal import safe
    from labelsieve.page import serve

    page = serve.review(
        run,
        host=host,
        port=port,
        reviewer=reviewer,
        sample=sample,
        known=known,
        classes=classes,
        journal=journal,
        browser=browser,
        block=False,
    )
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a review ends, no failure
        print(f"{run} is open for review at {page.url}  (Ctrl+C ends it; decisions are saved as they are made)")
        print(*(safe(note, 600) for note in page.notes), sep="\n", end="\n" if page.notes else "", flush=True)
        page.wait()
    page.close()
    _farewell(run, page.reviewed)
    return 0


def _farewell(run: Path, now: Reviewed) -> None:
    """Where the review stands, and what to do with it."""
    from rich.text import Text

    from labelsieve.cli.terminal import printer
    from labelsieve.core.wording import shell_command
    from labelsieve.decide.next_steps import Step, next_steps

    console = printer()
    console.print(f"\nReviewed: {now.reviewed:,} of {now.examples:,}, {now.wrong:,} of them found wrong.")
    if now.reviewed < now.examples:
        left = f"about {now.left.count:,.0f} ({now.left.low:,.0f} to {now.left.high:,.0f})"
        console.print(f"Wrong labels still hidden among the other {now.examples - now.reviewed:,}: {left}.")
    if now.conflicts:
        console.print(f"Conflicts that wait to be settled: {now.conflicts:,}.")
    console.print("Every decision is saved. Next:")
    more = [] if now.reviewed == now.examples else [Step(shell_command("review", run), "go on")]
    for step in (*more, *next_steps(run)):
        console.print(Text.assemble("  ", (step.command, "cyan"), f"  {step.why}"), soft_wrap=True)
