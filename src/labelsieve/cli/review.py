"""labelsieve review: review the findings in a browser, one key per decision."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from labelsieve.cli.options import Place

if TYPE_CHECKING:
    from labelsieve.page.serve import Reviewed


def review(
    run: Annotated[Place, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    host: Annotated[
        str, Parameter(help="Address to listen on; any address but loopback needs the printed token.")
    ] = "127.0.0.1",
    port: Annotated[int | None, Parameter(help="Port; default: 8765, or a free port if that is in use.")] = None,
    reviewer: Annotated[str, Parameter(help="Your name in the journal; default: the user who is logged in.")] = "",
    sample: Annotated[
        str | None, Parameter(help="Open this random sample for blind review; drawn if the run does not have it.")
    ] = None,
    known: Annotated[
        Place | None, Parameter(help="Table with id,label of examples whose class is known, to plant in the queue.")
    ] = None,
    classes: Annotated[
        Place | None, Parameter(help="Table with the meaning of each class: class,name,guideline,example.")
    ] = None,
    journal: Annotated[
        str | None, Parameter(help="postgresql://... to share the decisions; default: a file in the run folder.")
    ] = None,
    browser: Annotated[bool, Parameter(help="Open the page in a browser, or only print the address.")] = True,
) -> int:
    """Review findings in the browser: keep, relabel or exclude with one key; every decision is saved at once."""
    import signal

    from labelsieve.cli.terminal import safe
    from labelsieve.page import serve

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # how systemd and Kubernetes end it, as Ctrl-C does
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
    opened = f"{run} is open for review at {page.url}  (Ctrl+C ends it; decisions are saved as they are made)"
    with suppress(KeyboardInterrupt):  # Ctrl-C is the normal end of a review, not a failure
        print("\n".join((opened, *(safe(note, 600) for note in page.notes))), flush=True)  # Ctrl-C cuts off no note
        page.wait()
    page.close()
    _print_state(run, page.reviewed)
    return 0


def _print_state(run: Path, state: Reviewed) -> None:
    """Print the state of the review and the next steps."""
    from rich.text import Text

    from labelsieve.cli.terminal import printer
    from labelsieve.core.count_words import ends
    from labelsieve.core.wording import shell_command
    from labelsieve.decide.next_steps import Step, next_steps

    console = printer()
    console.print(f"\nReviewed: {state.reviewed:,} of {state.examples:,}, {state.wrong:,} of them found wrong.")
    if state.reviewed < state.examples:
        rest, low, high = state.examples - state.reviewed, f"{state.left.low:,.0f}", f"{state.left.high:,.0f}"
        spread = ends(low, high, measured=state.measured, n=rest)
        console.print(f"Expected wrong labels among the other {rest:,}: about {state.left.count:,.0f} ({spread}).")
    if state.conflicts:
        console.print(f"Unresolved conflicts: {state.conflicts:,}.")
    console.print("Every decision is saved. Next:")
    more = [] if state.reviewed == state.examples else [Step(shell_command("review", run), "continue the review")]
    for step in (*more, *next_steps(run)):
        console.print(Text.assemble("  ", (step.command, "cyan"), f"  {step.why}"), soft_wrap=True)
